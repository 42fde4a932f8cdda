//! Each symbol has a mail that fires it and one that does not: `symbols/NAME/{fires,quiet}.eml`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::PathBuf;

use postern_filter::policy::Policy;
use postern_filter::view::View;
use postern_filter::{registry, symbols};

mod support;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/symbols")
}

/// Names of all symbols that fire on a test mail.
fn fired(name: &str, file: &str) -> Vec<&'static str> {
    let case = support::load(&folder().join(name).join(file));
    let policy = Policy::new(&case.settings);
    let view = View::new(&case.facts, &policy);
    let found = symbols::run(&view);
    for f in found.iter() {
        assert!(f.evidence.chars().count() <= 200 && !f.evidence.chars().any(char::is_control), "{name}: {}", f.evidence);
    }
    found.iter().map(|f| f.symbol.name).collect()
}

#[test]
fn each_symbol_fires_on_its_mail_and_keeps_quiet_on_the_other() {
    let mut wrong = Vec::new();
    for symbol in registry::all() {
        let name = symbol.name;
        if !folder().join(name).join("fires.eml").is_file() || !folder().join(name).join("quiet.eml").is_file() {
            wrong.push(format!("{name}: tests/symbols/{name}/fires.eml and quiet.eml are wanted"));
            continue;
        }
        let on_fires = fired(name, "fires.eml");
        if !on_fires.contains(&name) {
            wrong.push(format!("{name}: silent on fires.eml, where these fire: {}", on_fires.join(" ")));
        }
        if fired(name, "quiet.eml").contains(&name) {
            wrong.push(format!("{name}: fires on quiet.eml"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}\n{}", wrong.len(), registry::all().count(), wrong.join("\n"));
}

#[test]
fn each_folder_belongs_to_a_symbol() {
    for entry in std::fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(registry::find(&name).is_some(), "tests/symbols/{name} belongs to no symbol");
    }
}

#[test]
fn the_documentation_is_what_the_registry_prints() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/symbols.md");
    let now = registry::markdown();
    if std::env::var_os("POSTERN_BLESS").is_some() {
        std::fs::write(&path, &now).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == now, "docs/symbols.md is out of date: run the test with POSTERN_BLESS=1 and look at the difference");
}
