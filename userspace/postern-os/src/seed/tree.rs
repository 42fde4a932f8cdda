//! A tree of values in which each knows its path: what is wrong is said with the whole of it.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use serde_json::{Map, Value};

use super::BadSeed;

/// Longest part of a key that is repeated in an error.
const SHOWN: usize = 60;
/// Longest text that is taken; a cluster's token has some hundred characters.
const LONGEST_TEXT: usize = 4096;

#[derive(Clone, Debug)]
pub struct At<'v> {
    pub value: &'v Value,
    pub path: String,
}

/// A mapping with known keys only.
pub struct Table<'v> {
    /// `None`: nothing stands below the key.
    map: Option<&'v Map<String, Value>>,
    path: String,
}

/// A control character would be the terminal's.
pub fn shown(key: &str) -> String {
    key.chars().take(SHOWN).map(|c| if c.is_control() { '?' } else { c }).collect()
}

impl<'v> At<'v> {
    /// The root of a file.
    pub fn root(file: &str, value: &'v Value) -> Self {
        Self { value, path: format!("{file}: ") }
    }

    pub fn refuse(&self, why: impl Display) -> BadSeed {
        BadSeed::Value { path: self.path.trim_end_matches([':', ' ']).into(), why: why.to_string() }
    }

    fn below(&self, key: &str) -> String {
        join(&self.path, key)
    }

    /// Every key must be one of these.
    pub fn table(&self, known: &[&str]) -> Result<Table<'v>, BadSeed> {
        let table = self.any_table()?;
        match table.map.iter().flat_map(|m| m.keys()).find(|k| !known.contains(&k.as_str())) {
            Some(key) => Err(BadSeed::Unknown { path: self.below(key), known: known.join(", ") }),
            None => Ok(table),
        }
    }

    /// Keys are names that somebody chose. Nothing at all is an empty one.
    pub fn any_table(&self) -> Result<Table<'v>, BadSeed> {
        match self.value {
            Value::Object(map) => Ok(Table { map: Some(map), path: self.path.clone() }),
            Value::Null => Ok(Table { map: None, path: self.path.clone() }),
            _ => Err(self.refuse("write keys and values below it")),
        }
    }

    pub fn list(&self) -> Result<Vec<At<'v>>, BadSeed> {
        let Value::Array(items) = self.value else { return Err(self.refuse("write a list")) };
        Ok(items.iter().enumerate().map(|(n, value)| At { value, path: format!("{}[{n}]", self.path) }).collect())
    }

    /// One text, or a list of them.
    pub fn texts(&self) -> Result<Vec<At<'v>>, BadSeed> {
        match self.value {
            Value::String(_) => Ok(vec![self.clone()]),
            _ => self.list(),
        }
    }

    pub fn text(&self) -> Result<&'v str, BadSeed> {
        match self.value {
            Value::String(text) if text.len() > LONGEST_TEXT => Err(self.refuse("this is too long")),
            Value::String(text) if text.trim().is_empty() => Err(self.refuse("it is empty: leave it out instead")),
            Value::String(text) if text.chars().any(char::is_control) => Err(self.refuse("it has a control character")),
            Value::String(text) => Ok(text),
            Value::Number(_) | Value::Bool(_) => Err(self.refuse("write it in quotes")),
            _ => Err(self.refuse("write one text")),
        }
    }

    pub fn flag(&self) -> Result<bool, BadSeed> {
        self.value.as_bool().ok_or_else(|| self.refuse("write true or false"))
    }

    pub fn number<N: TryFrom<u64>>(&self) -> Result<N, BadSeed> {
        let number = self.value.as_u64().and_then(|n| N::try_from(n).ok());
        number.ok_or_else(|| self.refuse("write a whole number that fits"))
    }

    /// A text that is something: an address, a network. Never a secret, as it is repeated.
    pub fn parsed<T: FromStr>(&self, what: &str) -> Result<T, BadSeed> {
        let text = self.text()?;
        text.parse().map_err(|_| self.refuse(format!("`{}` is no {what}", shown(text))))
    }

    /// One of these words.
    pub fn word<T: Copy>(&self, words: &[(&str, T)]) -> Result<T, BadSeed> {
        let text = self.text()?;
        let known = || words.iter().map(|(w, _)| *w).collect::<Vec<_>>().join(", ");
        words.iter().find(|(w, _)| *w == text).map(|(_, t)| *t).ok_or_else(|| self.refuse(format!("write one of: {}", known())))
    }
}

fn join(path: &str, key: &str) -> String {
    let dot = if path.is_empty() || path.ends_with(' ') { "" } else { "." };
    format!("{path}{dot}{}", shown(key))
}

impl<'v> Table<'v> {
    /// What stands there; nothing and null are the same.
    pub fn get(&self, key: &str) -> Option<At<'v>> {
        self.map.and_then(|m| m.get(key)).filter(|v| !v.is_null()).map(|value| At { value, path: join(&self.path, key) })
    }

    pub fn need(&self, key: &str) -> Result<At<'v>, BadSeed> {
        let why = || format!("it lacks `{key}`");
        self.get(key).ok_or_else(|| BadSeed::Value { path: self.path.trim_end_matches([':', ' ']).into(), why: why() })
    }

    /// By name: in which order a table keeps them is a feature of serde_json that any crate of the build may turn on.
    pub fn entries(&self) -> impl Iterator<Item = (&'v str, At<'v>)> + '_ {
        let entries: BTreeMap<_, _> = self.map.into_iter().flatten().collect();
        entries.into_iter().map(|(key, value)| (key.as_str(), At { value, path: join(&self.path, key) }))
    }

    /// The text of an optional key.
    pub fn text(&self, key: &str) -> Result<Option<&'v str>, BadSeed> {
        self.get(key).map(|at| at.text()).transpose()
    }

    pub fn flag(&self, key: &str) -> Result<Option<bool>, BadSeed> {
        self.get(key).map(|at| at.flag()).transpose()
    }
}
