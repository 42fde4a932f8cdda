//! What is to be written, worked out before anything is: a plan can be looked at, tried and thrown away.
//!
//! Nothing is ever deleted from the map. What is taken out becomes null, because a deletion that meets an edit made elsewhere
//! at the same time loses without a trace, while two values of one key are a conflict that everybody can see.
//!
//! Whoever edits a field of an element also writes the element's place again, as it is. So an element that one node takes out
//! while another edits it is a conflict too, and the element stays (`document::read`): an edit is never lost with it.

use postern_model::settings::sandbox::RULE_TEXT_SIZE;
use serde_json::Value;

use crate::flat::{self, Flat};
use crate::path;
use crate::shape::{Schema, Shape};

/// Octets of all keys and values of the shared settings: the largest settings file that the console takes.
pub const MAX_SETTINGS: usize = 2 << 20;

/// Largest single value, and longest key, in octets: a text of YARA rules is the longest.
pub const MAX_VALUE: usize = RULE_TEXT_SIZE;
pub const MAX_KEY: usize = 1024;

/// Keys of the settings with their new values. Made by [`crate::Document`], and good for the state it was made from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    pub(crate) puts: Flat,
    /// What an undo leaves alone, as it was changed since. For people.
    pub untouched: Vec<String>,
}

impl Plan {
    pub fn is_empty(&self) -> bool {
        self.puts.is_empty()
    }
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PlanError {
    #[error("{} is no shared setting of this version", .0.join(", "))]
    Unknown(Vec<String>),
    #[error("{path}: {octets} octets, at most {MAX_VALUE} are kept (a name: {MAX_KEY})")]
    TooLong { path: String, octets: usize },
    #[error("the settings have {0} octets, at most {MAX_SETTINGS} are kept")]
    TooMuch(usize),
}

/// Brings the settings to `new`. `stored` is what the document holds, as it is; `seen` is what this version makes of it.
pub fn change(schema: &Schema, stored: &Flat, seen: &Flat, new: &Value) -> Result<Plan, PlanError> {
    let mut target = Flat::new();
    let unknown = flat::flatten(schema.shape(), "", new, &mut |_, order| flat::places(seen, order), &mut target);
    if !unknown.is_empty() {
        return Err(PlanError::Unknown(unknown.iter().map(|k| path::shown(k)).collect()));
    }
    let mut octets = 0;
    for (key, value) in &target {
        let size = value.as_str().map_or(8, str::len);
        if size > MAX_VALUE || key.len() > MAX_KEY {
            return Err(PlanError::TooLong { path: path::shown(key).chars().take(200).collect(), octets: size.max(key.len()) });
        }
        octets += size + key.len();
    }
    if octets > MAX_SETTINGS {
        return Err(PlanError::TooMuch(octets));
    }
    let mut puts = Flat::new();
    for (key, value) in &target {
        if seen.get(key).unwrap_or(&Value::Null) != value {
            puts.insert(key.clone(), value.clone());
        }
        // An element that comes back is as it is given now: nothing of its former life stays, known to us or not.
        if path::is_member(key) && !seen.contains_key(key) {
            let below = format!("{key}/");
            let left = stored.range(below.clone()..).take_while(|(k, _)| k.starts_with(&below));
            puts.extend(left.filter(|(k, v)| !v.is_null() && !target.contains_key(*k)).map(|(k, _)| (k.clone(), Value::Null)));
        }
    }
    let mentioned = |key: &str| given(schema.shape(), new, key);
    for key in seen.keys().filter(|key| path::is_member(key) && !target.contains_key(*key)) {
        if path::around(key).all(|above| target.contains_key(above)) && mentioned(key) {
            puts.insert(key.clone(), Value::Null);
        }
    }
    Ok(Plan { puts, untouched: Vec::new() })
}

/// Whether `new` says anything about the list or map that a key is in. A part that is left out stays as it is.
fn given(shape: &Shape, new: &Value, key: &str) -> bool {
    if shape.at(key).is_none() {
        return false;
    }
    let mut fields = path::steps(key).map_while(|s| if let path::Step::Field(name) = s { Some(name) } else { None });
    fields.try_fold(new, |value, name| value.get(name)).is_some()
}

/// Takes back what led from `before` to `after`, where `stored` still is as `after` was. Both are stored states, as they are.
pub fn undo(schema: &Schema, before: &Flat, after: &Flat, stored: &Flat) -> Plan {
    let mut plan = Plan::default();
    let value = |flat: &Flat, key: &str| flat.get(key).cloned().unwrap_or(Value::Null);
    for (key, made) in after {
        let earlier = match before.get(key) {
            Some(earlier) => earlier.clone(),
            // Not stored is the default, which has to be said now.
            None => schema.defaults().get(key).cloned().unwrap_or(Value::Null),
        };
        let now = value(stored, key);
        if (before.contains_key(key) && *made == value(before, key)) || now == earlier {
            continue;
        }
        if now == *made {
            plan.puts.insert(key.clone(), earlier);
        } else {
            plan.untouched.push(path::shown(key));
        }
    }
    plan
}

/// The places of the elements around what is written, written again.
pub fn with_surroundings(puts: &Flat, seen: &Flat) -> Flat {
    let mut all = puts.clone();
    for key in puts.keys() {
        for above in path::around(key) {
            if let Some(place) = seen.get(above).filter(|_| !puts.contains_key(above)) {
                all.insert(above.to_owned(), place.clone());
            }
        }
    }
    all
}
