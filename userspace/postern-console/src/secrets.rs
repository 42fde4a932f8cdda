//! Secrets in settings: shown as a mask, and put back when a masked text comes home.

use std::collections::HashMap;

use postern_model::settings::Problem;
use toml_edit::{DocumentMut, Item, TableLike, Value, value};

/// What stands in place of a secret. Writing it back means "as it was".
pub const MASK: &str = "********";

/// Keys whose values are secrets, anywhere in the tree.
fn is_secret(key: &str) -> bool {
    matches!(key, "password" | "secret" | "token" | "client_secret" | "passphrase" | "private_key")
}

/// The text with every secret masked; comments and order stay. A text that is no TOML is hidden whole.
pub fn mask_text(text: &str) -> String {
    let Ok(mut document) = text.parse::<DocumentMut>() else { return MASK.to_owned() };
    walk(document.as_table_mut(), &mut |table| {
        for (key, item) in table.iter_mut() {
            if is_secret(key.get()) && item.as_str().is_some_and(|s| !s.is_empty()) {
                replace(item, MASK);
            }
        }
    });
    document.to_string()
}

/// The same for settings as JSON.
pub fn mask_json(json: &mut serde_json::Value) {
    match json {
        serde_json::Value::Object(map) => {
            for (key, inner) in map {
                match inner {
                    serde_json::Value::String(s) if is_secret(key) && !s.is_empty() => *s = MASK.to_owned(),
                    _ => mask_json(inner),
                }
            }
        }
        serde_json::Value::Array(list) => list.iter_mut().for_each(mask_json),
        _ => {}
    }
}

/// Puts the secrets of `old` where `document` has masks. A secret belongs to the host, port and user (or endpoint and access key, or
/// address) beside it: it never moves to another host by itself.
pub fn unmask(document: &mut DocumentMut, old: &str) -> Result<(), Problem> {
    let mut known: HashMap<(String, String), String> = HashMap::new();
    if let Ok(mut old) = old.parse::<DocumentMut>() {
        walk(old.as_table_mut(), &mut |table| {
            let owner = owner(table);
            for (key, item) in table.iter() {
                if let Some(secret) = item.as_str().filter(|_| is_secret(key)) {
                    known.insert((owner.clone(), key.to_owned()), secret.to_owned());
                }
            }
        });
    }
    let mut missing = None;
    walk(document.as_table_mut(), &mut |table| {
        let owner = owner(table);
        for (key, item) in table.iter_mut() {
            if is_secret(key.get()) && item.as_str() == Some(MASK) {
                match known.get(&(owner.clone(), key.get().to_owned())) {
                    Some(secret) => replace(item, secret),
                    None => missing = Some(key.get().to_owned()),
                }
            }
        }
    });
    missing.map_or(Ok(()), |key| {
        Err(Problem {
            path: key,
            message: format!("`{MASK}` stands for a secret that is not known for this host: write the secret itself"),
        })
    })
}

fn owner(table: &dyn TableLike) -> String {
    let text = |key| table.get(key).map(|i| i.to_string().trim().to_owned()).unwrap_or_default();
    ["host", "port", "username", "endpoint", "access_key", "url"].map(text).join("|")
}

fn replace(item: &mut Item, text: &str) {
    let mut new = value(text);
    if let (Some(old), Some(fresh)) = (item.as_value(), new.as_value_mut()) {
        *fresh.decor_mut() = old.decor().clone();
    }
    *item = new;
}

/// Calls `visit` for every table, inline ones and those in arrays too.
fn walk(table: &mut dyn TableLike, visit: &mut dyn FnMut(&mut dyn TableLike)) {
    visit(table);
    for (_, item) in table.iter_mut() {
        match item {
            Item::Table(inner) => walk(inner, visit),
            Item::ArrayOfTables(list) => list.iter_mut().for_each(|t| walk(t, visit)),
            Item::Value(inner) => walk_value(inner, visit),
            Item::None => {}
        }
    }
}

fn walk_value(inner: &mut Value, visit: &mut dyn FnMut(&mut dyn TableLike)) {
    match inner {
        Value::InlineTable(t) => walk(t, visit),
        Value::Array(list) => list.iter_mut().for_each(|v| walk_value(v, visit)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const TEXT: &str = "# ours\n[[domains]]\nname = \"a.example\"\nbackends = [{ host = \"mx\", username = \"u\", password = \"hunter2\" }] # two\n\n\
                        [[delivery.smarthosts]]\nhost = \"out\"\npassword = \"s3cret\" # keep\n";

    #[test]
    fn secrets_are_masked_and_come_back() {
        let masked = mask_text(TEXT);
        assert!(!masked.contains("hunter2") && !masked.contains("s3cret"), "{masked}");
        assert!(masked.contains("# ours") && masked.contains("# two") && masked.contains("# keep"));
        let mut document: DocumentMut = masked.parse().unwrap();
        unmask(&mut document, TEXT).unwrap();
        assert_eq!(document.to_string(), TEXT);
    }

    #[test]
    fn a_secret_does_not_move_to_another_host() {
        let stolen = mask_text(TEXT).replace("\"out\"", "\"evil\"");
        let mut document: DocumentMut = stolen.parse().unwrap();
        assert_eq!(unmask(&mut document, TEXT).unwrap_err().path, "password");

        let store = "[backup.s3]\nendpoint = \"https://s3.example\"\nsecret = \"s3cret\"\n";
        let mut document: DocumentMut = mask_text(store).replace("s3.example", "evil.example").parse().unwrap();
        assert_eq!(unmask(&mut document, store).unwrap_err().path, "secret");
    }

    #[test]
    fn json_is_masked() {
        let mut json = serde_json::json!({"a": [{"password": "x", "host": "h"}], "password": null});
        mask_json(&mut json);
        assert_eq!(json, serde_json::json!({"a": [{"password": MASK, "host": "h"}], "password": null}));
    }
}
