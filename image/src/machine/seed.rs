//! A medium that answers a first boot's questions (docs/how-to/appliance.md, NoCloud).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

/// `NAME.iso` in the folder, with these files.
///
/// # Errors
/// When xorriso does not make it.
pub fn nocloud(folder: &Path, name: &str, user_data: &str, network: &str) -> anyhow::Result<PathBuf> {
    let (files, iso) = (folder.join(name), folder.join(format!("{name}.iso")));
    fs::create_dir_all(&files)?;
    for (file, text) in [("meta-data", "instance-id: test\n"), ("user-data", user_data), ("network-config", network)] {
        fs::write(files.join(file), text)?;
    }
    medium("cidata", &files, &iso)?;
    Ok(iso)
}

/// An ISO with this label and the files of a folder.
///
/// # Errors
/// When xorriso does not make it.
pub fn medium(label: &str, files: &Path, iso: &Path) -> anyhow::Result<()> {
    let made = Command::new("xorriso").args(["-as", "mkisofs", "-quiet", "-V", label, "-R", "-J", "-o"]).args([iso, files]).output();
    let made = made.context("start xorriso")?;
    ensure!(made.status.success(), "xorriso: {}", String::from_utf8_lossy(&made.stderr));
    Ok(())
}

/// The first card as QEMU's own network gives it, the second one with 192.0.2.HOST.
#[must_use]
pub fn lan_address(host: u8) -> String {
    format!("version: 2\nethernets:\n  eth0: {{dhcp4: true}}\n  eth1: {{addresses: [192.0.2.{host}/24]}}\n")
}
