//! The one way to ask systemd for something. (Its socket for root: there is no D-Bus on the appliance.)

use std::process::Command;

/// What it printed.
///
/// # Errors
/// For people.
pub fn systemctl(arguments: &[&str]) -> Result<String, String> {
    let said = Command::new("systemctl").args(arguments).output().map_err(|e| format!("systemctl: {e}"))?;
    if said.status.success() {
        return Ok(String::from_utf8_lossy(&said.stdout).into_owned());
    }
    Err(format!("systemctl {}: {}", arguments.join(" "), String::from_utf8_lossy(&said.stderr).trim()))
}
