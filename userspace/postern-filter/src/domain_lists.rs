//! Domains by what they are (`data/domains.txt`): free mailers, shorteners, free hosting, ….

use std::collections::HashMap;
use std::sync::LazyLock;

macro_rules! kinds {
    ($($variant:ident = $name:literal,)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Kind { $($variant,)* }
        impl Kind {
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
            fn bit(self) -> u32 {
                1 << (self as u32)
            }
        }
    };
}

kinds! {
    FreeMailer = "free-mailer",
    Shortener = "shortener",
    FreeHosting = "free-hosting",
    FormBuilder = "form-builder",
    Ipfs = "ipfs",
    Tunnel = "tunnel",
    DynamicDns = "dynamic-dns",
    Bucket = "bucket",
    FileShare = "file-share",
    Esp = "esp",
    AbusedTld = "abused-tld",
    Redirector = "redirector",
    Chat = "chat",
    PictureHost = "picture-host",
}

/// Sets by domain; entries with a path are looked up after their host.
pub struct DomainLists {
    hosts: HashMap<&'static str, u32, ahash::RandomState>,
    paths: HashMap<&'static str, Vec<(&'static str, u32)>, ahash::RandomState>,
}

static SHARED: LazyLock<DomainLists> = LazyLock::new(|| DomainLists::parse(include_str!("../data/domains.txt")));

impl DomainLists {
    pub fn shared() -> &'static Self {
        &SHARED
    }

    fn parse(data: &'static str) -> Self {
        let mut lists = Self { hosts: HashMap::default(), paths: HashMap::default() };
        let mut bit = 0;
        for line in data.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
            if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
                bit = Kind::ALL.iter().find(|k| k.name() == name).map_or(0, |k| k.bit());
                continue;
            }
            for entry in line.split_whitespace() {
                match entry.find('/') {
                    Some(at) => lists.paths.entry(&entry[..at]).or_default().push((&entry[at..], bit)),
                    None => *lists.hosts.entry(entry).or_default() |= bit,
                }
            }
        }
        lists
    }

    /// What `host` or a domain above it is.
    fn bits(&self, host: &str) -> u32 {
        parents(host).filter_map(|name| self.hosts.get(name)).fold(0, |all, bits| all | bits)
    }

    pub fn is(&self, kind: Kind, host: &str) -> bool {
        self.bits(host) & kind.bit() != 0
    }

    /// As [`Self::is`], with the entries that name a path too.
    pub fn is_at(&self, kind: Kind, host: &str, path: &str) -> bool {
        self.is(kind, host)
            || parents(host)
                .filter_map(|name| self.paths.get(name))
                .flatten()
                .any(|(prefix, bits)| bits & kind.bit() != 0 && path.to_ascii_lowercase().starts_with(prefix))
    }

    /// Domains of one kind under which everybody gets a name of their own: their names count as registrable.
    pub fn is_shared_ground(&self, host: &str) -> bool {
        let ground = Kind::FreeHosting.bit() | Kind::Tunnel.bit() | Kind::DynamicDns.bit() | Kind::Ipfs.bit() | Kind::Bucket.bit();
        self.bits(host) & ground != 0
    }
}

/// `a.b.c`, `b.c`, `c`.
fn parents(host: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(host), |h| h.split_once('.').map(|(_, rest)| rest)).take(12)
}

/// The registrable domain by the public suffix list (ICANN section and private one), or the host
/// itself where there is none.
pub fn registrable(host: &str) -> &str {
    let host = host.trim_end_matches('.');
    postern_suffix::registrable(host).unwrap_or(host)
}

/// True when `host` is `domain` or lies below it.
pub fn within(host: &str, domain: &str) -> bool {
    host == domain || host.strip_suffix(domain).is_some_and(|head| head.ends_with('.'))
}

/// True when both belong to one organisation, as DMARC's relaxed alignment sees it.
pub fn related(a: &str, b: &str) -> bool {
    !a.is_empty() && !b.is_empty() && (within(a, b) || within(b, a) || registrable(a) == registrable(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_below_and_paths_count() {
        let lists = DomainLists::shared();
        assert!(lists.is(Kind::FreeMailer, "gmail.com") && !lists.is(Kind::FreeMailer, "notgmail.com"));
        assert!(lists.is(Kind::FreeHosting, "login-page.pages.dev") && lists.is(Kind::AbusedTld, "a.b.top"));
        assert!(lists.is_at(Kind::Redirector, "www.google.com", "/url") && !lists.is_at(Kind::Redirector, "www.google.com", "/search"));
        assert!(related("mail.example.co.uk", "example.co.uk") && !related("a.co.uk", "b.co.uk"));
        for kind in Kind::ALL {
            assert!(
                lists.hosts.values().chain(lists.paths.values().flatten().map(|(_, b)| b)).any(|b| b & kind.bit() != 0),
                "{}",
                kind.name()
            );
        }
    }
}
