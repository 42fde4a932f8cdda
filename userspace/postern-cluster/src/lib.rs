//! The cluster of equal peers: what every node knows reaches every other, over cuts, restarts and upgrades.
//!
//! What it is: so far the replication core alone ([`ledger`]), as a state machine without IO, and the simulator that drives
//! up to a hundred of them (`sim`, behind the feature of that name). What it is not: no link, no database, no clock, no task
//! is here; the shell that owns them feeds the core and carries out what it says.
//!
//! Invariants: a row has one writer, its origin. A version vector never claims what is not in the store. Whatever a peer
//! sends is checked and bounded before it is kept.
//!
//! Read first: [`ledger`], then [`ledger::kind`], then [`ledger::machine`].

pub mod ledger;
#[cfg(feature = "sim")]
pub mod sim;
