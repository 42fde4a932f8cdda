//! A verdict for people: every symbol with what it saw, the caps, and what decided.

use std::fmt::Write as _;

use postern_model::score::Score;
use postern_model::verdict::Verdict;
use serde::Serialize;

use crate::judge::{GroupSum, group_sums};
use crate::policy::Policy;
use crate::registry;

/// The form `postern explain --json` prints.
#[derive(Debug, Serialize)]
pub struct Explanation {
    pub action: &'static str,
    /// Stable kebab-case name of the reason that decided.
    pub reason: &'static str,
    pub score: Score,
    pub thresholds: ExplainedThresholds,
    pub groups: Vec<ExplainedGroup>,
}

#[derive(Debug, Serialize)]
pub struct ExplainedThresholds {
    pub tag: Score,
    pub quarantine: Score,
    pub reject: Score,
}

#[derive(Debug, Serialize)]
pub struct ExplainedGroup {
    pub group: String,
    /// What the group adds, after its cap.
    pub score: Score,
    /// What it would add without.
    pub before_cap: Score,
    pub cap: Score,
    pub is_capped: bool,
    pub symbols: Vec<ExplainedSymbol>,
}

#[derive(Debug, Serialize)]
pub struct ExplainedSymbol {
    pub symbol: String,
    pub score: Score,
    /// The documented default, to be compared with `score`.
    pub default_weight: f64,
    pub description: &'static str,
    pub evidence: String,
}

pub fn explain(verdict: &Verdict, policy: &Policy) -> Explanation {
    let sums = group_sums(verdict.hits.iter().map(|h| (h.group, h.score)), policy);
    let groups = sums.iter().map(|sum| group(sum, verdict)).collect();
    let t = &policy.thresholds;
    Explanation {
        action: verdict.action.name(),
        reason: verdict.reason.name(),
        score: verdict.score,
        thresholds: ExplainedThresholds { tag: t.tag, quarantine: t.quarantine, reject: t.reject },
        groups,
    }
}

fn group(sum: &GroupSum, verdict: &Verdict) -> ExplainedGroup {
    let symbols = verdict.hits.iter().filter(|h| h.group == sum.group).map(|h| {
        let declared = registry::find(&h.symbol);
        ExplainedSymbol {
            symbol: h.symbol.to_string(),
            score: h.score,
            default_weight: declared.map_or(0.0, |s| s.weight),
            description: declared.map_or("", |s| s.description),
            evidence: h.evidence.clone(),
        }
    });
    ExplainedGroup {
        group: registry::group_name(sum.group),
        score: sum.after(),
        before_cap: sum.positive + sum.negative,
        cap: sum.cap,
        is_capped: sum.is_capped(),
        symbols: symbols.collect(),
    }
}

/// The same as text for a terminal. Evidence is printable by construction.
pub fn text(verdict: &Verdict, policy: &Policy) -> String {
    let e = explain(verdict, policy);
    let mut out = String::new();
    let t = &e.thresholds;
    let _ = writeln!(out, "{} ({}), score {}", e.action, e.reason, e.score);
    let _ = writeln!(out, "thresholds: tag {}, quarantine {}, reject {}", t.tag, t.quarantine, t.reject);
    for g in &e.groups {
        let cap = if g.is_capped { format!(" (cap {}, {} without)", g.cap, g.before_cap) } else { String::new() };
        let _ = writeln!(out, "\n{:>7}  {}{cap}", format!("{:+.2}", g.score.get()), g.group);
        for s in &g.symbols {
            let _ = writeln!(out, "{:>7}    {}: {}", format!("{:+.2}", s.score.get()), s.symbol, s.description);
            if !s.evidence.is_empty() {
                let _ = writeln!(out, "             {}", s.evidence);
            }
        }
    }
    if e.groups.is_empty() {
        let _ = writeln!(out, "\nno symbol fired");
    }
    out
}

/// The same as JSON on several lines.
pub fn json(verdict: &Verdict, policy: &Policy) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(&explain(verdict, policy))
}
