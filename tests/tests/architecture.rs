//! The law of the house: who may import whom, how long a file may be, who owns a heavy dependency.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Crates from the bottom to the top. A crate may import crates of lower layers only.
const LAYERS: &[(&str, u8)] = &[
    ("postern-ebpf-abi", 0),
    ("postern-model", 0),
    ("postern-suffix", 0),
    ("postern-control", 1),
    ("postern-smtp", 1),
    ("postern-mail", 1),
    ("postern-policy", 1),
    ("postern-filter", 2),
    ("postern-report", 2),
    ("postern-store", 2),
    ("postern-edge", 2),
    ("postern-link", 1),
    ("postern-document", 1),
    ("postern-cluster", 3),
    ("postern-backup", 3),
    ("postern-mta", 3),
    ("postern-os", 2),
    ("postern-sandbox", 2),
    ("postern-acme", 4),
    ("postern-console", 5),
    ("postern", 6),
];

/// A heavy dependency and the only crates that may name it in their manifests (tests apart).
const OWNERS: &[(&str, &[&str])] = &[
    ("sqlx", &["postern-store"]),
    ("aya", &["postern-edge"]),
    ("libbpf-sys", &["postern-edge"]),
    ("axum", &["postern-console"]),
    ("utoipa", &["postern-console"]),
    ("mail-auth", &["postern-mail"]),
    ("boa_engine", &["postern-sandbox"]),
    ("rars", &["postern-sandbox"]),
    ("yara-x", &["postern-sandbox"]),
    ("mail-parser", &["postern-mail", "postern-sandbox"]),
    ("hickory-resolver", &["postern-mail"]),
    ("html5ever", &["postern-mail"]),
    ("psl", &["postern-suffix"]),
    ("iroh", &["postern-link"]),
    ("iroh-base", &["postern-link"]),
    ("noq-udp", &["postern-link"]),
    ("n0-watcher", &["postern-link"]),
    ("automerge", &["postern-document"]),
    ("instant-acme", &["postern-acme"]),
    ("age", &["postern-backup"]),
    ("object_store", &["postern-backup"]),
    ("russh", &["postern-backup"]),
    ("russh-sftp", &["postern-backup"]),
    ("pdf-writer", &["postern-report"]),
    ("serde-saphyr", &["postern-os"]),
    ("roxmltree", &["postern-os"]),
];

const LONGEST_FILE: usize = 800;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Manifests of the workspace's own crates: name → names in `[dependencies]` (not dev).
fn manifests() -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::new();
    for parent in ["userspace", "ebpf"] {
        for entry in fs::read_dir(root().join(parent)).unwrap() {
            let path = entry.unwrap().path().join("Cargo.toml");
            let Ok(text) = fs::read_to_string(&path) else { continue };
            let name = text.lines().find_map(|l| l.strip_prefix("name = ")).unwrap().trim_matches('"').to_owned();
            let dependencies = text
                .lines()
                .skip_while(|l| l.trim() != "[dependencies]")
                .skip(1)
                .take_while(|l| !l.starts_with('['))
                .filter_map(|l| l.split(['.', ' ', '=']).next())
                .filter(|l| !l.is_empty() && !l.starts_with('#'))
                .map(str::to_owned)
                .collect();
            found.insert(name, dependencies);
        }
    }
    found
}

fn sources(below: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(below).unwrap().map(Result::unwrap) {
        let path = entry.path();
        let name = entry.file_name();
        if path.is_dir() {
            if !["target", ".git", "node_modules", "tests"].iter().any(|skip| name == *skip) {
                sources(&path, into);
            }
        } else if path.extension().is_some_and(|e| e == "rs" || e == "ts" || e == "tsx") {
            into.push(path);
        }
    }
}

#[test]
fn imports_point_down_only() {
    let layers: BTreeMap<_, _> = LAYERS.iter().copied().collect();
    let manifests = manifests();
    for (name, dependencies) in &manifests {
        if name == "postern-ebpf" {
            continue; // its own target; imports the ABI and aya-ebpf only
        }
        let mine = layers.get(name.as_str()).unwrap_or_else(|| panic!("{name} has no layer: add it to LAYERS"));
        for d in dependencies {
            if let Some(theirs) = layers.get(d.as_str()) {
                assert!(theirs < mine, "{name} (layer {mine}) imports {d} (layer {theirs})");
            }
        }
    }
    assert_eq!(manifests.keys().filter(|n| layers.contains_key(n.as_str())).count(), LAYERS.len(), "a crate of LAYERS is gone");
}

/// The builder and the init of the appliance stand beside the product: nothing imports them, and they import nothing of it but what an
/// update's manifest is.
#[test]
fn the_image_stands_beside_the_product() {
    for (name, dependencies) in manifests() {
        assert!(!dependencies.iter().any(|d| d == "postern-image" || d == "postern-init"), "{name} imports the appliance's builder");
    }
    for (manifest, allowed) in [("image/Cargo.toml", &["postern-os.workspace = true"][..]), ("image/init/Cargo.toml", &[])] {
        let text = fs::read_to_string(root().join(manifest)).unwrap();
        let ours: Vec<&str> = text.lines().filter(|l| l.starts_with("postern-")).collect();
        assert_eq!(ours, allowed, "{manifest}");
    }
}

#[test]
fn heavy_dependencies_have_one_owner() {
    for (name, dependencies) in manifests() {
        for (heavy, owners) in OWNERS {
            if dependencies.iter().any(|d| d == heavy) {
                assert!(owners.contains(&name.as_str()), "{name} names {heavy}, which belongs to {owners:?}");
            }
        }
    }
}

#[test]
fn no_file_is_too_long() {
    let mut files = Vec::new();
    sources(&root(), &mut files);
    assert!(files.len() > 20, "found only {} sources", files.len());
    let long: Vec<String> = files
        .iter()
        .filter_map(|f| {
            let lines = fs::read_to_string(f).unwrap().lines().count();
            (lines > LONGEST_FILE).then(|| format!("{} has {lines} lines", f.strip_prefix(root()).unwrap().display()))
        })
        .collect();
    assert!(long.is_empty(), "above {LONGEST_FILE} lines: {long:#?}");
}

#[test]
fn no_catch_all_modules() {
    let mut files = Vec::new();
    sources(&root(), &mut files);
    for file in files {
        let stem = file.file_stem().unwrap().to_string_lossy().into_owned();
        assert!(!["utils", "util", "common", "helpers", "misc"].contains(&stem.as_str()), "{}: name it by what it is", file.display());
    }
}
