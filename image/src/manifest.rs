//! What a build gave, with hashes, signed: for people who download it, and for an appliance before it takes an update.
//!
//! Signatures are Ed25519 over the manifest's octets, made by openssl, so that anybody can check them by
//! `openssl pkeyutl -verify -pubin -inkey postern.pub -rawin -in manifest.json -sigfile manifest.sig`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};
use postern_os::manifest::{Content, Manifest, PRODUCT};

use crate::inputs;

fn openssl(arguments: &[&str]) -> anyhow::Result<()> {
    let said = Command::new("openssl").args(arguments).output().context("start openssl")?;
    ensure!(said.status.success(), "openssl {}: {}", arguments.join(" "), String::from_utf8_lossy(&said.stderr));
    Ok(())
}

fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().with_context(|| format!("{} is no UTF-8", path.display()))
}

/// The key to sign with, made when there is none: whoever builds for others gives one of their own.
///
/// # Errors
/// When openssl cannot make it.
pub fn development_key(key: &Path) -> anyhow::Result<()> {
    if !key.exists() {
        openssl(&["genpkey", "-algorithm", "ed25519", "-out", text(key)?])?;
    }
    Ok(())
}

/// # Errors
/// When it is no key.
pub fn public_key(key: &Path, to: &Path) -> anyhow::Result<()> {
    openssl(&["pkey", "-in", text(key)?, "-pubout", "-out", text(to)?])
}

/// `manifest.json` and `manifest.sig` about these files, in `to`.
///
/// # Errors
/// When a file cannot be read, or the key does not sign.
pub fn make(files: &[&Path], version: &str, key: &Path, to: &Path) -> anyhow::Result<()> {
    let mut contents = BTreeMap::new();
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let content = Content { size: fs::metadata(file)?.len(), sha256: inputs::file(file)? };
        contents.insert(name, content);
    }
    let manifest = Manifest { product: PRODUCT.into(), version: version.into(), files: contents };
    let (json, signature) = (to.join("manifest.json"), to.join("manifest.sig"));
    fs::write(&json, serde_json::to_string_pretty(&manifest)? + "\n")?;
    openssl(&["pkeyutl", "-sign", "-inkey", text(key)?, "-rawin", "-in", text(&json)?, "-out", text(&signature)?])
}

/// Checks the signature, then every file beside the manifest.
///
/// # Errors
/// The first thing that is not as it was signed.
pub fn verify(folder: &Path, public: &Path) -> anyhow::Result<Manifest> {
    let (json, signature) = (folder.join("manifest.json"), folder.join("manifest.sig"));
    let asked = ["pkeyutl", "-verify", "-pubin", "-inkey", text(public)?, "-rawin", "-in", text(&json)?, "-sigfile", text(&signature)?];
    openssl(&asked).with_context(|| format!("{} is not signed by the key {}", json.display(), public.display()))?;
    let manifest: Manifest = serde_json::from_slice(&fs::read(&json)?)?;
    ensure!(manifest.product == PRODUCT, "{}: this is {}, not {PRODUCT}", json.display(), manifest.product);
    for (name, wanted) in &manifest.files {
        let path = folder.join(name);
        let have =
            Content { size: fs::metadata(&path).with_context(|| format!("read {}", path.display()))?.len(), sha256: inputs::file(&path)? };
        ensure!(have == *wanted, "{} is not the file that was signed", path.display());
    }
    Ok(manifest)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_was_signed_is_told_from_what_was_not() {
        let scratch = tempfile::tempdir().unwrap();
        let at = |name: &str| scratch.path().join(name);
        for (key, public) in [("key", "pub"), ("other-key", "other-pub")] {
            development_key(&at(key)).unwrap();
            public_key(&at(key), &at(public)).unwrap();
        }
        fs::write(at("disk.img"), "content").unwrap();
        make(&[&at("disk.img")], "1.0", &at("key"), scratch.path()).unwrap();
        let first = fs::read(at("manifest.sig")).unwrap();
        make(&[&at("disk.img")], "1.0", &at("key"), scratch.path()).unwrap();
        assert_eq!(fs::read(at("manifest.sig")).unwrap(), first, "signatures are reproducible");
        assert_eq!(verify(scratch.path(), &at("pub")).unwrap().files["disk.img"].size, 7);
        assert!(verify(scratch.path(), &at("other-pub")).unwrap_err().to_string().contains("not signed by"));
        fs::write(at("disk.img"), "c0ntent").unwrap();
        assert!(verify(scratch.path(), &at("pub")).unwrap_err().to_string().contains("not the file"));
        let json = fs::read_to_string(at("manifest.json")).unwrap().replace("1.0", "0.9");
        fs::write(at("manifest.json"), json).unwrap();
        assert!(verify(scratch.path(), &at("pub")).unwrap_err().to_string().contains("not signed by"));
    }
}
