//! A backend that plays a script: each connection gets the next block, the last block is played again for all others.
//!
//! `connection` begins a block. `S:` says a line; `C:` expects a line that begins so; `text` reads up to the final dot and
//! keeps the mail; `mails` takes any number of mails over the rest of the connection; `tls` shakes hands; `drop` closes;
//! `silence` says nothing more until the client gives up.

use std::sync::Arc;

use parking_lot::Mutex;
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufStream};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

#[derive(Default)]
pub struct Seen {
    pub connections: usize,
    pub open: usize,
    pub most_open: usize,
    /// Whole mails that were read, with the recipients' lines before them.
    pub mails: Vec<String>,
    /// Lines that were not what the script expected.
    pub surprises: Vec<String>,
    pub commands: Vec<String>,
}

pub struct Backend {
    pub port: u16,
    pub seen: Arc<Mutex<Seen>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.task.abort();
    }
}

trait Line: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Line for T {}

pub fn acceptor() -> TlsAcceptor {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

impl Backend {
    pub async fn play(script: &str) -> Self {
        Self::play_on(TcpListener::bind("127.0.0.1:0").await.unwrap(), script)
    }

    /// Takes everything, with the usual extensions.
    pub async fn polite() -> Self {
        Self::play(POLITE).await
    }

    pub fn play_on(listener: TcpListener, script: &str) -> Self {
        let blocks: Vec<Vec<String>> = script
            .split("connection\n")
            .skip(1)
            .map(|b| b.lines().map(str::to_owned).filter(|l| !l.is_empty() && !l.starts_with(['#', '!', '='])).collect())
            .collect();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::clone(&seen);
        let tls = acceptor();
        let task = tokio::spawn(async move {
            let mut sessions = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let block = {
                    let mut seen = shared.lock();
                    seen.connections += 1;
                    seen.open += 1;
                    seen.most_open = seen.most_open.max(seen.open);
                    blocks[(seen.connections - 1).min(blocks.len() - 1)].clone()
                };
                let (seen, tls) = (Arc::clone(&shared), tls.clone());
                sessions.spawn(async move {
                    session(Box::new(stream), &block, &seen, tls).await;
                    seen.lock().open -= 1;
                });
            }
        });
        Self { port, seen, task }
    }

    pub fn mails(&self) -> Vec<String> {
        self.seen.lock().mails.clone()
    }
}

pub const POLITE: &str = "connection\nS: 220 sink.example ESMTP\nC: EHLO\nS: 250-sink.example\nS: 250-PIPELINING\nS: 250 8BITMIME\nmails\n";

async fn session(stream: Box<dyn Line>, block: &[String], seen: &Mutex<Seen>, tls: TlsAcceptor) {
    let mut stream = BufStream::new(stream);
    let mut envelope = String::new();
    for step in block {
        let (verb, rest) = step.split_once(' ').unwrap_or((step, ""));
        let is_on = match verb {
            "S:" => say(&mut stream, rest).await,
            "C:" => match hear(&mut stream).await {
                Some(line) => {
                    if !line.starts_with(rest) {
                        seen.lock().surprises.push(format!("{line} instead of {rest}"));
                    }
                    if line.starts_with("RCPT") {
                        envelope.push_str(&line);
                        envelope.push('\n');
                    }
                    seen.lock().commands.push(line);
                    true
                }
                None => false,
            },
            "text" => match text(&mut stream).await {
                Some(text) => {
                    seen.lock().mails.push(format!("{}{text}", std::mem::take(&mut envelope)));
                    true
                }
                None => false,
            },
            "mails" => {
                mails(&mut stream, seen).await;
                false
            }
            "tls" => {
                let _ = stream.flush().await;
                let inner = stream.into_inner();
                match tls.accept(inner).await {
                    Ok(session) => stream = BufStream::new(Box::new(session)),
                    Err(_) => return,
                }
                true
            }
            "silence" => {
                while hear(&mut stream).await.is_some() {}
                false
            }
            "drop" => false,
            other => panic!("unknown step {other}"),
        };
        if !is_on {
            break;
        }
    }
    let _ = stream.shutdown().await;
}

async fn mails(stream: &mut BufStream<Box<dyn Line>>, seen: &Mutex<Seen>) {
    let mut envelope = String::new();
    while let Some(line) = hear(stream).await {
        seen.lock().commands.push(line.clone());
        let verb = line.split([' ', ':']).next().unwrap_or("").to_uppercase();
        let is_on = match verb.as_str() {
            "MAIL" | "RSET" => {
                envelope.clear();
                say(stream, "250 2.0.0 ok").await
            }
            "RCPT" => {
                envelope.push_str(&line);
                envelope.push('\n');
                say(stream, "250 2.1.5 ok").await
            }
            "DATA" => {
                if !say(stream, "354 go").await {
                    return;
                }
                let Some(text) = text(stream).await else { return };
                seen.lock().mails.push(format!("{}{text}", std::mem::take(&mut envelope)));
                say(stream, "250 2.0.0 kept").await
            }
            "QUIT" => {
                say(stream, "221 2.0.0 bye").await;
                return;
            }
            _ => say(stream, "500 5.5.1 what").await,
        };
        if !is_on {
            return;
        }
    }
}

async fn say(stream: &mut BufStream<Box<dyn Line>>, line: &str) -> bool {
    // Flushed before the next line is awaited.
    stream.write_all(format!("{line}\r\n").as_bytes()).await.is_ok()
}

async fn hear(stream: &mut BufStream<Box<dyn Line>>) -> Option<String> {
    stream.flush().await.ok()?;
    let mut line = String::new();
    match stream.read_line(&mut line).await {
        Ok(n) if n > 0 => Some(line.trim_end().to_owned()),
        _ => None,
    }
}

async fn text(stream: &mut BufStream<Box<dyn Line>>) -> Option<String> {
    let mut text = String::new();
    loop {
        let line = hear(stream).await?;
        if line == "." {
            return Some(text);
        }
        text.push_str(&line);
        text.push('\n');
    }
}
