//! The bill of materials (CycloneDX 1.5): every Debian package of the root, the kernel and the boot chain, and every crate that the
//! binaries are built from, as the two lock files say.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::Context;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::inputs::hexadecimal;
use crate::lock::{Lock, Use};

/// The crates whose binaries are in the image.
const BINARIES: &[&str] = &["postern", "postern-init"];

#[derive(Deserialize)]
struct Crates {
    package: Vec<Crate>,
}

#[derive(Deserialize)]
struct Crate {
    name: String,
    version: String,
    source: Option<String>,
    checksum: Option<String>,
    #[serde(default)]
    dependencies: Vec<String>,
}

/// `uses`: what of the packages is in the image.
///
/// # Errors
/// When a lock file cannot be read.
pub fn make(packages: &Path, uses: &[Use], crates: &Path, version: &str) -> anyhow::Result<String> {
    let lock = Lock::read(packages)?;
    let text = fs::read_to_string(crates).with_context(|| format!("read {}", crates.display()))?;
    let crates: Crates = toml::from_str(&text).with_context(|| format!("{}", crates.display()))?;
    let mut components: Vec<Value> = lock
        .packages
        .iter()
        .filter(|p| uses.contains(&p.used))
        .map(|p| {
            let purl = format!("pkg:deb/debian/{}@{}?arch={}", p.name, p.version.replace('+', "%2B"), p.architecture);
            component(&p.name, &p.version, &purl, Some(&p.sha256))
        })
        .collect();
    components.extend(
        linked(&crates)
            .into_iter()
            .map(|c| component(&c.name, &c.version, &format!("pkg:cargo/{}@{}", c.name, c.version), c.checksum.as_deref())),
    );
    let digits = hexadecimal(&Sha256::digest(serde_json::to_vec(&components)?));
    let serial = format!("urn:uuid:{}-{}-8{}-8{}-{}", &digits[..8], &digits[8..12], &digits[13..16], &digits[17..20], &digits[20..32]);
    let bill = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": serial,
        "version": 1,
        "metadata": { "component": { "type": "firmware", "name": "postern", "version": version, "bom-ref": "postern-appliance" } },
        "components": components,
    });
    Ok(serde_json::to_string_pretty(&bill)? + "\n")
}

fn component(name: &str, version: &str, purl: &str, sha256: Option<&str>) -> Value {
    let hashes: Vec<Value> = sha256.map(|content| json!({ "alg": "SHA-256", "content": content })).into_iter().collect();
    json!({ "type": "library", "name": name, "version": version, "purl": purl, "bom-ref": purl, "hashes": hashes })
}

/// The crates from the registry that the binaries stand on (those of their tests too: the lock does not tell them apart).
fn linked(crates: &Crates) -> Vec<&Crate> {
    let mut by_name: BTreeMap<&str, Vec<&Crate>> = BTreeMap::new();
    for one in &crates.package {
        by_name.entry(&one.name).or_default().push(one);
    }
    let mut open: Vec<&Crate> = BINARIES.iter().filter_map(|name| by_name.get(name)?.first().copied()).collect();
    let mut seen = BTreeSet::new();
    let mut found = BTreeMap::new();
    while let Some(one) = open.pop() {
        if !seen.insert((&one.name, &one.version)) {
            continue;
        }
        if one.source.is_some() {
            found.insert((&one.name, &one.version), one);
        }
        for dependency in &one.dependencies {
            // `name`, or `name version` where the lock has several.
            let mut words = dependency.split(' ');
            let (name, version) = (words.next().unwrap_or_default(), words.next());
            open.extend(by_name.get(name).into_iter().flatten().filter(|c| version.is_none_or(|v| c.version == v)));
        }
    }
    found.into_values().collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn it_follows_what_is_linked() {
        let crates: Crates = toml::from_str(
            "[[package]]\nname = \"postern\"\nversion = \"1.0.0\"\ndependencies = [\"a 2.0.0\"]\n\
             [[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"r\"\n\
             [[package]]\nname = \"a\"\nversion = \"2.0.0\"\nsource = \"r\"\ndependencies = [\"b\"]\n\
             [[package]]\nname = \"b\"\nversion = \"3.0.0\"\nsource = \"r\"\n\
             [[package]]\nname = \"unused\"\nversion = \"1.0.0\"\nsource = \"r\"\n",
        )
        .unwrap();
        let names: Vec<String> = linked(&crates).iter().map(|c| format!("{} {}", c.name, c.version)).collect();
        assert_eq!(names, ["a 2.0.0", "b 3.0.0"]);
    }
}
