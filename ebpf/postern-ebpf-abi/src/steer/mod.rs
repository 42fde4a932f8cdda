//! Which node of a cluster a packet to a shared (virtual) address belongs to, and what is done with it.
//!
//! Every node runs the same decision over its own copy of the [`ring::Ring`]; nobody asks anybody. A new connection (SYN) goes
//! where the ring says. Anything later first asks whether a socket is here, then what was done before with this connection, then the ring, and at
//! last gives the node that had the connection before the ring changed a second chance. A packet carries how often it was forwarded
//! ([`mark`]) and is never forwarded a third time, so that rings which differ cannot make a loop.
//!
//! Read first: [`ring`], then [`decide`], then [`mark`].

pub mod address;
pub mod answer;
pub mod connection;
pub mod decide;
pub mod hash;
pub mod mark;
pub mod rewrite;
pub mod ring;
pub mod seen;
pub mod tunnel;
