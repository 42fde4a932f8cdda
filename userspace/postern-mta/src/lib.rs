//! Mail's way through the house: listeners, sessions, the journey of each mail, queue and relay.
//!
//! Read first: [`journey`].

mod accept;
mod antivirus;
pub mod certificate;
mod dns_lists;
pub mod door;
mod dsn;
pub mod events;
mod facts;
pub mod feedback;
pub mod holding;
pub mod inherited;
pub mod journey;
pub mod listen;
pub mod live;
pub mod mx;
pub mod own_lists;
pub mod panics;
pub mod policy;
pub mod quarantine;
pub mod queue;
pub mod recipients;
pub mod relay;
pub mod route;
pub mod sandbox;
pub mod session;
pub mod sink;
mod sources;
pub mod tls;
mod tracked;
pub mod visit;
