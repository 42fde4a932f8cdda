//! Where a recipient's mail goes: pure, so that it can be printed (`why`) and tested as a table.
//!
//! Order of the rules: an operator's next hop for this mail; the backends of the domain, the most exact
//! pattern first (`example.org`, then `*.example.org` with the longest name, then `*`); the smarthosts; MX.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use postern_model::address::Domain;
use postern_model::settings::Settings;
use postern_model::settings::delivery::{Backend, Protocol, TlsPolicy};
use rand::Rng;
use serde::{Deserialize, Serialize};

/// The next hops of a recipient by name; which hosts these are is looked up when a connection is made,
/// so that changed settings hold for mail that already waits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "to", content = "name", rename_all = "kebab-case")]
pub enum Route {
    /// The backends of the domain pattern with this name.
    Backends(String),
    Smarthosts,
    Mx(Domain),
    /// An operator's next hop: `host:port`, `lmtp:host:port`, `lmtp:/path`.
    Reroute(String),
}

/// What the queue schedules by: mails with the same destination share connections, limits and back-off.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Destination {
    pub route: Route,
    /// RFC 8689: such mail never shares a connection that is not verified.
    pub require_tls: bool,
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.route {
            Route::Backends(name) => write!(f, "backends of {name}")?,
            Route::Smarthosts => f.write_str("smarthosts")?,
            Route::Mx(domain) => write!(f, "MX of {domain}")?,
            Route::Reroute(to) => f.write_str(to)?,
        }
        if self.require_tls { f.write_str(" (verified TLS)") } else { Ok(()) }
    }
}

/// Where a [`Backend`]'s host setting points.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    Address(IpAddr, u16),
    Name(String, u16),
    Socket(PathBuf),
}

impl Place {
    pub fn of(backend: &Backend) -> Self {
        let host = backend.host.trim();
        let path = host.strip_prefix("unix:").unwrap_or(host);
        if path.starts_with('/') {
            return Self::Socket(path.into());
        }
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        match bare.parse() {
            Ok(address) => Self::Address(address, backend.port()),
            Err(_) => Self::Name(host.to_ascii_lowercase(), backend.port()),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no next hop: write host, host:port, lmtp:host:port or lmtp:/path/of/socket")]
pub struct RerouteError(String);

/// Reads an operator's next hop.
///
/// # Errors
/// The text is none of the forms of [`Route::Reroute`].
pub fn parse_reroute(text: &str) -> Result<Backend, RerouteError> {
    let refuse = || RerouteError(text.chars().take(80).collect());
    let (protocol, rest) = match text.split_once(':') {
        Some(("lmtp", rest)) => (Protocol::Lmtp, rest),
        Some(("smtp", rest)) => (Protocol::Smtp, rest),
        _ => (Protocol::Smtp, text),
    };
    let (host, port) = if rest.starts_with('/') || rest.parse::<IpAddr>().is_ok() {
        (rest, None)
    } else {
        match rest.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse::<u16>().ok().filter(|p| *p > 0).ok_or_else(refuse)?)),
            None => (rest, None),
        }
    };
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    let is_known = host.starts_with('/') || bare.parse::<IpAddr>().is_ok() || bare.parse::<Domain>().is_ok();
    if !is_known {
        return Err(refuse());
    }
    Ok(Backend {
        host: bare.to_owned(),
        port,
        protocol,
        tls: TlsPolicy::Opportunistic,
        priority: 0,
        weight: 1,
        username: None,
        password: None,
    })
}

/// The routing table of one version of the settings, made for quick look-ups.
#[derive(Debug, Default)]
pub struct Router {
    exact: HashMap<String, usize>,
    /// Without the `*.`.
    below: HashMap<String, usize>,
    any: Option<usize>,
    has_smarthosts: bool,
    names: Vec<String>,
}

impl Router {
    pub fn new(settings: &Settings) -> Self {
        let mut router = Self { has_smarthosts: !settings.delivery.smarthosts.is_empty(), ..Self::default() };
        for (i, domain) in settings.domains.iter().enumerate() {
            let name = domain.name.to_ascii_lowercase();
            match name.strip_prefix("*.") {
                Some(parent) => drop(router.below.insert(parent.to_owned(), i)),
                None if name == "*" => router.any = Some(i),
                None => drop(router.exact.insert(name.clone(), i)),
            }
            router.names.push(domain.name.clone());
        }
        router
    }

    /// Index into `settings.domains` of the block that is in charge of a domain.
    pub fn domain(&self, domain: &Domain) -> Option<usize> {
        let name = domain.as_str();
        if let Some(i) = self.exact.get(name) {
            return Some(*i);
        }
        let mut rest = name;
        while let Some((_, parent)) = rest.split_once('.') {
            if let Some(i) = self.below.get(parent) {
                return Some(*i);
            }
            rest = parent;
        }
        self.any
    }

    pub fn route(&self, recipient: &Domain, reroute: Option<&str>) -> Route {
        if let Some(to) = reroute {
            return Route::Reroute(to.to_owned());
        }
        match self.domain(recipient) {
            Some(i) => Route::Backends(self.names[i].clone()),
            None if self.has_smarthosts => Route::Smarthosts,
            None => Route::Mx(recipient.clone()),
        }
    }
}

/// The hosts of a route that has fixed ones, in the settings' order; empty when the settings no longer know it. `None` for MX.
pub fn fixed_hosts(route: &Route, settings: &Settings) -> Option<Vec<Backend>> {
    match route {
        Route::Mx(_) => None,
        Route::Smarthosts => Some(settings.delivery.smarthosts.clone()),
        Route::Backends(name) => Some(settings.domains.iter().find(|d| d.name == *name).map(|d| d.backends.clone()).unwrap_or_default()),
        Route::Reroute(to) => Some(parse_reroute(to).into_iter().collect()),
    }
}

/// The order in which hosts are tried: by priority; among equal ones by a draw with their weights.
pub fn draw(mut hosts: Vec<Backend>, rng: &mut impl Rng) -> Vec<Backend> {
    // Efraimidis and Spirakis: sorting by u^(1/w) is drawing without putting back, by weight.
    let mut keyed: Vec<(u16, f64, Backend)> =
        hosts.drain(..).map(|b| (b.priority, rng.random::<f64>().powf(1.0 / f64::from(b.weight.max(1))), b)).collect();
    keyed.sort_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)));
    keyed.into_iter().map(|(_, _, b)| b).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use rand::SeedableRng;

    use super::*;

    fn settings(text: &str) -> Settings {
        postern_model::settings::parse(text).unwrap()
    }

    #[test]
    fn the_most_exact_pattern_wins() {
        let backend = "backends = [{ host = \"192.0.2.1\" }]";
        let mut text = String::new();
        for name in ["*.example.org", "example.org", "*.deep.example.org", "x.example.net"] {
            text.push_str(&format!("[[domains]]\nname = \"{name}\"\n{backend}\n"));
        }
        // recipient's domain, where it goes without and with smarthosts
        let table = [
            ("example.org", "backends of example.org", "backends of example.org"),
            ("a.example.org", "backends of *.example.org", "backends of *.example.org"),
            ("a.b.example.org", "backends of *.example.org", "backends of *.example.org"),
            ("deep.example.org", "backends of *.example.org", "backends of *.example.org"),
            ("a.deep.example.org", "backends of *.deep.example.org", "backends of *.deep.example.org"),
            ("badexample.org", "MX of badexample.org", "smarthosts"),
            ("example.net", "MX of example.net", "smarthosts"),
            ("[192.0.2.9]", "MX of [192.0.2.9]", "smarthosts"),
        ];
        let plain = settings(&text);
        let smart = settings(&format!("{text}\n[delivery]\nsmarthosts = [{{ host = \"smart.example\" }}]\n"));
        for (domain, without, with) in table {
            let domain: Domain = domain.parse().unwrap();
            for (settings, expected) in [(&plain, without), (&smart, with)] {
                let route = Router::new(settings).route(&domain, None);
                assert_eq!(Destination { route, require_tls: false }.to_string(), expected, "{domain}");
            }
            assert_eq!(Router::new(&plain).route(&domain, Some("h:1")), Route::Reroute("h:1".into()));
        }
        let all = settings(&format!("[[domains]]\nname = \"*\"\n{backend}\n"));
        assert_eq!(Router::new(&all).route(&"anything.example".parse().unwrap(), None), Route::Backends("*".into()));
    }

    #[test]
    fn next_hops_of_operators_are_read() {
        let table = [
            ("mx.example", Some(("mx.example", None, Protocol::Smtp))),
            ("mx.example:2525", Some(("mx.example", Some(2525), Protocol::Smtp))),
            ("smtp:192.0.2.1:26", Some(("192.0.2.1", Some(26), Protocol::Smtp))),
            ("lmtp:[2001:db8::1]:24", Some(("2001:db8::1", Some(24), Protocol::Lmtp))),
            ("2001:db8::1", Some(("2001:db8::1", None, Protocol::Smtp))),
            ("lmtp:/run/dovecot/lmtp", Some(("/run/dovecot/lmtp", None, Protocol::Lmtp))),
            ("", None),
            ("mx.example:0", None),
            ("mx.example:port", None),
            ("http://x", None),
            ("a b", None),
        ];
        for (text, expected) in table {
            let read = parse_reroute(text);
            assert_eq!(read.as_ref().ok().map(|b| (b.host.as_str(), b.port, b.protocol)), expected, "{text}");
        }
    }

    #[test]
    fn backends_share_by_weight_within_a_priority() {
        let backend = |host: &str, priority, weight| Backend { priority, weight, ..parse_reroute(host).unwrap() };
        let hosts = vec![backend("spare", 10, 1), backend("light", 1, 1), backend("heavy", 1, 3)];
        let mut rng = rand::rngs::StdRng::seed_from_u64(7);
        let mut heavy_first = 0;
        for _ in 0..1000 {
            let drawn = draw(hosts.clone(), &mut rng);
            assert_eq!(drawn[2].host, "spare");
            heavy_first += usize::from(drawn[0].host == "heavy");
        }
        assert!((700..800).contains(&heavy_first), "{heavy_first} of 1000 instead of about 750");
    }

    #[test]
    fn hosts_are_sockets_addresses_or_names() {
        let place = |host: &str| Place::of(&Backend { host: host.into(), ..parse_reroute("x").unwrap() });
        assert_eq!(place("/run/lmtp"), Place::Socket("/run/lmtp".into()));
        assert_eq!(place("[2001:db8::1]"), Place::Address("2001:db8::1".parse().unwrap(), 25));
        assert_eq!(place("Mail.Example"), Place::Name("mail.example".into(), 25));
    }
}
