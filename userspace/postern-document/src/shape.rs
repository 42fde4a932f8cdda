//! What settings look like to the document: tables, lists with names for their elements, maps with free names, leaves.
//!
//! Made from the JSON schema of the settings, so a new setting needs nothing here. A node knows only the shape of its own
//! version; what another version wrote beside it stays in the document, unread.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use postern_model::settings::Settings;
use serde_json::{Map, Value};

use crate::flat::{self, Flat};
use crate::{local, path};

#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// One value, always replaced whole. `text`: a string of no stated form.
    Leaf {
        text: bool,
        nullable: bool,
    },
    Table(BTreeMap<String, Shape>),
    Map(Box<Shape>),
    /// `names`: the fields that name an element; none in a list of values, which name themselves.
    List {
        names: Vec<String>,
        item: Box<Shape>,
    },
}

impl Shape {
    /// From a JSON schema; `left_out` says which paths are no part of it.
    pub fn of(schema: &Value, left_out: &dyn Fn(&str) -> bool, natural_keys: &[(&str, &[&str])]) -> Self {
        let empty = Map::new();
        let definitions = schema.get("$defs").and_then(Value::as_object).unwrap_or(&empty);
        Reader { definitions, left_out, natural_keys }.read(schema, "", Origin::Named)
    }

    /// The shape at a key, if this version knows it.
    pub fn at(&self, key: &str) -> Option<&Shape> {
        path::steps(key).try_fold(self, |shape, step| match (shape, step) {
            (Shape::Table(fields), path::Step::Field(name)) => fields.get(name),
            (Shape::Map(item), path::Step::Entry(_)) | (Shape::List { item, .. }, path::Step::Element(_)) => Some(&**item),
            _ => None,
        })
    }
}

impl Shape {
    /// A value without the fields that are not in this shape.
    fn known(&self, value: Value) -> Value {
        match (self, value) {
            (Self::Table(fields), Value::Object(given)) => {
                Value::Object(given.into_iter().filter_map(|(name, v)| Some((name.clone(), fields.get(&name)?.known(v)))).collect())
            }
            (Self::Map(item), Value::Object(given)) => Value::Object(given.into_iter().map(|(name, v)| (name, item.known(v))).collect()),
            (Self::List { item, .. }, Value::Array(given)) => Value::Array(given.into_iter().map(|v| item.known(v)).collect()),
            (_, value) => value,
        }
    }
}

struct Reader<'a> {
    definitions: &'a Map<String, Value>,
    left_out: &'a dyn Fn(&str) -> bool,
    natural_keys: &'a [(&'a str, &'a [&'a str])],
}

/// Where a schema stands: structs have names; an object that is written in place is a map, also when its keys are an enum's.
#[derive(Clone, Copy, PartialEq)]
enum Origin {
    Named,
    InPlace,
}

impl Reader<'_> {
    fn read(&self, schema: &Value, path: &str, origin: Origin) -> Shape {
        if let Some(name) = schema.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix("#/$defs/")) {
            return self.definitions.get(name).map_or(Shape::Leaf { text: true, nullable: false }, |s| self.read(s, path, Origin::Named));
        }
        let fields = schema.get("properties").and_then(Value::as_object);
        if let Some(fields) = fields.filter(|_| origin == Origin::Named) {
            let inner = |name: &String| if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            let kept = fields.iter().filter(|(name, _)| !(self.left_out)(&inner(name)));
            return Shape::Table(kept.map(|(name, s)| (name.clone(), self.read(s, &inner(name), Origin::InPlace))).collect());
        }
        let is = |wanted: &str| match schema.get("type") {
            Some(Value::String(t)) => t == wanted,
            Some(Value::Array(any)) => any.iter().any(|t| t == wanted),
            _ => false,
        };
        if let Some(items) = schema.get("items").filter(|_| is("array")) {
            let names = self.natural_keys.iter().find(|(p, _)| *p == path).map_or(&[][..], |(_, names)| names);
            let item = Box::new(self.read(items, &format!("{path}[]"), Origin::InPlace));
            return Shape::List { names: names.iter().map(|n| (*n).to_owned()).collect(), item };
        }
        if is("object") {
            let any_key = schema.get("additionalProperties").filter(|a| a.is_object());
            let item = any_key.or_else(|| fields.and_then(|f| f.values().next()));
            return Shape::Map(Box::new(
                item.map_or(Shape::Leaf { text: true, nullable: true }, |s| self.read(s, &format!("{path}{{}}"), Origin::InPlace)),
            ));
        }
        if let Some(any) = schema.get("anyOf").and_then(Value::as_array) {
            let text = any.iter().any(|s| matches!(self.read(s, path, Origin::InPlace), Shape::Leaf { text: true, .. }));
            return Shape::Leaf { text, nullable: any.iter().any(|s| s.get("type").is_some_and(|t| t == "null")) };
        }
        let formed = ["enum", "const", "pattern"].iter().any(|k| schema.get(k).is_some());
        Shape::Leaf { text: is("string") && !formed, nullable: is("null") }
    }
}

/// The shape of the shared settings, and their defaults.
#[derive(Debug)]
pub struct Schema {
    shape: Shape,
    defaults: Flat,
}

impl Schema {
    pub fn new(shape: Shape, defaults: &Value) -> Self {
        let mut flat = Flat::new();
        flat::flatten(&shape, "", defaults, &mut |_, names| flat::fresh_places(names), &mut flat);
        Self { shape, defaults: flat }
    }

    /// Of this version's settings.
    pub fn settings() -> Arc<Self> {
        static OURS: OnceLock<Arc<Schema>> = OnceLock::new();
        Arc::clone(OURS.get_or_init(|| Arc::new(Self::without(&[]))))
    }

    /// Of a version that does not know some of this version's settings. `paths` are written as in [`local::LOCAL`].
    pub fn without(paths: &[&str]) -> Self {
        let json = schemars::schema_for!(Settings).to_value();
        let shape = Shape::of(&json, &|path| local::is_local(path) || paths.contains(&path), local::NATURAL_KEYS);
        let defaults = shape.known(local::shared(&Settings::default()));
        Self::new(shape, &defaults)
    }

    /// The shared part of settings, as far as this version knows it.
    pub fn shared(&self, settings: &Settings) -> Value {
        self.shape.known(local::shared(settings))
    }

    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    pub fn defaults(&self) -> &Flat {
        &self.defaults
    }
}
