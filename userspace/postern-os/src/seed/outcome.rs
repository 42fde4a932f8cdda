//! How a seed fared: kept for the status, without secrets.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::pending::{NodePart, Step};
use crate::apply::{self, ApplyError};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Progress {
    Waiting,
    /// What was said the last time; it is tried again.
    Refused(String),
    Done,
    GivenUp(String),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStep {
    pub step: Step,
    pub progress: Progress,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Where it came from, in words.
    pub source: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Why nothing of it was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    #[serde(default)]
    pub remarks: Vec<String>,
    #[serde(default)]
    pub node: Vec<NodeStep>,
}

impl Outcome {
    pub fn taken(source: String, instance: Option<String>, remarks: Vec<String>, part: &NodePart) -> Self {
        let mut left = part.clone();
        let mut node = Vec::new();
        while let Some(step) = left.next() {
            node.push(NodeStep { step, progress: Progress::Waiting });
            left.done(step);
        }
        Self { source, instance, refused: None, remarks, node }
    }

    pub fn refused(source: String, why: String) -> Self {
        Self { source, refused: Some(why), ..Self::default() }
    }

    /// `None`: there is none, or none that can be read; then nobody can say how the machine was set up.
    pub fn open(path: &Path) -> Option<Self> {
        serde_json::from_str(&std::fs::read_to_string(path).ok()?).ok()
    }

    /// # Errors
    /// When the disk refuses.
    pub fn keep(&self, path: &Path) -> Result<(), ApplyError> {
        let text = serde_json::to_string_pretty(self).unwrap_or_default();
        apply::keep(path, &(text + "\n"))
    }

    /// Notes how a step fared; false when that was known already.
    pub fn note(&mut self, step: Step, progress: Progress) -> bool {
        let Some(known) = self.node.iter_mut().find(|s| s.step == step) else { return false };
        let is_news = known.progress != progress;
        known.progress = progress;
        is_news
    }

    /// How this machine was set up, in a line for `postern os status`.
    pub fn words(this: Option<&Self>, is_set_up: bool) -> String {
        match (this, is_set_up) {
            (None, false) => "not yet: the console menu asks".into(),
            (None, true) => "by hand".into(),
            (Some(Self { refused: Some(why), source, .. }), false) => format!("not yet: the {source} was refused: {why}"),
            (Some(Self { refused: Some(why), source, .. }), true) => format!("by hand, after the {source} was refused: {why}"),
            (Some(taken), false) => format!("not yet: the {} was not taken whole", taken.source),
            (Some(taken), true) => {
                let open = taken.node.iter().filter_map(|s| match &s.progress {
                    Progress::Done => None,
                    Progress::Waiting => Some(format!("{}: waits for the node", s.step)),
                    Progress::Refused(why) => Some(format!("{}: {why} (tried again)", s.step)),
                    Progress::GivenUp(why) => Some(format!("{}: given up: {why}", s.step)),
                });
                let open: Vec<String> = open.collect();
                let open = if open.is_empty() { String::new() } else { format!("; {}", open.join("; ")) };
                format!("by the {}{open}", taken.source)
            }
        }
    }
}
