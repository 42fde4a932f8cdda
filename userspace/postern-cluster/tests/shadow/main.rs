//! Shadow copies between nodes of one process: what was accepted is delivered, whatever happens to its node.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod copies;
mod nodes;
mod takeover;
