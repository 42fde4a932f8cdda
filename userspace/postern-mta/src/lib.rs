//! Mail's way through the house: listeners, sessions, the journey of each mail, queue and relay.
//!
//! Read first: [`journey`].

mod antivirus;
mod dns_lists;
pub mod door;
pub mod journey;
pub mod listen;
pub mod session;
mod sources;
pub mod tls;
pub mod visit;
