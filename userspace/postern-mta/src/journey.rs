//! One mail, from the connection to `Accepted`: the single caller of every check.
//!
//! The session (`session.rs`) speaks SMTP and asks here at each step; the answers are plain data.
//! Nothing here writes to the socket.

use std::sync::Arc;

use postern_model::address::Address;
use postern_model::envelope::Envelope;
use postern_model::id::MailId;
use postern_model::reason::Reason;
use postern_store::spool::{Accepted, Body};

pub use crate::visit::Visit;

/// What the journey needs of the node, shared by all sessions.
pub struct Journey {}

/// What the session tells a refused client: reply code, enhanced code and text; the reason is for our log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub reason: Reason,
    pub code: u16,
    pub enhanced: String,
    pub text: String,
    /// Close the connection after this reply.
    pub close: bool,
}

impl Refusal {
    /// The reason's own reply.
    pub fn of(reason: Reason) -> Self {
        let (code, enhanced, text) = reason.reply();
        Self { reason, code, enhanced: enhanced.to_owned(), text: text.to_owned(), close: code == 421 || code == 554 }
    }
}

/// The outcome of a mail whose data came whole: one reply for all recipients (SMTP has only one).
#[derive(Debug)]
pub enum DataOutcome {
    /// Durable: the session answers 250 with the id.
    Accepted(Accepted),
    /// Accepted and dropped because an admin's rule says so: answered with 250.
    Discarded(MailId),
    Refused(Refusal),
}

impl Journey {
    /// A client connected (before the greeting): banned, listed, over its rate? Runs beside the greeting pause.
    pub async fn connected(self: &Arc<Self>, _visit: &mut Visit) -> Result<(), Refusal> {
        todo!()
    }
    /// The client spoke before the greeting.
    pub fn pregreeted(self: &Arc<Self>, _visit: &mut Visit) -> Result<(), Refusal> {
        todo!()
    }
    /// EHLO or HELO; `visit.client.helo` is set.
    pub async fn helo(self: &Arc<Self>, _visit: &mut Visit) -> Result<(), Refusal> {
        todo!()
    }
    /// MAIL FROM with all its parameters (the envelope has no recipients yet).
    pub async fn mail_from(self: &Arc<Self>, _visit: &mut Visit, _envelope: &Envelope) -> Result<(), Refusal> {
        todo!()
    }
    /// One RCPT TO.
    pub async fn rcpt_to(self: &Arc<Self>, _visit: &mut Visit, _envelope: &Envelope, _recipient: &Address) -> Result<(), Refusal> {
        todo!()
    }
    /// The data came whole: facts, verdict, spool.
    pub async fn data(self: &Arc<Self>, _visit: &mut Visit, _id: MailId, _envelope: Envelope, _body: Body) -> DataOutcome {
        todo!()
    }
    /// The session ended; errors and refusals feed the bans.
    pub fn disconnected(self: &Arc<Self>, _visit: &Visit) {}
}
