//! The settings of the machine itself: its name, time, name servers and network. Node-local, kept on the data partition as
//! `machine.toml`; without the file every card asks for its address by DHCP.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// Kernel: IFNAMSIZ less the zero.
const LONGEST_NAME: usize = 15;
/// IEEE 802.1Q: 0 and 4095 are reserved.
const VLANS: std::ops::RangeInclusive<u16> = 1..=4094;
/// RFC 1035 §2.3.4.
const LONGEST_HOSTNAME: usize = 253;
/// Linux' HOST_NAME_MAX: a longer one is for SMTP only.
const LONGEST_KERNEL_NAME: usize = 64;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Machine {
    /// Fully qualified: `mx1.example.org`.
    pub hostname: String,
    /// As in `Europe/Berlin`; empty: UTC.
    pub time_zone: String,
    /// Empty: those of Debian.
    pub time_servers: Vec<String>,
    /// Empty: those that DHCP or router advertisements name.
    pub name_servers: Vec<IpAddr>,
    #[serde(rename = "interface")]
    pub interfaces: Vec<Interface>,
}

/// What an interface is for. The edge guards those outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    Outside,
    Inside,
    Management,
    Cluster,
    /// Carries others (a bond's members, VLANs) and has no address.
    Carrier,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BondMode {
    #[default]
    ActiveBackup,
    /// LACP: the switch must know.
    #[serde(rename = "802.3ad")]
    Lacp,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Automatic {
    #[default]
    Off,
    /// IPv4: DHCP. IPv6: router advertisements, and DHCPv6 when they say so.
    On,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interface {
    /// How it is called from now on: `eth0`, `outside`.
    pub name: String,
    pub role: Role,
    /// A card, by its permanent address: names of cards change when one is added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// A VLAN: on this interface, with this number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vlan: Option<Vlan>,
    /// A bond of these interfaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bond: Option<Bond>,
    #[serde(default)]
    pub ipv4: Automatic,
    #[serde(default)]
    pub ipv6: Automatic,
    /// `192.0.2.10/24`, `2001:db8::10/64`
    #[serde(default)]
    pub addresses: Vec<IpNet>,
    #[serde(default)]
    pub gateways: Vec<IpAddr>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vlan {
    pub on: String,
    pub id: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bond {
    pub of: Vec<String>,
    #[serde(default)]
    pub mode: BondMode,
}

/// What is wrong, where, and what to write instead.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadMachine {
    #[error("machine.toml: {0}")]
    Syntax(String),
    #[error("hostname `{0}`: write a fully qualified name, as in mx1.example.org")]
    Hostname(String),
    #[error("time_zone `{0}`: write a name as in Europe/Berlin")]
    TimeZone(String),
    #[error("time_servers: `{0}` is no host name or address")]
    TimeServer(String),
    #[error("interface `{0}`: a name has 1 to {LONGEST_NAME} letters, digits, dots, dashes or underscores")]
    Name(String),
    #[error("interface `{0}` stands twice")]
    Twice(String),
    #[error("interface `{0}`: it is a card (mac), a VLAN (vlan) or a bond (bond): name exactly one of them")]
    Kind(String),
    #[error("interface `{name}`: `{mac}` is no MAC address, as in 52:54:00:12:34:56")]
    Mac { name: String, mac: String },
    #[error("interface `{name}`: VLAN {id} is not between 1 and 4094")]
    VlanId { name: String, id: u16 },
    #[error("interface `{name}`: there is no interface `{on}`")]
    Unknown { name: String, on: String },
    #[error("interface `{name}`: `{member}` must be a card with the role carrier, in one bond only")]
    Member { name: String, member: String },
    #[error("interface `{0}`: a bond needs one or more members")]
    EmptyBond(String),
    #[error("interface `{0}`: a carrier has no addresses of its own")]
    Carrier(String),
    #[error("interface `{0}`: it has no address: name addresses, or ipv4 or ipv6 = \"on\"")]
    NoAddress(String),
    #[error("interface `{name}`: the gateway {gateway} is in none of its networks")]
    Gateway { name: String, gateway: IpAddr },
    #[error("no interface has the role outside: the edge would guard nothing")]
    NothingOutside,
}

/// What the image guards before anybody says otherwise (`image/overlay/usr/share/postern/postern.toml`).
const FIRST_CARD: &str = "eth0";

impl Machine {
    /// # Errors
    /// The first thing that is wrong.
    pub fn parse(text: &str) -> Result<Self, BadMachine> {
        let machine: Self = toml::from_str(text).map_err(|e| BadMachine::Syntax(e.to_string()))?;
        machine.check()?;
        Ok(machine)
    }

    /// Interfaces that the edge guards.
    pub fn outside(&self) -> impl Iterator<Item = &Interface> {
        self.interfaces.iter().filter(|i| i.role == Role::Outside)
    }

    /// What the edge is to guard after this took the place of `before`; `None`: what it guards `now` stays. Whoever named
    /// interfaces of his own keeps them.
    pub fn guards(&self, before: &Self, now: &[String]) -> Option<Vec<String>> {
        let names = |machine: &Self| machine.outside().map(|i| i.name.clone()).collect::<Vec<_>>();
        let (was, wanted) = (names(before), names(self));
        let follows = if was.is_empty() { now == [FIRST_CARD] } else { now == was };
        (follows && !wanted.is_empty() && now != wanted).then_some(wanted)
    }

    fn check(&self) -> Result<(), BadMachine> {
        let is_full = is_hostname(&self.hostname) && self.hostname.contains('.');
        if !self.hostname.is_empty() && !is_full {
            return Err(BadMachine::Hostname(self.hostname.clone()));
        }
        if !is_time_zone(&self.time_zone) {
            return Err(BadMachine::TimeZone(self.time_zone.clone()));
        }
        if let Some(bad) = self.time_servers.iter().find(|s| s.parse::<IpAddr>().is_err() && !is_hostname(s)) {
            return Err(BadMachine::TimeServer(bad.clone()));
        }
        let mut known = BTreeMap::new();
        for interface in &self.interfaces {
            if known.insert(interface.name.as_str(), interface).is_some() {
                return Err(BadMachine::Twice(interface.name.clone()));
            }
        }
        let mut members = BTreeSet::new();
        for interface in &self.interfaces {
            interface.check(&known, &mut members)?;
        }
        if !self.interfaces.is_empty() && self.outside().next().is_none() {
            return Err(BadMachine::NothingOutside);
        }
        Ok(())
    }
}

impl Interface {
    fn check<'a>(&'a self, known: &BTreeMap<&str, &Interface>, members: &mut BTreeSet<&'a str>) -> Result<(), BadMachine> {
        let name = self.name.clone();
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(is_allowed) || name.starts_with('.') || name == "lo" {
            return Err(BadMachine::Name(name));
        }
        match (&self.mac, &self.vlan, &self.bond) {
            (Some(mac), None, None) if !is_mac(mac) => return Err(BadMachine::Mac { name, mac: mac.clone() }),
            (Some(_), None, None) => {}
            (None, Some(vlan), None) => {
                if !VLANS.contains(&vlan.id) {
                    return Err(BadMachine::VlanId { name, id: vlan.id });
                }
                if vlan.on == name || known.get(vlan.on.as_str()).is_none_or(|below| below.vlan.is_some()) {
                    return Err(BadMachine::Unknown { name, on: vlan.on.clone() });
                }
            }
            (None, None, Some(bond)) => {
                if bond.of.is_empty() {
                    return Err(BadMachine::EmptyBond(name));
                }
                for member in &bond.of {
                    let is_card = known.get(member.as_str()).is_some_and(|m| m.mac.is_some() && m.role == Role::Carrier);
                    if !is_card || !members.insert(member) {
                        return Err(BadMachine::Member { name, member: member.clone() });
                    }
                }
            }
            _ => return Err(BadMachine::Kind(name)),
        }
        let is_automatic = self.ipv4 == Automatic::On || self.ipv6 == Automatic::On;
        let has_address = is_automatic || !self.addresses.is_empty();
        match self.role {
            Role::Carrier if has_address || !self.gateways.is_empty() => return Err(BadMachine::Carrier(name)),
            Role::Carrier => {}
            _ if !has_address => return Err(BadMachine::NoAddress(name)),
            _ => {}
        }
        // A router's link-local address is in every network (RFC 4861 §4.2).
        let is_near = |gateway: &IpAddr| match gateway {
            IpAddr::V6(six) if six.is_unicast_link_local() => true,
            other => self.addresses.iter().any(|net| net.contains(other)),
        };
        match self.gateways.iter().find(|g| !is_near(g)) {
            Some(gateway) => Err(BadMachine::Gateway { name, gateway: *gateway }),
            None => Ok(()),
        }
    }
}

/// RFC 1123 §2.1.
fn is_hostname(name: &str) -> bool {
    let is_label = |l: &str| {
        (1..=63).contains(&l.len()) && !l.starts_with('-') && !l.ends_with('-') && l.bytes().all(|o| o.is_ascii_alphanumeric() || o == b'-')
    };
    name.len() <= LONGEST_HOSTNAME && name.split('.').all(is_label)
}

/// What the kernel is told: it takes less than DNS allows.
pub fn kernel_name(hostname: &str) -> &str {
    if hostname.len() <= LONGEST_KERNEL_NAME { hostname } else { hostname.split('.').next().unwrap_or(hostname) }
}

/// It becomes a path below /usr/share/zoneinfo.
fn is_time_zone(zone: &str) -> bool {
    let is_part = |p: &str| !p.is_empty() && p.bytes().all(|o| o.is_ascii_alphanumeric() || b"_+-".contains(&o));
    zone.is_empty() || zone.split('/').all(is_part)
}

fn is_mac(text: &str) -> bool {
    let pairs: Vec<&str> = text.split(':').collect();
    pairs.len() == 6 && pairs.iter().all(|p| p.len() == 2 && p.bytes().all(|o| o.is_ascii_hexdigit()))
}
