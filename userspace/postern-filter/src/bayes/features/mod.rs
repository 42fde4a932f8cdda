//! The features of a mail: what the classifier counts.
//!
//! A feature is a 64-bit hash whose top four bits are its [`Tier`], so that the classifier can weigh
//! words, headers and structure apart without knowing any language. Words of the visible text and of
//! the subject are taken alone and as orthogonal sparse bigrams (each word with each of the four
//! before it, the gap being part of the feature): they keep the order that single words lose.
//!
//! Left out on purpose: what is added at or after delivery (Received, Return-Path, Delivered-To,
//! Status, ...) and the verdicts of other filters (X-Spam-*, X-Virus-Scanned, Authentication-Results).
//! They tell where a mail was collected, not what it is, and a spammer can write them.

mod header;
mod people;
mod shape;
mod structure;
mod words;

use postern_mail::message::Message;
use xxhash_rust::xxh3::Xxh3;

/// Features of one mail; what comes after them is not looked at. Bounds the time of a look-up.
pub const MAX_FEATURES: usize = 4000;

/// What kind of feature a hash stands for: its top four bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Tier {
    /// A word of the visible text.
    Word = 0,
    /// Two words of the visible text and their distance.
    Pair = 1,
    /// Words and pairs of the subject.
    Subject = 2,
    /// Names, order and forms of header fields.
    Header = 3,
    /// Names and domains of the people in the header.
    Address = 4,
    /// Hosts, domains and shapes of URLs.
    Url = 5,
    /// MIME and HTML structure.
    Structure = 6,
}

impl Tier {
    pub const ALL: [Self; 7] = [Self::Word, Self::Pair, Self::Subject, Self::Header, Self::Address, Self::Url, Self::Structure];

    pub fn of(feature: u64) -> Option<Self> {
        Self::ALL.get((feature >> 60) as usize).copied()
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Word => "word",
            Self::Pair => "pair",
            Self::Subject => "subject",
            Self::Header => "header",
            Self::Address => "address",
            Self::Url => "url",
            Self::Structure => "structure",
        }
    }
}

/// The features of a mail, each once, sorted; at most [`MAX_FEATURES`].
pub fn features(message: &Message) -> Vec<u64> {
    let mut sink = Sink { found: Vec::with_capacity(2048), wanted: &[], named: Vec::new() };
    collect(message, &mut sink);
    sink.found.truncate(MAX_FEATURES);
    sink.found.sort_unstable();
    sink.found.dedup();
    sink.found
}

/// The features among `wanted` (sorted) in words, for people: `(feature, "pair: click _ here")`.
pub fn describe(message: &Message, wanted: &[u64]) -> Vec<(u64, String)> {
    let mut sink = Sink { found: Vec::new(), wanted, named: Vec::new() };
    collect(message, &mut sink);
    sink.named
}

struct Sink<'a> {
    found: Vec<u64>,
    /// Sorted; when not empty these features are named.
    wanted: &'a [u64],
    named: Vec<(u64, String)>,
}

impl Sink<'_> {
    fn add(&mut self, tier: Tier, pieces: &[&str]) {
        let mut hasher = Xxh3::new();
        for piece in pieces {
            hasher.update(piece.as_bytes());
            hasher.update(&[0]);
        }
        let feature = (hasher.digest() >> 4) | ((tier as u64) << 60);
        if self.wanted.is_empty() {
            self.found.push(feature);
        } else if self.wanted.binary_search(&feature).is_ok() && !self.named.iter().any(|(f, _)| *f == feature) {
            let text: String = pieces.join(" ").chars().take(60).collect();
            self.named.push((feature, format!("{}: {text}", tier.name())));
        }
    }
}

fn collect(message: &Message, sink: &mut Sink<'_>) {
    // The small tiers first: the bound cuts text, never structure.
    header::fields(message, sink);
    people::all(message, sink);
    structure::urls(&message.urls, sink);
    structure::parts(message, sink);
    words::of_subject(message.subject.as_deref().unwrap_or_default(), sink);
    words::of_text(&message.text, sink);
}
