//! The operator's allow list, in the kernel.

use std::collections::BTreeSet;

use ipnet::IpNet;
use postern_ebpf_abi::address::Prefix;
use postern_ebpf_abi::allow::BITS_WORDS;

use crate::kernel::maps::KernelMaps;
use crate::kernel::table::TableError;
use crate::network::{prefix, truncated};

/// Networks on the list at most: the size of its map.
pub const MAX: usize = 65_536;

#[derive(Debug, thiserror::Error)]
pub enum AllowError {
    #[error("{0} networks on the allow list: at most {MAX} fit")]
    TooMany(usize),
    #[error(transparent)]
    Table(#[from] TableError),
}

/// Makes `networks` the allow list. New ones are in force before old ones go, so one that stays is never without it.
///
/// # Errors
/// When there are too many, or the kernel refuses.
pub fn set(maps: &KernelMaps, networks: &[IpNet]) -> Result<usize, AllowError> {
    let wanted: BTreeSet<Prefix> = networks.iter().map(|n| prefix(&truncated(*n))).collect();
    if wanted.len() > MAX {
        return Err(AllowError::TooMany(wanted.len()));
    }
    let present: BTreeSet<Prefix> = maps.allow.keys(2 * MAX)?.into_iter().collect();
    let obsolete: Vec<&Prefix> = present.difference(&wanted).collect();
    // A full map must lose before it can gain.
    let crowded = present.len() + wanted.len() > MAX;
    if crowded {
        obsolete.iter().try_for_each(|p| maps.allow.delete(p))?;
    }
    for added in wanted.difference(&present) {
        maps.allow.set(added, &1)?;
    }
    maps.front.set_allow_bits(&bits(&wanted));
    if !crowded {
        obsolete.iter().try_for_each(|p| maps.allow.delete(p))?;
    }
    Ok(wanted.len())
}

/// One bit per first 16 bits that some network touches.
fn bits(prefixes: &BTreeSet<Prefix>) -> Vec<u64> {
    let mut words = vec![0u64; BITS_WORDS as usize];
    for p in prefixes {
        let o = p.octets;
        let mapped = p.length >= 96 && o[..10] == [0; 10] && o[10..12] == [0xff, 0xff];
        let (base, top, length) = if mapped {
            (0, u16::from_be_bytes([o[12], o[13]]), p.length - 96)
        } else {
            (1024, u16::from_be_bytes([o[0], o[1]]), p.length)
        };
        let top = u32::from(top);
        for i in 0..1u32 << 16u32.saturating_sub(length) {
            let bit = top + i;
            if let Some(word) = words.get_mut((base + (bit >> 6)) as usize) {
                *word |= 1 << (bit & 63);
            }
        }
    }
    words
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use postern_ebpf_abi::allow::bit_of;

    use super::*;
    use crate::network::source;

    #[test]
    fn every_allowed_address_has_its_bit() {
        let list = ["10.0.0.0/8", "192.0.2.1/32", "0.0.0.0/1", "2001:db8::/32", "fe80::/10", "::/0"];
        for text in list {
            let network: IpNet = text.parse().unwrap();
            let words = bits(&BTreeSet::from([prefix(&network)]));
            for address in [network.network(), network.broadcast()] {
                let (word, bit) = bit_of(&source(address));
                assert_eq!(words[word as usize] >> bit & 1, 1, "{text} {address}");
            }
        }
        let words = bits(&BTreeSet::from([prefix(&"10.1.2.0/24".parse().unwrap())]));
        assert_eq!(words.iter().map(|w| w.count_ones()).sum::<u32>(), 1);
    }
}
