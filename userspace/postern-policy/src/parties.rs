//! Lists of addresses, domains and networks, made for quick look-ups.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use postern_model::address::{Address, Domain, ReversePath};
use regex::Regex;

use crate::texts::{self, Plain};

const FORMS: &str = "write user@example.org, user@*, example.org, *.example.org, 192.0.2.0/24, <> or /regex/";

/// Entries by their kind. The value is the entry as written.
#[derive(Clone, Debug, Default)]
pub struct Parties {
    /// `local@domain`, lower case.
    addresses: HashMap<String, String>,
    /// Local parts of `local@*`.
    locals: HashMap<String, String>,
    domains: HashMap<String, String>,
    /// Domains of `*.domain`.
    above: HashMap<String, String>,
    networks: Vec<(IpNet, String)>,
    expressions: Vec<(Regex, String)>,
    null: bool,
    any: bool,
    lists: Vec<(String, Arc<Parties>)>,
    written: usize,
}

impl Parties {
    /// Reads one entry that is no `list:NAME`.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn add(&mut self, entry: &str) -> Result<(), String> {
        let text = entry.trim();
        let written = text.to_owned();
        let refuse = || format!("`{}` is no address, domain or network: {FORMS}", text.chars().take(80).collect::<String>());
        if text == "<>" {
            self.null = true;
        } else if text == "*" {
            self.any = true;
        } else if texts::inside_slashes(text).is_some() {
            self.expressions.push((texts::expression(text, Plain::Part)?, written));
        } else if let Ok(network) = text.parse::<IpNet>() {
            self.networks.push((network, written));
        } else if let Ok(ip) = text.parse::<IpAddr>() {
            self.networks.push((IpNet::from(ip), written));
        } else if let Some(local) = text.strip_suffix("@*").filter(|l| !l.is_empty() && !l.contains('@')) {
            self.locals.insert(local.to_lowercase(), written);
        } else if let Some(parent) = text.strip_prefix("*.") {
            let parent: Domain = parent.parse().map_err(|_| refuse())?;
            self.above.insert(parent.to_string(), written);
        } else if let Some(domain) = text.strip_prefix('@') {
            let domain: Domain = domain.parse().map_err(|_| refuse())?;
            self.domains.insert(domain.to_string(), written);
        } else if text.contains('@') {
            let address: Address = text.parse().map_err(|_| refuse())?;
            self.addresses.insert(address.key(), written);
        } else {
            let domain: Domain = text.parse().map_err(|_| refuse())?;
            self.domains.insert(domain.to_string(), written);
        }
        self.written += 1;
        Ok(())
    }

    pub fn add_list(&mut self, name: &str, list: &Arc<Parties>) {
        self.lists.push((name.to_owned(), Arc::clone(list)));
        self.written += 1;
    }

    pub fn len(&self) -> usize {
        self.written
    }

    pub fn is_empty(&self) -> bool {
        self.written == 0
    }

    /// Whether it says anything about clients, or only about addresses.
    pub fn has_networks(&self) -> bool {
        self.any || !self.networks.is_empty() || self.lists.iter().any(|(_, l)| l.has_networks())
    }

    /// The entry that stands for an address, as written; of a list as `example.org of list:partners`.
    pub fn address(&self, address: &str) -> Option<String> {
        let lower = address.to_lowercase();
        let (local, domain) = lower.rsplit_once('@')?;
        // Header addresses come as they were written: their domains may still be U-labels.
        let domain = domain.parse::<Domain>().map_or_else(|_| domain.to_owned(), |d| d.to_string());
        let key = format!("{local}@{domain}");
        let own = self.addresses.get(&key).or_else(|| self.locals.get(local)).or_else(|| self.domains.get(&domain)).cloned();
        let own = own.or_else(|| {
            let mut rest = domain.as_str();
            while let Some((_, parent)) = rest.split_once('.') {
                if let Some(entry) = self.above.get(parent) {
                    return Some(entry.clone());
                }
                rest = parent;
            }
            None
        });
        own.or_else(|| self.expressions.iter().find(|(r, _)| r.is_match(&key)).map(|(_, e)| e.clone()))
            .or_else(|| self.any.then(|| "*".to_owned()))
            .or_else(|| self.in_lists(|list| list.address(address)))
    }

    /// As [`Parties::address`]; the null path is `<>`.
    pub fn path(&self, path: &ReversePath) -> Option<String> {
        match path {
            ReversePath::Address(address) => self.address(&address.key()),
            ReversePath::Null if self.null => Some("<>".to_owned()),
            ReversePath::Null => self.any.then(|| "*".to_owned()).or_else(|| self.in_lists(|list| list.path(path))),
        }
    }

    pub fn client(&self, ip: IpAddr) -> Option<String> {
        let ip = ip.to_canonical();
        let own = self.networks.iter().find(|(n, _)| n.contains(&ip)).map(|(_, e)| e.clone());
        own.or_else(|| self.any.then(|| "*".to_owned())).or_else(|| self.in_lists(|list| list.client(ip)))
    }

    fn in_lists(&self, ask: impl Fn(&Parties) -> Option<String>) -> Option<String> {
        self.lists.iter().find_map(|(name, list)| ask(list).map(|entry| format!("{entry} of list:{name}")))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn entries_stand_for_what_they_say() {
        let mut list = Parties::default();
        for entry in [
            "Boss@Example.org",
            "postmaster@*",
            "example.net",
            "*.example.com",
            "192.0.2.0/24",
            "2001:db8::1",
            "<>",
            "/^x[0-9]+@/",
            "bücher.example",
        ] {
            list.add(entry).unwrap();
        }
        let mut outer = Parties::default();
        outer.add_list("partners", &Arc::new(list.clone()));
        let addresses = [
            ("boss@example.ORG", Some("Boss@Example.org")),
            ("other@example.org", None),
            ("Postmaster@anywhere.example", Some("postmaster@*")),
            ("a@example.net", Some("example.net")),
            ("a@mail.example.net", None),
            ("a@badexample.net", None),
            ("a@mail.example.com", Some("*.example.com")),
            ("a@example.com", None),
            ("x12@example.info", Some("/^x[0-9]+@/")),
            ("a@BÜCHER.example", Some("bücher.example")),
            ("a@xn--bcher-kva.example", Some("bücher.example")),
            ("no address", None),
        ];
        for (address, expected) in addresses {
            assert_eq!(list.address(address).as_deref(), expected, "{address}");
            assert_eq!(outer.address(address), expected.map(|e| format!("{e} of list:partners")), "{address}");
        }
        assert_eq!(list.path(&ReversePath::Null).as_deref(), Some("<>"));
        assert_eq!(outer.path(&ReversePath::Null).as_deref(), Some("<> of list:partners"));
        for (ip, expected) in
            [("192.0.2.9", true), ("::ffff:192.0.2.9", true), ("192.0.3.1", false), ("2001:db8::1", true), ("2001:db8::2", false)]
        {
            assert_eq!(list.client(ip.parse().unwrap()).is_some(), expected, "{ip}");
        }
    }

    #[test]
    fn what_is_no_entry_says_what_to_write() {
        for entry in ["", "a b@c", "192.0.2.0/33", "-x.example", "@", "*.", "/(/", "a@b@c.example"] {
            assert!(Parties::default().add(entry).is_err(), "{entry} was taken");
        }
        assert!(Parties::default().add("192.0.2.0/33").unwrap_err().contains("write user@example.org"));
    }
}
