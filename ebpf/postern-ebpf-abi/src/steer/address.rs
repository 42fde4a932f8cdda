//! Addresses of both families as one value, and what an address is to this node.

/// 128 bits in host order; IPv4 is mapped (RFC 4291 §2.5.5.2).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    pub high: u64,
    pub low: u64,
}

/// The upper 32 bits of `low` of a mapped IPv4 address.
const MAPPED: u64 = 0xffff;

/// What an address is to this node: values of the map `ADDRESSES`.
pub mod role {
    /// Shared by the nodes of the cluster: packets to it are steered.
    pub const VIRTUAL: u32 = 1;
    /// This node's own, at which peers deliver packets in a tunnel. Protocols 4 and 41 to it come from a peer or are dropped.
    pub const OUTER: u32 = 2;
}

/// Addresses with a role, at most.
pub const MAX_ADDRESSES: u32 = 1024;

/// Words of [`crate::front::Front::destinations`].
pub const FILTER_WORDS: u32 = 16;

impl Address {
    /// No address.
    pub const NONE: Self = Self { high: 0, low: 0 };

    #[inline(always)]
    pub const fn v4(address: u32) -> Self {
        Self { high: 0, low: MAPPED << 32 | address as u64 }
    }

    #[inline(always)]
    pub const fn v6(high: u64, low: u64) -> Self {
        Self { high, low }
    }

    #[inline(always)]
    pub fn is_v4(&self) -> bool {
        self.high == 0 && self.low >> 32 == MAPPED
    }

    #[inline(always)]
    pub fn is_none(&self) -> bool {
        self.high == 0 && self.low == 0
    }

    pub fn octets(&self) -> [u8; 16] {
        (u128::from(self.high) << 64 | u128::from(self.low)).to_be_bytes()
    }

    pub fn from_octets(octets: [u8; 16]) -> Self {
        let bits = u128::from_be_bytes(octets);
        Self { high: (bits >> 64) as u64, low: bits as u64 }
    }
}

/// Word and bit of an IPv4 destination in the filter that stands before the map.
#[inline(always)]
pub fn filter_v4(address: u32) -> (u32, u32) {
    // The upper bits of a product depend on all bits of the address (Fibonacci hashing).
    let bit = address.wrapping_mul(0x9e37_79b9) >> 22;
    (bit >> 6, bit & 63)
}
