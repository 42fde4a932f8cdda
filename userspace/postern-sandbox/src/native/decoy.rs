//! The network as a program in a cell sees it: every name has an address, every address answers, and nothing leaves.
//!
//! DNS answers with one address; HTTP with a script that does nothing; SMTP takes every mail ([`connection`]); TLS has a certificate for every
//! name, of an authority that the cell trusts ([`authority`]); all else is listened to. One thread, no state beyond a connection, small limits.

mod authority;
mod connection;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use postern_model::sandbox::Action;

pub use self::authority::{Authority, FILES as TRUST};
use self::connection::{Connection, Step};

/// What DNS answers: of a network for measurements, that is nobody's (RFC 2544).
const ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 80);
/// Listened to from the beginning; others when somebody speaks to them.
const PORTS: &[u16] = &[21, 25, 80, 443, 465, 587, 993, 8080, 8443];
const LISTENERS: usize = 64;
const CONNECTIONS: usize = 64;
const STEP: Duration = Duration::from_millis(2);
/// What was seen: the action, the text, the detail.
pub type Seen = (Action, String, String);

pub struct Decoy {
    listeners: Mutex<Vec<(u16, TcpListener)>>,
    names: UdpSocket,
    authority: Arc<Authority>,
    stop: AtomicBool,
}

impl Decoy {
    /// `authority`: who vouches for what it says that it is.
    ///
    /// # Errors
    /// When a port cannot be had: then the network is not the cell's own.
    pub fn new(authority: Authority) -> std::io::Result<Arc<Self>> {
        let names = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 53))?;
        names.set_nonblocking(true)?;
        let decoy = Self { listeners: Mutex::default(), names, authority: Arc::new(authority), stop: AtomicBool::new(false) };
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
                connections.push(Connection::new(stream, *port, &self.authority));
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
}
