//! The kernel's side as userspace sees it: maps with types, the program, its links and pins.

pub mod front;
pub mod guard;
pub mod maps;
pub mod object;
pub mod pins;
pub mod run;
pub mod steer;
pub mod table;
