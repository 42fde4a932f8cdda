//! The sending side of SMTP (RFC 5321) and LMTP (RFC 2033), without IO.
//!
//! [`Client`] is fed the octets the peer sent and says what to do next ([`Action`]): write a burst,
//! shake hands for TLS, read on. It never sees the mail's text: the driver writes that from a
//! [`Payload`] through a [`BodyWriter`] when told to.
//!
//! Invariants: nothing is pipelined unless offered (RFC 2920); credentials never go over a line
//! without TLS unless the settings say `tls = "off"`; octets that came before the TLS handshake are never
//! taken for replies after it (response injection); every reply is bounded.
//!
//! Read first: [`Client`], then `transaction.rs`.

mod capabilities;
mod dots;
mod parameters;
mod payload;
mod reply;
mod transaction;

use data_encoding::BASE64;
use postern_model::address::Address;
use postern_model::settings::delivery::{Protocol, TlsPolicy};

pub use capabilities::Capabilities;
pub use dots::{BodyForm, BodyWriter};
pub use parameters::Transaction;
pub use payload::Payload;
pub use reply::{EnhancedCode, Reply, ReplyError, ReplyReader};
use transaction::{Next, Running, Unexpected};

/// Where in the dialogue something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Greeting,
    Hello,
    StartTls,
    Auth,
    Mail,
    Rcpt,
    Data,
    /// After the final dot, or after the last octet of BDAT.
    Text,
    Quit,
}

impl Stage {
    /// The command, for people: `connection closed after RCPT TO`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Greeting => "connecting",
            Self::Hello => "EHLO",
            Self::StartTls => "STARTTLS",
            Self::Auth => "AUTH",
            Self::Mail => "MAIL FROM",
            Self::Rcpt => "RCPT TO",
            Self::Data => "DATA",
            Self::Text => "the message text",
            Self::Quit => "QUIT",
        }
    }
}

impl std::fmt::Display for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    pub username: String,
    pub password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials({}, …)", self.username)
    }
}

#[derive(Clone, Debug)]
pub struct Options {
    /// Our name in EHLO or LHLO.
    pub hello: String,
    pub protocol: Protocol,
    pub tls: TlsPolicy,
    pub credentials: Option<Credentials>,
}

/// What the driver does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Write [`Client::output`] and then, when a form is given, the body; then call [`Client::sent`].
    Send(Option<BodyForm>),
    /// Read and call [`Client::received`]; at the end of the stream call [`Client::abandon`].
    Read,
    /// Shake hands, then call [`Client::tls_started`].
    StartTls,
    /// The session stands: [`Client::begin`], [`Client::ask`] or [`Client::quit`].
    Ready,
    /// The transaction is over: [`Client::finish`].
    Finished,
    /// Close the connection.
    Close,
}

/// The connection cannot be used; no mail's or recipient's fault. Always worth a retry, perhaps elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    #[error("{reply} (in reply to {stage})")]
    Refused { stage: Stage, reply: Reply },
    #[error("unexpected reply to {stage}: {reply}")]
    Unexpected { stage: Stage, reply: Reply },
    #[error("after {stage}: {source}")]
    Garbage {
        stage: Stage,
        #[source]
        source: ReplyError,
    },
    #[error("TLS is required and the host does not offer STARTTLS")]
    TlsNotOffered,
    #[error("the host sent octets between its reply to STARTTLS and the handshake: somebody is in the line")]
    TlsInjection,
    #[error("a login is set and the host offers neither AUTH PLAIN nor AUTH LOGIN")]
    AuthNotOffered,
    #[error("a login is set and the line has no TLS: it is not sent in the clear unless the settings say tls = \"off\"")]
    AuthInTheClear,
}

impl ClientError {
    /// The reply of the peer, where there was one.
    pub fn reply(&self) -> Option<&Reply> {
        match self {
            Self::Refused { reply, .. } | Self::Unexpected { reply, .. } => Some(reply),
            _ => None,
        }
    }
}

/// The answer that settled one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecipientReply {
    pub stage: Stage,
    pub reply: Reply,
}

/// What came of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// In the order of the transaction's recipients; `None`: the connection ended before an answer.
    pub recipients: Vec<Option<RecipientReply>>,
    /// Replies of the peer to this transaction; zero on a kept connection means that it was dead before.
    pub replies: usize,
}

#[derive(Debug)]
enum Phase {
    Greeting,
    Hello { extended: bool },
    StartTls,
    Handshake,
    Auth(AuthStep),
    Ready,
    Running(Box<Running>),
    Quit,
    Closed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AuthStep {
    Plain,
    Login,
    LoginName,
    LoginPassword,
}

/// One connection to a next hop.
#[derive(Debug)]
pub struct Client {
    options: Options,
    phase: Phase,
    reader: ReplyReader,
    /// Command lines to write, outside of transactions.
    output: Vec<u8>,
    peer: Capabilities,
    is_tls: bool,
    needs_reset: bool,
}

impl Client {
    pub fn new(options: Options) -> Self {
        Self {
            options,
            phase: Phase::Greeting,
            reader: ReplyReader::default(),
            output: Vec::new(),
            peer: Capabilities::default(),
            is_tls: false,
            needs_reset: false,
        }
    }

    pub fn action(&mut self) -> Action {
        match &mut self.phase {
            Phase::Running(run) => match run.next() {
                Next::Send(body) => Action::Send(body),
                Next::Read => Action::Read,
                Next::Finished => Action::Finished,
            },
            _ if !self.output.is_empty() => Action::Send(None),
            Phase::Handshake => Action::StartTls,
            Phase::Ready => Action::Ready,
            Phase::Closed => Action::Close,
            _ => Action::Read,
        }
    }

    pub fn output(&self) -> &[u8] {
        match &self.phase {
            Phase::Running(run) => run.output(),
            _ => &self.output,
        }
    }

    pub fn sent(&mut self) {
        match &mut self.phase {
            Phase::Running(run) => run.sent(),
            _ => self.output.clear(),
        }
    }

    /// Octets came from the peer.
    ///
    /// # Errors
    /// The connection is to be closed.
    pub fn received(&mut self, octets: &[u8]) -> Result<(), ClientError> {
        self.reader.push(octets);
        loop {
            let stage = self.stage();
            let Some(reply) = self.reader.next_reply().map_err(|source| ClientError::Garbage { stage, source })? else { return Ok(()) };
            self.reply(reply)?;
        }
    }

    pub fn stage(&self) -> Stage {
        match &self.phase {
            Phase::Greeting => Stage::Greeting,
            Phase::Hello { .. } => Stage::Hello,
            Phase::StartTls | Phase::Handshake => Stage::StartTls,
            Phase::Auth(_) => Stage::Auth,
            Phase::Running(run) => run.stage(),
            Phase::Ready | Phase::Quit | Phase::Closed => Stage::Quit,
        }
    }

    pub fn capabilities(&self) -> &Capabilities {
        &self.peer
    }

    pub fn is_tls(&self) -> bool {
        self.is_tls
    }

    fn reply(&mut self, reply: Reply) -> Result<(), ClientError> {
        let stage = self.stage();
        let refused = |reply| ClientError::Refused { stage, reply };
        match &mut self.phase {
            Phase::Running(run) => {
                return run.reply(reply).map_err(|Unexpected(stage, reply)| ClientError::Unexpected { stage, reply });
            }
            // The peer may say goodbye at any time; what else it says unasked is noise.
            Phase::Ready | Phase::Quit | Phase::Closed => self.phase = Phase::Closed,
            Phase::Greeting if reply.is_positive() => self.hello(),
            Phase::Hello { extended: true } if reply.is_permanent() && self.options.protocol == Protocol::Smtp => {
                // RFC 5321 §3.2: a host that knows no EHLO is greeted with HELO.
                self.phase = Phase::Hello { extended: false };
                self.output.extend_from_slice(format!("HELO {}\r\n", self.options.hello).as_bytes());
            }
            Phase::Hello { extended } if reply.is_positive() => {
                self.peer = if *extended { Capabilities::read(&reply) } else { Capabilities::default() };
                self.after_hello()?;
            }
            Phase::StartTls if reply.is_positive() => {
                if self.reader.has_rest() {
                    return Err(ClientError::TlsInjection);
                }
                self.phase = Phase::Handshake;
            }
            Phase::StartTls if self.options.tls == TlsPolicy::Opportunistic => self.authenticate()?,
            Phase::Auth(step) => {
                let step = *step;
                self.auth_reply(step, reply)?;
            }
            Phase::Greeting | Phase::Hello { .. } | Phase::StartTls => return Err(refused(reply)),
            Phase::Handshake => return Err(ClientError::TlsInjection),
        }
        Ok(())
    }

    fn hello(&mut self) {
        let verb = match self.options.protocol {
            Protocol::Smtp => "EHLO",
            Protocol::Lmtp => "LHLO",
        };
        self.output.extend_from_slice(format!("{verb} {}\r\n", self.options.hello).as_bytes());
        self.phase = Phase::Hello { extended: true };
    }

    fn after_hello(&mut self) -> Result<(), ClientError> {
        let wants_tls = !self.is_tls && self.options.tls != TlsPolicy::Off;
        if wants_tls && self.peer.starttls {
            self.output.extend_from_slice(b"STARTTLS\r\n");
            self.phase = Phase::StartTls;
            return Ok(());
        }
        if wants_tls && self.options.tls != TlsPolicy::Opportunistic {
            return Err(ClientError::TlsNotOffered);
        }
        self.authenticate()
    }

    /// The handshake is done: what the peer said before it does not count (RFC 3207 §4.2).
    pub fn tls_started(&mut self) {
        self.is_tls = true;
        self.peer = Capabilities::default();
        self.reader = ReplyReader::default();
        self.hello();
    }

    fn authenticate(&mut self) -> Result<(), ClientError> {
        let Some(login) = &self.options.credentials else {
            self.phase = Phase::Ready;
            return Ok(());
        };
        if !self.is_tls && self.options.tls != TlsPolicy::Off {
            return Err(ClientError::AuthInTheClear);
        }
        if self.peer.auth_plain {
            let secret = BASE64.encode(format!("\0{}\0{}", login.username, login.password).as_bytes());
            self.output.extend_from_slice(format!("AUTH PLAIN {secret}\r\n").as_bytes());
            self.phase = Phase::Auth(AuthStep::Plain);
        } else if self.peer.auth_login {
            self.output.extend_from_slice(b"AUTH LOGIN\r\n");
            self.phase = Phase::Auth(AuthStep::Login);
        } else {
            return Err(ClientError::AuthNotOffered);
        }
        Ok(())
    }

    fn auth_reply(&mut self, step: AuthStep, reply: Reply) -> Result<(), ClientError> {
        let (next, secret) = match (step, &self.options.credentials) {
            (AuthStep::Plain | AuthStep::LoginPassword, _) if reply.is_positive() => {
                self.phase = Phase::Ready;
                return Ok(());
            }
            (AuthStep::Login, Some(login)) if reply.code == 334 => (AuthStep::LoginName, &login.username),
            (AuthStep::LoginName, Some(login)) if reply.code == 334 => (AuthStep::LoginPassword, &login.password),
            _ if reply.is_temporary() || reply.is_permanent() => return Err(ClientError::Refused { stage: Stage::Auth, reply }),
            _ => return Err(ClientError::Unexpected { stage: Stage::Auth, reply }),
        };
        self.output.extend_from_slice(BASE64.encode(secret.as_bytes()).as_bytes());
        self.output.extend_from_slice(b"\r\n");
        self.phase = Phase::Auth(next);
        Ok(())
    }

    /// Begins a mail. Only when [`Action::Ready`].
    ///
    /// # Errors
    /// This peer cannot take this mail (size, 8-bit text, SMTPUTF8, REQUIRETLS): the reply is permanent and ours.
    /// The connection stays usable.
    pub fn begin(&mut self, transaction: &Transaction<'_>) -> Result<(), Reply> {
        let run = Running::mail(transaction, self.options.protocol, &self.peer, self.needs_reset)?;
        self.phase = Phase::Running(Box::new(run));
        Ok(())
    }

    /// Asks whether recipients would be taken (from the null path), without sending a mail. Only when [`Action::Ready`].
    pub fn ask(&mut self, recipients: &[&Address]) {
        let run = Running::question(recipients, self.options.protocol, &self.peer, self.needs_reset);
        self.phase = Phase::Running(Box::new(run));
    }

    /// Takes what came of the transaction, and makes the connection ready for the next one.
    pub fn finish(&mut self) -> Outcome {
        self.end(Phase::Ready)
    }

    /// The connection is lost: what is known of the transaction.
    pub fn abandon(&mut self) -> Outcome {
        self.end(Phase::Closed)
    }

    fn end(&mut self, next: Phase) -> Outcome {
        match std::mem::replace(&mut self.phase, next) {
            Phase::Running(run) => {
                self.needs_reset = run.needs_reset;
                if run.is_closing {
                    self.phase = Phase::Closed;
                }
                run.outcome()
            }
            _ => Outcome { recipients: Vec::new(), replies: 0 },
        }
    }

    /// Says goodbye. Only when [`Action::Ready`].
    pub fn quit(&mut self) {
        self.output.extend_from_slice(b"QUIT\r\n");
        self.phase = Phase::Quit;
    }
}
