//! YAML, bounded: aliases, merge keys and tags of others are refused, so a small file is a small tree.

use serde_json::Value;
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy};

use super::BadSeed;

const DEEPEST: usize = 24;
const MOST_NODES: usize = 20_000;

/// The tree of a document; null when there is nothing but comments.
///
/// # Errors
/// Where it is no YAML, or what of YAML is not read here. What stands in the file is not repeated: it may be a secret.
pub fn read(file: &str, text: &str) -> Result<Value, BadSeed> {
    if text.lines().all(|l| l.trim().is_empty() || l.trim_start().starts_with('#') || l.trim() == "---") {
        return Ok(Value::Null);
    }
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_aliases: 0,
            max_anchors: 0,
            max_merge_keys: 0,
            max_depth: DEEPEST,
            flow_nesting_limit: DEEPEST,
            max_documents: 1,
            max_nodes: MOST_NODES,
            max_events: 3 * MOST_NODES,
        },
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::Error,
        // A password of digits, an octal mode: what somebody wrote, not a number that it might be.
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|e| {
        let at = e.location().map_or_else(String::new, |l| format!("line {}, column {}: ", l.line(), l.column()));
        BadSeed::Syntax { file: file.into(), why: format!("{at}{}", reason(&e)) }
    })
}

/// Kinds of errors in our words; of the rest only the library's class, as its messages repeat what stands there.
fn reason(error: &serde_saphyr::Error) -> String {
    use serde_saphyr::Error;
    match error.without_snippet() {
        Error::Budget { .. } => "anchors and aliases are not read here, and there are bounds on depth and number: write it out".into(),
        Error::DuplicateMappingKey { .. } => "a key stands twice".into(),
        Error::UnknownAnchor { .. } => "anchors and aliases are not read here: write it out".into(),
        Error::MergeKeyNotAllowed { .. } => "merge keys are not read here: write it out".into(),
        _ => "this is no YAML that can be read here: look at the indentation, the quotes and the colons".into(),
    }
}
