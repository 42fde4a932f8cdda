//! A cell: one process behind walls, for one job, killed as a whole.

mod admission;
pub mod cgroup;
mod priority;
mod programs;
mod seccomp;
mod supervisor;
pub mod walls;

pub use admission::{Admission, Busy, Place};
pub use supervisor::{CellError, Cells, Rules};
