//! A cluster on one machine: nodes as hosts of their own around a switch that can be cut, with mail for them and a server behind.

pub mod api;
pub mod consoles;
pub mod crowd;
pub mod host;
pub mod load;
pub mod nodes;
pub mod ring;
pub mod stranger;
pub mod switch;
pub mod tour;
