//! A web server for feeds, webhooks and updates that answers each path as the test says, and remembers what it was asked.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// What a path is answered with.
#[derive(Clone)]
pub enum Answer {
    /// 200 with an ETag and Last-Modified; 304 to whoever has it.
    List(String),
    /// 200 with what is in the file.
    File(PathBuf),
    Status(u16, String),
    /// Says it has so many octets, sends these, and closes.
    Cut {
        says: usize,
        sends: String,
    },
    /// The same line for ever, as fast as it can.
    Endless(String),
    /// A header, and then nothing.
    Silent,
    /// Nothing at all, for ever.
    Mute,
}

/// A request as it came: the first line and the header.
pub type Request = String;

/// A request that brought something.
#[derive(Clone, Debug)]
pub struct Posted {
    /// The first line and the header.
    pub header: Request,
    pub body: String,
}

impl Posted {
    /// A field of the header; empty: it has none.
    pub fn field(&self, name: &str) -> &str {
        let field = |line: &'_ str| line.split_once(':').is_some_and(|(n, _)| n.eq_ignore_ascii_case(name));
        self.header.lines().find(|l| field(l)).and_then(|l| l.split_once(':')).map_or("", |(_, value)| value.trim())
    }
}

#[derive(Clone, Default)]
pub struct Web {
    answers: Arc<Mutex<HashMap<String, Answer>>>,
    requests: Arc<Mutex<Vec<Request>>>,
    posted: Arc<Mutex<Vec<Posted>>>,
}

fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Web {
    /// Serves until the test ends.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub fn start(address: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let web = Self::default();
        let here = web.clone();
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let here = here.clone();
                thread::spawn(move || here.answer(stream));
            }
        });
        Ok(web)
    }

    pub fn set(&self, path: &str, answer: Answer) {
        held(&self.answers).insert(path.to_owned(), answer);
    }

    /// The requests for a path so far.
    pub fn asked(&self, path: &str) -> Vec<Request> {
        let prefix = format!("GET {path} ");
        held(&self.requests).iter().filter(|r| r.starts_with(&prefix)).cloned().collect()
    }

    /// What was posted to a path so far.
    pub fn posted(&self, path: &str) -> Vec<Posted> {
        let prefix = format!("POST {path} ");
        held(&self.posted).iter().filter(|p| p.header.starts_with(&prefix)).cloned().collect()
    }

    fn answer(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut request = String::new();
        let mut from = BufReader::new(stream.try_clone()?);
        while !request.ends_with("\r\n\r\n") {
            if from.read_line(&mut request)? == 0 {
                return Ok(());
            }
        }
        let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
        held(&self.requests).push(request.clone());
        let mut posted = Posted { header: request.clone(), body: String::new() };
        if let Ok(length) = posted.field("content-length").parse() {
            from.take(length).read_to_string(&mut posted.body)?;
            held(&self.posted).push(posted);
        }
        let answer = held(&self.answers).get(&path).cloned().unwrap_or_else(|| Answer::Status(404, "<html>Not here</html>".into()));
        let head = |status: u16, length: usize| format!("HTTP/1.1 {status} Status\r\nConnection: close\r\nContent-Length: {length}\r\n");
        match answer {
            Answer::List(text) => {
                let tag = format!("\"{:x}\"", text.bytes().fold(7u64, |h, b| h.wrapping_mul(31).wrapping_add(u64::from(b))));
                if request.to_ascii_lowercase().contains(&format!("if-none-match: {tag}")) {
                    return stream.write_all(format!("{}ETag: {tag}\r\n\r\n", head(304, 0)).as_bytes());
                }
                let about = format!("ETag: {tag}\r\nLast-Modified: Mon, 02 Nov 2026 10:00:00 GMT\r\nContent-Type: text/plain\r\n\r\n");
                stream.write_all((head(200, text.len()) + &about + &text).as_bytes())
            }
            Answer::File(path) => {
                let mut file = File::open(path)?;
                let length = file.metadata()?.len();
                stream.write_all((head(200, usize::try_from(length).map_err(std::io::Error::other)?) + "\r\n").as_bytes())?;
                std::io::copy(&mut file, &mut stream).map(drop)
            }
            Answer::Status(status, text) => stream.write_all((head(status, text.len()) + "\r\n" + &text).as_bytes()),
            Answer::Cut { says, sends } => stream.write_all((head(200, says) + "\r\n" + &sends).as_bytes()),
            Answer::Endless(line) => {
                stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
                let many = format!("{line}\n").repeat(65_536 / (line.len() + 1));
                loop {
                    stream.write_all(many.as_bytes())?;
                }
            }
            Answer::Mute => {
                thread::sleep(Duration::from_secs(3600));
                Ok(())
            }
            Answer::Silent => {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")?;
                thread::sleep(Duration::from_secs(3600));
                Ok(())
            }
        }
    }
}
