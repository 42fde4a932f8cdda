//! Conflicts: one field that several nodes set to different values, none of which knew of the others.
//!
//! The engine takes one value, the same on every node, and all go on. The others are listed here until somebody sets the field
//! again, having seen them.

use automerge::ReadDoc;
use postern_model::time::Timestamp;
use serde_json::Value;

use crate::document::{Area, Document};
use crate::flat::Flat;
use crate::history::Version;
use crate::members;
use crate::path;
use crate::plan::{Plan, PlanError};

#[derive(Clone, Debug, PartialEq)]
pub struct Conflict {
    pub area: Area,
    /// The key, for [`Document::plan_settle`].
    pub key: String,
    /// For people: `smtp.limits.max_hops`.
    pub path: String,
    pub values: Vec<Claim>,
}

/// One of the values, and the version that set it.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// Null: it was taken out.
    pub value: Value,
    /// Whether it is the one that counts until somebody decides.
    pub counts: bool,
    pub version: Option<Version>,
}

impl Document {
    /// All conflicts, by path.
    pub fn conflicts(&self, now: Timestamp) -> Vec<Conflict> {
        let mut found = Vec::new();
        for area in [Area::Settings, Area::Members, Area::Admins] {
            let items = self.several_values(area);
            let stored = self.stored(area);
            for key in items {
                let values = self.values(area, &key, None);
                // Two places of one element in its list are no matter to people; that it was taken out is.
                let seen = |v: &Value| if path::is_member(&key) && v.is_i64() { Value::Bool(true) } else { v.clone() };
                if values.windows(2).all(|pair| seen(&pair[0].0) == seen(&pair[1].0)) {
                    continue;
                }
                let chosen = stored.get(&key);
                let claim = |(value, id): &(Value, automerge::ObjId)| Claim {
                    value: if members::is_secret(area, &key) && !value.is_null() { Value::from("********") } else { value.clone() },
                    counts: Some(value) == chosen,
                    version: self.doc.hash_for_opid(id).and_then(|hash| self.version(hash.into(), now)),
                };
                let values = values.iter().map(claim).collect();
                found.push(Conflict { area, path: path::shown(&key), key, values });
            }
        }
        found
    }

    /// Keys of a map that hold more than one value.
    fn several_values(&self, area: Area) -> Vec<String> {
        self.doc.map_range(self.map(area), ..).filter(|item| item.conflict).map(|item| item.key.into_owned()).collect()
    }

    /// Ends a conflict of settings: sets the field to a value, also when it is the one that counts already. Null takes an
    /// element or entry out; an element stays with `true`.
    ///
    /// # Errors
    /// The key is no setting that this version knows, or no value fits it.
    pub fn plan_settle(&self, key: &str, value: &Value) -> Result<Plan, PlanError> {
        let unknown = || PlanError::Unknown(vec![path::shown(key)]);
        let shape = self.schema.shape().at(key).ok_or_else(unknown)?;
        let leaf = matches!(shape, crate::shape::Shape::Leaf { .. }) && !key.ends_with(']');
        let value = match value {
            // The place of an element stays what it is.
            Value::Bool(true) if !leaf => self.seen(&self.stored(Area::Settings)).get(key).cloned().ok_or_else(unknown)?,
            Value::Null => Value::Null,
            value if leaf => value.clone(),
            _ => return Err(unknown()),
        };
        Ok(Plan { puts: Flat::from([(key.to_owned(), value)]), untouched: Vec::new() })
    }
}
