//! Version 2: netplan's form, with cards, bonds and VLANs in tables of their own.

use super::{Card, Network, blank, bond_mode, mac, mac_of, members, vlan, with_prefix};
use crate::machine::{Automatic, Interface};
use crate::seed::BadSeed;
use crate::seed::tree::{At, Table};

/// What every kind of interface may have.
const COMMON: [&str; 12] = [
    "dhcp4",
    "dhcp6",
    "accept-ra",
    "dhcp-identifier",
    "addresses",
    "gateway4",
    "gateway6",
    "routes",
    "nameservers",
    "optional",
    "renderer",
    "critical",
];

pub fn read(root: &At, cards: &[Card]) -> Result<Network, BadSeed> {
    let table = root.table(&["version", "renderer", "ethernets", "bonds", "vlans"])?;
    let mut network = Network::default();
    renderer(&table)?;
    let mut named = Vec::new();
    for (id, at) in entries(&table, "ethernets")? {
        let interface = card(id, &at, cards, &mut network)?;
        named.push((id.to_owned(), interface.name.clone()));
        network.interfaces.push(interface);
    }
    for (id, at) in entries(&table, "bonds")? {
        let table = at.table(&[&COMMON[..], &["interfaces", "parameters"]].concat())?;
        let mut interface = blank(id);
        let mode = table.get("parameters").map(|p| parameters(&p, &mut network)).transpose()?.flatten().unwrap_or_default();
        interface.bond = Some(members(&table.need("interfaces")?, mode)?);
        common(&table, &mut interface, &mut network)?;
        network.interfaces.push(interface);
    }
    for (id, at) in entries(&table, "vlans")? {
        let table = at.table(&[&COMMON[..], &["id", "link"]].concat())?;
        let mut interface = blank(id);
        interface.vlan = Some(vlan(&table, "link", "id")?);
        common(&table, &mut interface, &mut network)?;
        network.interfaces.push(interface);
    }
    // A card is referred to by its key, which need not be its name.
    let settle = |name: &mut String| {
        if let Some((_, real)) = named.iter().find(|(id, _)| id == name) {
            name.clone_from(real);
        }
    };
    for interface in &mut network.interfaces {
        interface.vlan.iter_mut().for_each(|v| settle(&mut v.on));
        interface.bond.iter_mut().flat_map(|b| &mut b.of).for_each(settle);
    }
    Ok(network)
}

fn entries<'v>(table: &Table<'v>, key: &str) -> Result<Vec<(&'v str, At<'v>)>, BadSeed> {
    Ok(table.get(key).map(|a| a.any_table()).transpose()?.iter().flat_map(Table::entries).collect())
}

fn renderer(table: &Table) -> Result<(), BadSeed> {
    table.get("renderer").map_or(Ok(()), |r| r.word(&[("networkd", ())]))
}

fn card(id: &str, at: &At, cards: &[Card], network: &mut Network) -> Result<Interface, BadSeed> {
    let table = at.table(&[&COMMON[..], &["match", "set-name"]].concat())?;
    let matched = table.get("match").map(|m| m.table(&["macaddress", "name"])).transpose()?;
    let given = matched.as_ref().and_then(|m| m.get("macaddress")).map(|m| mac(&m)).transpose()?;
    let name_there = matched.as_ref().map(|m| m.text("name")).transpose()?.flatten();
    let mac = match given {
        Some(mac) => mac,
        None => mac_of(name_there.unwrap_or(id), at, "match.macaddress", cards)?,
    };
    // Without a new name a card keeps the one that it has.
    let present = cards.iter().find(|c| c.mac == mac).map(|c| c.name.as_str());
    let name = table.text("set-name")?.or(name_there).or(present).unwrap_or(id);
    let mut interface = blank(name);
    interface.mac = Some(mac);
    common(&table, &mut interface, network)?;
    Ok(interface)
}

fn common(table: &Table, interface: &mut Interface, network: &mut Network) -> Result<(), BadSeed> {
    renderer(table)?;
    for key in ["optional", "critical"] {
        if let Some(at) = table.get(key) {
            at.flag()?;
            network.remarks.push(format!("{} has no effect here: nothing waits for an interface", at.path));
        }
    }
    if let Some(identifier) = table.get("dhcp-identifier") {
        identifier.word(&[("mac", ())])?;
    }
    if table.flag("dhcp4")? == Some(true) {
        interface.ipv4 = Automatic::On;
    }
    let (six, advertised) = (table.flag("dhcp6")?, table.flag("accept-ra")?);
    if six == Some(true) && advertised == Some(false) {
        let at = table.need("accept-ra")?;
        return Err(at.refuse("DHCPv6 begins with a router's advertisement: leave this out, or dhcp6"));
    }
    if six == Some(true) || advertised == Some(true) {
        interface.ipv6 = Automatic::On;
    }
    for at in table.get("addresses").map(|a| a.texts()).transpose()?.unwrap_or_default() {
        interface.addresses.push(with_prefix(&at)?);
    }
    for key in ["gateway4", "gateway6"] {
        if let Some(at) = table.get(key) {
            interface.gateways.push(at.parsed("address")?);
        }
    }
    for at in table.get("routes").map(|a| a.list()).transpose()?.unwrap_or_default() {
        let route = at.table(&["to", "via"])?;
        let to = route.need("to")?;
        if !["default", "0.0.0.0/0", "::/0"].contains(&to.text()?) {
            return Err(to.refuse("only the way to everywhere is known here: default"));
        }
        interface.gateways.push(route.need("via")?.parsed("address")?);
    }
    if let Some(at) = table.get("nameservers") {
        let servers = at.table(&["addresses", "search"])?;
        network.servers(servers.get("addresses"))?;
        network.search(servers.get("search"))?;
    }
    Ok(())
}

fn parameters(at: &At, network: &mut Network) -> Result<Option<crate::machine::BondMode>, BadSeed> {
    let table = at.table(&["mode", "mii-monitor-interval"])?;
    if let Some(interval) = table.get("mii-monitor-interval") {
        network.remarks.push(format!("{} has no effect here: links are looked at every 100 ms", interval.path));
    }
    table.get("mode").map(|m| bond_mode(&m)).transpose()
}
