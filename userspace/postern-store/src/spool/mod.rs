//! The durable spool: append-only segments with group commit.

use std::path::PathBuf;
use std::sync::Arc;

use postern_model::id::MailId;
use postern_model::queue::{QueueChange, QueuedMail};
use postern_model::settings::delivery::SpoolSettings;

/// Proof that a mail is durable here: only an `Accepted` can be turned into a 250 (STYLE 10).
/// There is no other constructor than [`Spool::accept`].
#[derive(Debug)]
#[must_use = "an accepted mail has to be answered with 250 and put into the queue"]
pub struct Accepted {
    mail: Arc<QueuedMail>,
}

impl Accepted {
    pub fn mail(&self) -> &Arc<QueuedMail> {
        &self.mail
    }
}

/// A mail's body as it streams in: in memory up to `inline_body`, a file beside the segments above.
pub struct BodyWriter {}

/// A complete body with its size and hash, not yet durable. Dropping it frees everything.
pub struct Body {}

impl Body {
    pub fn size(&self) -> u64 {
        todo!()
    }
    /// BLAKE3 of the content.
    pub fn hash(&self) -> [u8; 32] {
        todo!()
    }
    /// The content: from memory, or mapped from its file.
    pub fn bytes(&self) -> &[u8] {
        todo!()
    }
}

impl BodyWriter {
    /// Takes the next octets (CRLF line ends, dots already unstuffed). May block on the disk for large bodies.
    pub fn write(&mut self, _octets: &[u8]) -> Result<(), SpoolError> {
        todo!()
    }
    pub fn size(&self) -> u64 {
        todo!()
    }
    pub fn finish(self) -> Result<Body, SpoolError> {
        todo!()
    }
}

/// A body that is read back for delivery.
pub struct StoredBody {}

impl StoredBody {
    /// The content (memory-mapped); verified against its hash once, on reading.
    pub fn bytes(&self) -> &[u8] {
        todo!()
    }
}

#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    #[error("the disk below {0} has less than the reserve left")]
    Full(PathBuf),
    #[error("{what} {path}")]
    Io {
        what: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("mail {0} is not in the spool")]
    Unknown(MailId),
    #[error("mail {0} is damaged on disk")]
    Damaged(MailId),
    /// A write failed before; the spool takes nothing new until it is opened again.
    #[error("the spool stopped taking mail: {0}")]
    Stopped(String),
}

/// Cheap to clone; all clones are one spool.
#[derive(Clone)]
pub struct Spool {}

impl Spool {
    /// Opens or makes the spool under `dir`, cuts torn tails, and returns every mail that is not done.
    pub fn open(_dir: PathBuf, _settings: SpoolSettings) -> Result<(Self, Vec<QueuedMail>), SpoolError> {
        todo!()
    }
    /// Starts a body. Fails when less than the reserve is free.
    pub fn body(&self) -> Result<BodyWriter, SpoolError> {
        todo!()
    }
    /// Makes mail and body durable; returns after the sync that covers them.
    pub async fn accept(&self, _mail: QueuedMail, _body: Body) -> Result<Accepted, SpoolError> {
        todo!()
    }
    pub fn read(&self, _id: MailId) -> Result<StoredBody, SpoolError> {
        todo!()
    }
    /// Appends a change and waits for its sync (operators' commands).
    pub async fn record(&self, _id: MailId, _change: QueueChange) -> Result<(), SpoolError> {
        todo!()
    }
    /// Appends a change without waiting: losing it in a crash means at most a repeated attempt or delivery.
    pub fn note(&self, _id: MailId, _change: QueueChange) -> Result<(), SpoolError> {
        todo!()
    }
}
