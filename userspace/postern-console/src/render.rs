//! The shared settings of a cluster, written into a node's own settings file.
//!
//! Only what differs is touched: comments, order and node-local settings stay as the person who wrote them left them. Elements of
//! lists are recognised by name, so a domain keeps its comments when another is added above it.
//!
//! Invariant: what comes out reads as the shared settings and the former local ones, or it does not come out.

use postern_document::{flat, local};
use postern_model::settings::delivery::{Backend, DomainSettings};
use postern_model::settings::edge::Feed;
use postern_model::settings::filter::DnsList;
use postern_model::settings::policy::{PolicyList, PolicyRule};
use postern_model::settings::{self, Settings, SettingsError};
use serde_json::{Map, Value as Json, json};
use toml_edit::{Array, ArrayOfTables, DocumentMut, InlineTable, Item, Table, TableLike, Value};

use crate::setting_path::{PathError, to_value};

#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The file's fault, or that of the shared settings on this node.
    #[error("the settings cannot be used: {0}")]
    Settings(#[from] SettingsError),
    #[error("{0} cannot be written as TOML")]
    Form(String),
    /// Nothing in the text was understood in another way than the settings say; a fault of ours.
    #[error("the rendered file would not say what it should at {0}")]
    Differs(String),
}

/// The text with the shared settings in it. Equal to `text` when it says them already.
///
/// # Errors
/// The text is no settings file; the shared settings are none that this version knows, or with the local ones contradict each
/// other, so that the node could not start from the file.
pub fn render(text: &str, shared: &Json) -> Result<String, RenderError> {
    let own = settings::parse(text)?;
    let wanted = local::merge(shared, &own)?;
    if wanted == own {
        return Ok(text.to_owned());
    }
    let form = |e: toml_edit::TomlError| RenderError::Form(e.message().to_owned());
    let mut document: DocumentMut = text.parse().map_err(form)?;
    let (now, then) = (local::shared(&own), local::shared(&wanted));
    table(document.as_table_mut(), &now, &then, "", Form::Blocks)?;
    let rendered = document.to_string();
    let read = settings::parse(&rendered)?;
    if read == wanted { Ok(rendered) } else { Err(RenderError::Differs(first_difference(&read, &wanted))) }
}

fn first_difference(a: &Settings, b: &Settings) -> String {
    let (a, b) = (serde_json::to_value(a).unwrap_or_default(), serde_json::to_value(b).unwrap_or_default());
    let tables = b.as_object().into_iter().flatten();
    tables.filter(|(name, value)| a.get(name.as_str()) != Some(value)).map(|(name, _)| name.clone()).next().unwrap_or_default()
}

/// How what is new is written.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    /// `[table]` and `[[list]]`, each on lines of its own.
    Blocks,
    /// Within the braces or brackets of another value.
    Inline,
}

fn nothing(value: Option<&Json>) -> bool {
    value.is_none_or(Json::is_null)
}

/// Brings a table from what it says to what it shall say.
fn table(table: &mut dyn TableLike, now: &Json, then: &Json, path: &str, form: Form) -> Result<(), RenderError> {
    let empty = Map::new();
    let (was, will) = (now.as_object().unwrap_or(&empty), then.as_object().unwrap_or(&empty));
    for name in was.keys().filter(|name| nothing(will.get(*name))) {
        table.remove(name);
    }
    for (name, new) in will.iter().filter(|(_, new)| !new.is_null()) {
        let inner = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let old = was.get(name).unwrap_or(&Json::Null);
        if old == new {
            continue;
        }
        match new {
            Json::Object(_) => {
                if table.get(name).is_none() {
                    let fresh = match form {
                        Form::Blocks => {
                            let mut fresh = Table::new();
                            fresh.set_implicit(true);
                            Item::Table(fresh)
                        }
                        Form::Inline => Item::Value(Value::InlineTable(InlineTable::new())),
                    };
                    table.insert(name, fresh);
                }
                let item = table.get_mut(name).ok_or_else(|| RenderError::Form(inner.clone()))?;
                let form = if item.is_table() { form } else { Form::Inline };
                let below = item.as_table_like_mut().ok_or_else(|| RenderError::Form(inner.clone()))?;
                self::table(below, old, new, &inner, form)?;
            }
            Json::Array(new) => {
                let old = old.as_array().map_or(&[][..], Vec::as_slice);
                match local::NATURAL_KEYS.iter().find(|(p, _)| *p == inner) {
                    Some((_, names)) => tables(table, name, old, new, &inner, names, form)?,
                    None => values(table, name, new, &inner)?,
                }
            }
            _ => put(table, name, value(new, &inner)?),
        }
    }
    Ok(())
}

fn value(json: &Json, path: &str) -> Result<Value, RenderError> {
    to_value(json).map_err(|_: PathError| RenderError::Form(path.to_owned()))
}

/// What stands around the old value, comments too, stays around the new one.
fn put(table: &mut dyn TableLike, name: &str, mut value: Value) {
    match table.get_mut(name).and_then(Item::as_value_mut) {
        Some(old) => {
            *value.decor_mut() = old.decor().clone();
            *old = value;
        }
        None => {
            table.insert(name, Item::Value(value));
        }
    }
}

/// A list of values: those that stay keep their lines and comments.
fn values(table: &mut dyn TableLike, name: &str, new: &[Json], path: &str) -> Result<(), RenderError> {
    let old = table.get(name).and_then(Item::as_array).cloned().unwrap_or_default();
    let mut known: Vec<&Value> = old.iter().collect();
    let mut list = Array::new();
    for json in new {
        let mut fresh = value(json, path)?;
        match known.iter().position(|k| same(k, &fresh)) {
            Some(at) => list.push_formatted(known.remove(at).clone()),
            None => {
                // On a line of its own, if the others are.
                if let Some(prefix) = old.iter().last().and_then(|v| v.decor().prefix()).and_then(|p| p.as_str()) {
                    let line = prefix.rfind('\n').map_or(if list.is_empty() { "" } else { " " }, |at| &prefix[at..]);
                    fresh.decor_mut().set_prefix(line);
                } else if !list.is_empty() {
                    fresh.decor_mut().set_prefix(" ");
                }
                list.push_formatted(fresh);
            }
        }
    }
    // In one line the first has no space before it and every other has one.
    if old.iter().all(|v| v.decor().prefix().and_then(|p| p.as_str()).is_none_or(|p| p.trim_matches(' ').is_empty())) {
        list.iter_mut().enumerate().for_each(|(i, v)| v.decor_mut().set_prefix(if i == 0 { "" } else { " " }));
    }
    list.set_trailing(old.trailing().clone());
    list.set_trailing_comma(old.trailing_comma() && !list.is_empty());
    put(table, name, Value::Array(list));
    Ok(())
}

fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::String(a), Value::String(b)) => a.value() == b.value(),
        (Value::Integer(a), Value::Integer(b)) => a.value() == b.value(),
        (Value::Float(a), Value::Float(b)) => a.value() == b.value(),
        (Value::Boolean(a), Value::Boolean(b)) => a.value() == b.value(),
        _ => false,
    }
}

/// A list of tables, written as blocks or inline.
fn tables(
    table: &mut dyn TableLike,
    name: &str,
    old: &[Json],
    new: &[Json],
    path: &str,
    names: &[&str],
    form: Form,
) -> Result<(), RenderError> {
    let inner = format!("{path}[]");
    let (was, will) = (flat::element_names(names, old), flat::element_names(names, new));
    let origin = |name: &String| was.iter().position(|w| w == name);
    let default = element_default(&inner);
    let before = |at: Option<usize>| at.map_or(&default, |i| &old[i]);
    if table.get(name).is_none() {
        let fresh = match form {
            Form::Blocks => Item::ArrayOfTables(ArrayOfTables::new()),
            Form::Inline => Item::Value(Value::Array(Array::new())),
        };
        table.insert(name, fresh);
    }
    let item = table.get_mut(name).ok_or_else(|| RenderError::Form(path.to_owned()))?;
    match item {
        Item::ArrayOfTables(blocks) => {
            let known: Vec<Table> = blocks.iter().cloned().collect();
            // Blocks are written in the order of their positions in the file; those that stay share theirs out anew.
            let mut places: Vec<isize> = will.iter().filter_map(|n| known.get(origin(n)?)?.position()).collect();
            places.sort_unstable();
            let mut places = places.into_iter();
            let mut list = ArrayOfTables::new();
            for (name, json) in will.iter().zip(new) {
                let kept = origin(name);
                let mut block = kept.and_then(|i| known.get(i).cloned()).unwrap_or_default();
                match block.position().and_then(|_| places.next()) {
                    Some(place) => block.set_position(place),
                    None => block.decor_mut().set_prefix("\n"),
                }
                if kept.is_none() {
                    head(&mut block, json, names, &inner)?;
                }
                self::table(&mut block, before(kept), json, &inner, Form::Inline)?;
                list.push(block);
            }
            *blocks = list;
        }
        Item::Value(Value::Array(array)) => {
            let known: Vec<Value> = array.iter().cloned().collect();
            let mut list = Array::new();
            for (name, json) in will.iter().zip(new) {
                let kept = origin(name);
                let mut element = kept.and_then(|i| known.get(i).cloned()).unwrap_or_else(|| Value::InlineTable(InlineTable::new()));
                let below = element.as_inline_table_mut().ok_or_else(|| RenderError::Form(path.to_owned()))?;
                if kept.is_none() {
                    head(below, json, names, &inner)?;
                }
                self::table(below, before(kept), json, &inner, Form::Inline)?;
                if kept.is_none() {
                    let model = known.last().and_then(|v| v.decor().prefix()).and_then(|p| p.as_str());
                    let line = model.and_then(|p| p.rfind('\n').map(|at| &p[at..]));
                    element.decor_mut().set_prefix(line.unwrap_or(if list.is_empty() { "" } else { " " }));
                    element.decor_mut().set_suffix("");
                }
                list.push_formatted(element);
            }
            list.set_trailing(array.trailing().clone());
            list.set_trailing_comma(array.trailing_comma() && !list.is_empty());
            *list.decor_mut() = array.decor().clone();
            *array = list;
        }
        _ => return Err(RenderError::Form(path.to_owned())),
    }
    Ok(())
}

/// A new element begins with what it is called.
fn head(table: &mut dyn TableLike, json: &Json, names: &[&str], path: &str) -> Result<(), RenderError> {
    let said = |name: &&str| json.get(*name).filter(|v| !v.is_null() && element_default(path).get(*name) != Some(*v)).is_some();
    names.iter().filter(|name| said(name)).try_for_each(|name| {
        put(table, name, value(&json[*name], path)?);
        Ok(())
    })
}

/// What an element says by saying nothing, so that a new one has only the lines it needs. Its names are always written.
fn element_default(path: &str) -> Json {
    fn filled<T: serde::de::DeserializeOwned + serde::Serialize>(least: Json, names: &[&str]) -> Json {
        let mut json = serde_json::from_value::<T>(least).ok().and_then(|t| serde_json::to_value(t).ok()).unwrap_or_default();
        if let Json::Object(map) = &mut json {
            names.iter().for_each(|name| drop(map.remove(*name)));
        }
        json
    }
    match path {
        "domains[]" => filled::<DomainSettings>(json!({"name": ""}), &["name"]),
        "domains[].backends[]" | "delivery.smarthosts[]" => filled::<Backend>(json!({"host": ""}), &["host"]),
        "edge.feeds[]" => filled::<Feed>(json!({"name": "x"}), &["name"]),
        "policy.rules[]" => filled::<PolicyRule>(json!({"name": ""}), &["name"]),
        "policy.lists[]" => filled::<PolicyList>(json!({"name": "", "entries": []}), &["name", "entries"]),
        "dns_lists.lists[]" => filled::<DnsList>(json!({"zone": "x", "weight": 0.0}), &["zone", "weight"]),
        _ => Json::Null,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const TEXT: &str = r#"# The mail gate of the house.
[node]
hostname = "a.example" # ours alone

[smtp]
listen = ["192.0.2.1:25"]
trusted_networks = [
    "10.0.0.0/8", # the office
    "192.0.2.0/24",
]

[smtp.limits] # limits
max_recipients = 200 # many

# The first.
[[domains]]
name = "a.example" # a
backends = [{ host = "mx1", port = 25 }, { host = "mx2" }] # two

# The second.
[[domains]]
name = "b.example"
backends = [
    { host = "mx3", weight = 3 }, # strong
]

[filter.weights]
SPF_FAIL = 3.0 # hard
"#;

    fn shared(change: impl FnOnce(&mut Settings)) -> Json {
        let mut settings = settings::parse(TEXT).unwrap();
        settings.node.hostname = "b.example".into();
        settings.smtp.listen.clear();
        change(&mut settings);
        local::shared(&settings)
    }

    fn rendered(change: impl FnOnce(&mut Settings)) -> String {
        let text = render(TEXT, &shared(change)).unwrap();
        assert_eq!(settings::parse(&text).unwrap().node.hostname, "a.example");
        text
    }

    #[test]
    fn what_says_it_already_stays_to_the_last_octet() {
        assert_eq!(rendered(|_| {}), TEXT);
        assert_eq!(render("", &local::shared(&Settings::default())).unwrap(), "");
    }

    #[test]
    fn one_value_changes_in_its_place() {
        assert_eq!(rendered(|s| s.smtp.limits.max_recipients = 300), TEXT.replace("200 # many", "300 # many"));
        assert_eq!(rendered(|s| s.domains[1].backends[0].weight = 5), TEXT.replace("weight = 3", "weight = 5"));
        assert_eq!(rendered(|s| s.domains[0].backends[0].port = None), TEXT.replace("\"mx1\", port = 25 }", "\"mx1\" }"));
        let text = rendered(|s| s.greylist.enabled = false);
        assert_eq!(text, format!("{TEXT}\n[greylist]\nenabled = false\n"));
        assert_eq!(rendered(|s| s.filter.weights.clear()), TEXT.replace("SPF_FAIL = 3.0 # hard\n", ""));
    }

    #[test]
    fn elements_of_lists_keep_their_comments() {
        let add = |text: &str| text.parse().unwrap();
        let text = rendered(|s| s.smtp.trusted_networks = vec![add("198.51.100.0/24"), add("10.0.0.0/8")]);
        assert!(text.contains("trusted_networks = [\n    \"198.51.100.0/24\",\n    \"10.0.0.0/8\","), "{text}");
        let text = rendered(|s| s.filter.people = vec!["Erika".into(), "Zoe".into()]);
        assert!(text.contains("[filter]\npeople = [\"Erika\", \"Zoe\"]\n"), "{text}");
        let text = rendered(|s| s.domains[0].backends.reverse());
        assert!(text.contains("# two") && text.find("mx2").unwrap() < text.find("mx1").unwrap(), "{text}");
    }

    #[test]
    fn domains_come_go_and_move_with_what_stands_above_them() {
        let text = rendered(|s| drop(s.domains.remove(0)));
        assert!(!text.contains("The first") && text.contains("# The second.\n[[domains]]\nname = \"b.example\""), "{text}");
        let text = rendered(|s| s.domains.reverse());
        assert!(text.find("# The second.").unwrap() < text.find("# The first.").unwrap(), "{text}");
        let text = rendered(|s| {
            let mut third = s.domains[0].clone();
            third.name = "c.example".into();
            third.backends.truncate(1);
            third.backends[0].password = Some("\"'\\\n".into());
            s.domains.insert(1, third);
        });
        assert!(text.contains("[[domains]]\nname = \"c.example\"\nbackends = [{ host = \"mx1\", port = 25, password = "), "{text}");
        assert!(text.contains("# The first.") && text.contains("# The second."), "{text}");
    }

    #[test]
    fn an_empty_file_and_one_line_files_take_everything() {
        let all = shared(|_| {});
        for text in
            ["", "# mine\nsmtp = { listen = [\"192.0.2.1:25\"], limits = { idle = \"1m\" } }\n", "smtp.limits.max_hops = 9\ndomains = []\n"]
        {
            let out = render(text, &all).unwrap();
            let own = settings::parse(text).unwrap();
            assert_eq!(settings::parse(&out).unwrap(), local::merge(&all, &own).unwrap(), "{out}");
            assert_eq!(render(&out, &all).unwrap(), out);
            let back = render(&out, &local::shared(&own)).unwrap();
            assert_eq!(settings::parse(&back).unwrap(), own, "{back}");
        }
    }

    #[test]
    fn what_is_no_settings_is_refused() {
        assert!(matches!(render("smtp = 1", &json!({})), Err(RenderError::Settings(_))));
        assert!(matches!(render("", &json!({"smtp": {"limits": {"max_hops": "many"}}})), Err(RenderError::Settings(_))));
    }
}
