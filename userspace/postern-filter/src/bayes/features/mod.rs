//! The features of a mail: what the classifier counts.
//!
//! A feature is a 64-bit hash whose top four bits are its [`Tier`], so that the classifier can weigh
//! words, headers and structure apart without knowing any language. Words of the visible text and of
//! the subject are taken alone and as orthogonal sparse bigrams (each word with each of the four
//! before it, the gap being part of the feature): they keep the order that single words lose.
//!
//! Left out on purpose: what is added at or after delivery (Return-Path, Delivered-To, Status, the
//! Received fields of the receiving side) and the verdicts of other filters (X-Spam-*,
//! X-Virus-Scanned, Authentication-Results).
//! They tell where a mail was collected, not what it is, and a spammer can write them.

mod header;
mod people;
mod route;
mod shape;
mod structure;
mod words;

use std::sync::LazyLock;

use postern_mail::message::Message;
use xxhash_rust::xxh3::xxh3_64;

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
    /// The SMTP client and the hops before it.
    Route = 7,
}

impl Tier {
    pub const ALL: [Self; 8] =
        [Self::Word, Self::Pair, Self::Subject, Self::Header, Self::Address, Self::Url, Self::Structure, Self::Route];

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
            Self::Route => "route",
        }
    }
}

pub use route::Client;

/// The features of a mail, each once, sorted; at most [`MAX_FEATURES`]. Without a `client` it is taken
/// from the mail's trace, as in a stored mail.
pub fn features(message: &Message, client: Option<Client<'_>>) -> Vec<u64> {
    let mut sink = Sink { found: Vec::with_capacity(2048), wanted: &[], named: Vec::new(), buffer: Vec::with_capacity(256) };
    collect(message, client, &mut sink);
    sink.found.truncate(MAX_FEATURES);
    sink.found.sort_unstable();
    sink.found.dedup();
    sink.found
}

/// The features among `wanted` (sorted) in words, for people: `(feature, "pair: click _ here")`.
pub fn describe(message: &Message, client: Option<Client<'_>>, wanted: &[u64]) -> Vec<(u64, String)> {
    let mut sink = Sink { found: Vec::new(), wanted, named: Vec::new(), buffer: Vec::new() };
    collect(message, client, &mut sink);
    sink.named
}

/// Whether a mail's features (sorted) say that it came over a mailing list.
pub fn is_of_list(features: &[u64]) -> bool {
    static LIST: LazyLock<u64> = LazyLock::new(|| hash(Tier::Header, header::OF_LIST));
    features.binary_search(&LIST).is_ok()
}

fn hash(tier: Tier, pieces: &[&str]) -> u64 {
    hash_in(&mut Vec::new(), tier, pieces)
}

/// The pieces one after the other in `buffer`: hashing at once costs a third of hashing piece by piece.
fn hash_in(buffer: &mut Vec<u8>, tier: Tier, pieces: &[&str]) -> u64 {
    buffer.clear();
    for piece in pieces {
        buffer.extend_from_slice(piece.as_bytes());
        buffer.push(0);
    }
    marked(xxh3_64(buffer), tier)
}

fn marked(hash: u64, tier: Tier) -> u64 {
    (hash >> 4) | ((tier as u64) << 60)
}

/// Octets of a [`Piece`]: two copies of half a cache line.
const BLOCK: usize = 32;

/// A short text with the zero behind it, as it is hashed. Copied whole: pairs are four of five features, and
/// copying a few octets at a time took longer than hashing them.
struct Piece {
    octets: [u8; BLOCK],
    /// With the zero.
    length: usize,
}

impl Piece {
    /// `None` when it is too long.
    fn of(text: &str) -> Option<Self> {
        let mut octets = [0; BLOCK];
        octets[..BLOCK - 1].get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        Some(Self { octets, length: text.len() + 1 })
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.octets[..self.length - 1]).unwrap_or_default()
    }
}

struct Sink<'a> {
    found: Vec<u64>,
    /// Sorted; when not empty these features are named.
    wanted: &'a [u64],
    named: Vec<(u64, String)>,
    buffer: Vec<u8>,
}

impl Sink<'_> {
    fn add(&mut self, tier: Tier, pieces: &[&str]) {
        let feature = hash_in(&mut self.buffer, tier, pieces);
        self.take(feature, tier, || pieces.join(" "));
    }

    /// The same feature as [`Sink::add`] of the three texts.
    fn add_short(&mut self, tier: Tier, pieces: [&Piece; 3]) {
        let mut octets = [0; 3 * BLOCK];
        let mut end = 0;
        for piece in pieces {
            octets[end..end + BLOCK].copy_from_slice(&piece.octets);
            end += piece.length;
        }
        self.take(marked(xxh3_64(&octets[..end]), tier), tier, || pieces.map(Piece::text).join(" "));
    }

    fn take(&mut self, feature: u64, tier: Tier, text: impl FnOnce() -> String) {
        if self.wanted.is_empty() {
            self.found.push(feature);
        } else if self.wanted.binary_search(&feature).is_ok() && !self.named.iter().any(|(f, _)| *f == feature) {
            let text: String = text().chars().take(60).collect();
            self.named.push((feature, format!("{}: {text}", tier.name())));
        }
    }
}

fn collect(message: &Message, client: Option<Client<'_>>, sink: &mut Sink<'_>) {
    // The small tiers first: the bound cuts text, never structure.
    header::fields(message, sink);
    people::all(message, sink);
    people::relations(message, sink);
    route::of(message, client, sink);
    structure::urls(&message.urls, sink);
    structure::parts(message, sink);
    words::of_subject(message.subject.as_deref().unwrap_or_default(), sink);
    words::of_text(&message.text, sink);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_pieces_give_the_same_feature() {
        let long = "x".repeat(BLOCK);
        assert!(Piece::of(&long).is_none() && Piece::of(&long[1..]).is_some());
        for texts in [["", "", ""], ["click", "_ _", "here"], ["grüße", "", &long[1..]]] {
            let pieces = texts.map(|t| Piece::of(t).unwrap_or(Piece { octets: [0; BLOCK], length: 1 }));
            let mut sink = Sink { found: Vec::new(), wanted: &[], named: Vec::new(), buffer: Vec::new() };
            sink.add_short(Tier::Pair, [&pieces[0], &pieces[1], &pieces[2]]);
            assert_eq!(sink.found, [hash(Tier::Pair, &texts)], "{texts:?}");
        }
    }
}
