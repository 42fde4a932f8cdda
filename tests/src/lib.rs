//! What the tests and benchmarks share: peers started and measured, a name server, load.

pub mod bench;
pub mod corpus;
pub mod dovecot;
pub mod gateway;
pub mod network;
