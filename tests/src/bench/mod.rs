//! Benchmarks beside their peers: both sides get the same mails, sinks, durability and name server,
//! in rounds that alternate between them, inside a network namespace of the benchmark's own.

pub mod cluster;
pub mod console;
pub mod load;
pub mod nameserver;
pub mod namespace;
pub mod postern;
pub mod postfix;
pub mod process;
pub mod report;
pub mod rspamd;
pub mod sink;
pub mod tables;
