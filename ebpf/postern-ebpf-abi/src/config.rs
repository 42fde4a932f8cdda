//! What userspace tells the program: switches compiled in, and values it reads for each packet.

/// Bits of the program's read-only global `FEATURES`. A stage that is off is removed by the verifier; changing them
/// replaces the program in its link.
pub mod feature {
    pub const ALLOW: u32 = 1;
    pub const BANS: u32 = 2;
    pub const NETWORK_BANS: u32 = 4;
    pub const FEEDS: u32 = 8;
    pub const RATES: u32 = 16;
    pub const SAMPLES: u32 = 32;
    /// Packets to virtual addresses go to the node they belong to.
    pub const STEER: u32 = 64;
    /// Connections are opened by SYN cookies when they come too fast for the network stack.
    pub const COOKIES: u32 = 128;
    pub const ALL: u32 = 255;
}

/// The values, in [`crate::front::Front`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Seed of every hash; made once per set of maps, since filled filters depend on it.
    pub seed: u64,
    /// [`crate::VERSION`] of who made the maps.
    pub version: u32,
    /// New connections a second from one source; 0: no limit.
    pub source_rate: u32,
    pub source_burst: u32,
    /// New connections a second in all; 0: no limit.
    pub total_rate: u32,
    pub total_burst: u32,
    /// One of so many dropped packets becomes a sample; 0: none.
    pub sample_every: u32,
    /// Samples a second on each CPU at most.
    pub samples_per_second: u32,
    /// Answers "packet too big" a second, at most.
    pub too_big_per_second: u32,
    /// New connections a second to SMTP ports that the network stack gets before they are answered by SYN cookies; 0: it gets all.
    pub cookies_above: u32,
    pub zero: u32,
}

/// Two bits for each TCP port, 32 ports in a word.
pub mod ports {
    pub const WORDS: u32 = 65_536 / 32;
    /// Bans apply.
    pub const SERVICE: u64 = 1;
    /// Feeds and rates apply.
    pub const SMTP: u64 = 2;

    #[inline(always)]
    pub fn word(port: u16) -> u32 {
        port as u32 / 32
    }

    /// [`SERVICE`] and [`SMTP`] of `port` in its word.
    #[inline(always)]
    pub fn roles(word: u64, port: u16) -> u64 {
        (word >> ((port as u32 % 32) * 2)) & 3
    }

    /// `word` with `roles` set for `port`.
    pub fn with(word: u64, port: u16, roles: u64) -> u64 {
        word | (roles & 3) << ((port as u32 % 32) * 2)
    }
}
