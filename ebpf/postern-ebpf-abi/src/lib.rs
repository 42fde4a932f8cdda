//! The contract between the XDP program and the userspace that feeds it: keys, values, reasons,
//! and the decisions themselves as pure functions.
//!
//! What it is not: it touches no map and no packet memory. The kernel's side gives [`packet::parse`] a
//! [`packet::Frame`] and [`judge::judge`] a [`judge::Tables`]; so does the host's side for tests
//! and for the console's "why". Both run the same lines, so an explanation cannot drift from what the NIC does.
//!
//! Invariants: no allocation, no panic, every loop has a constant bound (the kernel's verifier proves all three).
//! Values in maps are `repr(C)` without padding; any change of a layout or a hash bumps [`VERSION`], and pinned maps of
//! another version are not reused.
//!
//! Beside it: what the watch over the sandbox's cells tells ([`watch`]), which is a program of its own.
//!
//! Read first: [`judge`], then [`packet`], then [`reason`].
#![no_std]
#![forbid(unsafe_op_in_unsafe_fn)]

#[cfg(test)]
extern crate std;

pub mod address;
pub mod allow;
pub mod ban;
pub mod config;
pub mod feed;
pub mod front;
pub mod handover;
pub mod judge;
pub mod packet;
pub mod rate;
pub mod reason;
pub mod sample;
pub mod steer;
pub mod watch;

/// Version of every layout and hash in this crate.
pub const VERSION: u32 = 4;

/// Values that go into maps as bytes.
///
/// # Safety
/// `repr(C)` or primitive, no padding, every bit pattern valid.
pub unsafe trait Plain: Copy + 'static {}

macro_rules! plain {
    ($($t:ty),* $(,)?) => { $(unsafe impl Plain for $t {})* };
}
plain!(
    u8,
    u32,
    u64,
    address::KeyV6,
    address::Prefix,
    ban::BanValue,
    config::Config,
    front::Front,
    handover::Handover,
    feed::v4::Bucket,
    feed::v4::FeedsV4,
    feed::v6::FeedsV6,
    sample::Count,
    sample::Sample,
    sample::Sampling,
    steer::address::Address,
    steer::connection::Connection,
    steer::ring::PeerCount,
    steer::ring::Ring,
    watch::Call,
    watch::Cell,
);
