//! Backup and restore of a node: what makes it this node, in one encrypted file.
//!
//! A backup is a tar archive in zstd in age (`age -d FILE | zstd -d | tar x` opens it without Postern). Its first member is the
//! [`manifest`]; the others follow in its order.
//!
//! What it is not: a copy of accepted mail that waits for delivery. To bring back an old queue is to deliver mails again
//! that were delivered since; against the loss of a disk the peers hold copies ([`inventory`] says it file by file).
//!
//! Invariants:
//! - Nothing of a backup is in memory as a whole, whatever the node holds: lists lie on the disk, bodies are streamed.
//! - A backup has its name only when it is complete and synced.
//! - A restore puts nothing in place before every octet was verified, and then all of it in one rename. It writes below the data
//!   folder only.
//! - A restored node is no twin: without [`restore::Membership::Resume`] it comes back outside of its cluster.
//!
//! Read first: [`inventory`], [`manifest`], then [`create`] and [`restore`].

pub mod create;
pub mod fetch;
pub mod inventory;
pub mod lock;
pub mod manifest;
pub mod name;
pub mod restore;
pub mod schedule;
pub mod stage;
pub mod target;
pub mod verify;

mod archive;
mod pipe;
