//! The reference of all settings as Markdown, made from the structs' doc comments.

use serde_json::{Map, Value};

use super::Settings;

/// Markdown with one table for each section: setting, default, meaning.
pub fn markdown() -> String {
    let mut schema = schemars::schema_for!(Settings).to_value();
    let mut defaults = serde_json::to_value(Settings::default()).unwrap_or_default();
    // By name, whatever order the structs have.
    schema.sort_all_objects();
    defaults.sort_all_objects();
    let mut out = String::from("# Settings\n\nMade from the source by `postern settings reference`; do not edit.\n");
    let empty = Map::new();
    let definitions = schema.get("$defs").and_then(Value::as_object).unwrap_or(&empty);
    section(&mut out, definitions, &schema, Some(&defaults), "");
    out
}

fn section(out: &mut String, definitions: &Map<String, Value>, schema: &Value, defaults: Option<&Value>, path: &str) {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
    let mut rows = String::new();
    let mut inner = Vec::new();
    for (name, property) in properties {
        let full = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let is_list = property.get("type").and_then(Value::as_str) == Some("array");
        let target = resolve(definitions, if is_list { property.get("items").unwrap_or(property) } else { property });
        let default = defaults.and_then(|d| d.get(name));
        let about = text(property).or_else(|| text(target)).unwrap_or_default();
        if target.get("properties").is_some() {
            inner.push((if is_list { format!("{full}[]") } else { full }, about, target, if is_list { None } else { default }));
        } else {
            let shown = default.map_or_else(|| "required".into(), |v| if v.is_null() { "none".into() } else { format!("`{v}`") });
            let choices = choices(target).map(|c| format!(" One of {c}.")).unwrap_or_default();
            rows.push_str(&format!("| `{name}` | {shown} | {about}{choices} |\n"));
        }
    }
    if !rows.is_empty() {
        out.push_str("\n| setting | default | meaning |\n|---|---|---|\n");
        out.push_str(&rows);
    }
    for (full, about, target, default) in inner {
        let heading = match full.strip_suffix("[]") {
            Some(list) => format!("[[{list}]]"),
            None => format!("[{full}]"),
        };
        out.push_str(&format!("\n## {heading}\n\n{about}\n"));
        section(out, definitions, target, default, &full);
    }
}

fn resolve<'a>(definitions: &'a Map<String, Value>, schema: &'a Value) -> &'a Value {
    schema
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|r| r.strip_prefix("#/$defs/"))
        .and_then(|name| definitions.get(name))
        .unwrap_or(schema)
}

fn text(schema: &Value) -> Option<String> {
    schema.get("description").and_then(Value::as_str).map(|t| t.replace('\n', " ").replace('|', "\\|"))
}

fn choices(schema: &Value) -> Option<String> {
    let alternatives = schema.get("oneOf").and_then(Value::as_array)?;
    let named: Vec<String> = alternatives
        .iter()
        .filter_map(|a| {
            let name = a.get("const")?.as_str()?;
            Some(text(a).map_or_else(|| format!("`{name}`"), |t| format!("`{name}` ({})", t.trim_end_matches('.'))))
        })
        .collect();
    (!named.is_empty()).then(|| named.join(", "))
}
