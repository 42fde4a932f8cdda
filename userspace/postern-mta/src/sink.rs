//! A backend for newcomers: takes every mail and keeps it as a file, so that one can look at what was delivered.
//!
//! `new/` below its directory is a maildir's: one file for each mail and recipient, with Return-Path and Delivered-To
//! before it. It is no mail store: nothing is read back, nobody logs in, the oldest files make room for new ones.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use postern_model::address::{Address, Domain};
use postern_model::id::MailId;
use postern_model::reason::Reason;
use postern_model::settings::smtp::SmtpLimits;
use postern_model::time::Timestamp;
use postern_smtp::server::{Action, Config, Dialect, Newlines, Question, Refused, Server, StartTls, Taken};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// Files kept.
const MAX_FILES: usize = 10_000;
/// Octets of one mail; held in memory while it comes in.
const MAX_MAIL: usize = 64 * 1024 * 1024;
const MAX_CONNECTIONS: usize = 100;
const IDLE: Duration = Duration::from_secs(300);

/// The directory and what lies in it.
#[derive(Debug)]
pub struct Sink {
    dir: PathBuf,
    /// Names in `new/`, oldest first (they begin with the mail's id).
    files: Mutex<VecDeque<String>>,
}

impl Sink {
    /// Opens or makes the directory.
    ///
    /// # Errors
    /// It cannot be made or read.
    pub fn open(dir: PathBuf) -> io::Result<Self> {
        for sub in ["new", "tmp", "cur"] {
            std::fs::create_dir_all(dir.join(sub))?;
        }
        let mut names: Vec<String> = std::fs::read_dir(dir.join("new"))?.filter_map(|e| e.ok()?.file_name().into_string().ok()).collect();
        names.sort();
        Ok(Self { dir, files: Mutex::new(names.into()) })
    }

    /// Where delivered mail is found.
    pub fn folder(&self) -> PathBuf {
        self.dir.join("new")
    }

    /// Serves until the task is dropped.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, dialect: Dialect, hostname: Domain) {
        let limits = SmtpLimits { max_message_size: MAX_MAIL as u64, max_transactions: usize::MAX, ..SmtpLimits::default() };
        let config = Arc::new(Config { hostname, dialect, newlines: Newlines::Mend, limits });
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, _)) => {
                    let (sink, config) = (Arc::clone(&self), Arc::clone(&config));
                    tokio::spawn(async move {
                        if let Err(e) = sink.session(stream, config).await {
                            tracing::debug!(error = %e, "a session of the sink broke");
                        }
                        drop(place);
                    });
                }
                Err(e) => {
                    tracing::warn!(error = %e, "the sink cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    async fn session(&self, mut stream: TcpStream, config: Arc<Config>) -> io::Result<()> {
        let mut server = Server::new(config, StartTls::NotOffered);
        server.greet();
        let mut buffer = vec![0; 16 * 1024];
        let mut filled = 0..0;
        let mut mail = Incoming::default();
        loop {
            let mut input = &buffer[filled.clone()];
            let action = server.next(&mut input);
            let rest = input.len();
            let mut is_over = false;
            match action {
                Action::Body(octets) => {
                    if mail.text.len() + octets.len() > MAX_MAIL {
                        server.refuse_body(Refused::of(Reason::TooLarge));
                    } else {
                        mail.text.extend_from_slice(octets);
                    }
                    filled.start = filled.end - rest;
                    continue;
                }
                Action::Ask(question) => {
                    filled.start = filled.end - rest;
                    self.answer(&mut server, question, &mut mail);
                    continue;
                }
                Action::Forget(_) => {
                    filled.start = filled.end - rest;
                    mail = Incoming::default();
                    continue;
                }
                Action::Close(_) => is_over = true,
                // TLS is not offered, and every question is answered at once.
                Action::StartTls | Action::Wait => return Err(io::ErrorKind::InvalidData.into()),
                Action::Read | Action::Write => {}
            }
            let wants_input = !is_over && rest == 0;
            filled.start = filled.end - rest;
            stream.write_all(server.output()).await?;
            server.output().clear();
            if is_over {
                return stream.shutdown().await;
            }
            if wants_input {
                let n = tokio::time::timeout(IDLE, stream.read(&mut buffer)).await.map_err(|_| io::ErrorKind::TimedOut)??;
                if n == 0 {
                    return Ok(());
                }
                filled = 0..n;
            }
        }
    }

    fn answer(&self, server: &mut Server, question: Question, mail: &mut Incoming) {
        match question {
            Question::MailFrom(from) => mail.sender = from.path.to_string(),
            Question::RcptTo(recipient) => mail.recipients.push(recipient.address),
            Question::Hello(_) | Question::Body => {}
            Question::Finished(_) => {
                let mail = std::mem::take(mail);
                let outcome = self.store(&mail).map(|id| Taken { text: format!("kept as {id}") }).map_err(|e| {
                    tracing::warn!(error = %e, "the sink cannot write to its directory");
                    Refused::of(Reason::StorageError)
                });
                server.conclude(outcome);
                return;
            }
        }
        server.answer(Ok(()));
    }

    fn store(&self, mail: &Incoming) -> io::Result<MailId> {
        let id = MailId::generate(Timestamp::from_system(SystemTime::now()));
        for (i, recipient) in mail.recipients.iter().enumerate() {
            let name = format!("{id}.{i}");
            let tmp = self.dir.join("tmp").join(&name);
            let head = format!("Return-Path: <{}>\r\nDelivered-To: {recipient}\r\n", mail.sender);
            let mut file = std::fs::File::create(&tmp)?;
            file.write_all(head.as_bytes())?;
            file.write_all(&mail.text)?;
            drop(file);
            std::fs::rename(&tmp, self.folder().join(&name))?;
            self.keep(name);
        }
        Ok(id)
    }

    fn keep(&self, name: String) {
        let mut files = self.files.lock();
        files.push_back(name);
        while files.len() > MAX_FILES {
            if let Some(oldest) = files.pop_front() {
                remove(&self.folder().join(oldest));
            }
        }
    }
}

fn remove(path: &Path) {
    if let Err(e) = std::fs::remove_file(path)
        && e.kind() != io::ErrorKind::NotFound
    {
        tracing::debug!(path = %path.display(), error = %e, "the sink cannot make room");
    }
}

#[derive(Default)]
struct Incoming {
    sender: String,
    recipients: Vec<Address>,
    text: Vec<u8>,
}
