//! Feeds of bad networks: from lines of text to maps.
//!
//! [`line`] reads a file, [`plan`] makes of all rules the tables one generation consists of, [`load`] puts them into the kernel
//! and swaps the generation; [`fetch`] brings a file from elsewhere where the settings ask for it, and [`set`] keeps what each feed held
//! last.

pub mod fetch;
pub mod line;
pub mod load;
pub mod plan;
pub mod set;
