//! From the queue to the next hop: connections, TLS, transactions.
//!
//! A worker is a task with at most one connection; it serves one destination and asks the queue for mail after mail, so
//! a connection is reused as long as there is work and kept for a moment after that. There is no task per mail.
//!
//! Read first: [`worker`], then `attempt.rs`, then `connect.rs`.

mod attempt;
mod connect;
mod connection;
mod hosts;
mod stream;
mod tls;
mod tried;
pub(crate) mod worker;

pub use connect::{ConnectError, Connector};
pub use connection::{Connection, LineError, Patience, Sent};
pub use tried::{Asked, Tried};
