//! The queue with a real spool against backends on loopback.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod backend;
mod callout;
mod commands;
mod node;
mod notifications;
mod order;
mod scripts;
mod sinks;
