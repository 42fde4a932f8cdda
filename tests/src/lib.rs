//! What the tests and benchmarks share: peers started and measured, a name server, load.

pub mod appliance;
pub mod backend;
pub mod bench;
pub mod certificate;
pub mod clamd;
pub mod cluster;
pub mod corpus;
#[path = "../../userspace/postern-sandbox/tests/support/documents.rs"]
pub mod documents;
pub mod dovecot;
pub mod gateway;
pub mod http;
pub mod network;
pub mod nsd;
pub mod pebble;
pub mod report;
pub mod smtp;
pub mod user;
