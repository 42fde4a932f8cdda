//! One setting in a TOML document, by its path: `smtp.limits.max_recipients`, `domains[0].backends[1].host`,
//! `filter.brands."a.b"`. Everything around it, comments too, stays as it is.

use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, TableLike, Value};

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PathError {
    #[error("`{0}` is no path of a setting: write it as in smtp.limits.max_recipients or domains[0].name")]
    Form(String),
    #[error("there is no {0}")]
    Missing(String),
    #[error("{0} is no table")]
    NoTable(String),
    #[error("null is no value: leave `value` out to go back to the default")]
    Null,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

/// Sets a value, or with `None` takes it out, so that the default holds again.
pub fn set(document: &mut DocumentMut, path: &str, new: Option<&serde_json::Value>) -> Result<(), PathError> {
    let steps = parse(path)?;
    let new = new.map(to_value).transpose()?;
    in_table(document.as_table_mut(), &steps, new, path)
}

fn in_table(table: &mut dyn TableLike, steps: &[Step], new: Option<Value>, path: &str) -> Result<(), PathError> {
    let Some((Step::Key(key), rest)) = steps.split_first() else { return Err(PathError::NoTable(path.to_owned())) };
    if rest.is_empty() {
        match new {
            None => {
                table.remove(key);
            }
            Some(mut value) => {
                if let Some(old) = table.get(key).and_then(Item::as_value) {
                    *value.decor_mut() = old.decor().clone();
                }
                table.insert(key, Item::Value(value));
            }
        }
        return Ok(());
    }
    if table.get(key).is_none() {
        if new.is_none() {
            return Ok(());
        }
        if matches!(rest.first(), Some(Step::Index(_))) {
            return Err(PathError::Missing(format!("{key} to index (in {path})")));
        }
        let mut fresh = Table::new();
        fresh.set_implicit(true);
        table.insert(key, Item::Table(fresh));
    }
    match table.get_mut(key) {
        Some(item) => in_item(item, rest, new, path),
        None => Err(PathError::Missing(path.to_owned())),
    }
}

fn in_item(item: &mut Item, steps: &[Step], new: Option<Value>, path: &str) -> Result<(), PathError> {
    match (item, steps.split_first()) {
        (Item::Table(table), Some((Step::Key(_), _))) => in_table(table, steps, new, path),
        (Item::Value(value), Some(_)) => in_value(value, steps, new, path),
        (Item::ArrayOfTables(list), Some((Step::Index(i), rest))) => {
            if rest.is_empty() && new.is_none() && *i < list.len() {
                list.remove(*i);
                return Ok(());
            }
            let table = list.get_mut(*i).ok_or_else(|| PathError::Missing(format!("element {i} (in {path})")))?;
            in_table(table, rest, new, path)
        }
        _ => Err(PathError::NoTable(path.to_owned())),
    }
}

fn in_value(value: &mut Value, steps: &[Step], new: Option<Value>, path: &str) -> Result<(), PathError> {
    match (value, steps.split_first()) {
        (Value::InlineTable(table), Some((Step::Key(_), _))) => in_table(table, steps, new, path),
        (Value::Array(list), Some((Step::Index(i), rest))) => {
            let missing = || PathError::Missing(format!("element {i} (in {path})"));
            match (rest.is_empty(), new) {
                (true, None) if *i < list.len() => {
                    list.remove(*i);
                    Ok(())
                }
                (true, Some(new)) if *i < list.len() => {
                    list.replace(*i, new);
                    Ok(())
                }
                (false, new) => in_value(list.get_mut(*i).ok_or_else(missing)?, rest, new, path),
                _ => Err(missing()),
            }
        }
        _ => Err(PathError::NoTable(path.to_owned())),
    }
}

fn parse(path: &str) -> Result<Vec<Step>, PathError> {
    let bad = || PathError::Form(path.chars().take(100).collect());
    let mut steps = Vec::new();
    let mut rest = path;
    loop {
        if let Some(quoted) = rest.strip_prefix('"') {
            let (key, after) = quoted.split_once('"').ok_or_else(bad)?;
            steps.push(Step::Key(key.to_owned()));
            rest = after;
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let (key, after) = rest.split_at(end);
            if key.is_empty() || !key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
                return Err(bad());
            }
            steps.push(Step::Key(key.to_owned()));
            rest = after;
        }
        while let Some(inner) = rest.strip_prefix('[') {
            let (index, after) = inner.split_once(']').ok_or_else(bad)?;
            steps.push(Step::Index(index.parse().map_err(|_| bad())?));
            rest = after;
        }
        if rest.is_empty() {
            return if steps.len() <= 32 { Ok(steps) } else { Err(bad()) };
        }
        rest = rest.strip_prefix('.').ok_or_else(bad)?;
    }
}

pub(crate) fn to_value(json: &serde_json::Value) -> Result<Value, PathError> {
    Ok(match json {
        serde_json::Value::Null => return Err(PathError::Null),
        serde_json::Value::Bool(b) => Value::from(*b),
        serde_json::Value::Number(n) => match n.as_i64() {
            Some(i) => Value::from(i),
            None => Value::from(n.as_f64().unwrap_or(f64::NAN)),
        },
        serde_json::Value::String(s) => Value::from(s.as_str()),
        serde_json::Value::Array(list) => Value::Array(list.iter().map(to_value).collect::<Result<Array, _>>()?),
        serde_json::Value::Object(map) => {
            let mut table = InlineTable::new();
            let mut entries: Vec<_> = map.iter().filter(|(_, v)| !v.is_null()).collect();
            entries.sort_by_key(|(key, _)| *key);
            for (key, inner) in entries {
                table.insert(key, to_value(inner)?);
            }
            Value::InlineTable(table)
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    const TEXT: &str =
        "# top\n[smtp.limits] # limits\nmax_recipients = 200 # many\n\n[[domains]]\nname = \"a.example\"\nbackends = [{ host = \"x\" }]\n";

    fn after(path: &str, value: Option<serde_json::Value>) -> Result<String, PathError> {
        let mut document: DocumentMut = TEXT.parse().unwrap();
        set(&mut document, path, value.as_ref())?;
        Ok(document.to_string())
    }

    #[test]
    fn values_change_in_place_and_comments_stay() {
        let text = after("smtp.limits.max_recipients", Some(json!(300))).unwrap();
        assert_eq!(text, TEXT.replace("200", "300"));
        assert_eq!(after("domains[0].backends[0].host", Some(json!("y"))).unwrap(), TEXT.replace("\"x\"", "\"y\""));
        assert!(after("greylist.enabled", Some(json!(false))).unwrap().contains("[greylist]\nenabled = false"));
        assert!(!after("smtp.limits.max_recipients", None).unwrap().contains("200"));
        assert!(!after("domains[0]", None).unwrap().contains("domains"));
        assert_eq!(after("console.listen", None).unwrap(), TEXT);
        let nested = after("filter.brands.\"Große Bank\"", Some(json!(["bank.example"]))).unwrap();
        assert!(nested.contains("bank.example"), "{nested}");
    }

    #[test]
    fn paths_that_lead_nowhere_are_refused() {
        for path in [
            "",
            ".",
            "a..b",
            "a[",
            "a[x]",
            "a[1]b",
            "../etc",
            "a b",
            "domains[7].name",
            "domains[0].backends[9].host",
            "smtp.limits.max_recipients.x",
        ] {
            assert!(after(path, Some(json!(1))).is_err(), "{path} was taken");
        }
        assert_eq!(after("smtp.tarpit", Some(json!(null))), Err(PathError::Null));
    }
}
