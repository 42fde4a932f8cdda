//! Changes to a mail's header on its way out, decided when it is accepted. Pure: the mail's octets
//! and what is known about it in, ranges to leave out and lines to put before it out.
//!
//! What may not survive: a result that claims to be ours (RFC 8601 §5), and our own `X-Postern-`
//! fields. The fields are looked for in every line up to the first empty one, malformed lines in
//! between or not: a reader behind us may skip what we would call the end of the header.

mod forged;
mod received;
mod result;
mod subject;

use postern_model::envelope::{Client, Envelope};
use postern_model::id::MailId;
use postern_model::queue::HeaderEdits;
use postern_model::time::Timestamp;
use postern_model::verdict::Verdict;

/// Everything the edits are made from.
pub struct Input<'x> {
    /// The mail as it came, at least its header.
    pub mail: &'x [u8],
    /// Our name: in Received and as authserv-id.
    pub hostname: &'x str,
    pub id: MailId,
    pub at: Timestamp,
    pub envelope: &'x Envelope,
    pub client: &'x Client,
    /// Value of Authentication-Results as made by [`crate::authenticate`]; `None`: the field is not added.
    pub authentication_results: Option<&'x str>,
    /// `None`: the result field is not added.
    pub verdict: Option<&'x Verdict>,
    /// Put before the subject; `None`: the subject stays.
    pub subject_tag: Option<&'x str>,
    /// Names and values, in ASCII, of fields that rules add; those of the same name that the mail brought go.
    pub added: &'x [(String, String)],
}

/// Longest line that is made (RFC 5322 §2.1.1 recommends 78 without the line end).
const LINE: usize = 78;

pub fn edits(input: &Input<'_>) -> HeaderEdits {
    let fields = forged::fields(input.mail);
    let mut remove: Vec<(u64, u64)> = Vec::new();
    let mut prepend = Vec::with_capacity(1024);
    if let Some(results) = input.authentication_results {
        prepend.extend_from_slice(b"Authentication-Results: ");
        prepend.extend_from_slice(results.as_bytes());
        prepend.extend_from_slice(b"\r\n");
    }
    if let Some(verdict) = input.verdict {
        prepend.extend_from_slice(result::field(verdict).as_bytes());
    }
    for (name, value) in input.added {
        prepend.extend_from_slice(fold(name, value.split_whitespace().map(str::to_owned)).as_bytes());
    }
    prepend.extend_from_slice(received::field(input).as_bytes());
    let subject = input.subject_tag.and_then(|tag| subject::tagged(input.mail, &fields, tag));
    if let Some(line) = &subject {
        prepend.extend_from_slice(line);
    }
    let folds = forged::leading_folds(input.mail);
    if folds > 0 {
        remove.push((0, folds as u64));
    }
    for field in &fields {
        let is_old_subject = subject.is_some() && field.is(input.mail, "subject");
        let is_replaced = input.added.iter().any(|(name, _)| field.is(input.mail, name));
        if is_old_subject || is_replaced || forged::is_forged(input.mail, field, input.hostname) {
            remove.push((field.start as u64, field.end as u64));
        }
    }
    HeaderEdits { prepend, remove }
}

/// Words joined by single spaces into lines of at most [`LINE`] octets where the words allow it.
fn fold(name: &str, words: impl IntoIterator<Item = String>) -> String {
    let mut out = format!("{name}:");
    let mut column = out.len();
    for word in words {
        if column + 1 + word.len() > LINE && column > 1 {
            out.push_str("\r\n\t");
            // A tab is shown eight wide.
            column = 8;
        } else {
            out.push(' ');
            column += 1;
        }
        column += word.len();
        out.push_str(&word);
    }
    out.push_str("\r\n");
    out
}
