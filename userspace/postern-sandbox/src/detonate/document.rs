//! What a document holds beside its macros and hands to them: properties, variables, cells, the texts of its forms' controls. Payloads are kept
//! there, where no look at the macros' source finds them.

use std::collections::BTreeMap;

use serde::Serialize;

/// Octets of all texts of a document together, and cells.
pub const TEXT_MOST: usize = 4 << 20;
pub const CELLS_MOST: usize = 20_000;

/// Names are in small letters where Office looks for them in any.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Document {
    pub text: String,
    /// Those that each document has: `title`, `comments`.
    pub properties: BTreeMap<String, String>,
    pub custom: BTreeMap<String, String>,
    pub variables: BTreeMap<String, String>,
    pub sheets: Vec<Sheet>,
    /// Names of places: `Sheet1!$A$1`.
    pub names: BTreeMap<String, String>,
    pub forms: Vec<Form>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Sheet {
    pub name: String,
    /// As the macros call it.
    pub code_name: String,
    /// Row and column from 1.
    pub cells: Vec<(u32, u32, Value)>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Value {
    Truth(bool),
    Number(f64),
    Text(String),
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Form {
    pub name: String,
    pub caption: String,
    pub tag: String,
    pub controls: Vec<Control>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Control {
    pub name: String,
    pub tag: String,
    pub tip: String,
    pub caption: String,
    pub value: String,
}

impl Document {
    /// What another place says of the same document, where this one says nothing.
    pub fn add(&mut self, other: Self) {
        if self.text.is_empty() {
            self.text = other.text;
        }
        for (own, others) in
            [(&mut self.properties, other.properties), (&mut self.custom, other.custom), (&mut self.variables, other.variables)]
        {
            for (name, value) in others {
                own.entry(name).or_insert(value);
            }
        }
        self.sheets.extend(other.sheets);
        self.names.extend(other.names);
        self.forms.extend(other.forms);
    }
}
