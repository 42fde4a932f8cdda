//! The hash that chooses a slot: SipHash-1-3 under the cluster's seed.
//!
//! Keyed, or a stranger could choose addresses that all fall on one node. The virtual address and the client's are hashed, of an IPv6
//! client only its /64 (nobody gets less, and one may use all of it): so fragments and ICMP errors need no state, and what a node has learnt
//! about a client stays with it.

use super::address::Address;

/// Hash of a client's connections to a virtual address; `ports` are those of both ends, or 0 where the ring does not want them.
#[inline(always)]
pub fn of(seed: &[u64; 2], address: &Address, client: &Address, ports: u32) -> u64 {
    let mut state = Sip::keyed(seed[0], seed[1]);
    if client.is_v4() {
        state.word((address.low & 0xffff_ffff) << 32 | client.low & 0xffff_ffff);
        // The last word holds the rest and the length, as SipHash wants it.
        return state.finish(ports as u64 | 12 << 56);
    }
    state.word(address.high);
    state.word(address.low);
    state.word(client.high);
    state.finish(ports as u64 | 28 << 56)
}

struct Sip {
    v: [u64; 4],
}

impl Sip {
    #[inline(always)]
    fn keyed(k0: u64, k1: u64) -> Self {
        Self { v: [k0 ^ 0x736f_6d65_7073_6575, k1 ^ 0x646f_7261_6e64_6f6d, k0 ^ 0x6c79_6765_6e65_7261, k1 ^ 0x7465_6462_7974_6573] }
    }

    #[inline(always)]
    fn round(&mut self) {
        let [v0, v1, v2, v3] = &mut self.v;
        *v0 = v0.wrapping_add(*v1);
        *v1 = v1.rotate_left(13) ^ *v0;
        *v0 = v0.rotate_left(32);
        *v2 = v2.wrapping_add(*v3);
        *v3 = v3.rotate_left(16) ^ *v2;
        *v0 = v0.wrapping_add(*v3);
        *v3 = v3.rotate_left(21) ^ *v0;
        *v2 = v2.wrapping_add(*v1);
        *v1 = v1.rotate_left(17) ^ *v2;
        *v2 = v2.rotate_left(32);
    }

    #[inline(always)]
    fn word(&mut self, word: u64) {
        self.v[3] ^= word;
        self.round();
        self.v[0] ^= word;
    }

    #[inline(always)]
    fn finish(mut self, last: u64) -> u64 {
        self.word(last);
        self.v[2] ^= 0xff;
        self.round();
        self.round();
        self.round();
        self.v[0] ^ self.v[1] ^ self.v[2] ^ self.v[3]
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{DefaultHasher, Hasher};
    use std::vec;

    use super::*;

    /// The standard library's hasher is SipHash-1-3 with a key of zeros.
    #[test]
    fn it_is_siphash() {
        let (service, client) = (Address::v4(0xcb00_7119), Address::v4(0xc000_0207));
        let mut known = DefaultHasher::new();
        known.write(&0xcb00_7119_c000_0207u64.to_le_bytes());
        known.write(&7u32.to_le_bytes());
        assert_eq!(of(&[0, 0], &service, &client, 7), known.finish());
        let (service, client) = (Address::v6(1, 2), Address::v6(0x2001_0db8_0000_0001, 4));
        let mut known = DefaultHasher::new();
        for word in [1, 2, 0x2001_0db8_0000_0001u64] {
            known.write(&word.to_le_bytes());
        }
        known.write(&9u32.to_le_bytes());
        assert_eq!(of(&[0, 0], &service, &client, 9), known.finish());
    }

    #[test]
    fn a_client_keeps_its_slot_within_its_64() {
        let service = Address::v6(1, 2);
        let hash = |low| of(&[3, 4], &service, &Address::v6(5, low), 0);
        assert_eq!(hash(6), hash(u64::MAX));
        assert_ne!(hash(6), of(&[3, 5], &service, &Address::v6(5, 6), 0), "the seed counts");
    }

    #[test]
    fn clients_spread() {
        let mut counts = vec![0u32; 64];
        for client in 0..65_536u32 {
            let hash = of(&[1, 2], &Address::v4(7), &Address::v4(client), 0);
            counts[(hash >> 58) as usize] += 1;
        }
        assert!(counts.iter().all(|c| (850..1200).contains(c)), "{counts:?}");
    }
}
