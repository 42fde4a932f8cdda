//! Shadow copies between nodes of one process: what was accepted is delivered, whatever happens to its node.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod copies;
mod lost_disk;
#[path = "../../../postern-store/tests/spool_fixture/mails.rs"]
mod mails;
mod nodes;
mod takeover;
