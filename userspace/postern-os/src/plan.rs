//! From the settings of the machine to files of systemd: a pure function, printed by `postern os plan`, carried out by
//! `postern os apply` and at each boot.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::PathBuf;

use crate::firewall;
use crate::machine::{Automatic, BondMode, Interface, Machine, Role, kernel_name};

/// Everything that a plan may write lies in these; what is there and not in the plan is removed.
pub const FOLDERS: &[&str] = &["/etc/systemd/network", "/etc/systemd/resolved.conf.d", "/etc/systemd/timesyncd.conf.d", "/etc/nftables.d"];

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    pub path: PathBuf,
    pub text: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    pub files: Vec<File>,
    /// For the kernel.
    pub hostname: Option<String>,
    /// Below /usr/share/zoneinfo.
    pub time_zone: Option<String>,
}

const HEAD: &str = "# Rendered by `postern os` from machine.toml; a change here is lost at the next boot.\n";

impl Plan {
    pub fn new(machine: &Machine) -> Self {
        let mut plan = Self::default();
        for interface in &machine.interfaces {
            plan.interface(interface, machine);
        }
        if !machine.time_servers.is_empty() {
            plan.file("/etc/systemd/timesyncd.conf.d/10-postern.conf", format!("[Time]\nNTP={}\n", machine.time_servers.join(" ")));
        }
        if !machine.name_servers.is_empty() {
            plan.file(
                "/etc/systemd/resolved.conf.d/10-postern.conf",
                format!("[Resolve]\nDNS={}\nDomains=~.\n", spaced(&machine.name_servers)),
            );
        }
        let fences = firewall::rules(&machine.interfaces);
        if !fences.is_empty() {
            plan.file("/etc/nftables.d/10-roles.nft", fences);
        }
        if !machine.hostname.is_empty() {
            let name = kernel_name(&machine.hostname);
            plan.file("/etc/hostname", format!("{name}\n"));
            plan.file(
                "/etc/hosts",
                format!("127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n127.0.1.1 {}\n", machine.hostname),
            );
            plan.hostname = Some(name.to_owned());
        }
        if !machine.time_zone.is_empty() {
            plan.time_zone = Some(machine.time_zone.clone());
        }
        plan
    }

    fn file(&mut self, path: &str, text: String) {
        // hostname(5) takes comments too, but programs that read the first line do not.
        let head = if path == "/etc/hostname" { "" } else { HEAD };
        self.files.push(File { path: path.into(), text: format!("{head}{text}") });
    }

    fn interface(&mut self, interface: &Interface, machine: &Machine) {
        let name = &interface.name;
        let at = |ending: &str| format!("/etc/systemd/network/10-{name}.{ending}");
        if let Some(mac) = &interface.mac {
            self.file(&at("link"), format!("[Match]\nPermanentMACAddress={mac}\n\n[Link]\nName={name}\n"));
        }
        if let Some(vlan) = &interface.vlan {
            self.file(&at("netdev"), format!("[NetDev]\nName={name}\nKind=vlan\n\n[VLAN]\nId={}\n", vlan.id));
        }
        if let Some(bond) = &interface.bond {
            let mode = match bond.mode {
                BondMode::ActiveBackup => "Mode=active-backup\n",
                BondMode::Lacp => "Mode=802.3ad\nTransmitHashPolicy=layer3+4\nLACPTransmitRate=fast\n",
            };
            // Ten looks a second: a link that is gone is left before TCP notices.
            self.file(&at("netdev"), format!("[NetDev]\nName={name}\nKind=bond\n\n[Bond]\n{mode}MIIMonitorSec=100ms\n"));
        }
        self.file(&at("network"), network(interface, machine));
    }
}

fn network(interface: &Interface, machine: &Machine) -> String {
    let mut text = format!("[Match]\nName={}\n\n[Network]\n", interface.name);
    let mut line = |key: &str, value: &str| {
        let _ = writeln!(text, "{key}={value}");
    };
    for above in &machine.interfaces {
        if above.vlan.as_ref().is_some_and(|v| v.on == interface.name) {
            line("VLAN", &above.name);
        }
        if above.bond.as_ref().is_some_and(|b| b.of.contains(&interface.name)) {
            line("Bond", &above.name);
        }
    }
    if interface.role == Role::Carrier {
        line("LinkLocalAddressing", "no");
        line("IPv6AcceptRA", "no");
        return text;
    }
    let has_six = interface.ipv6 == Automatic::On || interface.addresses.iter().any(|a| a.addr().is_ipv6());
    line("DHCP", if interface.ipv4 == Automatic::On { "ipv4" } else { "no" });
    line("IPv6AcceptRA", if interface.ipv6 == Automatic::On { "yes" } else { "no" });
    line("LinkLocalAddressing", if has_six { "ipv6" } else { "no" });
    for address in &interface.addresses {
        line("Address", &address.to_string());
    }
    for gateway in &interface.gateways {
        line("Gateway", &gateway.to_string());
    }
    let uses_theirs = if machine.name_servers.is_empty() { "yes" } else { "no" };
    if interface.ipv4 == Automatic::On {
        let _ = write!(text, "\n[DHCPv4]\nClientIdentifier=mac\nUseDNS={uses_theirs}\nUseHostname=no\n");
    }
    if interface.ipv6 == Automatic::On {
        let _ = write!(text, "\n[IPv6AcceptRA]\nUseDNS={uses_theirs}\n");
    }
    text
}

fn spaced(addresses: &[IpAddr]) -> String {
    addresses.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(" ")
}
