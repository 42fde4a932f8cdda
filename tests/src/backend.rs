//! A mail server behind the gateway that does as the test says and keeps what it was given.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::gateway::wait_until;

/// One transaction that was accepted.
#[derive(Clone, Debug)]
pub struct Taken {
    /// When its data was whole, before it was answered.
    pub at: Instant,
    pub from: String,
    pub to: Vec<String>,
    pub data: String,
    /// Whether the other side read our answer; not set while that is open.
    pub heard: Arc<OnceLock<bool>>,
}

impl Default for Taken {
    fn default() -> Self {
        Self { at: Instant::now(), from: String::new(), to: Vec::new(), data: String::new(), heard: Arc::default() }
    }
}

/// Listens from `start` until the test ends.
#[derive(Clone)]
pub struct Backend {
    taken: Arc<Mutex<Vec<Taken>>>,
}

/// Says after the end of a connection whether the other side left something of ours unread.
type Reset = Box<dyn FnOnce() -> bool + Send>;

/// A kernel resets a connection when its process ended with octets unread, and when more come after that (RFC 1122 §4.2.2.13).
fn was_reset(end: &TcpStream) -> bool {
    let until = Instant::now() + Duration::from_millis(300);
    while Instant::now() < until {
        if !matches!(end.take_error(), Ok(None)) {
            return true;
        }
        thread::sleep(Duration::from_millis(5));
    }
    false
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Smtp,
    Lmtp,
}

impl Backend {
    /// An SMTP server that takes everything.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub fn smtp(address: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(address)?;
        Ok(Self::serve(Dialect::Smtp, listener, |l| {
            let (stream, _) = l.accept()?;
            let end = stream.try_clone()?;
            let was_reset = move || was_reset(&end);
            Ok((stream.try_clone()?, stream, Box::new(was_reset) as Reset))
        }))
    }

    /// An LMTP server on a unix socket; recipients that begin with `full` are put off, with `gone` refused, after the data.
    ///
    /// # Errors
    /// When the path cannot be had.
    pub fn lmtp(path: &Path) -> anyhow::Result<Self> {
        let listener = UnixListener::bind(path)?;
        Ok(Self::serve(Dialect::Lmtp, listener, |l| {
            let (stream, _) = l.accept()?;
            Ok((stream.try_clone()?, stream, Box::new(|| false) as Reset))
        }))
    }

    fn serve<L, R, W>(dialect: Dialect, listener: L, accept: fn(&L) -> std::io::Result<(R, W, Reset)>) -> Self
    where
        L: Send + 'static,
        R: Read + Send + 'static,
        W: Write + Send + 'static,
    {
        let backend = Self { taken: Arc::default() };
        let here = backend.clone();
        thread::spawn(move || {
            while let Ok((from, to, was_reset)) = accept(&listener) {
                let here = here.clone();
                thread::spawn(move || {
                    // The answer to the last mail, while nothing shows that it was read.
                    let mut open = None;
                    let ended = here.converse(dialect, BufReader::new(from), to, &mut open);
                    if let Some(heard) = open {
                        let _ = heard.set(ended.is_ok() && !was_reset());
                    }
                });
            }
        });
        backend
    }

    pub fn mails(&self) -> Vec<Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many were taken since the last [`Self::clear`].
    pub fn count(&self) -> usize {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Forgets what was taken.
    pub fn clear(&self) {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Waits until at least `count` mails were taken.
    ///
    /// # Errors
    /// When they were not within `limit`.
    pub fn wait_for(&self, count: usize, limit: Duration) -> anyhow::Result<Vec<Taken>> {
        wait_until(&format!("{count} mails at the backend"), limit, || self.mails().len() >= count)?;
        Ok(self.mails())
    }

    /// Those of these texts that stand in no mail that was taken.
    pub fn lacks<'a>(&self, texts: &'a [String]) -> Vec<&'a String> {
        let taken = self.mails();
        texts.iter().filter(|text| !taken.iter().any(|mail| mail.data.contains(text.as_str()))).collect()
    }

    fn converse(
        &self,
        dialect: Dialect,
        mut from: impl BufRead,
        mut to: impl Write,
        open: &mut Option<Arc<OnceLock<bool>>>,
    ) -> std::io::Result<()> {
        to.write_all(b"220 backend.example\r\n")?;
        let mut mail = Taken::default();
        let mut line = String::new();
        while from.read_line(&mut line)? > 0 {
            if let Some(heard) = open.take() {
                let _ = heard.set(true);
            }
            let command = line.trim_end().to_owned();
            line.clear();
            let path = |text: &str| text.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
            let verb = command.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            let answer = match verb.as_str() {
                "EHLO" | "HELO" | "LHLO" => "250-backend.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SMTPUTF8".to_owned(),
                "MAIL" => {
                    mail = Taken { from: path(&command), ..Taken::default() };
                    "250 2.1.0 ok".to_owned()
                }
                "RCPT" => {
                    mail.to.push(path(&command));
                    "250 2.1.5 ok".to_owned()
                }
                "DATA" => {
                    to.write_all(b"354 go on\r\n")?;
                    loop {
                        let mut line = Vec::new();
                        // A mail whose end did not come was not taken.
                        if from.read_until(b'\n', &mut line)? == 0 {
                            return Ok(());
                        }
                        if line == b".\r\n" {
                            break;
                        }
                        mail.data.push_str(&String::from_utf8_lossy(&line));
                    }
                    let fate = |to: &String| match to {
                        to if to.starts_with("full") => "452 4.2.2 mailbox full",
                        to if to.starts_with("gone") => "550 5.1.1 no such mailbox",
                        _ => "250 2.0.0 taken",
                    };
                    let mut mail = std::mem::take(&mut mail);
                    let replies: Vec<&str> =
                        if dialect == Dialect::Lmtp { mail.to.iter().map(fate).collect() } else { vec!["250 2.0.0 taken"] };
                    if dialect == Dialect::Lmtp {
                        mail.to.retain(|to| fate(to).starts_with('2'));
                    }
                    if !mail.to.is_empty() {
                        mail.at = Instant::now();
                        *open = Some(Arc::clone(&mail.heard));
                        self.taken.lock().unwrap_or_else(PoisonError::into_inner).push(mail);
                    }
                    replies.join("\r\n")
                }
                "QUIT" => {
                    to.write_all(b"221 2.0.0 bye\r\n")?;
                    return Ok(());
                }
                "RSET" | "NOOP" => "250 2.0.0 ok".to_owned(),
                _ => "500 5.5.1 what?".to_owned(),
            };
            // In one piece: the end of a line alone would wait 40 ms for the other side's delayed acknowledgement (RFC 1122 §4.2.3.2).
            to.write_all(format!("{answer}\r\n").as_bytes())?;
            to.flush()?;
        }
        Ok(())
    }
}
