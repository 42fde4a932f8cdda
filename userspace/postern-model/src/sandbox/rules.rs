//! YARA rules, as the role `sandbox` is told of them and tells of them.

use serde::{Deserialize, Serialize};

use super::hexadecimal;

/// Octets of all files of an admin's folder together; those of the settings come to it.
pub const RULES_MOST: u64 = 16 << 20;
/// Errors and warnings that are told of a set.
pub const PROBLEMS_MOST: usize = 100;

/// A set of rules by its content: BLAKE3 of ours and the admin's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RulesId(#[serde(with = "hexadecimal")] pub [u8; 32]);

/// What a set of rules came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RulesReport {
    pub id: RulesId,
    /// Rules that Postern brings.
    pub ours: usize,
    /// Rules of the admin: of the settings and of the folder.
    pub theirs: usize,
    pub problems: Vec<RuleProblem>,
}

impl RulesReport {
    /// Whether it can be in force: one error anywhere, and none of the set is.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.errors().next().is_none()
    }

    pub fn errors(&self) -> impl Iterator<Item = &RuleProblem> {
        self.problems.iter().filter(|p| p.is_error)
    }
}

/// Where in a file what is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleProblem {
    /// As it is called in the folder; of a text of the settings its name.
    pub file: String,
    /// From 1; 0 where it is about the whole file.
    pub line: usize,
    /// Otherwise it is a warning: the rules can be used.
    pub is_error: bool,
    pub what: String,
}

impl std::fmt::Display for RuleProblem {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = if self.is_error { "error" } else { "warning" };
        write!(to, "{}:{}: {kind}: {}", self.file, self.line, self.what)
    }
}
