//! What the boot loader says on the kernel's command line: `postern.slot`, `postern.boot`, `postern.verity`, `postern.reset`.

use std::fmt;

use crate::gpt::Guid;
use crate::verity::Tree;

#[derive(Debug, thiserror::Error)]
pub enum BadCommandLine {
    #[error("/proc/cmdline: {0}")]
    Read(#[source] std::io::Error),
    #[error("it lacks {0}: the boot loader's configuration and this slot do not belong together")]
    Lacks(&'static str),
    #[error("{name}={value} is not {expected}")]
    Value { name: &'static str, value: String, expected: &'static str },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    A,
    B,
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Slot::A => "a",
            Slot::B => "b",
        })
    }
}

#[derive(Debug, PartialEq, Eq)]
pub enum Medium {
    /// A disk with slots; the partition that the boot loader took this kernel from says which disk.
    Slot { boot_partition: Guid, slot: Slot },
    /// A CD or a stick: nothing is kept.
    Live,
}

impl fmt::Display for Medium {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Medium::Slot { slot, .. } => write!(f, "slot-{slot}"),
            Medium::Live => f.write_str("live"),
        }
    }
}

/// Whether the data partition is made anew before it is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reset {
    Keep,
    /// Chosen in the boot menu.
    Factory,
}

#[derive(Debug, PartialEq, Eq)]
pub struct CommandLine {
    pub medium: Medium,
    pub verity: Tree,
    pub reset: Reset,
}

impl CommandLine {
    pub fn read() -> Result<Self, BadCommandLine> {
        Self::parse(&std::fs::read_to_string("/proc/cmdline").map_err(BadCommandLine::Read)?)
    }

    fn parse(line: &str) -> Result<Self, BadCommandLine> {
        let value = |name: &str| line.split_whitespace().find_map(|w| w.strip_prefix(name)?.strip_prefix('='));
        let tree = value("postern.verity").ok_or(BadCommandLine::Lacks("postern.verity"))?;
        let verity = tree.parse().map_err(|()| BadCommandLine::Value {
            name: "postern.verity",
            value: tree.into(),
            expected: "BLOCKS:SALT:ROOTHASH",
        })?;
        let medium = match value("postern.slot").ok_or(BadCommandLine::Lacks("postern.slot"))? {
            "live" => Medium::Live,
            name => {
                let slot = match name {
                    "a" => Slot::A,
                    "b" => Slot::B,
                    _ => return Err(BadCommandLine::Value { name: "postern.slot", value: name.into(), expected: "a, b or live" }),
                };
                let guid = value("postern.boot").ok_or(BadCommandLine::Lacks("postern.boot"))?;
                let boot_partition = guid.parse().map_err(|()| BadCommandLine::Value {
                    name: "postern.boot",
                    value: guid.into(),
                    expected: "a partition's GUID",
                })?;
                Medium::Slot { boot_partition, slot }
            }
        };
        let reset = match value("postern.reset") {
            None => Reset::Keep,
            Some("factory") => Reset::Factory,
            Some(other) => return Err(BadCommandLine::Value { name: "postern.reset", value: other.into(), expected: "factory" }),
        };
        Ok(Self { medium, verity, reset })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const GUID: &str = "0f9a5ec0-74f0-4b1d-8b65-9d2f6f1c0a01";

    #[test]
    fn what_the_boot_loader_says() {
        let verity = format!("postern.verity=7:{}:{}", "ab".repeat(32), "cd".repeat(32));
        let slot = CommandLine::parse(&format!("BOOT_IMAGE=/vmlinuz quiet postern.slot=b postern.boot={GUID} {verity}\n")).unwrap();
        assert_eq!(slot.medium, Medium::Slot { boot_partition: GUID.parse().unwrap(), slot: Slot::B });
        assert_eq!(slot.reset, Reset::Keep);
        let live = CommandLine::parse(&format!("postern.slot=live {verity} postern.reset=factory")).unwrap();
        assert_eq!((live.medium, live.reset), (Medium::Live, Reset::Factory));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let verity = format!("postern.verity=7:{}:{}", "ab".repeat(32), "cd".repeat(32));
        let said = |line: &str| CommandLine::parse(line).unwrap_err().to_string();
        assert!(said("quiet").contains("postern.verity"));
        assert!(said("postern.verity=7:x:y postern.slot=a").contains("BLOCKS:SALT:ROOTHASH"));
        assert!(said(&verity).contains("postern.slot"));
        assert!(said(&format!("{verity} postern.slot=c")).contains("a, b or live"));
        assert!(said(&format!("{verity} postern.slot=a")).contains("postern.boot"));
        assert!(said(&format!("{verity} postern.slot=a postern.boot=7")).contains("GUID"));
        assert!(said(&format!("{verity} postern.slot=live postern.reset=yes")).contains("factory"));
    }
}
