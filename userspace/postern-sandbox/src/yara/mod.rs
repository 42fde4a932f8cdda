//! Patterns in what comes out of an attachment, by YARA rules: ours (`rules/`) and those of an admin, of the settings and of a folder.
//!
//! Rules are compiled ([`compile`]) in a cell of their own, once for each set, and each cell that takes an attachment apart gets them ready
//! made ([`scan`]). Conditions are bytecode for wasmtime's interpreter (Pulley): nothing here makes memory that is run, and the list of a
//! cell's calls stays as short as it was.

pub mod compile;
mod folder;
pub mod scan;

use std::fs::File;
use std::io;
use std::time::Duration;

use postern_model::sandbox::{RULES_MOST, RulesId};
use postern_model::settings::sandbox::RuleText;
use serde::{Deserialize, Serialize};

pub use folder::{FolderError, Stamp, of_folder, stamp};

use crate::job::Job;
use crate::limits::Limits;

/// What the worker is told when it is one that compiles rules, and before the number of the descriptor that holds compiled ones.
pub const COMPILE: &str = "compile-rules";
pub const WITH: &str = "--rules";
/// Namespace of the rules that Postern brings.
pub const OURS: &str = "postern";

/// To be called before the last wall: with its first expression the library asks how many processors there are, and remembers.
pub fn prepare() {
    let _ = regex::bytes::Regex::new("a");
}

/// A file of rules, or a text of the settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// As it is called in its folder, or in the settings.
    pub file: String,
    pub text: Vec<u8>,
}

pub fn of_settings(rules: &[RuleText]) -> Vec<Source> {
    rules.iter().map(|rule| Source { file: rule.name.clone(), text: rule.text.clone().into_bytes() }).collect()
}

/// The admin's rules, ready to be sent.
#[derive(Debug)]
pub struct Sources {
    pub id: RulesId,
    pub files: usize,
    sealed: File,
}

impl Sources {
    /// # Errors
    /// When there is no memory for it.
    pub fn new(files: &[Source]) -> io::Result<Self> {
        let content = postcard::to_stdvec(files).map_err(io::Error::other)?;
        let limits = Limits {
            memory: 2 << 30,
            cpu: Duration::from_secs(100),
            time: Duration::from_secs(120),
            report: COMPILED_MOST,
            ..Limits::default()
        };
        let job = Job { name: "rules".to_owned(), limits, ..Job::default() };
        Ok(Self { id: id_of(&content), files: files.len(), sealed: job.seal(&content)? })
    }

    /// For [`read`].
    ///
    /// # Errors
    /// When it cannot be read from memory.
    pub fn content(&self) -> io::Result<Vec<u8>> {
        Job::content(&self.sealed)
    }

    /// What is enclosed with the request.
    #[must_use]
    pub fn sealed(&self) -> &File {
        &self.sealed
    }
}

/// The folder's files, the settings' texts, and what they are called.
const SOURCES_MOST: u64 = RULES_MOST + (2 << 20);

/// Octets of compiled rules: some ten times their sources.
pub const COMPILED_MOST: usize = 256 << 20;

/// Of the sealed sources' content, together with what this version brings.
#[must_use]
pub fn id_of(content: &[u8]) -> RulesId {
    let mut hasher = blake3::Hasher::new();
    for (name, text) in compile::BROUGHT {
        hasher.update(name.as_bytes());
        hasher.update(text.as_bytes());
    }
    RulesId(*hasher.update(content).finalize().as_bytes())
}

/// # Errors
/// When they are none, or too many octets.
pub fn read(content: &[u8]) -> Result<Vec<Source>, String> {
    if content.len() as u64 > SOURCES_MOST {
        return Err(format!("{} octets of rules, and {SOURCES_MOST} at most are taken", content.len()));
    }
    postcard::from_bytes(content).map_err(|e| format!("the sources of rules cannot be read: {e}"))
}
