//! The mail exchangers of a domain (RFC 5321 §5.1, RFC 7505).

use std::net::IpAddr;

use postern_mail::dns::{Answer, Mx, Resolver};
use postern_model::address::Domain;
use rand::Rng;
use rand::seq::SliceRandom;

/// Hosts of one domain that are tried in one attempt; a domain with a hundred dead MX hosts must not hold a
/// connection for an hour.
pub const MAX_HOSTS: usize = 8;

/// Why a domain has no host to send to, and what to tell the sender.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MxError {
    #[error("the domain {0} does not exist")]
    NoDomain(Domain),
    #[error("the domain {0} takes no mail (null MX, RFC 7505)")]
    NullMx(Domain),
    #[error("the domain {0} has neither MX nor address")]
    NoHosts(Domain),
    #[error("the best mail exchanger of {0} is this host: it has to be named in [[domains]], or its MX is wrong")]
    Loop(Domain),
    #[error("the mail exchangers of {0} cannot be looked up: {1}")]
    Temporary(Domain, String),
    #[error("the mail exchangers of {0} cannot be looked up: name resolution is off and there is no smarthost")]
    Off(Domain),
}

impl MxError {
    /// Whether asking again later may help.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Temporary(..) | Self::Off(_))
    }

    /// The reply in our own words, with the enhanced code of RFC 3463 and RFC 7505.
    pub fn reply(&self) -> (u16, String) {
        let (code, enhanced) = match self {
            Self::NoDomain(_) => (550, "5.1.2"),
            Self::NullMx(_) => (556, "5.1.10"),
            Self::NoHosts(_) => (550, "5.4.4"),
            Self::Loop(_) => (554, "5.4.6"),
            Self::Temporary(..) | Self::Off(_) => (451, "4.4.3"),
        };
        (code, format!("{enhanced} {self}"))
    }
}

/// Host names in the order they are tried. `is_us` says whether a host name is this host.
///
/// # Errors
/// The records say that the domain takes no mail, or that this host is the best one (RFC 5321 §5.1: hosts that are
/// not better than ourselves are left out, or the mail would go in circles).
pub fn order(domain: &Domain, records: &[Mx], is_us: impl Fn(&str) -> bool, rng: &mut impl Rng) -> Result<Vec<String>, MxError> {
    if let [only] = records
        && matches!(only.exchange.as_str(), "" | ".")
    {
        return Err(MxError::NullMx(domain.clone()));
    }
    let ours = records.iter().filter(|mx| is_us(&mx.exchange)).map(|mx| mx.preference).min();
    // A null MX beside others is a mistake (RFC 7505 §3); the others are used.
    let mut better: Vec<&Mx> =
        records.iter().filter(|mx| !matches!(mx.exchange.as_str(), "" | ".") && ours.is_none_or(|own| mx.preference < own)).collect();
    if better.is_empty() {
        return Err(if ours.is_some() { MxError::Loop(domain.clone()) } else { MxError::NoHosts(domain.clone()) });
    }
    better.shuffle(rng);
    better.sort_by_key(|mx| mx.preference);
    Ok(better.into_iter().take(MAX_HOSTS).map(|mx| mx.exchange.clone()).collect())
}

/// Asks for the hosts of a domain. An address literal is its own host.
///
/// # Errors
/// See [`MxError`].
pub async fn hosts(domain: &Domain, resolver: &Resolver, is_us: impl Fn(&str) -> bool) -> Result<Vec<String>, MxError> {
    if domain.is_literal() {
        return Ok(vec![domain.as_str().to_owned()]);
    }
    match resolver.mx(domain.as_str()).await {
        Answer::Found(records) => order(domain, &records, is_us, &mut rand::rng()),
        // RFC 5321 §5.1: without MX the domain itself is the host (implicit MX).
        Answer::NoData if is_us(domain.as_str()) => Err(MxError::Loop(domain.clone())),
        Answer::NoData => match resolver.addresses(domain.as_str()).await {
            Answer::Found(_) => Ok(vec![domain.as_str().to_owned()]),
            Answer::NoData | Answer::NoName => Err(MxError::NoHosts(domain.clone())),
            Answer::Temporary(why) => Err(MxError::Temporary(domain.clone(), why.to_string())),
            Answer::Off => Err(MxError::Off(domain.clone())),
        },
        Answer::NoName => Err(MxError::NoDomain(domain.clone())),
        Answer::Temporary(why) => Err(MxError::Temporary(domain.clone(), why.to_string())),
        Answer::Off => Err(MxError::Off(domain.clone())),
    }
}

/// The address in a domain that is a literal, as in `[192.0.2.1]` and `[IPv6:2001:db8::1]`.
pub fn literal(host: &str) -> Option<IpAddr> {
    let inner = host.strip_prefix('[')?.strip_suffix(']')?;
    inner.strip_prefix("ipv6:").unwrap_or(inner).parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use rand::SeedableRng;

    use super::*;

    fn ordered(records: &[(u16, &str)]) -> Result<Vec<String>, String> {
        let records: Vec<Mx> = records.iter().map(|(preference, e)| Mx { preference: *preference, exchange: (*e).into() }).collect();
        let mut rng = rand::rngs::StdRng::seed_from_u64(1);
        order(&"d.example".parse().unwrap(), &records, |h| h == "us.example", &mut rng).map_err(|e| e.reply().1)
    }

    #[test]
    fn hosts_are_tried_in_the_order_of_the_rfcs() {
        let ok = |hosts: &[&str]| Ok(hosts.iter().map(|h| (*h).to_owned()).collect::<Vec<_>>());
        assert_eq!(ordered(&[(20, "b"), (10, "a")]), ok(&["a", "b"]));
        assert_eq!(ordered(&[(10, "a"), (20, "us.example"), (30, "b")]), ok(&["a"]));
        assert_eq!(ordered(&[(10, "a"), (10, "us.example")]).unwrap_err()[..5], *"5.4.6");
        assert_eq!(ordered(&[(0, "")]).unwrap_err()[..6], *"5.1.10");
        assert_eq!(ordered(&[(0, "."), (10, "a")]), ok(&["a"]));
        assert_eq!(ordered(&[(0, "."), (10, "")]).unwrap_err()[..5], *"5.4.4");
    }

    #[test]
    fn equal_preferences_are_shuffled() {
        let records: Vec<Mx> = (0..4).map(|i| Mx { preference: 5, exchange: format!("h{i}") }).collect();
        let mut rng = rand::rngs::StdRng::seed_from_u64(3);
        let mut firsts = std::collections::HashSet::new();
        for _ in 0..100 {
            firsts.insert(order(&"d.example".parse().unwrap(), &records, |_| false, &mut rng).unwrap()[0].clone());
        }
        assert_eq!(firsts.len(), 4);
    }

    #[test]
    fn literals_are_addresses() {
        assert_eq!(literal("[192.0.2.1]"), Some("192.0.2.1".parse().unwrap()));
        assert_eq!(literal("[ipv6:2001:db8::1]"), Some("2001:db8::1".parse().unwrap()));
        assert_eq!(literal("example.org"), None);
    }
}
