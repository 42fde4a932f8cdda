//! The vocabulary of Postern: ids, addresses, envelopes, settings, verdicts, reasons and
//! control messages. Layer 0: imports no other crate of the workspace but the eBPF ABI's peers.
//!
//! What it is not: there is no IO here, no clock is read, no thread started. Every type can be
//! built in a test with a literal.
//!
//! Invariants: a [`address::Domain`] is lower-case ASCII (A-labels); a [`score::Score`] is finite;
//! a [`reason::Reason`] has one stable kebab-case name used in log, header, metric, API and console.
//!
//! Read first: [`verdict`], then [`envelope`], then [`settings`].

pub mod address;
pub mod alert;
pub mod causes;
pub mod control;
pub mod envelope;
pub mod id;
pub mod journey;
pub mod node;
pub mod os;
pub mod own_list;
pub mod patience;
pub mod quarantine;
pub mod queue;
pub mod reason;
pub mod role;
pub mod sandbox;
pub mod score;
pub mod second_factor;
pub mod settings;
pub mod steering;
pub mod symbol;
pub mod time;
pub mod verdict;
pub mod watch;
