//! What the tests and benchmarks share: peers started and measured, a name server, load.

pub mod bench;
