//! The inverted index of the tracking search: which mails speak of an address, a word, an id.
//!
//! An SQL index for each field would touch a random page for each field of each mail; at 5,000 mails
//! a second that is the whole budget. So mails are indexed in segments of [`SEGMENT`] rows instead:
//! the terms of a segment are hashed, sorted into [`BUCKETS`] rows and written once, in order. A
//! search reads one small row for each segment and term. The rows of the open (newest) segment are
//! looked at one by one. A hash may lie: every candidate is checked against the question.

use postern_model::address::Address;
use postern_model::journey::JourneySummary;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Rows in a segment.
pub const SEGMENT: i64 = 4096;
/// Rows of postings for a segment.
pub const BUCKETS: i64 = 256;
/// Words of a subject or a display name that are indexed.
const WORDS: usize = 24;

/// The field a term belongs to: the same word in subject and sender are two terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    Sender = 1,
    Recipient = 2,
    Subject = 3,
    MessageId = 4,
    Client = 5,
    Action = 6,
    Reason = 7,
    Direction = 8,
}

/// 32 bits of hash: the upper 8 are the bucket, the lower 24 stand in the postings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Term(u32);

impl Term {
    pub fn new(field: Field, text: &str) -> Self {
        Self((xxh3_64_with_seed(text.as_bytes(), field as u64) >> 32) as u32)
    }

    pub fn bucket(self) -> i64 {
        i64::from(self.0 >> 24)
    }

    fn low(self) -> u64 {
        u64::from(self.0 & 0x00ff_ffff)
    }
}

/// Words as the index knows them: runs of letters and digits, lower case.
pub fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).take(WORDS).map(str::to_lowercase)
}

/// All terms of a mail.
pub fn of_summary(summary: &JourneySummary, mut term: impl FnMut(Term)) {
    if let Some(a) = summary.mail_from.address() {
        of_address(a, Field::Sender, &mut term);
    }
    if let Some(from) = &summary.from_header {
        for w in words(from) {
            term(Term::new(Field::Sender, &w));
        }
        if let Some(a) = address_in(from) {
            of_address(&a, Field::Sender, &mut term);
        }
    }
    for a in &summary.recipients {
        of_address(a, Field::Recipient, &mut term);
    }
    for w in summary.subject.as_deref().map(words).into_iter().flatten() {
        term(Term::new(Field::Subject, &w));
    }
    if let Some(id) = &summary.message_id {
        term(Term::new(Field::MessageId, bare_message_id(id)));
    }
    term(Term::new(Field::Client, &summary.client.to_canonical().to_string()));
    term(Term::new(Field::Action, &summary.action));
    term(Term::new(Field::Reason, summary.reason.name()));
    term(Term::new(Field::Direction, direction(summary)));
}

pub fn direction(summary: &JourneySummary) -> &'static str {
    match summary.direction {
        postern_model::envelope::Direction::Inbound => "inbound",
        postern_model::envelope::Direction::Outbound => "outbound",
    }
}

/// Whole address, local part, and the domain with each domain above it that has a dot.
fn of_address(address: &Address, field: Field, term: &mut impl FnMut(Term)) {
    term(Term::new(field, &address.key()));
    term(Term::new(field, &address.local().to_lowercase()));
    let mut domain = address.domain().as_str();
    loop {
        term(Term::new(field, domain));
        match domain.split_once('.') {
            Some((_, parent)) if parent.contains('.') => domain = parent,
            _ => break,
        }
    }
}

/// The address in a From header: between angle brackets, or the whole.
pub fn address_in(from: &str) -> Option<Address> {
    let inner = from.rsplit_once('<').and_then(|(_, rest)| rest.split_once('>')).map_or(from, |(a, _)| a);
    inner.trim().parse().ok()
}

pub fn bare_message_id(id: &str) -> &str {
    let id = id.trim();
    id.strip_prefix('<').and_then(|i| i.strip_suffix('>')).unwrap_or(id)
}

/// Terms of the open segment, gathered as rows are written.
#[derive(Default)]
pub struct Gathered(Vec<u64>);

impl Gathered {
    /// `row` is the row's place in its segment, below [`SEGMENT`].
    pub fn add(&mut self, row: u16, term: Term) {
        self.0.push((u64::from(term.0) << 12) | u64::from(row & 0x0fff));
    }

    /// The postings of each bucket that has any, ready to be stored; empties the gathering.
    pub fn close(&mut self) -> Vec<(i64, Vec<u8>)> {
        self.0.sort_unstable();
        self.0.dedup();
        let mut out: Vec<(i64, Vec<u8>)> = Vec::with_capacity(BUCKETS as usize);
        let mut previous = 0;
        for entry in self.0.drain(..) {
            let bucket = (entry >> 36) as i64;
            let low = entry & 0xf_ffff_ffff;
            if out.last().is_none_or(|(b, _)| *b != bucket) {
                out.push((bucket, Vec::with_capacity(2048)));
                previous = 0;
            }
            if let Some((_, bytes)) = out.last_mut() {
                put_varint(bytes, low - previous);
                previous = low;
            }
        }
        out
    }
}

/// The rows of one segment that hold a term, ascending. Broken postings end early.
pub fn rows_with(postings: &[u8], term: Term) -> Vec<u16> {
    let (wanted, mut at, mut low, mut rows) = (term.low(), 0, 0u64, Vec::new());
    while let Some(delta) = take_varint(postings, &mut at) {
        low += delta;
        let hash = low >> 12;
        if hash == wanted {
            rows.push((low & 0x0fff) as u16);
        } else if hash > wanted {
            break;
        }
    }
    rows
}

fn put_varint(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push((n as u8 & 0x7f) | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

fn take_varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut n = 0;
    for shift in (0..42).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        n |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(n);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn postings_give_back_the_rows_of_each_term() {
        let mut g = Gathered::default();
        for row in 0..4096u16 {
            g.add(row, Term::new(Field::Action, "accept"));
            g.add(row, Term::new(Field::Subject, &format!("word{}", row % 100)));
            g.add(row, Term::new(Field::Subject, &format!("word{}", row % 100)));
        }
        let closed = g.close();
        let find = |t: Term| closed.iter().find(|(b, _)| *b == t.bucket()).map(|(_, p)| rows_with(p, t)).unwrap_or_default();
        assert_eq!(find(Term::new(Field::Action, "accept")).len(), 4096);
        assert_eq!(find(Term::new(Field::Subject, "word7")), (0..4096).filter(|r| r % 100 == 7).collect::<Vec<u16>>());
        assert!(find(Term::new(Field::Sender, "word7")).is_empty());
        assert!(closed.iter().map(|(_, p)| p.len()).sum::<usize>() < 4096 * 8, "postings are larger than they should be");
    }

    #[test]
    fn broken_postings_do_no_harm() {
        let term = Term::new(Field::Action, "accept");
        for bytes in [&[0xff; 64][..], &[0x80], &[], &[1, 0xff]] {
            let _ = rows_with(bytes, term);
        }
    }

    #[test]
    fn addresses_in_from_headers_are_found() {
        assert_eq!(address_in("\"A, B\" <a@b.example>").map(|a| a.to_string()).as_deref(), Some("a@b.example"));
        assert_eq!(address_in("a@b.example").map(|a| a.to_string()).as_deref(), Some("a@b.example"));
        assert!(address_in("nobody").is_none());
    }
}
