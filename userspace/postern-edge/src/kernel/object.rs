//! The compiled XDP program, as `build.rs` left it.

/// An ELF object, aligned for the loader.
pub static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/postern-edge.bpf.o"));

/// Name of the program that is attached.
pub const PROGRAM: &str = "guard";

/// Name of the map of those that it goes on to.
pub const JUMPS: &str = "JUMPS";
