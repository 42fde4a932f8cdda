//! The compiled programs, as `build.rs` left them.

/// An ELF object, aligned for the loader.
pub static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/postern-edge.bpf.o"));

/// The watch over the sandbox's cells.
pub static WATCH: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/postern-watch.bpf.o"));

/// Name of the program that is attached.
pub const PROGRAM: &str = "guard";

/// Name of the map of those that it goes on to.
pub const JUMPS: &str = "JUMPS";
