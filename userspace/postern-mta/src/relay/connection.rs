//! One connection to a next hop: moves octets between the stream and the client's state machine.

use std::io::{self, IoSlice};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use postern_model::address::Address;
use postern_model::settings::delivery::{Protocol, TlsPolicy};
use postern_smtp::client::{Action, BodyForm, BodyWriter, Client, ClientError, Options, Outcome, Payload, Reply, Stage, Transaction};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::stream::Stream;
use super::tls::TlsClients;

/// Octets read at a time: the replies of a transaction fit.
const READ_BUFFER: usize = 4096;
/// How long the goodbye of a connection may take.
const QUIT_TIMEOUT: Duration = Duration::from_secs(2);

/// The connection is of no more use. Never a recipient's fault; a retry helps.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("the connection was closed after {0}")]
    Closed(Stage),
    #[error("the connection broke after {stage}: {source}")]
    Io {
        stage: Stage,
        #[source]
        source: io::Error,
    },
    #[error("no answer to {stage} for {}s", .after.as_secs_f32())]
    Timeout { stage: Stage, after: Duration },
    #[error("the TLS handshake failed: {0}")]
    Tls(#[source] io::Error),
    #[error("`{0}` is no name a certificate could be checked against")]
    TlsName(String),
}

impl LineError {
    /// As a reply in our own words (RFC 3463: 4.4.2 bad connection, 4.7.5 cryptographic failure).
    pub fn reply(&self) -> String {
        match self {
            Self::Client(e) => match e.reply() {
                // The peer's own words; that they ended the connection, not a mail, is said by what becomes of it.
                Some(reply) if reply.is_temporary() || reply.is_permanent() => reply.to_string(),
                _ => format!("450 4.4.2 {e}"),
            },
            Self::Tls(_) | Self::TlsName(_) => format!("450 4.7.5 {self}"),
            Self::Closed(_) | Self::Io { .. } | Self::Timeout { .. } => format!("450 4.4.2 {self}"),
        }
    }
}

/// What came of a transaction.
#[derive(Debug)]
pub enum Sent {
    Done(Outcome),
    /// The peer cannot take this mail (our own words, permanent); nothing was sent.
    Unfit(Reply),
    /// The connection ended; some recipients may have been answered before.
    Lost(Outcome, LineError),
}

/// How long to wait.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    pub handshake: Duration,
    pub reply: Duration,
}

pub struct Connection {
    stream: Stream,
    client: Client,
    buffer: Box<[u8]>,
    patience: Patience,
    protocol: Protocol,
    /// `mx.example[192.0.2.1]:25`
    label: String,
    tls: Option<String>,
    /// The certificate was checked, or the line does not leave this machine.
    is_trusted: bool,
    mails: usize,
    since: Instant,
}

impl Connection {
    /// Greets over a connected stream. `server` is the name for TLS.
    pub(super) async fn greet(
        stream: Stream,
        label: String,
        options: Options,
        server: &str,
        is_local: bool,
        tls: &TlsClients,
        patience: Patience,
    ) -> Result<Self, LineError> {
        let (policy, protocol) = (options.tls, options.protocol);
        let mut connection = Self {
            stream,
            client: Client::new(options),
            buffer: vec![0; READ_BUFFER].into_boxed_slice(),
            patience,
            protocol,
            label,
            tls: None,
            is_trusted: is_local,
            mails: 0,
            since: Instant::now(),
        };
        loop {
            match connection.drive(None).await? {
                Action::StartTls => {
                    connection.start_tls(server, policy, tls).await?;
                    connection.is_trusted |= policy == TlsPolicy::Verified;
                }
                Action::Ready => return Ok(connection),
                _ => return Err(LineError::Closed(Stage::Hello)),
            }
        }
    }

    async fn start_tls(&mut self, server: &str, policy: TlsPolicy, tls: &TlsClients) -> Result<(), LineError> {
        let bare = server.strip_prefix('[').and_then(|s| s.strip_suffix(']')).unwrap_or(server);
        let name = match ServerName::try_from(bare.to_owned()) {
            Ok(name) => name,
            Err(_) if policy == TlsPolicy::Verified => return Err(LineError::TlsName(server.to_owned())),
            // A path or a name with an underscore; the name is only sent along (SNI) and nothing is checked.
            Err(_) => ServerName::IpAddress(std::net::IpAddr::from([127, 0, 0, 1]).into()),
        };
        let connector = tls.connector(policy);
        let shake = async {
            match std::mem::replace(&mut self.stream, Stream::Gone) {
                Stream::Tcp(s) => connector.connect(name, s).await.map(|s| Stream::TcpTls(Box::new(s))),
                Stream::Unix(s) => connector.connect(name, s).await.map(|s| Stream::UnixTls(Box::new(s))),
                _ => Err(io::ErrorKind::NotConnected.into()),
            }
        };
        self.stream = timeout(self.patience.handshake, shake)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .map_err(LineError::Tls)?;
        let session = match &self.stream {
            Stream::TcpTls(s) => Some(s.get_ref().1),
            Stream::UnixTls(s) => Some(s.get_ref().1),
            _ => None,
        };
        self.tls = session.map(|s| {
            let text = |t: Option<String>| t.unwrap_or_else(|| "?".into());
            let version = text(s.protocol_version().map(|v| format!("{v:?}").replace('_', ".")));
            format!("{version} {}", text(s.negotiated_cipher_suite().map(|c| format!("{:?}", c.suite()))))
        });
        self.client.tls_started();
        Ok(())
    }

    /// Goes on until the state machine needs a decision.
    async fn drive(&mut self, payload: Option<&Payload<'_>>) -> Result<Action, LineError> {
        loop {
            match self.client.action() {
                Action::Send(form) => {
                    if let Err(e) = self.write(form, payload).await {
                        // A peer that refuses in the middle of the text says why before it closes.
                        self.last_words().await;
                        return if self.client.action() == Action::Finished { Ok(Action::Finished) } else { Err(e) };
                    }
                    self.client.sent();
                }
                Action::Read => self.read().await?,
                other => return Ok(other),
            }
        }
    }

    async fn read(&mut self) -> Result<(), LineError> {
        let stage = self.client.stage();
        // RFC 5321 §4.5.3.2.6: the reply to the text may take twice as long as others.
        let after = if stage == Stage::Text { self.patience.reply * 2 } else { self.patience.reply };
        match timeout(after, self.stream.read(&mut self.buffer)).await {
            Err(_) => Err(LineError::Timeout { stage, after }),
            Ok(Err(source)) => Err(LineError::Io { stage, source }),
            Ok(Ok(0)) => Err(LineError::Closed(stage)),
            Ok(Ok(n)) => Ok(self.client.received(&self.buffer[..n])?),
        }
    }

    /// What the peer said before it closed the connection under our text. Short: it is there already, or never comes.
    async fn last_words(&mut self) {
        if let Ok(Ok(n)) = timeout(Duration::from_millis(500), self.stream.read(&mut self.buffer)).await {
            self.client.sent();
            let _ = self.client.received(&self.buffer[..n]);
        }
    }

    async fn write(&mut self, form: Option<BodyForm>, payload: Option<&Payload<'_>>) -> Result<(), LineError> {
        let stage = self.client.stage();
        let after = self.patience.reply;
        let write = async {
            match (form, payload) {
                (Some(form), Some(payload)) => {
                    let mut writer = BodyWriter::new(self.client.output(), payload, form);
                    loop {
                        let mut batch = writer.batch();
                        if batch.is_empty() {
                            break;
                        }
                        // Each batch has its own time: a slow line is no dead one.
                        timeout(after, write_all(&mut self.stream, &mut batch))
                            .await
                            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
                        drop(batch);
                        writer.advance();
                    }
                }
                _ => timeout(after, self.stream.write_all(self.client.output()))
                    .await
                    .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?,
            }
            self.stream.flush().await
        };
        write.await.map_err(|source| match source.kind() {
            io::ErrorKind::TimedOut => LineError::Timeout { stage, after },
            _ => LineError::Io { stage, source },
        })
    }

    /// Sends one mail.
    pub async fn send(&mut self, transaction: &Transaction<'_>) -> Sent {
        if let Err(reply) = self.client.begin(transaction) {
            return Sent::Unfit(reply);
        }
        self.finish(Some(transaction.payload)).await
    }

    /// Asks whether recipients would be taken.
    pub async fn ask(&mut self, recipients: &[&Address]) -> Sent {
        self.client.ask(recipients);
        self.finish(None).await
    }

    async fn finish(&mut self, payload: Option<&Payload<'_>>) -> Sent {
        self.mails += 1;
        match self.drive(payload).await {
            Ok(Action::Finished) => Sent::Done(self.client.finish()),
            Ok(_) => Sent::Lost(self.client.abandon(), LineError::Closed(Stage::Mail)),
            Err(e) => Sent::Lost(self.client.abandon(), e),
        }
    }

    /// Whether another transaction may be begun: the peer has neither closed nor said goodbye meanwhile.
    pub fn is_usable(&mut self) -> bool {
        if self.client.action() != Action::Ready {
            return false;
        }
        match self.stream.read(&mut self.buffer).now_or_never() {
            None => true,
            Some(Ok(n)) if n > 0 => self.client.received(&self.buffer[..n]).is_ok() && self.client.action() == Action::Ready,
            Some(_) => false,
        }
    }

    /// Says goodbye (RFC 5321 §4.1.1.10) and closes.
    pub async fn quit(mut self) {
        if self.client.action() == Action::Ready {
            self.client.quit();
            let _ = timeout(QUIT_TIMEOUT, self.drive(None)).await;
        }
    }

    pub fn label(&self) -> &str {
        &self.label
    }

    pub fn tls(&self) -> Option<&str> {
        self.tls.as_deref()
    }

    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    pub fn offers_dsn(&self) -> bool {
        self.client.capabilities().dsn
    }

    pub fn is_trusted(&self) -> bool {
        self.is_trusted
    }

    /// Transactions so far.
    pub fn mails(&self) -> usize {
        self.mails
    }

    pub fn age(&self) -> Duration {
        self.since.elapsed()
    }
}

async fn write_all(stream: &mut Stream, mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
    while !slices.is_empty() {
        let written = if let [one] = &*slices { stream.write(one).await? } else { stream.write_vectored(slices).await? };
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        IoSlice::advance_slices(&mut slices, written);
    }
    Ok(())
}
