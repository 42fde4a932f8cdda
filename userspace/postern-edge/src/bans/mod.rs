//! Bans: [`authority`] decides purely which are in force, [`kernel`] puts them into the maps, [`store`] keeps them over a reboot.
//! Who is banned for what is decided in node, by [`crate::offences`].

pub mod authority;
pub mod kernel;
pub mod store;
