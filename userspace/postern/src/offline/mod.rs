//! Judging and learning from files, without a running node and without network:
//! `postern scan`, `postern learn`, `postern explain`.
//!
//! What a file does not tell (envelope, client) comes from an index; what only the network could tell
//! (SPF, DKIM, DNS lists) is not asked, and the symbols that need it stay silent.
//!
//! Each command has its arguments ([`clap::Args`]) and a `run` that writes to what it is given and
//! returns the exit code: 0 all done, 1 some files could not be read or are no mails, 2 nothing done.
//! They start a runtime of their own for the database: call them outside of one.
//!
//! Read first: [`scan`].

pub mod database;
pub mod explain;
pub mod index;
pub mod inputs;
pub mod learn;
mod parallel;
pub mod scan;
