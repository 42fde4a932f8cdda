//! `X-Postern-Result`: what was decided, and by which symbols.

use postern_model::verdict::Verdict;

use super::fold;

/// Symbols named; the journey has all of them.
const MAX_SYMBOLS: usize = 60;

/// `X-Postern-Result: tag; score=6.10; reason=spam; FROM_NAME_IS_OTHER_ADDRESS=2.50, …`
pub(super) fn field(verdict: &Verdict) -> String {
    let mut words = vec![
        format!("{};", verdict.action.name()),
        format!("score={};", verdict.score),
        format!("reason={}{}", verdict.reason.name(), if verdict.hits.is_empty() { "" } else { ";" }),
    ];
    let shown = verdict.hits.len().min(MAX_SYMBOLS);
    for (i, hit) in verdict.hits.iter().take(MAX_SYMBOLS).enumerate() {
        let name: String = hit.symbol.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(60).collect();
        words.push(format!("{name}={}{}", hit.score, if i + 1 == shown { "" } else { "," }));
    }
    fold("X-Postern-Result", words)
}
