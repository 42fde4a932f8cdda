//! The link between the nodes of a cluster: each node is an ed25519 key, each pair of members has one QUIC connection.
//!
//! What it is: the identity of this node ([`identity`]), a connection with every member of the roster and streams on it
//! ([`link`]), and the handshake by which a node with a token becomes a member ([`token`], [`join`], [`invitations`]).
//! What it is not: it does not know what the streams carry, who is a member (the [`roster`] comes from outside) or what a
//! snapshot holds.
//!
//! Invariants:
//! - No packet goes to an address that is not in the roster (or in the token, for who joins) and has not just written to us: no relay,
//!   lookup, DNS, port mapping, probe (`correspondents`).
//! - Only a member's key has a stream; a key that leaves the roster loses its connection.
//! - Of two connections between two nodes both sides keep the same one.
//! - An invitation is marked used, on disk, before anything is handed out for it.
//! - Whatever strangers send is bounded in memory, in work and in lines of the log; each bound is a constant with its reason.
//!
//! Files, from the wire up: `udp` and `correspondents` (sockets, and to whom packets may go), `endpoint` (iroh, with all off),
//! `admission` (before and after a handshake), `greeting` (versions), `session` (one connection), `dial`, `supervisor` (which
//! connection counts), `link` (the handle).
//!
//! Read first: [`link`], then [`stream`], then `supervisor`.

mod admission;
mod bucket;
mod correspondents;
mod dial;
mod endpoint;
pub mod file;
mod greeting;
pub mod identity;
pub mod invitations;
pub mod join;
pub mod link;
mod proof;
mod refusals;
pub mod roster;
mod session;
pub mod stream;
mod supervisor;
pub mod token;
mod udp;

#[cfg(test)]
mod tests;
