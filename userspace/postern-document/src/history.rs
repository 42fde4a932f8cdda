//! What was changed, by whom, when; how it was before; and taking it back.

use automerge::ChangeHash;
use postern_model::node::NodeId;
use postern_model::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::document::{Area, By, Change, Document, VersionId, WriteError, Writer, hashes};
use crate::flat::{self, Flat};
use crate::members;
use crate::path;
use crate::plan::{self, Plan};

/// Longest author and message of a version, in characters; the rest is cut off.
pub const MAX_AUTHOR: usize = 100;
pub const MAX_MESSAGE: usize = 1000;

/// One change of the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    pub id: VersionId,
    /// What it was made upon: two or more when it was the first after a cut.
    pub parents: Vec<VersionId>,
    /// By the clock of the node that made it, but never later than the reader's.
    pub at: Timestamp,
    pub author: String,
    pub message: String,
    pub node: NodeId,
    /// Settings or facts that it wrote, by the word of the node that made it.
    pub edits: usize,
}

/// One setting or fact that differs between two states.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    pub area: Area,
    /// `domains[example.org].recipient_check`.
    pub path: String,
    /// `None`: it was not there.
    pub before: Option<Value>,
    pub after: Option<Value>,
}

/// The message of a change in the engine: who and why. Short names, as it is kept ten thousand times.
#[derive(Serialize, Deserialize)]
struct Note {
    by: String,
    #[serde(default)]
    why: String,
    #[serde(default)]
    n: usize,
}

fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

pub(crate) fn note(by: By<'_>, edits: usize) -> String {
    let note = Note { by: cut(by.author, MAX_AUTHOR), why: cut(by.message, MAX_MESSAGE), n: edits };
    serde_json::to_string(&note).unwrap_or_default()
}

fn version(meta: &automerge::ChangeMetadata<'_>, now: Timestamp) -> Version {
    let text = meta.message.as_deref().unwrap_or_default();
    let note = serde_json::from_str(text).unwrap_or_else(|_| Note { by: String::new(), why: text.to_owned(), n: 0 });
    Version {
        id: meta.hash.into(),
        parents: meta.deps.iter().map(|d| VersionId::from(*d)).collect(),
        at: Timestamp(meta.timestamp).min(now),
        author: cut(&note.by, MAX_AUTHOR),
        message: cut(&note.why, MAX_MESSAGE),
        node: Writer::node_of(&meta.actor),
        edits: note.n,
    }
}

impl Document {
    /// One version.
    pub fn version(&self, id: VersionId, now: Timestamp) -> Option<Version> {
        self.doc.get_change_meta_by_hash(&ChangeHash(id.0)).map(|meta| version(&meta, now))
    }

    /// Versions, the newest first, in an order that is the same on every node: none stands above one that was made upon it.
    /// `before`: only what comes behind that one in this order.
    pub fn history(&self, before: Option<VersionId>, limit: usize, now: Timestamp) -> Vec<Version> {
        self.ordered(self.doc.get_changes_meta(&[]), now, before, limit)
    }

    /// The versions that are here now and were not part of a former state.
    pub fn since(&self, heads: &[VersionId], limit: usize, now: Timestamp) -> Vec<Version> {
        self.ordered(self.doc.get_changes_meta(&hashes(heads)), now, None, limit)
    }

    fn ordered(
        &self,
        mut all: Vec<automerge::ChangeMetadata<'_>>,
        now: Timestamp,
        before: Option<VersionId>,
        limit: usize,
    ) -> Vec<Version> {
        // The number of a change's last operation is a logical clock: higher than those of all that it was made upon.
        all.sort_unstable_by_key(|c| std::cmp::Reverse((c.max_op, c.hash)));
        let from = match before {
            None => 0,
            Some(id) => all.iter().position(|c| c.hash.0 == id.0).map_or(all.len(), |i| i + 1),
        };
        all.iter().skip(from).take(limit).map(|meta| version(meta, now)).collect()
    }

    fn known(&self, versions: &[VersionId]) -> Result<Vec<ChangeHash>, WriteError> {
        let missing = versions.iter().find(|v| self.doc.get_change_meta_by_hash(&ChangeHash(v.0)).is_none());
        missing.map_or_else(|| Ok(hashes(versions)), |v| Err(WriteError::NoVersion(*v)))
    }

    /// The shared settings as they were with these versions and all that they were made upon.
    ///
    /// # Errors
    /// One of them is not here.
    pub fn at(&self, versions: &[VersionId]) -> Result<Value, WriteError> {
        let stored = self.stored_at(Area::Settings, Some(&self.known(versions)?));
        Ok(flat::unflatten(self.schema.shape(), &self.seen(&stored)))
    }

    /// What is different in state `b` from what it was in `a`. A version's own edits: from its parents to itself.
    ///
    /// # Errors
    /// A version is not here.
    pub fn diff(&self, a: &[VersionId], b: &[VersionId]) -> Result<Vec<Difference>, WriteError> {
        let (a, b) = (self.known(a)?, self.known(b)?);
        let mut found = Vec::new();
        for (area, name) in Area::ALL {
            let state = |heads: &[ChangeHash]| {
                // The beginning has no parents; with none the engine would read the present.
                let stored = if heads.is_empty() { Flat::new() } else { self.stored_at(area, Some(heads)) };
                if area != Area::Settings {
                    return flat::visible(&stored);
                }
                let mut all = self.schema.defaults().clone();
                all.extend(stored);
                flat::visible(&all)
            };
            let (before, after) = (state(&a), state(&b));
            let keys: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
            for key in keys {
                let same_around = path::around(key).all(|k| before.contains_key(k) == after.contains_key(k));
                if before.get(key) == after.get(key) || !same_around {
                    continue;
                }
                let prefix = if area == Area::Settings { String::new() } else { format!("{name}.") };
                let (before, after) = self.values_shown(area, key, &before, &after);
                found.push(Difference { area, path: format!("{prefix}{}", path::shown(key)), before, after });
            }
        }
        Ok(found)
    }

    fn values_shown(&self, area: Area, key: &str, before: &Flat, after: &Flat) -> (Option<Value>, Option<Value>) {
        if members::is_secret(area, key) {
            return (before.get(key).map(|_| json!("********")), after.get(key).map(|_| json!("********")));
        }
        let shape = self.schema.shape().at(key).filter(|_| area == Area::Settings && path::is_member(key));
        let Some(shape) = shape else { return (before.get(key).cloned(), after.get(key).cloned()) };
        let entry = key.ends_with('}');
        if before.contains_key(key) && after.contains_key(key) && !entry {
            return (Some(json!({"position": position(before, key)})), Some(json!({"position": position(after, key)})));
        }
        let whole = |flat: &Flat| flat.contains_key(key).then(|| flat::subtree(shape, flat, key));
        (whole(before), whole(after))
    }

    /// Works out how to take back what a version changed of the settings, field by field: what was changed since stays.
    ///
    /// # Errors
    /// The version is not here.
    pub fn plan_undo(&self, id: VersionId) -> Result<Plan, WriteError> {
        let heads = self.known(&[id])?;
        let parents = self.doc.get_change_meta_by_hash(&ChangeHash(id.0)).map(|c| c.deps).unwrap_or_default();
        if parents.is_empty() {
            return Ok(Plan::default());
        }
        let before = self.stored_at(Area::Settings, Some(&parents));
        let after = self.stored_at(Area::Settings, Some(&heads));
        let mut plan = plan::undo(&self.schema, &before, &after, &self.stored(Area::Settings));
        for (area, name) in [(Area::Members, "members"), (Area::Removed, "removed"), (Area::Admins, "admins")] {
            let (before, after) = (self.stored_at(area, Some(&parents)), self.stored_at(area, Some(&heads)));
            let changed = after.iter().filter(|(key, value)| before.get(*key) != Some(value));
            plan.untouched.extend(changed.map(|(key, _)| format!("{name}.{}", path::shown(key))));
        }
        Ok(plan)
    }

    /// Takes back what a version changed of the settings. Members, removals and logins are no settings and stay.
    ///
    /// # Errors
    /// The version is not here.
    pub fn undo(&mut self, id: VersionId, by: By<'_>) -> Result<Change, WriteError> {
        let plan = self.plan_undo(id)?;
        self.carry_out(plan, by)
    }
}

/// Where an element stands among its like, from 1.
fn position(flat: &Flat, key: &str) -> usize {
    let Some((list, _)) = key.rsplit_once('/') else { return 1 };
    let mine = (flat.get(key).and_then(Value::as_i64), key);
    let below = format!("{list}/");
    let others = flat.range(below.clone()..).take_while(|(k, _)| k.starts_with(&below));
    let like = others.filter(|(k, _)| path::is_member(k) && !k[below.len()..].contains('/'));
    1 + like.filter(|(k, v)| (v.as_i64(), k.as_str()) < mine).count()
}
