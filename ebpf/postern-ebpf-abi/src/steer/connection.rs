//! What was done before with a connection: the map `CONNECTIONS`, least recently used first out.
//!
//! An entry is a hint. It is made when a packet that opens nothing is forwarded by the ring, and keeps the connection there when the ring
//! changes. A wrong or lost one costs a hop (the second chance), never a session.

use super::address::Address;

/// Key of the map; the value is the number of a peer.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Connection {
    /// The virtual address and its port.
    pub address: Address,
    pub client: Address,
    pub port: u16,
    pub client_port: u16,
    pub zero: u32,
}
