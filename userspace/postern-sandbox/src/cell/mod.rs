//! A cell: one process behind walls, for one job, killed as a whole.

mod seccomp;
mod supervisor;
pub mod walls;

pub use supervisor::{CellError, Cells};
