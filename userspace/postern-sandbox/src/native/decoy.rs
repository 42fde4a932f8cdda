//! The network as a program in a cell sees it: every name has an address, every address answers, and nothing leaves.
//!
//! DNS answers with one address; HTTP with a script that does nothing; SMTP takes every mail; on TLS the name that is asked for is read, and no
//! more is said; all else is listened to. One thread, no state beyond a connection, small limits.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use postern_model::sandbox::Action;

/// What DNS answers: of a network for measurements, that is nobody's (RFC 2544).
const ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 80);
/// Listened to from the beginning; others when somebody speaks to them.
const PORTS: &[u16] = &[21, 25, 80, 443, 465, 587, 993, 8080, 8443];
const LISTENERS: usize = 64;
const CONNECTIONS: usize = 64;
/// Octets of a request that are read.
const REQUEST: usize = 8 << 10;
const STEP: Duration = Duration::from_millis(2);
/// A program by its first letters, which does nothing.
const PAGE: &str = "#!/bin/sh\nexit 0\n";

/// What was seen: the action, the text, the detail.
pub type Seen = (Action, String, String);

pub struct Decoy {
    listeners: Mutex<Vec<(u16, TcpListener)>>,
    names: UdpSocket,
    stop: AtomicBool,
}

struct Connection {
    stream: TcpStream,
    port: u16,
    got: Vec<u8>,
    /// Recipients and senders of mail follow.
    in_data: bool,
}

impl Decoy {
    /// # Errors
    /// When a port cannot be had: then the network is not the cell's own.
    pub fn new() -> std::io::Result<Arc<Self>> {
        let names = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 53))?;
        names.set_nonblocking(true)?;
        let decoy = Self { listeners: Mutex::default(), names, stop: AtomicBool::new(false) };
        PORTS.iter().try_for_each(|port| decoy.listen(*port))?;
        Ok(Arc::new(decoy))
    }

    /// Answers at one more port.
    ///
    /// # Errors
    /// When somebody in the cell has it.
    pub fn listen(&self, port: u16) -> std::io::Result<()> {
        let mut listeners = self.listeners.lock();
        if listeners.len() >= LISTENERS || listeners.iter().any(|(known, _)| *known == port) {
            return Ok(());
        }
        // Of both families where there are two.
        let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).or_else(|_| TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)))?;
        listener.set_nonblocking(true)?;
        listeners.push((port, listener));
        Ok(())
    }

    pub fn start(self: &Arc<Self>, seen: Sender<Seen>) -> thread::JoinHandle<()> {
        let decoy = Arc::clone(self);
        thread::spawn(move || decoy.serve(&seen))
    }

    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    fn serve(&self, seen: &Sender<Seen>) {
        let mut connections: Vec<Connection> = Vec::new();
        while !self.stop.load(Ordering::Relaxed) {
            let is_busy = self.answer_name(seen) | self.accept(&mut connections);
            let before = connections.len();
            let mut is_read = false;
            connections.retain_mut(|connection| match connection.step(seen) {
                Step::Idle => true,
                Step::Read => {
                    is_read = true;
                    true
                }
                Step::Over => false,
            });
            if !is_busy && !is_read && before == connections.len() {
                thread::sleep(STEP);
            }
        }
    }

    fn accept(&self, connections: &mut Vec<Connection>) -> bool {
        let mut some = false;
        for (port, listener) in self.listeners.lock().iter() {
            if let Ok((stream, _)) = listener.accept()
                && connections.len() < CONNECTIONS
                && stream.set_nonblocking(true).is_ok()
            {
                some = true;
                let mut connection = Connection { stream, port: *port, got: Vec::new(), in_data: false };
                if matches!(port, 25 | 587) {
                    connection.say("220 mail.example ESMTP\r\n");
                }
                connections.push(connection);
            }
        }
        some
    }

    fn answer_name(&self, seen: &Sender<Seen>) -> bool {
        let mut question = [0_u8; 512];
        let Ok((length, from)) = self.names.recv_from(&mut question) else { return false };
        let question = question.get(..length).unwrap_or_default();
        if let Some((name, answer)) = answer(question) {
            let _ = seen.send((Action::Resolve, name, String::new()));
            self.reply(&answer, from);
        }
        true
    }

    fn reply(&self, answer: &[u8], to: SocketAddr) {
        let _ = self.names.send_to(answer, to);
    }
}

enum Step {
    Idle,
    Read,
    Over,
}

impl Connection {
    fn say(&mut self, text: &str) {
        let _ = self.stream.write(text.as_bytes());
    }

    fn step(&mut self, seen: &Sender<Seen>) -> Step {
        let mut buffer = [0_u8; 2048];
        match self.stream.read(&mut buffer) {
            Ok(0) => return self.end(seen),
            Ok(length) => self.got.extend_from_slice(buffer.get(..length).unwrap_or_default()),
            Err(e) if e.kind() == ErrorKind::WouldBlock => return Step::Idle,
            Err(_) => return self.end(seen),
        }
        if self.got.len() > REQUEST {
            return self.end(seen);
        }
        if matches!(self.port, 25 | 587) {
            return self.mail(seen);
        }
        if self.got.first() == Some(&0x16) {
            let Some(name) = server_name(&self.got) else { return Step::Read };
            let address = if self.port == 443 { format!("https://{name}/") } else { format!("https://{name}:{}/", self.port) };
            let _ = seen.send((Action::Load, address, "TLS: only the name was seen".to_owned()));
            return Step::Over;
        }
        let Some(request) = http(&self.got, self.port) else { return Step::Read };
        let _ = seen.send((Action::Load, request, String::new()));
        self.say(&format!(
            "HTTP/1.0 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{PAGE}",
            PAGE.len()
        ));
        Step::Over
    }

    fn mail(&mut self, seen: &Sender<Seen>) -> Step {
        while let Some(end) = self.got.iter().position(|b| *b == b'\n') {
            let line: Vec<u8> = self.got.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line).trim().to_owned();
            if self.in_data {
                if line == "." {
                    self.in_data = false;
                    self.say("250 2.0.0 ok\r\n");
                }
                continue;
            }
            let upper = line.to_ascii_uppercase();
            if upper.starts_with("MAIL") || upper.starts_with("RCPT") {
                let _ = seen.send((Action::Load, format!("smtp {line}"), String::new()));
            }
            match upper.get(..4) {
                Some("DATA") => {
                    self.in_data = true;
                    self.say("354 go on\r\n");
                }
                Some("QUIT") => {
                    self.say("221 2.0.0 bye\r\n");
                    return Step::Over;
                }
                _ => self.say("250 ok\r\n"),
            }
        }
        Step::Read
    }

    /// What was neither: its first octets are told.
    fn end(&mut self, seen: &Sender<Seen>) -> Step {
        if !self.got.is_empty() && !matches!(self.port, 25 | 587) {
            let first = String::from_utf8_lossy(self.got.get(..200.min(self.got.len())).unwrap_or_default()).into_owned();
            let _ = seen.send((Action::Connect, format!("port {}", self.port), format!("sent: {first}")));
        }
        Step::Over
    }
}

/// `GET http://host/path`, once the head is whole.
fn http(got: &[u8], port: u16) -> Option<String> {
    let text = std::str::from_utf8(got).ok()?;
    let (head, _) = text.split_once("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let mut words = lines.next()?.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    if !words.next()?.starts_with("HTTP/") {
        return None;
    }
    let host =
        lines.filter_map(|l| l.split_once(':')).find(|(name, _)| name.eq_ignore_ascii_case("host")).map_or("", |(_, value)| value.trim());
    if target.contains("://") {
        return Some(format!("{method} {target}"));
    }
    let port = if port == 80 || host.contains(':') { String::new() } else { format!(":{port}") };
    Some(format!("{method} http://{host}{port}{target}"))
}

/// The name of a DNS question, and the answer: one address, of a question for one, and none of any other.
fn answer(question: &[u8]) -> Option<(String, Vec<u8>)> {
    let mut at = 12;
    let mut labels = Vec::new();
    loop {
        let length = usize::from(*question.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        // A question has no pointers (RFC 1035 §4.1.4).
        if length > 63 || labels.len() > 32 {
            return None;
        }
        labels.push(String::from_utf8_lossy(question.get(at..at + length)?).into_owned());
        at += length;
    }
    let kind = question.get(at..at + 2)?;
    let end = at + 4;
    let is_address = kind == [0, 1];
    let mut answer = question.get(..end)?.to_vec();
    // A response, recursion available, no error; one question, perhaps one answer.
    answer.get_mut(2..12)?.copy_from_slice(&[0x81, 0x80, 0, 1, 0, u8::from(is_address), 0, 0, 0, 0]);
    if is_address {
        answer.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        answer.extend_from_slice(&ADDRESS.octets());
    }
    Some((labels.join("."), answer))
}

/// The server's name in a ClientHello (RFC 6066 §3), once it is whole; empty when it names none.
fn server_name(got: &[u8]) -> Option<String> {
    let length = usize::from(u16::from_be_bytes([*got.get(3)?, *got.get(4)?]));
    let hello = got.get(5..5 + length)?;
    Some(name_in(hello).unwrap_or_default())
}

fn name_in(hello: &[u8]) -> Option<String> {
    let word = |at: usize| Some(usize::from(u16::from_be_bytes([*hello.get(at)?, *hello.get(at + 1)?])));
    // Type and length, version, random; then the session's id, the suites, the compressions.
    let mut at = 4 + 2 + 32;
    at += 1 + usize::from(*hello.get(at)?);
    at += 2 + word(at)?;
    at += 1 + usize::from(*hello.get(at)?);
    at += 2;
    loop {
        let (kind, length) = (word(at)?, word(at + 2)?);
        if kind == 0 {
            // The list's length, the kind of name, its length.
            let name = hello.get(at + 4 + 5..at + 4 + length)?;
            return Some(String::from_utf8_lossy(name).into_owned());
        }
        at += 4 + length;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_are_answered() {
        let mut question = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        question.extend_from_slice(b"\x04evil\x07example\0");
        let kind = |kind: u8| [&question[..], &[0, kind, 0, 1]].concat();
        let (name, reply) = answer(&kind(1)).unwrap();
        assert_eq!(
            (name.as_str(), &reply[..4], &reply[reply.len() - 4..]),
            ("evil.example", &[0x12, 0x34, 0x81, 0x80][..], &ADDRESS.octets()[..])
        );
        assert_eq!(answer(&kind(28)).unwrap().1[7], 0, "no address of the other family");
        for cut in 0..question.len() {
            assert!(answer(&question[..cut]).is_none());
        }
    }

    #[test]
    fn requests_are_read_when_they_are_whole() {
        assert_eq!(http(b"GET /a?b HTTP/1.1\r\nHost: evil.example\r\n", 80), None);
        assert_eq!(http(b"GET /a?b HTTP/1.1\r\nHost: evil.example\r\n\r\n", 80).unwrap(), "GET http://evil.example/a?b");
        assert_eq!(http(b"POST / HTTP/1.0\r\n\r\n", 8080).unwrap(), "POST http://:8080/");
        assert_eq!(http(b"hello there\r\n\r\n", 80), None);
    }
}
