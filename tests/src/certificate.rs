//! A certificate that signs itself, by OpenSSL.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};

/// Key and certificate of a server of this name, in PEM, good for two days.
///
/// # Errors
/// When openssl is missing, or fails.
pub fn self_signed(name: &str, key: &Path, certificate: &Path) -> anyhow::Result<()> {
    let subject = format!("/CN={name}");
    let names = format!("subjectAltName=DNS:{name}");
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", &subject])
        .args(["-addext", &names, "-addext", "basicConstraints=critical,CA:FALSE", "-keyout"])
        .arg(key)
        .arg("-out")
        .arg(certificate)
        .output()
        .context("openssl")?;
    ensure!(made.status.success(), "openssl: {}", String::from_utf8_lossy(&made.stderr));
    Ok(())
}
