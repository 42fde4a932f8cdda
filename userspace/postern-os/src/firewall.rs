//! What the roles of the interfaces mean for the firewall: a service that has interfaces of its own is not reached through the others.
//!
//! `/etc/nftables.conf` lets all of ours in; what is refused here stands before that. Mail and the console stay open between members,
//! too: steering hands them over there (docs/adr/0016).

use std::fmt::Write as _;

use crate::machine::{Interface, Role};

struct Fence {
    /// As nftables writes it.
    service: &'static str,
    /// It is fenced in when an interface has this role.
    home: Role,
    /// And is reached there all the same.
    also: Option<Role>,
}

const FENCES: [Fence; 3] = [
    Fence { service: "tcp dport 26", home: Role::Inside, also: Some(Role::Cluster) },
    Fence { service: "tcp dport 8443", home: Role::Management, also: Some(Role::Cluster) },
    Fence { service: "udp dport 7425", home: Role::Cluster, also: None },
];

/// Rules for the chain `input`, before services are let in; empty when no role asks for one.
pub fn rules(interfaces: &[Interface]) -> String {
    let mut rules = String::new();
    let names = |wanted: &[Role]| -> Vec<String> {
        interfaces.iter().filter(|i| wanted.contains(&i.role)).map(|i| format!("\"{}\"", i.name)).collect()
    };
    for Fence { service, home, also } in &FENCES {
        if names(&[*home]).is_empty() {
            continue;
        }
        let reached: Vec<Role> = std::iter::once(*home).chain(*also).collect();
        let _ = writeln!(rules, "iifname != {{ {} }} {service} drop", names(&reached).join(", "));
    }
    let management = names(&[Role::Management]);
    if !management.is_empty() {
        let _ = writeln!(rules, "iifname {{ {} }} tcp dport {{ 25, 26 }} drop", management.join(", "));
    }
    rules
}
