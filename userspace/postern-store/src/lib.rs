//! The only owner of SQLite and of the spool's files.
//!
//! Three parts that do not know each other: [`spool`] keeps accepted mail in append-only segments and
//! is the source of truth about it; [`database`] keeps what can be rebuilt or lost without losing mail;
//! [`ledger`] keeps what the nodes of a cluster tell each other, in a file of its own. [`snapshot`] copies either database.

pub mod database;
pub mod ledger;
pub mod snapshot;
pub mod spool;

mod sqlite;
