//! What an HTML part is made of and what of it a reader sees.
//!
//! html5ever's tokenizer reads the markup as browsers do; no tree is built, a small stack of open
//! elements carries what matters: hidden or not, colours, the link one is in.
//!
//! The tokenizer compares every attribute of a tag with all before it, so a tag of a million
//! attributes would cost hours. The text is fed in small pieces, and the square of the separators
//! fed since the last finished token is charged to a budget ([`PIECE`], [`BUDGET`]).

mod color;
mod elements;
mod sink;
mod style;

use html5ever::tendril::StrTendril;
use html5ever::tokenizer::{BufferQueue, Tokenizer, TokenizerOpts};

use crate::message::{HtmlFacts, Link, UrlSource};
use crate::read::{Reader, floor_char_boundary};
use crate::url::find_at;
use sink::Sink;

const PIECE: usize = 1024;
/// Pairs of attributes compared at most: some tens of milliseconds.
const BUDGET: u64 = 50_000_000;

/// A page taken apart, its URLs not yet in the mail's table.
pub(crate) struct Page {
    pub(crate) is_whole: bool,
    facts: HtmlFacts,
    text: String,
    /// Ranges of `text` inside links: what stands there is the link's label, no URL of its own.
    labels: Vec<(usize, usize)>,
    urls: Vec<(String, UrlSource)>,
    /// Target of each link in `facts.links`.
    targets: Vec<String>,
}

/// Reads a page, keeping at most `max_text` octets of visible text and `max_links` links.
pub(crate) fn read(html: &str, max_text: usize, max_links: usize) -> Page {
    let tokenizer = Tokenizer::new(Sink::new(max_text, max_links), TokenizerOpts::default());
    let queue = BufferQueue::default();
    let mut rest = html;
    let mut charged = 0u64;
    let mut separators = 0u64;
    let mut tokens = 0;
    let mut is_whole = true;
    while !rest.is_empty() {
        let cut = floor_char_boundary(rest, PIECE).max(rest.chars().next().map_or(1, char::len_utf8));
        let (piece, tail) = rest.split_at(cut);
        let here = piece.bytes().filter(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r' | 0x0c | b'/' | b'"' | b'\'')).count() as u64;
        // n more attributes after m cost n*m + n*n/2 comparisons.
        charged += separators * here + here * here / 2;
        if charged > BUDGET {
            is_whole = false;
            break;
        }
        queue.push_back(StrTendril::from(piece));
        // The sink never asks for a script to be run; should the tokenizer stop, it is fed on.
        let _ = tokenizer.feed(&queue);
        let now = tokenizer.sink.tokens();
        separators = if now == tokens { separators + here } else { 0 };
        tokens = now;
        rest = tail;
    }
    tokenizer.end();
    let mut page = tokenizer.sink.into_page();
    page.is_whole &= is_whole;
    page.facts.encoded_letters = encoded_letters(html);
    page
}

impl Page {
    /// Puts the URLs into the mail's table. Returns the facts and the visible text.
    pub(crate) fn into_facts(self, reader: &mut Reader<'_>, part: usize, octets: usize, is_attachment: bool) -> (HtmlFacts, String) {
        let base = self.facts.base_href.clone();
        let source_of = |source| if is_attachment { UrlSource::Attachment } else { source };
        let mut facts = self.facts;
        let mut links = Vec::with_capacity(facts.links.len());
        for (link, target) in facts.links.into_iter().zip(&self.targets) {
            let target = absolute(target, base.as_deref());
            if let Some(url) = reader.add_url(&target, source_of(UrlSource::HtmlLink), part) {
                links.push(Link { url, ..link });
            }
        }
        facts.links = links;
        for (raw, source) in &self.urls {
            reader.add_url(&absolute(raw, base.as_deref()), source_of(*source), part);
        }
        let mut labels = self.labels.iter().copied().peekable();
        for (at, url) in find_at(&self.text, reader.limits.urls) {
            while labels.next_if(|(_, end)| *end <= at).is_some() {}
            if labels.peek().is_none_or(|(start, _)| at < *start) {
                reader.add_url(&url, source_of(UrlSource::Text), part);
            }
        }
        facts.part = part;
        facts.octets = octets;
        (facts, self.text)
    }
}

/// A relative reference with its base before it; enough for phishers' `<base>`, not all of RFC 3986 §5.
fn absolute(reference: &str, base: Option<&str>) -> String {
    let trimmed = reference.trim();
    // Browsers drop line breaks and tabs, also inside the scheme.
    let mut scheme = trimmed.bytes().filter(|b| !matches!(b, b'\t' | b'\r' | b'\n'));
    let has_scheme = scheme.find(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))) == Some(b':');
    if has_scheme || trimmed.starts_with("//") || trimmed.starts_with("\\\\") {
        return trimmed.to_owned();
    }
    match base {
        Some(base) if !trimmed.starts_with('#') && !trimmed.is_empty() => {
            format!("{}/{}", base.trim().trim_end_matches('/'), trimmed.trim_start_matches('/'))
        }
        _ => trimmed.to_owned(),
    }
}

/// Numeric references (`&#65;`, `&#x41;`) that stand for ASCII letters.
fn encoded_letters(html: &str) -> usize {
    let octets = html.as_bytes();
    memchr::memmem::find_iter(octets, b"&#")
        .filter(|i| {
            let rest = &octets[i + 2..octets.len().min(i + 12)];
            let (digits, radix) = match rest {
                [b'x' | b'X', hex @ ..] => (hex, 16),
                _ => (rest, 10),
            };
            let value = digits
                .iter()
                .map_while(|b| char::from(*b).to_digit(radix))
                .try_fold(0u32, |sum, digit| sum.checked_mul(radix)?.checked_add(digit));
            value.and_then(char::from_u32).is_some_and(|c| c.is_ascii_alphabetic())
        })
        .count()
}
