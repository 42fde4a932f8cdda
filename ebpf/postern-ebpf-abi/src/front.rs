//! What every packet asks before it is known to be of interest: the settings, the ports, and the bits before the allow list and the
//! bans. One value, so that the program looks it up once: a lookup in each of four maps costs as much as a stage.

use crate::allow::BITS_WORDS;
use crate::ban::FILTER_WORDS;
use crate::config::{Config, ports};
use crate::steer::address::FILTER_WORDS as FILTER_WORDS_OF_DESTINATIONS;

/// The one element of the map `FRONT`. Userspace changes it through memory, a word at a time.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Front {
    pub config: Config,
    /// See [`ports`].
    pub ports: [u64; ports::WORDS as usize],
    /// Bits of IPv4 destinations with a role ([`crate::steer::address::filter_v4`]): nearly all others are told apart here.
    pub destinations: [u64; FILTER_WORDS_OF_DESTINATIONS as usize],
    /// See [`crate::allow`].
    pub allow: [u64; BITS_WORDS as usize],
    /// See [`crate::ban`].
    pub bans: [u64; FILTER_WORDS as usize],
}

// An index is masked where it is used, so that the verifier and the host see that it is within bounds.
impl Front {
    #[inline(always)]
    pub fn port_word(&self, word: u32) -> u64 {
        self.ports[(word & (ports::WORDS - 1)) as usize]
    }

    #[inline(always)]
    pub fn destination_bits(&self, word: u32) -> u64 {
        self.destinations[(word & (FILTER_WORDS_OF_DESTINATIONS - 1)) as usize]
    }

    #[inline(always)]
    pub fn allow_bits(&self, word: u32) -> u64 {
        self.allow[(word & (BITS_WORDS - 1)) as usize]
    }

    #[inline(always)]
    pub fn ban_filter(&self, word: u32) -> u64 {
        self.bans[(word & (FILTER_WORDS - 1)) as usize]
    }
}
