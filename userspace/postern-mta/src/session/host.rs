//! Whom a session asks: the journey, or in tests of the session alone somebody who knows the answers.

use std::net::IpAddr;
use std::sync::Arc;

use postern_model::address::Address;
use postern_model::envelope::{Direction, Envelope};
use postern_model::id::MailId;
use postern_model::reason::Reason;
use postern_store::spool::Body;

use crate::journey::{DataOutcome, Journey, Refusal};
use crate::visit::Visit;

/// The questions of a session, as [`Journey`] answers them. Two answer today: the journey, and the simulated one that
/// measures what a session costs by itself (`tests/sessions.rs`).
pub trait Host: Send + Sync + 'static {
    fn connected(&self, visit: &mut Visit) -> impl Future<Output = Result<(), Refusal>> + Send;
    /// # Errors
    /// The refusal to send in place of the greeting.
    fn pregreeted(&self, visit: &mut Visit) -> Result<(), Refusal>;
    fn helo(&self, visit: &mut Visit) -> impl Future<Output = Result<(), Refusal>> + Send;
    fn mail_from(&self, visit: &mut Visit, envelope: &Envelope) -> impl Future<Output = Result<(), Refusal>> + Send;
    fn rcpt_to(&self, visit: &mut Visit, envelope: &Envelope, recipient: &Address) -> impl Future<Output = Result<(), Refusal>> + Send;
    fn data(&self, visit: &mut Visit, id: MailId, envelope: Envelope, body: Body) -> impl Future<Output = DataOutcome> + Send;
    /// A mail was refused while it came in: there is nothing to judge.
    fn refused_early(&self, visit: &Visit, envelope: Option<Envelope>, reason: Reason);
    /// A client got no session: its source opens too many of them a minute.
    fn turned_away(&self, client: IpAddr, direction: Direction);
    fn disconnected(&self, visit: &Visit);
}

impl Host for Arc<Journey> {
    async fn connected(&self, visit: &mut Visit) -> Result<(), Refusal> {
        Journey::connected(self, visit).await
    }
    fn pregreeted(&self, visit: &mut Visit) -> Result<(), Refusal> {
        Journey::pregreeted(self, visit)
    }
    async fn helo(&self, visit: &mut Visit) -> Result<(), Refusal> {
        Journey::helo(self, visit).await
    }
    async fn mail_from(&self, visit: &mut Visit, envelope: &Envelope) -> Result<(), Refusal> {
        Journey::mail_from(self, visit, envelope).await
    }
    async fn rcpt_to(&self, visit: &mut Visit, envelope: &Envelope, recipient: &Address) -> Result<(), Refusal> {
        Journey::rcpt_to(self, visit, envelope, recipient).await
    }
    async fn data(&self, visit: &mut Visit, id: MailId, envelope: Envelope, body: Body) -> DataOutcome {
        Journey::data(self, visit, id, envelope, body).await
    }
    fn refused_early(&self, visit: &Visit, envelope: Option<Envelope>, reason: Reason) {
        Journey::refused_early(self, visit, envelope, reason);
    }
    fn turned_away(&self, client: IpAddr, direction: Direction) {
        Journey::turned_away(self, client, direction);
    }
    fn disconnected(&self, visit: &Visit) {
        Journey::disconnected(self, visit);
    }
}
