//! A build as data: steps, what each reads, and what it does. It can be printed, and hashed.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::lock::Use;

/// Stands in a command for the folder that the step fills.
pub const OUT: &str = "{out}";

/// Where the results of an earlier step lie, in a command.
pub fn of(step: &str) -> String {
    format!("{{{step}}}")
}

/// What a step reads beside earlier steps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Input {
    /// A file, or a folder with everything below it.
    Path(PathBuf),
    /// Downloaded packages; their hashes are in the lock, so only that is read for the hash.
    Packages(Vec<String>),
}

#[derive(Clone, Debug, Serialize)]
pub enum Action {
    /// A command, without a shell.
    Run(Vec<String>),
    /// Some lines for bash; it ends at the first error.
    Shell(String),
    Write {
        file: String,
        text: String,
    },
    /// Code of this crate. Its source is part of the step's hash.
    Native(Native),
}

/// What no tool does, or none does in the same way twice.
#[derive(Clone, Debug, Serialize)]
pub enum Native {
    /// A folder of packages with an index, for apt.
    Repository {
        packages: Vec<String>,
        to: String,
    },
    /// Chooses modules by a list of paths, unpacks them, and takes them over.
    ChooseModules {
        from: String,
        list: String,
        to: String,
    },
    /// The initramfs: the init and the modules that a list names, with what they need.
    Initramfs {
        init: String,
        modules: String,
        list: String,
        to: String,
    },
    /// A FAT file system with these files: (from, to).
    Fat {
        to: String,
        mebibytes: u64,
        serial: u32,
        label: String,
        files: Vec<(String, String)>,
    },
    /// Puts the boot code of the BIOS into a disk: (disk, boot.img, core.img, its first sector).
    BiosBoot {
        disk: String,
        boot: String,
        core: String,
        sector: u64,
    },
    /// Names a streamOptimized VMDK's content by a constant: qemu-img draws lots.
    SettleVmdk {
        disk: String,
    },
    Ovf {
        disk: String,
        to: String,
        name: String,
        version: String,
        capacity: u64,
    },
    /// CycloneDX from the lock files of packages and crates.
    Sbom {
        packages: String,
        /// What is in the image of them.
        uses: Vec<Use>,
        crates: String,
        version: String,
        to: String,
    },
    /// Hashes of files, and their signature by the key.
    Manifest {
        files: Vec<String>,
        version: String,
        key: String,
        to: String,
    },
}

impl Native {
    /// The source that a result depends on.
    fn source(&self) -> &'static str {
        match self {
            Native::Repository { .. } => include_str!("repository.rs"),
            Native::ChooseModules { .. } => include_str!("modules.rs"),
            Native::Initramfs { .. } => concat!(include_str!("cpio.rs"), include_str!("modules.rs")),
            Native::Fat { .. } => include_str!("esp.rs"),
            Native::BiosBoot { .. } => include_str!("disk.rs"),
            Native::SettleVmdk { .. } | Native::Ovf { .. } => include_str!("ova.rs"),
            Native::Sbom { .. } => include_str!("sbom.rs"),
            Native::Manifest { .. } => include_str!("manifest.rs"),
        }
    }
}

#[derive(Clone, Debug, Serialize)]
pub struct Step {
    pub name: &'static str,
    /// For people: what it makes.
    pub makes: &'static str,
    pub needs: Vec<&'static str>,
    pub inputs: Vec<Input>,
    pub actions: Vec<Action>,
}

#[derive(Clone, Debug)]
pub struct Plan {
    pub version: String,
    /// In the order in which they can be done.
    pub steps: Vec<Step>,
}

#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    #[error("step `{step}` needs `{needs}`, which is no step before it")]
    Order { step: &'static str, needs: &'static str },
    #[error("step `{step}` stands twice in the plan")]
    Twice { step: &'static str },
}

/// Everything that a result depends on, as 16 hexadecimal digits: enough for a cache of some dozens.
pub type Fingerprint = String;

impl Plan {
    /// The fingerprint of each step. `read` gives the hash of an input.
    ///
    /// # Errors
    /// What `read` says, or a plan in the wrong order.
    pub fn fingerprints<E: From<PlanError>>(
        &self,
        mut read: impl FnMut(&Input) -> Result<String, E>,
    ) -> Result<BTreeMap<&'static str, Fingerprint>, E> {
        let mut known: BTreeMap<&str, Fingerprint> = BTreeMap::new();
        for step in &self.steps {
            let mut hash = Sha256::new();
            let mut feed = |text: &str| {
                hash.update((text.len() as u64).to_le_bytes());
                hash.update(text);
            };
            feed(step.name);
            for needs in &step.needs {
                feed(known.get(*needs).ok_or(PlanError::Order { step: step.name, needs })?);
            }
            for input in &step.inputs {
                feed(&read(input)?);
            }
            for action in &step.actions {
                feed(&format!("{action:?}"));
                if let Action::Native(native) = action {
                    feed(native.source());
                }
            }
            let digits = hash.finalize().iter().take(8).map(|o| format!("{o:02x}")).collect();
            if known.insert(step.name, digits).is_some() {
                return Err(PlanError::Twice { step: step.name }.into());
            }
        }
        Ok(known)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::Run(words) => f.write_str(&words.join(" ")),
            Action::Shell(lines) => f.write_str(&lines.lines().map(str::trim).filter(|l| !l.is_empty()).collect::<Vec<_>>().join("\n")),
            Action::Write { file, .. } => write!(f, "write {file}"),
            Action::Native(native) => write!(f, "{native:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn step(name: &'static str, needs: &[&'static str], command: &str) -> Step {
        let inputs = vec![Input::Path(name.into())];
        Step { name, makes: "", needs: needs.to_vec(), inputs, actions: vec![Action::Shell(command.into())] }
    }

    fn prints(steps: Vec<Step>, changed: &str) -> BTreeMap<&'static str, Fingerprint> {
        let plan = Plan { version: "1".into(), steps };
        plan.fingerprints::<PlanError>(|input| Ok(format!("{}", *input == Input::Path(changed.into())))).unwrap()
    }

    #[test]
    fn a_change_reaches_what_stands_on_it_and_nothing_else() {
        let plan = || vec![step("a", &[], "1"), step("b", &["a"], "2"), step("c", &[], "3")];
        let (before, input) = (prints(plan(), ""), prints(plan(), "a"));
        assert!(before["a"] != input["a"] && before["b"] != input["b"] && before["c"] == input["c"]);
        let command = prints(vec![step("a", &[], "1"), step("b", &["a"], "changed"), step("c", &[], "3")], "");
        assert!(before["a"] == command["a"] && before["b"] != command["b"]);
    }

    #[test]
    fn an_order_that_cannot_be_is_said() {
        let plan = Plan { version: "1".into(), steps: vec![step("b", &["a"], "")] };
        let said = plan.fingerprints::<PlanError>(|_| Ok(String::new())).unwrap_err().to_string();
        assert!(said.contains("`b` needs `a`"), "{said}");
    }
}
