//! Addresses and networks of the standard library as the maps know them.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use postern_ebpf_abi::address::{KeyV6, Prefix, Source};

/// `::ffff:192.0.2.1` is 192.0.2.1: a dual-stack socket reports IPv4 clients so, the wire does not.
pub fn canonical(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(a) => a.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

/// What a person wrote: an address (its own network) or a network, host bits cleared. `None`: it is neither.
pub fn parse(text: &str) -> Option<IpNet> {
    let parsed = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(|a| IpNet::from(a.to_canonical())));
    parsed.ok().map(|n| n.trunc())
}

pub fn source(address: IpAddr) -> Source {
    match canonical(address) {
        IpAddr::V4(a) => Source::V4(a.to_bits()),
        IpAddr::V6(a) => halves(a.to_bits()),
    }
}

pub fn address(source: &Source) -> IpAddr {
    match *source {
        Source::V4(a) => IpAddr::V4(a.into()),
        Source::V6(high, low) => IpAddr::V6((u128::from(high) << 64 | u128::from(low)).into()),
    }
}

fn halves(bits: u128) -> Source {
    Source::V6((bits >> 64) as u64, bits as u64)
}

/// Host bits cleared, mapped IPv4 as IPv4.
pub fn truncated(network: IpNet) -> IpNet {
    match network {
        IpNet::V6(n) => {
            let mapped = n.addr().to_ipv4_mapped().zip(n.prefix_len().checked_sub(96));
            let as_v4 = mapped.and_then(|(a, length)| Ipv4Net::new(a, length).ok()).map(IpNet::V4);
            as_v4.unwrap_or(IpNet::V6(n)).trunc()
        }
        IpNet::V4(_) => network.trunc(),
    }
}

/// The network of a single client: its /32, or its /64, of which it can use every address.
pub fn of_client(client: IpAddr) -> IpNet {
    match canonical(client) {
        IpAddr::V4(a) => IpNet::V4(Ipv4Net::from(a)),
        IpAddr::V6(a) => IpNet::V6(Ipv6Net::new_assert(a, 64).trunc()),
    }
}

pub fn prefix(network: &IpNet) -> Prefix {
    Prefix::network(&source(network.network()), network.prefix_len().into())
}

pub fn key_v6(network: &Ipv6Net) -> KeyV6 {
    let bits = network.network().to_bits();
    KeyV6::of((bits >> 64) as u64, bits as u64, network.prefix_len().into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn mapped_addresses_are_ipv4_everywhere() {
        assert_eq!(source("::ffff:192.0.2.1".parse().unwrap()), Source::V4(0xc000_0201));
        assert_eq!(truncated("::ffff:192.0.2.9/120".parse().unwrap()), "192.0.2.0/24".parse().unwrap());
        assert_eq!(of_client("::ffff:192.0.2.9".parse().unwrap()), "192.0.2.9/32".parse().unwrap());
        assert_eq!(of_client("2001:db8::1:2:3:4".parse().unwrap()), "2001:db8::/64".parse().unwrap());
        assert_eq!(address(&source("2001:db8::7".parse().unwrap())), "2001:db8::7".parse::<IpAddr>().unwrap());
    }
}
