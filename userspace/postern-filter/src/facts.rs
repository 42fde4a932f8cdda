//! Everything the judgement looks at. Gathered by the journey (`postern-mta`), or from a file by
//! `postern scan` and `postern explain`.

use std::net::IpAddr;

use postern_mail::authentication::Authentication;
use postern_mail::message::Message;
use postern_model::address::{Domain, ReversePath};
use postern_model::envelope::{Direction, TlsInfo};
use postern_model::sandbox::{FindingName, Opened};
use postern_model::score::Score;
use postern_model::time::Timestamp;

use crate::bayes::features::Client;

/// A fact that may not have been asked for (offline, switched off, timed out).
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Asked<T> {
    #[default]
    No,
    /// Asked, but no answer came (time-out, SERVFAIL).
    Failed,
    Yes(T),
}

#[derive(Clone, Debug)]
pub struct Facts {
    /// The moment of judgement: the clock, or the newest Received line with `--now-from-received`.
    pub now: Timestamp,
    pub direction: Direction,
    pub connection: Connection,
    pub mail_from: ReversePath,
    /// Envelope recipients as text, `local@domain`.
    pub recipients: Vec<String>,
    /// Domains that are ours.
    pub own_domains: Vec<Domain>,
    pub message: Message,
    /// `Asked::No` offline.
    pub authentication: Asked<Authentication>,
    /// Lists that answered about the client's address or a domain.
    pub lists: Vec<ListHit>,
    pub bayes: Option<BayesFact>,
    pub antivirus: Asked<Scan>,
    /// Empty: there was nothing to take apart, or nobody was asked.
    pub sandbox: Sandboxed,
    pub history: History,
}

impl Facts {
    /// The SMTP client as the classifier looks at it.
    pub fn client(&self) -> Option<Client<'_>> {
        self.connection.ip.map(|ip| Client { ip, helo: &self.connection.helo })
    }
}

/// What the antivirus engine says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scan {
    Clean,
    /// The name of what it found.
    Infected(String),
    /// Larger than the engine, or the settings, let it look at.
    TooLarge,
}

/// What taking the attachments apart came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sandboxed {
    pub findings: Vec<SandboxFinding>,
    /// The same for people: what was in each attachment, and what its scripts did.
    pub opened: Vec<Opened>,
    /// Attachments that were not given to the sandbox, and why.
    pub left_out: Vec<String>,
    /// Attachments that it was asked about and did not take apart, and why.
    pub unanswered: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SandboxFinding {
    pub name: FindingName,
    /// From the attachment down: `invoice.zip/inner.zip/run.js`.
    pub place: String,
    pub evidence: String,
}

/// The SMTP client.
#[derive(Clone, Debug, Default)]
pub struct Connection {
    pub ip: Option<IpAddr>,
    pub helo: String,
    pub esmtp: bool,
    pub tls: Option<TlsInfo>,
    /// Reverse name confirmed by a forward look-up; `Yes(None)`: there is none.
    pub reverse: Asked<Option<String>>,
    /// A reverse name exists but does not lead back.
    pub reverse_unconfirmed: Option<String>,
    /// HELO resolves to the client's address.
    pub helo_resolves: Asked<bool>,
    /// The sender's domain has MX or an address.
    pub sender_domain_exists: Asked<bool>,
    /// MX points at nothing (RFC 7505).
    pub sender_null_mx: bool,
    pub pregreet: bool,
    pub errors: u32,
    pub unknown_recipients: u32,
    pub login: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ListHit {
    pub zone: String,
    /// What was asked about: the address or the domain.
    pub subject: String,
    pub answer: String,
    pub weight: Score,
}

/// What the classifier says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BayesFact {
    /// 0 (surely ham) to 1 (surely spam).
    pub probability: f64,
    /// How much of it the organisation's own mail says, 0 to 1; the rest is the starting model's.
    pub own_share: f64,
    /// Tokens of the mail that were known.
    pub known_tokens: usize,
    /// The tokens that decided, with their pull, for people.
    pub evidence: Vec<String>,
}

/// What we knew of the sender before.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// Mails accepted from this address (header From) before; `None`: not asked.
    pub mails_from_sender: Option<u64>,
}
