//! What a login may do, and whose mail it may see.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::address::{Address, AddressError, Domain};

/// Domains that one login is limited to, at most.
pub const MAX_DOMAINS: usize = 100;

/// From the least to the most: of two that were given at once in a cluster the lesser counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Sees what was done and by whom, and no mail's text; changes nothing.
    Auditor,
    /// Finds mails, looks at those in quarantine, releases and deletes them.
    Helpdesk,
    /// Runs the gateway: also queue, rules, bans, training, drain, backups.
    Operator,
    /// Everything: also settings, logins, tokens, the cluster, the machine.
    Admin,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RoleError {
    #[error("`{0}` is no role: write admin, operator, helpdesk or auditor")]
    Unknown(String),
    #[error("domains: {0}")]
    Domain(#[from] AddressError),
    #[error("a login is limited to at most {MAX_DOMAINS} domains")]
    TooMany,
}

impl Role {
    pub const ALL: [Self; 4] = [Self::Admin, Self::Operator, Self::Helpdesk, Self::Auditor];

    pub fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Operator => "operator",
            Self::Helpdesk => "helpdesk",
            Self::Auditor => "auditor",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Role {
    type Err = RoleError;

    fn from_str(text: &str) -> Result<Self, RoleError> {
        Self::ALL.into_iter().find(|r| r.name() == text).ok_or_else(|| RoleError::Unknown(text.chars().take(40).collect()))
    }
}

/// Whose mail a login sees: all, or that to recipients at these domains (not below them). Of a mail to others too it sees its own
/// recipients only, and it cannot release or delete it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    #[default]
    Everything,
    /// None: it sees no mail at all.
    Domains(BTreeSet<Domain>),
}

impl Reach {
    /// # Errors
    /// One is no domain, or there are more than [`MAX_DOMAINS`].
    pub fn to_domains<S: AsRef<str>>(names: &[S]) -> Result<Self, RoleError> {
        if names.len() > MAX_DOMAINS {
            return Err(RoleError::TooMany);
        }
        Ok(Self::Domains(names.iter().map(|n| n.as_ref().parse()).collect::<Result<_, _>>()?))
    }

    pub fn domains(&self) -> Option<&BTreeSet<Domain>> {
        match self {
            Self::Everything => None,
            Self::Domains(domains) => Some(domains),
        }
    }

    pub fn sees(&self, recipient: &Address) -> bool {
        self.domains().is_none_or(|d| d.contains(recipient.domain()))
    }

    /// Those of a mail's recipients, as they are kept, that may be seen.
    pub fn seen<'a>(&self, recipients: impl IntoIterator<Item = &'a String>) -> Vec<String> {
        let sees = |r: &&String| *self == Self::Everything || r.parse().is_ok_and(|a| self.sees(&a));
        recipients.into_iter().filter(sees).cloned().collect()
    }

    /// What both allow.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Everything, reach) | (reach, Self::Everything) => reach,
            (Self::Domains(a), Self::Domains(b)) => Self::Domains(a.intersection(&b).cloned().collect()),
        }
    }
}

/// As it is kept: `*`, or the domains separated by spaces.
impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => f.write_str("*"),
            Self::Domains(domains) => f.write_str(&domains.iter().map(Domain::as_str).collect::<Vec<_>>().join(" ")),
        }
    }
}

impl FromStr for Reach {
    type Err = RoleError;

    fn from_str(text: &str) -> Result<Self, RoleError> {
        if text == "*" {
            return Ok(Self::Everything);
        }
        Self::to_domains(&text.split_whitespace().collect::<Vec<_>>())
    }
}

/// What somebody may do, and for whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rights {
    pub role: Role,
    pub reach: Reach,
}

impl Rights {
    /// Everything: the local socket, and who was given nothing less.
    pub const ALL: Self = Self { role: Role::Admin, reach: Reach::Everything };
    /// As little as there is: what is kept and cannot be read (of a later version) counts as this.
    pub const LEAST: Self = Self { role: Role::Auditor, reach: Reach::Domains(BTreeSet::new()) };

    /// As both are kept.
    pub fn read(role: &str, reach: &str) -> Self {
        let read = || Some(Self { role: role.parse().ok()?, reach: reach.parse().ok()? });
        read().unwrap_or(Self::LEAST)
    }

    /// Of two that were given at once the lesser counts, in each respect.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { role: self.role.min(other.role), reach: self.reach.and(other.reach) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_reach_reads_back_as_it_was_written() {
        for (text, written) in
            [("*", "*"), ("", ""), ("Example.ORG  a.example", "a.example example.org"), ("müller.example", "xn--mller-kva.example")]
        {
            assert_eq!(text.parse::<Reach>().unwrap().to_string(), written, "{text}");
        }
        assert_eq!("a..b".parse::<Reach>(), Err(RoleError::Domain(AddressError::Domain("a..b".into()))));
        assert_eq!(Reach::to_domains(&vec!["a.example"; MAX_DOMAINS + 1]), Err(RoleError::TooMany));
    }

    #[test]
    fn a_domain_is_that_domain_alone() {
        let reach: Reach = "example.org".parse().unwrap();
        let sees = |a: &str| reach.sees(&a.parse().unwrap());
        assert!(sees("anna@example.org") && sees("Anna@EXAMPLE.org"));
        assert!(!sees("anna@sub.example.org") && !sees("anna@notexample.org") && !sees("example.org@other.example"));
        assert!(!"".parse::<Reach>().unwrap().sees(&"a@b.example".parse().unwrap()), "limited to nothing is no freedom");
    }

    #[test]
    fn of_two_rights_the_lesser_counts_and_what_cannot_be_read_is_the_least() {
        let rights = Rights::read;
        assert_eq!(rights("operator", "a.example b.example").and(rights("admin", "b.example")), rights("operator", "b.example"));
        assert_eq!(rights("helpdesk", "*").and(rights("operator", "a.example")), rights("helpdesk", "a.example"));
        assert_eq!(rights("operator", "a.example").and(rights("operator", "b.example")).reach, "".parse().unwrap());
        assert_eq!(rights("superuser", "*"), Rights::LEAST);
        assert_eq!(rights("admin", "a..b"), Rights::LEAST);
    }
}
