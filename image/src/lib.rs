//! The appliance: one build gives a disk (qcow2, raw, OVA), an ISO and an update, all of the same root. What it is not: part of
//! the product; nothing of the product imports it.
//!
//! [`recipe`] is the build as data: steps with their inputs and commands. [`execute`] runs what is not in the cache, which knows a
//! step by the hash of everything that it reads. Invariants: packages are those of the lock file, by their hashes; a step reads
//! only what it names; two builds of the same inputs are equal octet by octet.
//!
//! Read first: `recipe.rs`, then `docs/how-to/appliance.md`.

pub mod cache;
pub mod cpio;
pub mod disk;
pub mod esp;
pub mod execute;
pub mod inputs;
pub mod lock;
pub mod machine;
pub mod manifest;
pub mod modules;
pub mod ova;
pub mod plan;
pub mod recipe;
pub mod repository;
pub mod sbom;
