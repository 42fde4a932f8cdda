//! The sandbox: takes apart what mail brings, in cells.
//!
//! Nothing of a mail's content is parsed by a process that has anything to lose. [`cell::Cells`] starts one worker for each job (the
//! program `postern-cell`), which walls itself in ([`cell::walls`]) before it reads the first octet, takes the content apart
//! ([`dissect`]), runs the scripts in it among objects that only write down ([`detonate`]), and writes a report ([`postern_model::sandbox::Report`]), which is data and nothing else.
//!
//! YARA rules look at each part that comes out ([`yara`]). Programs and scripts of Linux among the parts are run for real, each in a cell of another kind ([`native`]).
//!
//! Each cell has a cgroup of its own where the role may make one ([`cell::cgroup`]), in which the kernel watches it ([`watch`]).
//!
//! The caller gives the content as a sealed memfd; the worker has that, a pipe for the report, and nothing more.
//!
//! [`role`] is the process that starts cells for the node, so many at a time, and [`client`] how it is asked.

pub mod cell;
pub mod client;
pub mod detonate;
pub mod dissect;
pub mod job;
pub mod limits;
pub mod native;
pub mod role;
pub mod watch;
pub mod wire;
pub mod yara;
