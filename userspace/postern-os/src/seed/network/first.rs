//! Version 1: a list of things, each with subnets. Proxmox writes this one.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Card, Network, blank, bond_mode, mac, mac_of, members, vlan, with_prefix};
use crate::machine::{Automatic, BondMode, Interface};
use crate::seed::BadSeed;
use crate::seed::tree::{At, Table};

pub fn read(root: &At, cards: &[Card]) -> Result<Network, BadSeed> {
    let mut network = Network::default();
    for at in root.table(&["version", "config"])?.need("config")?.list()? {
        thing(&at, cards, &mut network)?;
    }
    Ok(network)
}

#[derive(Clone, Copy)]
enum Kind {
    Card,
    Bond,
    Vlan,
    NameServer,
}

fn thing(at: &At, cards: &[Card], network: &mut Network) -> Result<(), BadSeed> {
    let kinds = [("physical", Kind::Card), ("bond", Kind::Bond), ("vlan", Kind::Vlan), ("nameserver", Kind::NameServer)];
    let kind = at.any_table()?.need("type")?.word(&kinds)?;
    let table = at.table(match kind {
        Kind::Card => &["type", "name", "mac_address", "subnets"],
        Kind::Bond => &["type", "name", "bond_interfaces", "params", "subnets"],
        Kind::Vlan => &["type", "name", "vlan_link", "vlan_id", "subnets"],
        Kind::NameServer => &["type", "address", "search"],
    })?;
    if matches!(kind, Kind::NameServer) {
        network.servers(table.get("address"))?;
        return network.search(table.get("search"));
    }
    let mut interface = blank(table.need("name")?.text()?);
    match kind {
        Kind::Card => {
            interface.mac = Some(match table.get("mac_address") {
                Some(given) => mac(&given)?,
                None => mac_of(&interface.name, at, "mac_address", cards)?,
            });
        }
        Kind::Bond => {
            let mode = table.get("params").map(|p| parameters(&p, network)).transpose()?.unwrap_or_default();
            interface.bond = Some(members(&table.need("bond_interfaces")?, mode)?);
        }
        Kind::Vlan => interface.vlan = Some(vlan(&table, "vlan_link", "vlan_id")?),
        Kind::NameServer => {}
    }
    for at in table.get("subnets").map(|s| s.list()).transpose()?.unwrap_or_default() {
        subnet(&at, &mut interface, network)?;
    }
    network.interfaces.push(interface);
    Ok(())
}

fn parameters(at: &At, network: &mut Network) -> Result<BondMode, BadSeed> {
    let table = at.table(&["bond-mode", "bond-miimon"])?;
    if let Some(interval) = table.get("bond-miimon") {
        interval.number::<u32>()?;
        network.remarks.push(format!("{} has no effect here: links are looked at every 100 ms", interval.path));
    }
    table.get("bond-mode").map(|m| bond_mode(&m)).transpose().map(Option::unwrap_or_default)
}

#[derive(Clone, Copy)]
enum Subnet {
    Four,
    Six,
    Static,
    Manual,
}

const SUBNETS: [(&str, Subnet); 9] = [
    ("dhcp", Subnet::Four),
    ("dhcp4", Subnet::Four),
    ("dhcp6", Subnet::Six),
    ("ipv6_dhcpv6-stateful", Subnet::Six),
    ("ipv6_dhcpv6-stateless", Subnet::Six),
    ("ipv6_slaac", Subnet::Six),
    ("static", Subnet::Static),
    ("static6", Subnet::Static),
    ("manual", Subnet::Manual),
];

fn subnet(at: &At, interface: &mut Interface, network: &mut Network) -> Result<(), BadSeed> {
    let kind = at.any_table()?.need("type")?.word(&SUBNETS)?;
    let table = at.table(match kind {
        Subnet::Static => &["type", "address", "netmask", "gateway", "dns_nameservers", "dns_search"],
        _ => &["type", "dns_nameservers", "dns_search"],
    })?;
    network.servers(table.get("dns_nameservers"))?;
    network.search(table.get("dns_search"))?;
    match kind {
        Subnet::Four => interface.ipv4 = Automatic::On,
        // One switch: router advertisements, and DHCPv6 when they say so.
        Subnet::Six => interface.ipv6 = Automatic::On,
        Subnet::Manual => {}
        Subnet::Static => {
            interface.addresses.push(address(&table)?);
            if let Some(gateway) = table.get("gateway") {
                interface.gateways.push(gateway.parsed("address")?);
            }
        }
    }
    Ok(())
}

/// `10.0.0.10/24`, or `10.0.0.10` and a netmask of its own.
fn address(table: &Table) -> Result<IpNet, BadSeed> {
    let at = table.need("address")?;
    let Some(mask) = table.get("netmask") else { return with_prefix(&at) };
    let address: IpAddr = at.parsed("address (the netmask stands beside it)")?;
    let mask = match mask.value.as_u64().and_then(|n| u8::try_from(n).ok()) {
        Some(prefix) => IpNet::new(address, prefix).ok(),
        None => IpNet::with_netmask(address, mask.parsed("netmask, as in 255.255.255.0")?).ok(),
    };
    mask.ok_or_else(|| at.refuse("the netmask does not fit this address"))
}
