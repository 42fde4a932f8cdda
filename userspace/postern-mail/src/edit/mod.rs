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

use crate::read::header::Field;

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

/// The same edits with another verdict, of a mail that was held and is judged again. A mark is put before the subject; none is taken away.
pub fn judged_again(edits: &HeaderEdits, mail: &[u8], verdict: &Verdict, subject_tag: Option<&str>) -> HeaderEdits {
    let ours = forged::fields(&edits.prepend);
    let is_subject = |field: &Field| field.is(&edits.prepend, "subject");
    let mut prepend = Vec::with_capacity(edits.prepend.len() + 256);
    for field in &ours {
        let tagged = || subject::tagged(&edits.prepend, &ours, subject_tag?);
        if field.is(&edits.prepend, "x-postern-result") {
            prepend.extend_from_slice(result::field(verdict).as_bytes());
        } else if let Some(line) = is_subject(field).then(tagged).flatten() {
            prepend.extend_from_slice(&line);
        } else {
            prepend.extend_from_slice(edits.prepend.get(field.start..field.end).unwrap_or_default());
        }
    }
    let mut remove = edits.remove.clone();
    if !ours.iter().any(is_subject)
        && let Some(tag) = subject_tag
    {
        let fields = forged::fields(mail);
        if let Some(line) = subject::tagged(mail, &fields, tag) {
            prepend.extend_from_slice(&line);
            let old = fields.iter().filter(|f| f.is(mail, "subject")).map(|f| (f.start as u64, f.end as u64));
            remove.extend(old.filter(|range| !edits.remove.contains(range)));
            remove.sort_unstable();
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
