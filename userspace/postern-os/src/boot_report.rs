//! What postern-init left about this boot, in `/run/postern-boot`.

use std::fmt;
use std::path::Path;

use crate::slots::Slot;

pub const FOLDER: &str = "/run/postern-boot";

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Medium {
    Slot(Slot),
    /// A CD or stick: nothing is kept.
    Live,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootReport {
    pub medium: Medium,
    /// `made`, `kept`, `grown`, `volatile`, `repaired: …`, `failed: …`
    pub data: String,
}

#[derive(Debug, thiserror::Error)]
#[error("this is no Postern appliance: {0} is not there or not readable")]
pub struct NoAppliance(String);

impl BootReport {
    /// # Errors
    /// On a machine that postern-init did not start.
    pub fn read(folder: &Path) -> Result<Self, NoAppliance> {
        let read = |name: &str| {
            let path = folder.join(name);
            std::fs::read_to_string(&path).map(|t| t.trim().to_owned()).map_err(|_| NoAppliance(path.display().to_string()))
        };
        let medium = read("medium")?;
        let slot = medium.strip_prefix("slot-").and_then(|s| s.parse().ok());
        let medium = match (medium.as_str(), slot) {
            (_, Some(slot)) => Medium::Slot(slot),
            ("live", None) => Medium::Live,
            _ => return Err(NoAppliance(format!("a medium that is `{medium}`"))),
        };
        Ok(Self { medium, data: read("data")? })
    }
}

impl fmt::Display for Medium {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Medium::Slot(slot) => slot.fmt(f),
            Medium::Live => f.write_str("live"),
        }
    }
}
