//! `network-config`, versions 1 and 2: what both come to. Both may stand below a key `network`, as netplan has it.

mod first;
mod second;

use std::net::IpAddr;

use ipnet::IpNet;

use super::tree::{At, Table, shown};
use super::{BadSeed, NETWORK_CONFIG, yaml};
use crate::machine::{Automatic, Bond, BondMode, Interface, Role, Vlan};

/// A network card of this machine: how the kernel calls it, and its permanent address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    pub name: String,
    pub mac: String,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Network {
    pub interfaces: Vec<Interface>,
    pub name_servers: Vec<IpAddr>,
    pub remarks: Vec<String>,
}

/// More than any machine has.
const MOST_INTERFACES: usize = 64;

pub fn read(text: &str, cards: &[Card]) -> Result<Network, BadSeed> {
    let value = yaml::read(NETWORK_CONFIG, text)?;
    if value.is_null() {
        return Ok(Network::default());
    }
    let mut root = At::root(NETWORK_CONFIG, &value);
    if value.get("network").is_some() {
        root = root.table(&["network"])?.need("network")?;
    }
    let version: u8 = root.any_table()?.need("version")?.number()?;
    let mut network = match version {
        1 => first::read(&root, cards)?,
        2 => second::read(&root, cards)?,
        _ => return Err(root.refuse("versions 1 and 2 are known here")),
    };
    if network.interfaces.len() > MOST_INTERFACES {
        return Err(root.refuse(format!("more than {MOST_INTERFACES} interfaces")));
    }
    network.settle(cards);
    Ok(network)
}

/// An interface that nothing is known of but its name.
fn blank(name: &str) -> Interface {
    Interface {
        name: name.into(),
        role: Role::Outside,
        mac: None,
        vlan: None,
        bond: None,
        ipv4: Automatic::Off,
        ipv6: Automatic::Off,
        addresses: Vec::new(),
        gateways: Vec::new(),
    }
}

impl Network {
    /// What others stand on and has no address of its own carries them; what only has a name is said.
    fn settle(&mut self, cards: &[Card]) {
        let carries = |name: &str, all: &[Interface]| {
            let is_below = |i: &Interface| i.vlan.as_ref().is_some_and(|v| v.on == name);
            let is_member = |i: &Interface| i.bond.as_ref().is_some_and(|b| b.of.iter().any(|m| m == name));
            all.iter().any(|i| is_below(i) || is_member(i))
        };
        let all = self.interfaces.clone();
        for interface in &mut self.interfaces {
            let has_address = interface.ipv4 == Automatic::On || interface.ipv6 == Automatic::On || !interface.addresses.is_empty();
            if !has_address && carries(&interface.name, &all) {
                interface.role = Role::Carrier;
            }
            if let Some(mac) = &interface.mac
                && !cards.iter().any(|c| c.mac == *mac)
            {
                let name = shown(&interface.name);
                self.remarks
                    .push(format!("network-config: no card of this machine has the address {mac} of {name}: it is set up when one comes"));
            }
        }
        let mut seen = Vec::new();
        self.name_servers.retain(|server| {
            let is_new = !seen.contains(server);
            seen.push(*server);
            is_new
        });
    }

    fn search(&mut self, at: Option<At>) -> Result<(), BadSeed> {
        let Some(at) = at else { return Ok(()) };
        let names = at.texts()?;
        names.iter().try_for_each(|n| n.text().map(drop))?;
        if !names.is_empty() {
            self.remarks.push(format!("{} has no effect here: names are asked for as they are written", at.path));
        }
        Ok(())
    }

    fn servers(&mut self, at: Option<At>) -> Result<(), BadSeed> {
        for server in at.map(|a| a.texts()).transpose()?.unwrap_or_default() {
            self.name_servers.push(server.parsed("address")?);
        }
        Ok(())
    }
}

/// As the kernel writes it.
fn mac(at: &At) -> Result<String, BadSeed> {
    Ok(at.text()?.replace('-', ":").to_ascii_lowercase())
}

/// The address of the card that the kernel calls so: for who writes no MAC address.
fn mac_of(name: &str, at: &At, key: &str, cards: &[Card]) -> Result<String, BadSeed> {
    cards.iter().find(|c| c.name == name).map(|c| c.mac.clone()).ok_or_else(|| {
        let there: Vec<String> = cards.iter().map(|c| format!("{} ({})", c.name, c.mac)).collect();
        let there = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
        at.refuse(format!("this machine has no card of the name `{}`, and {key} is not given; its cards: {there}", shown(name)))
    })
}

/// An address with its prefix; without one it would be a network of one.
fn with_prefix(at: &At) -> Result<IpNet, BadSeed> {
    at.parsed("address with a prefix, as in 192.0.2.10/24")
}

fn bond_mode(at: &At) -> Result<BondMode, BadSeed> {
    at.word(&[("active-backup", BondMode::ActiveBackup), ("802.3ad", BondMode::Lacp)])
}

fn members(at: &At, mode: BondMode) -> Result<Bond, BadSeed> {
    let of = at.texts()?.iter().map(|m| m.text().map(str::to_owned)).collect::<Result<_, _>>()?;
    Ok(Bond { of, mode })
}

fn vlan(table: &Table, on: &str, id: &str) -> Result<Vlan, BadSeed> {
    Ok(Vlan { on: table.need(on)?.text()?.into(), id: table.need(id)?.number()? })
}
