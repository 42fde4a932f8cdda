//! What was seen of files, as rows and as the sandbox's memory knows it.

use std::time::Duration;

use postern_model::sandbox::SeenFile;

use crate::ledger::fact::{Fact, SandboxReport};
use crate::ledger::origin::NodeId;

/// A campaign is over by then, or comes with another file.
pub(super) const KEEP: Duration = Duration::from_secs(7 * 86_400);
/// Rows of one origin that are read at a start: as many files as the memory holds.
pub(super) const REMEMBERED: usize = 4096;

/// `None` when it is too large for a row.
pub(super) fn fact(file: &SeenFile) -> Option<Fact> {
    let report = serde_json::to_vec(&file.report).ok().filter(|octets| octets.len() <= SeenFile::LARGEST)?;
    Some(Fact::SandboxReport(file.key, SandboxReport { at: file.at, report: report.into() }))
}

/// `None` for what a later version says in words that are not known here: the file is taken apart here, then.
pub(super) fn seen(key: [u8; 32], row: &SandboxReport, by: Option<NodeId>) -> Option<SeenFile> {
    let report = serde_json::from_slice(&row.report.0).ok()?;
    Some(SeenFile { key, at: row.at, report, by })
}
