//! Who is a member of the cluster, who was removed from it, and who may log in.
//!
//! A removal is for ever and stronger than any edit made at the same time: what is written below `removed` is never read as
//! undone, and a message that would take it away is refused.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use postern_model::node::NodeKey;
use postern_model::role::Rights;
use postern_model::second_factor::SecondFactor;
use postern_model::time::Timestamp;
use serde_json::{Value, json};

use crate::document::{Area, By, Document, VersionId, WriteError};
use crate::flat::Flat;
use crate::path;

/// Addresses of one node; a node has a few interfaces, not a network's worth of them.
pub const MAX_ADDRESSES: usize = 32;
/// Longest name of a node, login or version, in characters.
pub const MAX_NAME: usize = 255;

/// A hundred domains of the longest kind.
const MAX_RIGHTS: usize = 32 << 10;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub key: NodeKey,
    pub name: String,
    /// Where its peers reach it, in the order it gave.
    pub addresses: Vec<SocketAddr>,
    pub joined_at: Timestamp,
    /// Who let it in.
    pub joined_by: String,
    /// The version of the software it said last.
    pub version: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    pub key: NodeKey,
    pub at: Timestamp,
    pub by: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Member,
    /// For ever.
    Removed,
    Unknown,
}

/// A person who may log in at any node.
#[derive(Clone, PartialEq, Eq)]
pub struct Admin {
    pub login: String,
    /// As the console made it; never a password.
    pub password: String,
    pub disabled: bool,
    pub rights: Rights,
    pub second_factor: Option<SecondFactor>,
}

impl std::fmt::Debug for Admin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admin")
            .field("login", &self.login)
            .field("disabled", &self.disabled)
            .field("rights", &self.rights)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, thiserror::Error)]
pub enum MemberError {
    #[error("node {0} was removed from the cluster: it needs a new key to join again")]
    Removed(NodeKey),
    #[error("node {0} is no member")]
    Unknown(NodeKey),
    #[error("{0}")]
    TooLong(&'static str),
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// The hash of a password is nobody's business and says nothing; the secret of an authenticator makes its codes.
pub(crate) fn is_secret(area: Area, key: &str) -> bool {
    area == Area::Admins && (key.ends_with("/password") || key.ends_with("/second_factor"))
}

fn at(above: &str, name: &str) -> String {
    path::field(above, name)
}

impl Document {
    pub fn standing(&self, key: NodeKey) -> Standing {
        let name = key.to_string();
        if !self.values(Area::Removed, &name, None).is_empty() {
            Standing::Removed
        } else if self.fact(Area::Members, &at(&name, "joined_at")).is_i64() {
            Standing::Member
        } else {
            Standing::Unknown
        }
    }

    /// The members, by key; those that were removed are not among them.
    pub fn members(&self) -> Vec<Member> {
        let facts = self.stored(Area::Members);
        let removed = self.removed_keys();
        let keys: BTreeSet<NodeKey> = facts.keys().filter_map(|k| k.split('/').next()?.parse().ok()).collect();
        keys.into_iter().filter(|key| !removed.contains(key)).filter_map(|key| member(&facts, key)).collect()
    }

    /// A member or former member, for a name to a key of long ago.
    pub fn known_node(&self, key: NodeKey) -> Option<Member> {
        member(&self.stored(Area::Members), key)
    }

    pub(crate) fn removed_keys(&self) -> BTreeSet<NodeKey> {
        self.stored(Area::Removed).keys().filter_map(|key| key.parse().ok()).collect()
    }

    pub fn removed(&self) -> Vec<Removal> {
        let facts = self.stored(Area::Removed);
        let removal = |(key, fact): (&String, &Value)| {
            let fact: Value = fact.as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
            let at = Timestamp(fact["at"].as_i64().unwrap_or(0));
            Some(Removal { key: key.parse().ok()?, at, by: fact["by"].as_str().unwrap_or_default().to_owned() })
        };
        facts.iter().filter_map(removal).collect()
    }

    /// Lets a node in, or writes its facts anew.
    ///
    /// # Errors
    /// It was removed; or a fact is too long.
    pub fn put_member(&mut self, member: &Member, by: By<'_>) -> Result<Option<VersionId>, MemberError> {
        if self.standing(member.key) == Standing::Removed {
            return Err(MemberError::Removed(member.key));
        }
        let name = member.key.to_string();
        let facts = [
            ("name", short(&member.name)?),
            ("addresses", addresses_text(&member.addresses)?),
            ("joined_at", Value::from(member.joined_at.0)),
            ("joined_by", short(&member.joined_by)?),
            ("version", short(&member.version)?),
        ];
        self.write_facts(Area::Members, facts.map(|(fact, value)| (at(&name, fact), value)).into(), by)
    }

    /// # Errors
    /// It is no member; or the name is too long.
    pub fn rename(&mut self, key: NodeKey, name: &str, by: By<'_>) -> Result<Option<VersionId>, MemberError> {
        let value = short(name)?;
        self.member_fact(key, "name", value, by)
    }

    /// # Errors
    /// It is no member; or there are too many addresses.
    pub fn readdress(&mut self, key: NodeKey, addresses: &[SocketAddr], by: By<'_>) -> Result<Option<VersionId>, MemberError> {
        let value = addresses_text(addresses)?;
        self.member_fact(key, "addresses", value, by)
    }

    /// A node says which version it runs.
    ///
    /// # Errors
    /// It is no member; or the version is too long.
    pub fn report_version(&mut self, key: NodeKey, version: &str, by: By<'_>) -> Result<Option<VersionId>, MemberError> {
        let value = short(version)?;
        self.member_fact(key, "version", value, by)
    }

    /// Removes a node for ever. What is known of it stays, so that its name can still be shown.
    ///
    /// # Errors
    /// It is no member.
    pub fn remove_member(&mut self, key: NodeKey, by: By<'_>) -> Result<Option<VersionId>, MemberError> {
        match self.standing(key) {
            Standing::Removed => Ok(None),
            Standing::Unknown => Err(MemberError::Unknown(key)),
            Standing::Member => {
                let author: String = by.author.chars().take(MAX_NAME).collect();
                let fact = json!({"at": by.at.0, "by": author}).to_string();
                self.write_facts(Area::Removed, Flat::from([(key.to_string(), Value::from(fact))]), by)
            }
        }
    }

    fn member_fact(&mut self, key: NodeKey, fact: &str, value: Value, by: By<'_>) -> Result<Option<VersionId>, MemberError> {
        match self.standing(key) {
            Standing::Member => self.write_facts(Area::Members, Flat::from([(at(&key.to_string(), fact), value)]), by),
            Standing::Removed => Err(MemberError::Removed(key)),
            Standing::Unknown => Err(MemberError::Unknown(key)),
        }
    }

    /// Writes only what is not so already.
    fn write_facts(&mut self, area: Area, mut facts: Flat, by: By<'_>) -> Result<Option<VersionId>, MemberError> {
        let stored = self.stored(area);
        facts.retain(|key, value| stored.get(key) != Some(value));
        let edits = facts.len();
        Ok(self.write(area, &facts, edits, by)?)
    }

    /// Gives the cluster another name.
    ///
    /// # Errors
    /// The name is too long.
    pub fn rename_cluster(&mut self, name: &str, by: By<'_>) -> Result<Option<VersionId>, MemberError> {
        let value = short(name)?;
        self.write_facts(Area::Cluster, Flat::from([("name".to_owned(), value)]), by)
    }

    /// Who may log in, by login. What was taken from somebody on one node counts, whatever another node wrote meanwhile: a
    /// login that is gone or disabled by mistake is given again in a minute.
    pub fn admins(&self) -> Vec<Admin> {
        let facts = self.stored(Area::Admins);
        let logins: BTreeSet<&str> = facts.keys().filter_map(|k| k.split('/').next()).collect();
        let admin = |login: &str| {
            let claims = |fact| self.values(Area::Admins, &format!("{login}/{fact}"), None);
            let passwords = claims("password");
            if passwords.iter().any(|(v, _)| v.is_null()) {
                return None;
            }
            Some(Admin {
                login: path::unescape(login),
                password: facts.get(&format!("{login}/password"))?.as_str()?.to_owned(),
                disabled: claims("disabled").iter().any(|(v, _)| *v != Value::Bool(false)),
                // Made before there were roles: an admin.
                rights: claims("rights").iter().map(|(v, _)| rights(v)).reduce(Rights::and).unwrap_or(Rights::ALL),
                // Set on one side and removed on the other: it is there. Removing it again takes a moment.
                second_factor: SecondFactor::merge(claims("second_factor").iter().filter_map(|(v, _)| v.as_str()?.parse().ok())),
            })
        };
        logins.into_iter().filter_map(admin).collect()
    }

    /// # Errors
    /// A text is too long.
    pub fn put_admin(&mut self, admin: &Admin, by: By<'_>) -> Result<Option<VersionId>, MemberError> {
        short(&admin.login)?;
        let now = self.admins().into_iter().find(|a| a.login == admin.login);
        let mut facts = Flat::new();
        // Compared with what counts, not with what is stored: of a conflict that would not be the same.
        if now.as_ref().map(|a| &a.password) != Some(&admin.password) {
            facts.insert(at(&path::field("", &admin.login), "password"), long(&admin.password)?);
        }
        if now.as_ref().map(|a| a.disabled) != Some(admin.disabled) {
            facts.insert(at(&path::field("", &admin.login), "disabled"), Value::Bool(admin.disabled));
        }
        if now.as_ref().map(|a| &a.rights) != Some(&admin.rights) {
            facts.insert(at(&path::field("", &admin.login), "rights"), rights_text(&admin.rights)?);
        }
        if now.as_ref().map(|a| &a.second_factor) != Some(&admin.second_factor) {
            let factor = admin.second_factor.as_ref().map(|f| long(&f.to_string())).transpose()?;
            facts.insert(at(&path::field("", &admin.login), "second_factor"), factor.unwrap_or(Value::Null));
        }
        let edits = facts.len();
        Ok(self.write(Area::Admins, &facts, edits, by)?)
    }

    /// # Errors
    /// The document cannot be written.
    pub fn remove_admin(&mut self, login: &str, by: By<'_>) -> Result<Option<VersionId>, MemberError> {
        if !self.admins().iter().any(|a| a.login == login) {
            return Ok(None);
        }
        let key = at(&path::field("", login), "password");
        Ok(self.write(Area::Admins, &Flat::from([(key, Value::Null)]), 1, by)?)
    }
}

fn member(facts: &Flat, key: NodeKey) -> Option<Member> {
    let name = key.to_string();
    let fact = |what: &str| facts.get(&at(&name, what));
    let text = |what: &str| fact(what).and_then(Value::as_str).unwrap_or_default().to_owned();
    Some(Member {
        key,
        joined_at: Timestamp(fact("joined_at")?.as_i64()?),
        name: text("name"),
        addresses: text("addresses").split(' ').filter_map(|a| a.parse().ok()).take(MAX_ADDRESSES).collect(),
        joined_by: text("joined_by"),
        version: text("version"),
    })
}

/// Role and reach in one fact, so that of two edits at once none is half of the one and half of the other.
fn rights_text(rights: &Rights) -> Result<Value, MemberError> {
    let text = format!("{} {}", rights.role, rights.reach);
    if text.len() > MAX_RIGHTS { Err(MemberError::TooLong("a login's domains have at most 32768 octets")) } else { Ok(text.into()) }
}

fn rights(fact: &Value) -> Rights {
    let text = fact.as_str().unwrap_or_default();
    let (role, reach) = text.split_once(' ').unwrap_or((text, ""));
    Rights::read(role, reach)
}

fn addresses_text(addresses: &[SocketAddr]) -> Result<Value, MemberError> {
    if addresses.len() > MAX_ADDRESSES {
        return Err(MemberError::TooLong("a node has at most 32 addresses"));
    }
    Ok(Value::from(addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")))
}

fn short(text: &str) -> Result<Value, MemberError> {
    if text.chars().count() > MAX_NAME { Err(MemberError::TooLong("a name has at most 255 characters")) } else { Ok(text.into()) }
}

fn long(text: &str) -> Result<Value, MemberError> {
    if text.len() > 1024 {
        Err(MemberError::TooLong("the hash of a password and a second factor have at most 1024 octets"))
    } else {
        Ok(text.into())
    }
}
