//! The appliance around the roles: slots and their tries, health, what is rendered from the machine's settings, and the installer.
//! What it is not: a place for mail; nothing here opens a network listener.
//!
//! Plans are pure and can be printed; what carries them out is thin. Invariants: grubenv is written in place, in one write; a slot
//! is called good only after everything in [`health`] was so for a while.

pub mod apply;
pub mod boot_loader;
pub mod boot_report;
pub mod bundle;
pub mod client;
pub mod consoles;
pub mod firewall;
pub mod grubenv;
pub mod health;
pub mod install;
pub mod machine;
pub mod manifest;
pub mod plan;
pub mod restore_order;
pub mod role;
mod secret_file;
pub mod seed;
pub mod setup;
pub mod slot_settings;
pub mod slots;
pub mod systemd;
pub mod update;

/// Of whoever signs updates for this appliance: put there by the build.
pub const PUBLIC_KEY: &str = "/usr/share/postern/update.pub";
