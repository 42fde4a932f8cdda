//! The only owner of SQLite and of the spool's files.
//!
//! Two halves that do not know each other: [`spool`] keeps accepted mail in append-only segments and
//! is the source of truth about it; [`database`] keeps what can be rebuilt or lost without losing mail.

pub mod database;
pub mod spool;
