//! Which settings belong to one node and which to the whole cluster.
//!
//! Local is what names a thing of this machine (a file, a socket, an address, an interface, a disk) and what a person needs to
//! get at a node that is ill (its console, its log). Everything else is shared.
//!
//! Every setting that is a text without a form of its own must stand in one of the two tables: paths and addresses are such
//! texts, and a new one that is shared by mistake would take the listeners of a fleet away. A test walks the schema.

use postern_model::settings::{Problem, Settings, SettingsError};
use serde_json::Value;

/// What stays on its node: a setting, or a table with all that is in it.
pub const LOCAL: &[&str] = &[
    "node",
    "log",
    "console.listen",
    "console.certificate",
    "console.key",
    "acme.listen",
    // A resolver stands beside its node; nodes at two sites do not share one.
    "dns.servers",
    "smtp.listen",
    "smtp.trusted_listen",
    "smtp.tls.certificate",
    "smtp.tls.key",
    "delivery.spool",
    // What a machine can bear.
    "sandbox.at_once",
    "sandbox.hold.max_mails",
    "sandbox.hold.max_size",
    "sandbox.memory",
    "sandbox.yara_rules",
    "edge.interfaces",
    "edge.mode",
    "edge.steering.interface",
    "edge.steering.weight",
    // Folders and keys of the machine; and who got hold of one node's passphrase cannot open the backups of all.
    "backup",
];

/// Texts that are the same on all nodes. `[]` is an element of a list, `{}` an entry of a map.
pub const SHARED_TEXTS: &[&str] = &[
    "acme.directory",
    "acme.contacts[]",
    "acme.names[]",
    "acme.roots",
    "acme.external_account.key_id",
    "acme.external_account.secret",
    "smtp.trusted_networks[]",
    "edge.steering.addresses[]",
    "smtp.proxy_protocol_from[]",
    "smtp.tls.required_from[]",
    "domains[].name",
    "domains[].recipients[]",
    "domains[].backends[].host",
    "domains[].backends[].username",
    "domains[].backends[].password",
    "delivery.smarthosts[].host",
    "delivery.smarthosts[].username",
    "delivery.smarthosts[].password",
    "delivery.subject_tag",
    "dns_lists.lists[].zone",
    "dns_lists.lists[].answers[]",
    "authentication.trusted_arc_sealers[]",
    "filter.people[]",
    "filter.brands{}[]",
    "filter.allow_senders[]",
    "filter.block_senders[]",
    "filter.allow_networks[]",
    "policy.lists[].name",
    "policy.lists[].comment",
    "policy.lists[].entries[]",
    "policy.time_zone",
    "policy.rules[].name",
    "policy.rules[].comment",
    "policy.rules[].who.clients[]",
    "policy.rules[].who.senders[]",
    "policy.rules[].who.authors[]",
    "policy.rules[].who.recipients[]",
    "policy.rules[].what.symbols[]",
    "policy.rules[].what.all_symbols[]",
    "policy.rules[].what.subject[]",
    "policy.rules[].what.headers[]",
    "policy.rules[].what.text[]",
    "policy.rules[].what.attachment_names[]",
    "policy.rules[].what.attachment_types[]",
    "policy.rules[].when.from",
    "policy.rules[].when.until",
    "policy.rules[].when.time_zone",
    "policy.rules[].unless.who.clients[]",
    "policy.rules[].unless.who.senders[]",
    "policy.rules[].unless.who.authors[]",
    "policy.rules[].unless.who.recipients[]",
    "policy.rules[].unless.what.symbols[]",
    "policy.rules[].unless.what.all_symbols[]",
    "policy.rules[].unless.what.subject[]",
    "policy.rules[].unless.what.headers[]",
    "policy.rules[].unless.what.text[]",
    "policy.rules[].unless.what.attachment_names[]",
    "policy.rules[].unless.what.attachment_types[]",
    "policy.rules[].unless.when.from",
    "policy.rules[].unless.when.until",
    "policy.rules[].unless.when.time_zone",
    "policy.rules[].action.reply",
    "policy.rules[].action.subject_prefix",
    "policy.rules[].action.add_headers[]",
    "policy.rules[].action.redirect_to[]",
    "policy.rules[].action.add_recipients[]",
    "users.url",
    "sandbox.rules[].name",
    "sandbox.rules[].text",
    "alerts.recipients[]",
    "alerts.webhooks[].name",
    "alerts.webhooks[].url",
    "alerts.webhooks[].secret",
    "alerts.webhooks[].roots",
    "reports.at",
    "reports.recipients[]",
    "reports.domains[]",
    "users.digest_at[]",
    // Each node asks a clamd at this place: a socket of that name on itself, or one host for all.
    "antivirus.clamd",
    "edge.allow[]",
    "edge.feeds[].name",
    // A file of that name on each node; one that has none says so and goes without.
    "edge.feeds[].file",
    "edge.feeds[].url",
];

/// The fields that name an element of a list of tables: what makes it the same element on two nodes.
pub const NATURAL_KEYS: &[(&str, &[&str])] = &[
    ("domains", &["name"]),
    ("domains[].backends", &["host", "port", "protocol"]),
    ("delivery.smarthosts", &["host", "port", "protocol"]),
    ("dns_lists.lists", &["zone", "subject"]),
    ("alerts.webhooks", &["name"]),
    ("edge.feeds", &["name"]),
    ("policy.rules", &["name"]),
    ("policy.lists", &["name"]),
    ("sandbox.rules", &["name"]),
];

/// Whether a setting is the node's own. `path` is written as in [`LOCAL`].
pub fn is_local(path: &str) -> bool {
    LOCAL.iter().any(|local| path.strip_prefix(local).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '['])))
}

/// All shared settings, complete: those that have their default too.
pub fn shared(settings: &Settings) -> Value {
    let mut all = serde_json::to_value(settings).unwrap_or_default();
    if let Value::Object(tables) = &mut all {
        for path in LOCAL {
            take_out(tables, path);
        }
    }
    all.sort_all_objects();
    all
}

fn take_out(table: &mut serde_json::Map<String, Value>, path: &str) {
    match path.split_once('.') {
        None => {
            table.remove(path);
        }
        Some((head, rest)) => {
            if let Some(Value::Object(inner)) = table.get_mut(head) {
                take_out(inner, rest);
            }
        }
    }
}

/// The shared settings with those of this node: what the node runs with. What is local in `shared` does not count.
///
/// # Errors
/// The shared part is not made of settings that this version knows. Contradictions are the business of whoever validates.
pub fn merge(shared: &Value, local: &Settings) -> Result<Settings, SettingsError> {
    let mut all = serde_json::to_value(local).unwrap_or_default();
    lay_over(&mut all, shared, "");
    serde_path_to_error::deserialize(all).map_err(|e| {
        let path = e.path().to_string();
        SettingsError(vec![Problem { path: if path == "." { String::new() } else { path }, message: e.into_inner().to_string() }])
    })
}

fn lay_over(under: &mut Value, over: &Value, path: &str) {
    match (under, over) {
        // A map with free names is shared whole: an entry that is not in it is gone.
        (Value::Object(under), Value::Object(over)) if !FREE_NAMES.contains(&path) => {
            for (name, value) in over {
                let inner = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                if !is_local(&inner) {
                    lay_over(under.entry(name.clone()).or_insert(Value::Null), value, &inner);
                }
            }
        }
        (under, over) => *under = over.clone(),
    }
}

/// Maps whose keys are chosen by people.
pub const FREE_NAMES: &[&str] = &["filter.weights", "filter.group_caps", "filter.brands"];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use std::collections::BTreeSet;

    use super::*;
    use crate::shape::{Schema, Shape};

    fn walk(shape: &Shape, path: &str, found: &mut Vec<(String, Shape)>) {
        found.push((path.to_owned(), shape.clone()));
        match shape {
            Shape::Leaf { .. } => {}
            Shape::Table(fields) => {
                for (name, inner) in fields {
                    walk(inner, &if path.is_empty() { name.clone() } else { format!("{path}.{name}") }, found);
                }
            }
            Shape::Map(inner) => walk(inner, &format!("{path}{{}}"), found),
            Shape::List { item, .. } => walk(item, &format!("{path}[]"), found),
        }
    }

    fn everything() -> Vec<(String, Shape)> {
        let json = schemars::schema_for!(Settings).to_value();
        let mut found = Vec::new();
        walk(&Shape::of(&json, &|_| false, NATURAL_KEYS), "", &mut found);
        found
    }

    /// A new setting of this kind fails here until somebody has decided whose it is.
    #[test]
    fn every_text_is_named_on_exactly_one_side() {
        for (path, shape) in everything() {
            let named = SHARED_TEXTS.contains(&path.as_str());
            if let Shape::Leaf { text: true, .. } = shape {
                assert!(is_local(&path) != named, "{path} may be a path or an address: name it in LOCAL or in SHARED_TEXTS");
            } else {
                assert!(!named, "{path} is no free text");
            }
        }
    }

    #[test]
    fn the_tables_name_only_what_there_is() {
        let all = everything();
        let paths: BTreeSet<&str> = all.iter().map(|(p, _)| p.as_str()).collect();
        for path in LOCAL.iter().chain(SHARED_TEXTS).chain(FREE_NAMES).chain(NATURAL_KEYS.iter().map(|(p, _)| p)) {
            assert!(paths.contains(path), "{path}");
        }
        for (path, shape) in &all {
            let keyed = NATURAL_KEYS.iter().any(|(p, _)| p == path);
            let of_tables = matches!(shape, Shape::List { item, .. } if matches!(**item, Shape::Table(_)));
            assert_eq!(keyed, of_tables && !is_local(path), "{path}: NATURAL_KEYS says what makes an element the same on two nodes");
            assert_eq!(matches!(shape, Shape::Map(_)), FREE_NAMES.contains(&path.as_str()), "{path}");
            if let Shape::Map(item) = shape {
                assert!(!matches!(**item, Shape::Table(_)), "{path}: a map of tables needs a rule for concurrent edits");
            }
        }
    }

    /// "Not set" and null are one in the document; a setting that can be absent must be absent by default.
    #[test]
    fn what_can_be_null_is_null_by_default() {
        let schema = Schema::settings();
        let null: Vec<&String> = schema.defaults().iter().filter(|(_, v)| v.is_null()).map(|(k, _)| k).collect();
        for (path, shape) in everything() {
            if let Shape::Leaf { nullable: true, .. } = shape {
                let key = path.replace('.', "/");
                assert!(path.contains("[]") || null.contains(&&key), "{path}");
            }
        }
    }

    #[test]
    fn shared_and_local_make_the_whole_again() {
        let ours: Settings = toml_like(|s| {
            s.node.hostname = "a.example".into();
            s.smtp.limits.max_recipients = 200;
            s.filter.weights.insert("OLD".into(), postern_model::score::Score::new(1.0));
        });
        let theirs: Settings = toml_like(|s| {
            s.node.hostname = "b.example".into();
            s.log.level = "debug".into();
            s.smtp.limits.max_recipients = 300;
            s.smtp.tls.key = "/b/key".into();
        });
        let merged = merge(&shared(&theirs), &ours).unwrap();
        assert_eq!((merged.node.hostname.as_str(), merged.log.level.as_str()), ("a.example", "info"));
        assert_eq!(merged.smtp.limits.max_recipients, 300);
        assert!(merged.filter.weights.is_empty() && merged.smtp.tls.key.as_os_str().is_empty());
        assert_eq!(shared(&merged), shared(&theirs));
        let smuggled = serde_json::json!({"node": {"data_dir": "/evil"}, "smtp": {"listen": []}});
        assert_eq!(merge(&smuggled, &ours).unwrap(), ours);
        let bad = merge(&serde_json::json!({"smtp": {"limits": {"max_hops": "x"}}}), &ours).unwrap_err();
        assert_eq!(bad.0[0].path, "smtp.limits.max_hops");
    }

    fn toml_like(change: impl FnOnce(&mut Settings)) -> Settings {
        let mut settings = Settings::default();
        change(&mut settings);
        settings
    }
}
