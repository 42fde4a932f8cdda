//! One connection of a program to the decoy: what it is by its first octets and its port, with TLS around it or without.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use data_encoding::BASE64;
use postern_model::sandbox::Action;
use rustls::ServerConnection;

use super::{Authority, Seen};

/// Octets of a request that are read.
const REQUEST: usize = 8 << 10;
/// A program by its first letters, which does nothing.
const PAGE: &str = "#!/bin/sh\nexit 0\n";
/// The first octet of a TLS record with a ClientHello (RFC 8446 §5.1).
const HELLO: u8 = 0x16;
/// Whatever the password is.
const WELCOME: &str = "235 2.7.0 ok\r\n";

pub struct Connection {
    stream: TcpStream,
    port: u16,
    authority: Arc<Authority>,
    tls: Option<Box<ServerConnection>>,
    /// What came and was not understood yet.
    got: Vec<u8>,
    mail: Mail,
    is_understood: bool,
}

/// Where a mail program is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mail {
    /// Another port's.
    None,
    Commands,
    /// Name and password of `AUTH LOGIN` follow.
    Name,
    Password,
    Data,
}

pub enum Step {
    Idle,
    Read,
    Over,
}

enum Came {
    Nothing,
    Octets,
    End,
    /// TLS that came to nothing, and why.
    Broken(String),
}

impl Connection {
    pub fn new(stream: TcpStream, port: u16, authority: &Arc<Authority>) -> Self {
        let mail = if matches!(port, 25 | 465 | 587) { Mail::Commands } else { Mail::None };
        let mut new = Self { stream, port, authority: Arc::clone(authority), tls: None, got: Vec::new(), mail, is_understood: false };
        if matches!(port, 25 | 587) {
            new.greet();
        }
        new
    }

    fn greet(&mut self) {
        self.say("220 mail.example ESMTP\r\n");
    }

    /// A program that reads nothing gets nothing more.
    fn say(&mut self, text: &str) {
        match &mut self.tls {
            None => drop(self.stream.write(text.as_bytes())),
            Some(tls) => {
                let _ = tls.writer().write_all(text.as_bytes());
                let _ = sent(tls, &mut self.stream);
            }
        }
    }

    pub fn step(&mut self, seen: &Sender<Seen>) -> Step {
        match self.receive() {
            Came::Nothing => return Step::Idle,
            Came::Octets => {}
            Came::End => return self.end("", seen),
            Came::Broken(why) => return self.end(&why, seen),
        }
        if self.got.len() > REQUEST {
            return self.end("", seen);
        }
        if self.tls.is_none() && self.got.first() == Some(&HELLO) && !matches!(self.port, 25 | 587) {
            return match self.begin_tls() {
                Ok(()) => Step::Read,
                Err(why) => self.end(&why, seen),
            };
        }
        if self.mail != Mail::None {
            return self.hear_mail(seen);
        }
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let Some(request) = http(&self.got, scheme, self.port) else { return Step::Read };
        self.is_understood = true;
        // One name in TLS and another within: a front that others hide behind.
        let front = self.tls_name().filter(|name| !request.contains(*name)).map(|name| format!("TLS named {name}"));
        let _ = seen.send((Action::Load, request, front.unwrap_or_default()));
        self.say(&format!(
            "HTTP/1.0 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{PAGE}",
            PAGE.len()
        ));
        self.close()
    }

    /// Reads what is there.
    fn receive(&mut self) -> Came {
        let mut buffer = [0_u8; 2048];
        let Some(tls) = &mut self.tls else {
            return match self.stream.read(&mut buffer) {
                Ok(0) => Came::End,
                Ok(length) => {
                    self.got.extend_from_slice(buffer.get(..length).unwrap_or_default());
                    Came::Octets
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => Came::Nothing,
                Err(_) => Came::End,
            };
        };
        match tls.read_tls(&mut self.stream) {
            Ok(0) => return Came::End,
            Ok(_) => {}
            Err(e) if e.kind() == ErrorKind::WouldBlock => return Came::Nothing,
            Err(_) => return Came::End,
        }
        self.take_in()
    }

    /// What TLS makes of the octets that it was given.
    fn take_in(&mut self) -> Came {
        let Some(tls) = &mut self.tls else { return Came::Nothing };
        let was_shaking_hands = tls.is_handshaking();
        let outcome = tls.process_new_packets();
        if let Err(e) = sent(tls, &mut self.stream) {
            return Came::Broken(e.to_string());
        }
        if let Err(e) = outcome {
            return Came::Broken(e.to_string());
        }
        let mut buffer = [0_u8; 2048];
        loop {
            match tls.reader().read(&mut buffer) {
                Ok(0) => return Came::End,
                Ok(length) => self.got.extend_from_slice(buffer.get(..length).unwrap_or_default()),
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(_) => return Came::End,
            }
            if self.got.len() > REQUEST {
                break;
            }
        }
        let has_shaken_hands = was_shaking_hands && !tls.is_handshaking();
        if has_shaken_hands && self.port == 465 {
            self.greet();
        }
        if self.got.is_empty() { Came::Nothing } else { Came::Octets }
    }

    /// TLS from here on; its beginning may have come already.
    fn begin_tls(&mut self) -> Result<(), String> {
        let address = self.stream.local_addr().map_err(|e| e.to_string())?.ip();
        let config = self.authority.tls(address).map_err(|e| e.to_string())?;
        let mut tls = ServerConnection::new(config).map_err(|e| e.to_string())?;
        let came = std::mem::take(&mut self.got);
        if !came.is_empty() {
            tls.read_tls(&mut came.as_slice()).map_err(|e| e.to_string())?;
        }
        self.tls = Some(Box::new(tls));
        match self.take_in() {
            Came::Broken(why) => Err(why),
            _ => Ok(()),
        }
    }

    fn tls_name(&self) -> Option<&str> {
        self.tls.as_ref()?.server_name()
    }

    fn hear_mail(&mut self, seen: &Sender<Seen>) -> Step {
        self.is_understood = true;
        while let Some(end) = self.got.iter().position(|b| *b == b'\n') {
            let line: Vec<u8> = self.got.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line).trim().to_owned();
            match self.mail {
                Mail::Data if line == "." => self.go_on(Mail::Commands, "250 2.0.0 ok\r\n"),
                Mail::Data => {}
                Mail::Name => self.hear_name(&decoded(&line), seen),
                Mail::Password => self.go_on(Mail::Commands, WELCOME),
                Mail::Commands | Mail::None => {
                    if let Some(step) = self.hear_command(&line, seen) {
                        return step;
                    }
                }
            }
        }
        Step::Read
    }

    fn go_on(&mut self, next: Mail, answer: &str) {
        self.mail = next;
        self.say(answer);
    }

    /// Returns a step when it ends the connection, or begins it anew.
    fn hear_command(&mut self, line: &str, seen: &Sender<Seen>) -> Option<Step> {
        let mut words = line.split_whitespace();
        match words.next().unwrap_or_default().to_ascii_uppercase().as_str() {
            "MAIL" | "RCPT" => {
                let _ = seen.send((Action::Load, format!("smtp {line}"), String::new()));
                self.say("250 ok\r\n");
            }
            "EHLO" => {
                let tls = if self.tls.is_none() { "250-STARTTLS\r\n" } else { "" };
                self.say(&format!("250-mail.example\r\n{tls}250 AUTH PLAIN LOGIN\r\n"));
            }
            "STARTTLS" if self.tls.is_none() => {
                self.say("220 go on\r\n");
                self.got.clear();
                return Some(if self.begin_tls().is_ok() { Step::Read } else { Step::Over });
            }
            "AUTH" => self.hear_login(words.next().unwrap_or_default(), words.next(), seen),
            "DATA" => self.go_on(Mail::Data, "354 go on\r\n"),
            "QUIT" => {
                self.say("221 2.0.0 bye\r\n");
                return Some(self.close());
            }
            _ => self.say("250 ok\r\n"),
        }
        None
    }

    /// RFC 4954, RFC 4616: who logs in is told, by which password is not.
    fn hear_login(&mut self, mechanism: &str, response: Option<&str>, seen: &Sender<Seen>) {
        match (mechanism.to_ascii_uppercase().as_str(), response) {
            ("PLAIN", Some(response)) => {
                log_in(decoded(response).split('\0').nth(1).unwrap_or_default(), seen);
                self.say(WELCOME);
            }
            ("LOGIN", Some(name)) => self.hear_name(&decoded(name), seen),
            ("LOGIN", None) => self.go_on(Mail::Name, "334 VXNlcm5hbWU6\r\n"),
            _ => self.say("504 5.5.4 another one\r\n"),
        }
    }

    fn hear_name(&mut self, name: &str, seen: &Sender<Seen>) {
        log_in(name, seen);
        self.go_on(Mail::Password, "334 UGFzc3dvcmQ6\r\n");
    }

    fn close(&mut self) -> Step {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            let _ = sent(tls, &mut self.stream);
        }
        Step::Over
    }

    /// What was nothing that is known: its first octets are told, or how far TLS came.
    fn end(&mut self, why: &str, seen: &Sender<Seen>) -> Step {
        let first = || String::from_utf8_lossy(self.got.get(..200.min(self.got.len())).unwrap_or_default()).into_owned();
        if let Some(name) = self.tls.as_ref().map(|_| self.tls_name().map_or_else(|| self.address(), str::to_owned)) {
            if !self.is_understood {
                let address = if self.port == 443 { format!("https://{name}/") } else { format!("https://{name}:{}/", self.port) };
                let detail = match (self.got.is_empty(), why) {
                    (false, _) => format!("sent in TLS: {}", first()),
                    (true, "") => "TLS, and nothing was said".to_owned(),
                    (true, why) => format!("TLS came to nothing: {why}"),
                };
                let _ = seen.send((Action::Load, address, detail));
            }
        } else if !self.got.is_empty() && self.mail == Mail::None {
            let _ = seen.send((Action::Connect, format!("port {}", self.port), format!("sent: {}", first())));
        }
        self.close()
    }

    /// What the program connected to.
    fn address(&self) -> String {
        self.stream.local_addr().map_or_else(|_| String::new(), |a| a.ip().to_canonical().to_string())
    }
}

fn log_in(name: &str, seen: &Sender<Seen>) {
    let _ = seen.send((Action::Load, format!("smtp AUTH {name}"), String::new()));
}

/// Everything that TLS has to say.
fn sent(tls: &mut ServerConnection, stream: &mut TcpStream) -> std::io::Result<()> {
    while tls.wants_write() {
        tls.write_tls(stream)?;
    }
    Ok(())
}

fn decoded(base64: &str) -> String {
    BASE64.decode(base64.as_bytes()).map_or_else(|_| base64.to_owned(), |octets| String::from_utf8_lossy(&octets).into_owned())
}

/// `GET http://host/path`, once the head is whole.
fn http(got: &[u8], scheme: &str, port: u16) -> Option<String> {
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
    let usual = if scheme == "https" { 443 } else { 80 };
    let port = if port == usual || host.contains(':') { String::new() } else { format!(":{port}") };
    Some(format!("{method} {scheme}://{host}{port}{target}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn requests_are_read_when_they_are_whole() {
        assert_eq!(http(b"GET /a?b HTTP/1.1\r\nHost: evil.example\r\n", "http", 80), None);
        assert_eq!(http(b"GET /a?b HTTP/1.1\r\nHost: evil.example\r\n\r\n", "http", 80).unwrap(), "GET http://evil.example/a?b");
        assert_eq!(http(b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", "https", 443).unwrap(), "GET https://evil.example/");
        assert_eq!(http(b"POST / HTTP/1.0\r\n\r\n", "http", 8080).unwrap(), "POST http://:8080/");
        assert_eq!(http(b"hello there\r\n\r\n", "http", 80), None);
    }
}
