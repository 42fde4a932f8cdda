//! Certificates by OpenSSL: one that signs itself, and what a server shows.

use std::net::IpAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

/// Key and certificate of a server of this name or address, in PEM, good for two days.
///
/// # Errors
/// When openssl is missing, or fails.
pub fn self_signed(name: &str, key: &Path, certificate: &Path) -> anyhow::Result<()> {
    let subject = format!("/CN={name}");
    let kind = if name.parse::<IpAddr>().is_ok() { "IP" } else { "DNS" };
    let names = format!("subjectAltName={kind}:{name}");
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

/// What `openssl s_client` says of a server, or why it says nothing; `starttls`: its options for that.
#[must_use]
pub fn shown(address: &str, starttls: &[&str]) -> String {
    let output = Command::new("openssl").args(["s_client", "-connect", address]).args(starttls).stdin(Stdio::null()).output();
    output.map_or_else(|e| format!("openssl: {e}"), |output| String::from_utf8_lossy(&output.stdout).into_owned())
}
