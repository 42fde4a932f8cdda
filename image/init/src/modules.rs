//! Kernel modules: those that every boot needs, and those that the devices of this machine ask for.
//!
//! The builder lays them flat in `/modules`: `always` and `live` (names in order), `depends` (a name and what it needs, one line each)
//! and `aliases` (a pattern and a name). So nothing of modprobe's format is needed here.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::CString;
use std::fs;
use std::path::{Path, PathBuf};

use nix::kmod::{ModuleInitFlags, finit_module};

use crate::say;

const FOLDER: &str = "/modules";

#[derive(Clone)]
pub struct Modules {
    always: Vec<String>,
    live: Vec<String>,
    depends: BTreeMap<String, Vec<String>>,
    aliases: Vec<(CString, String)>,
    loaded: BTreeSet<String>,
    /// Devices' aliases that were answered already.
    asked: BTreeSet<String>,
}

impl Modules {
    pub fn read() -> Self {
        let text = |name: &str| {
            fs::read_to_string(Path::new(FOLDER).join(name)).unwrap_or_else(|e| {
                say(&format!("{FOLDER}/{name}: {e}"));
                String::new()
            })
        };
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let depends = text("depends").lines().map(words).filter_map(|w| Some((w.first()?.clone(), w[1..].to_vec()))).collect();
        let alias = |w: Vec<String>| Some((CString::new(w.first()?.as_str()).ok()?, w.get(1)?.clone()));
        let aliases = text("aliases").lines().map(words).filter_map(alias).collect();
        Self {
            always: words(&text("always")),
            live: words(&text("live")),
            depends,
            aliases,
            loaded: BTreeSet::new(),
            asked: BTreeSet::new(),
        }
    }

    pub fn load_always(&mut self) {
        self.load_all(self.always.clone());
    }

    /// What a live medium needs besides.
    pub fn load_live(&mut self) {
        self.load_all(self.live.clone());
    }

    fn load_all(&mut self, names: Vec<String>) {
        for name in names {
            self.load(&name);
        }
    }

    /// Loads what devices ask for that appeared since the last call.
    pub fn load_for_devices(&mut self) {
        for alias in aliases_of_devices() {
            if !self.asked.insert(alias.clone()) {
                continue;
            }
            let Ok(alias) = CString::new(alias) else { continue };
            let wanted: Vec<String> = self.aliases.iter().filter(|(pattern, _)| matches(pattern, &alias)).map(|(_, n)| n.clone()).collect();
            for name in wanted {
                self.load(&name);
            }
        }
    }

    fn load(&mut self, name: &str) {
        if !self.loaded.insert(name.to_owned()) {
            return;
        }
        for below in self.depends.get(name).cloned().unwrap_or_default() {
            self.load(&below);
        }
        let path = PathBuf::from(FOLDER).join(format!("{name}.ko"));
        let outcome = fs::File::open(&path)
            .map_err(|e| e.to_string())
            .and_then(|file| finit_module(&file, c"", ModuleInitFlags::empty()).map_err(|e| e.to_string()));
        if let Err(e) = outcome {
            // One that finds no device of its kind is no news (ENODEV), as is one that is there already.
            if !e.contains("ENODEV") && !e.contains("EEXIST") {
                say(&format!("module {name}: {e}"));
            }
        }
    }
}

fn matches(pattern: &CString, alias: &CString) -> bool {
    // SAFETY: both are strings that end with a zero and live through the call.
    unsafe { libc::fnmatch(pattern.as_ptr(), alias.as_ptr(), 0) == 0 }
}

/// `modalias` of every device below /sys/devices.
fn aliases_of_devices() -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from("/sys/devices")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(kind) if kind.is_file() && entry.file_name() == "modalias" => {
                    found.extend(fs::read_to_string(entry.path()).map(|t| t.trim().to_owned()));
                }
                _ => {}
            }
        }
    }
    found
}
