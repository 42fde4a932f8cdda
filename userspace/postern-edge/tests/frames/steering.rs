//! Set-up lines and expected frames of the tables of steering; explained in tests/packets/README.md.

use std::net::IpAddr;

use postern_ebpf_abi::config::Config;
use postern_ebpf_abi::steer::connection::Connection;
use postern_ebpf_abi::steer::ring::{NOBODY, Peer, Slot, flag, peer};
use postern_edge::kernel::maps::KernelMaps;
use postern_edge::kernel::steer::{Role, address_of, empty_ring};

use crate::frames::{OWN_MAC, build, mac};

#[derive(Default)]
pub struct Setup {
    addresses: Vec<(IpAddr, Role)>,
    peers: Vec<(u16, Peer)>,
    slot: Option<(u16, u16)>,
    flags: u32,
    remembered: Vec<(Connection, u32)>,
    cookies_above: u32,
    too_big: u32,
}

impl Setup {
    pub fn read(&mut self, words: &[&str]) -> Result<(), String> {
        let address = |text: &str| text.parse::<IpAddr>().map_err(|e| format!("{text}: {e}"));
        let number = |text: &str| text.parse::<u32>().map_err(|e| format!("{text}: {e}"));
        match words {
            ["virtual", all @ ..] => {
                for a in all {
                    self.addresses.push((address(a)?, Role::Virtual));
                }
            }
            ["outer", all @ ..] => {
                for a in all {
                    self.addresses.push((address(a)?, Role::Outer));
                }
            }
            ["peer", n, properties @ ..] => {
                let n = number(n)? as u16;
                let mut p = Peer { flags: peer::USABLE, mac: mac(&n.to_string())?, own_mac: OWN_MAC, ..Peer::default() };
                for property in properties {
                    let (name, value) = property.split_once('=').unwrap_or((property, ""));
                    match name {
                        "self" => p.flags |= peer::SELF,
                        "unusable" => p.flags &= !peer::USABLE,
                        "interface" => p.interface = number(value)?,
                        "mac" => p.mac = mac(value)?,
                        "own" => p.own_mac = mac(value)?,
                        "tunnel" => {
                            let (own, to) = value.split_once('>').ok_or("tunnel=OWN>PEER")?;
                            p.flags |= peer::TUNNEL;
                            (p.own, p.address) = (address_of(address(own)?), address_of(address(to)?));
                        }
                        "mtu" => p.mtu = number(value)?,
                        _ => return Err(format!("{property}: no property of a peer")),
                    }
                }
                self.peers.push((n, p));
            }
            ["slots", primary, secondary] => {
                let peer = |text: &str| if text == "nobody" { Ok(NOBODY) } else { number(text).map(|n| n as u16) };
                self.slot = Some((peer(primary)?, peer(secondary)?));
            }
            ["by-ports"] => self.flags |= flag::PORTS,
            // CLIENT PORT, to the virtual address and port 25
            ["remember", service, client, port, peer] => {
                let connection = Connection {
                    address: address_of(address(service)?),
                    client: address_of(address(client)?),
                    port: 25,
                    client_port: number(port)? as u16,
                    zero: 0,
                };
                self.remembered.push((connection, number(peer)?));
            }
            ["cookies", above] => self.cookies_above = number(above)?,
            ["too-big", rate] => self.too_big = number(rate)?,
            _ => return Err("no such set-up".into()),
        }
        Ok(())
    }

    pub fn configure(&self, config: &mut Config) {
        (config.cookies_above, config.too_big_per_second) = (self.cookies_above, self.too_big);
    }

    pub fn fill(&self, maps: &KernelMaps) {
        maps.steer.set_capacity(64).unwrap();
        if let Some((primary, secondary)) = self.slot {
            let mut ring = empty_ring();
            ring.version = 1;
            ring.seed = [11, 12];
            ring.flags = self.flags;
            for (number, peer) in &self.peers {
                ring.peers[usize::from(*number)] = *peer;
            }
            ring.slots.fill(Slot { primary, secondary });
            maps.steer.put_ring(ring).unwrap();
        }
        maps.steer.set_addresses(&maps.front, &self.addresses).unwrap();
        for (connection, peer) in &self.remembered {
            maps.steer.remember(connection, *peer).unwrap();
        }
    }
}

/// The frame that must come out: `=` and words that are put in place of, or added to, those of the frame that goes in; without `=` a
/// frame of its own. `redirect` says that it leaves by another interface, `-WORD` takes a word away.
pub fn after(before: &str, after: &str) -> Result<Vec<u8>, String> {
    let before = before.strip_prefix("x ").and_then(|b| b.split_once(' ')).map_or(before, |(_, b)| b);
    let Some(changes) = after.strip_prefix('=') else { return build(&after.replace("redirect", "")) };
    let mut words: Vec<&str> = before.split_ascii_whitespace().collect();
    for change in changes.split_ascii_whitespace().filter(|w| *w != "redirect") {
        let name = |word: &str| word.split([':', '=']).next().unwrap_or_default().to_owned();
        let (change, away) = change.strip_prefix('-').map_or((change, false), |c| (c, true));
        words.retain(|w| name(w) != name(change));
        if !away {
            words.push(change);
        }
    }
    build(&words.join(" "))
}

/// Octets of the outer header in a frame that is described so.
pub fn outer_octets(frame: &str) -> usize {
    match frame.split_ascii_whitespace().find_map(|w| w.strip_prefix("outer:")) {
        Some(ends) if ends.matches(':').count() > 0 => 40,
        Some(_) => 20,
        None => 0,
    }
}

pub fn hex(octets: &[u8]) -> String {
    octets.iter().map(|o| format!("{o:02x}")).collect::<Vec<_>>().join("")
}
