//! The appliance around the roles: slots and their tries, health, and what is rendered from the machine's settings. What it is not:
//! a place for mail; nothing here opens a network listener.
//!
//! Plans are pure and can be printed; what carries them out is thin. Invariants: grubenv is written in place, in one write; a slot
//! is called good only after everything in [`health`] was so for a while.

pub mod apply;
pub mod boot_report;
pub mod grubenv;
pub mod health;
pub mod machine;
pub mod plan;
pub mod seed;
pub mod setup;
pub mod slots;
