//! The deterministic simulator: 2 to 100 cores, stores in memory and a network, all driven by one seed.
//!
//! Time is a number. Messages are lost, doubled, delayed and overtaken; links are cut, also one way; nodes crash between any two
//! steps, which loses their memory and the commits under way, but not their store; they are restored from old backups; their
//! clocks are off; their stores fail. A run with the same seed is the same run.
//!
//! Read first: [`world`], then [`storm`], then [`laws`].

pub mod laws;
pub mod store;
pub mod storm;
pub mod workload;
pub mod world;
