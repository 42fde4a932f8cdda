//! The rules' look at a part, in the cell that took it out.

use std::time::{Duration, Instant};

use postern_model::sandbox::FindingName;
use yara_x::{MetaValue, Rule, Rules, ScanError};

/// What the rules may take for one part. The library counts whole seconds, by a thread of its own: it ends between one and two.
const A_PART: Duration = Duration::from_secs(2);
/// Octets of a part that are looked at.
pub const LARGEST: usize = 32 << 20;
/// Of one pattern in one part: beyond that it is not counted on.
const MATCHES: usize = 10_000;
/// Matches of rules that are told of a job.
const TOLD: usize = 256;

/// Ready for the parts of one job.
pub struct Scanner {
    scanner: yara_x::Scanner<'static>,
    left: Duration,
    told: usize,
}

impl Scanner {
    /// `rules`: as [`super::compile`] made them, and nobody else. `time`: for all parts together.
    ///
    /// To be called before the last wall: the thread that counts seconds cannot be started behind it.
    ///
    /// # Errors
    /// When these are no rules, or another version's.
    pub fn new(rules: &[u8], time: Duration) -> Result<Self, String> {
        super::prepare();
        let rules = Rules::deserialize(rules).map_err(|e| format!("the compiled rules cannot be read: {e}"))?;
        // For as long as this process, which ends with its job.
        let mut scanner = yara_x::Scanner::new(Box::leak(Box::new(rules)));
        scanner.set_timeout(A_PART).max_matches_per_pattern(MATCHES).fast_scan(true).max_scan_size(LARGEST);
        scanner.scan(b"").map_err(|e| format!("the rules cannot be run: {e}"))?;
        Ok(Self { scanner, left: time, told: 0 })
    }

    /// What is to be said of a part.
    pub fn look(&mut self, content: &[u8]) -> Vec<(FindingName, String)> {
        if self.left.is_zero() || self.told > TOLD {
            return Vec::new();
        }
        let began = Instant::now();
        let mut found: Vec<_> = match self.scanner.scan(content) {
            Ok(results) => results.matching_rules().map(|rule| (weight_of(&rule), evidence(&rule))).collect(),
            Err(ScanError::Timeout) => vec![(FindingName::YaraStopped, "they took too long for this part".to_owned())],
            Err(error) => vec![(FindingName::YaraStopped, error.to_string())],
        };
        self.told += found.len();
        if self.told > TOLD {
            found.truncate(found.len().saturating_sub(self.told - TOLD));
            found.push((FindingName::YaraStopped, format!("more than {TOLD} matches")));
        }
        self.left = self.left.saturating_sub(began.elapsed());
        if self.left.is_zero() {
            found.push((FindingName::YaraStopped, "their time is used up: parts behind this one were not looked at".to_owned()));
        }
        found
    }
}

/// By its tags.
fn weight_of(rule: &Rule<'_, '_>) -> FindingName {
    let has = |tag: &str| rule.tags().any(|t| t.identifier().eq_ignore_ascii_case(tag));
    if has("info") {
        FindingName::YaraInfo
    } else if has("suspicious") {
        FindingName::YaraSuspicious
    } else {
        FindingName::Yara
    }
}

/// `company/phish:fake_invoice [suspicious], $form at 1032: Asks for the password of a bank`.
fn evidence(rule: &Rule<'_, '_>) -> String {
    let mut text = format!("{}:{}", rule.namespace(), rule.identifier());
    let tags: Vec<&str> = rule.tags().map(|tag| tag.identifier()).collect();
    if !tags.is_empty() {
        text.push_str(&format!(" [{}]", tags.join(", ")));
    }
    let first = rule.patterns().filter_map(|p| p.matches().next().map(|m| (m.range().start, p.identifier()))).min();
    if let Some((offset, pattern)) = first {
        text.push_str(&format!(", {pattern} at {offset}"));
    }
    let described = rule.metadata().find_map(|(name, value)| match value {
        MetaValue::String(said) if name == "description" => Some(said),
        _ => None,
    });
    if let Some(said) = described {
        text.push_str(&format!(": {said}"));
    }
    text
}
