//! Words and pairs of words, of the text and of the subject.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::LazyLock;

use super::shape::{share_class, size_class};
use super::{Piece, Sink, Tier};

/// Words of the text that are looked at: the first ones, because a reader decides by them too, and
/// because padding is put at the end.
const MAX_WORDS: usize = 700;
/// Words of the text's end that are looked at when it is longer.
const TAIL_WORDS: usize = 60;
/// Distances of the second word of a sparse bigram.
const WINDOW: usize = 5;
/// Characters of a word; longer ones become their shape.
pub(super) const MAX_WORD: usize = 24;

/// A word in lower case with what its letters' case said.
pub(super) struct Word<'a> {
    pub(super) text: Cow<'a, str>,
    is_capitals: bool,
}

/// Words, amounts and runs of `!` and `$`; a letter of a script without spaces is a word by itself.
pub(super) fn words(text: &str) -> impl Iterator<Item = Word<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let start = at;
            let first = text[start..].chars().next()?;
            at += first.len_utf8();
            if is_single(first) {
                return Some(Word { text: text[start..at].into(), is_capitals: false });
            }
            if matches!(first, '!' | '$' | '%' | '*' | '=' | '_' | '#') {
                at += text[at..].chars().take_while(|c| *c == first).count();
                let run = at - start;
                if run == 1 && !matches!(first, '!' | '$' | '%') {
                    continue;
                }
                let text = if run > 1 { format!("{first}{}", size_class(run)).into() } else { text[start..at].into() };
                return Some(Word { text, is_capitals: false });
            }
            if first.is_alphanumeric() {
                at = word_end(text, at);
                return Some(normalise(&text[start..at]));
            }
        }
    })
}

/// Where the word ends that goes on at `at`.
fn word_end(text: &str, at: usize) -> usize {
    let mut at = at;
    loop {
        at += text.as_bytes()[at..].iter().take_while(|b| b.is_ascii_alphanumeric()).count();
        let Some(c) = text[at..].chars().next() else { return at };
        let next = at + c.len_utf8();
        if !c.is_alphanumeric() {
            // Punctuation belongs to a word only between two letters: don't, e-mail, 1,000.
            let joins = match c {
                '\'' | '’' | '-' => true,
                '.' | ',' => text[..at].ends_with(|p: char| p.is_ascii_digit()),
                _ => false,
            };
            if !joins || !text[next..].starts_with(char::is_alphanumeric) {
                return at;
            }
        } else if is_single(c) {
            return at;
        }
        at = next;
    }
}

/// Scripts written without spaces: Han, kana, Thai.
fn is_single(c: char) -> bool {
    matches!(c, '\u{0E00}'..='\u{0E7F}' | '\u{3040}'..='\u{30FF}' | '\u{3400}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}')
}

fn normalise(raw: &str) -> Word<'_> {
    if raw.len() <= MAX_WORD && raw.bytes().all(|b| b.is_ascii_lowercase()) {
        // Most words: nothing to be changed.
        return Word { text: raw.into(), is_capitals: false };
    }
    let letters = raw.chars().filter(|c| c.is_alphabetic()).count();
    let is_capitals = letters >= 2 && !raw.chars().any(char::is_lowercase);
    let digits = raw.chars().filter(char::is_ascii_digit).count();
    let length = raw.chars().count();
    let text = if length > MAX_WORD {
        format!("~{}{}", size_class(length), if digits > 0 { "9" } else { "" })
    } else if letters == 0 {
        // The amount is noise, its form is not: 1,000.00 and 2002.
        raw.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect()
    } else {
        raw.to_lowercase()
    };
    Word { text: text.into(), is_capitals }
}

pub(super) fn of_text(text: &str, sink: &mut Sink<'_>) {
    let mut rest = words(text).take(MAX_WORDS * 8);
    let mut all = Vec::with_capacity(MAX_WORDS + TAIL_WORDS);
    all.extend(rest.by_ref().take(MAX_WORDS));
    let mut tail = VecDeque::with_capacity(TAIL_WORDS);
    for word in rest {
        if tail.len() == TAIL_WORDS {
            tail.pop_front();
        }
        tail.push_back(word);
    }
    all.extend(tail);
    let pieces = pieces(&all);
    let capitals = all.iter().filter(|w| w.is_capitals).count();
    sink.add(Tier::Structure, &["capitals", &share_class(capitals, all.len())]);
    sink.add(Tier::Structure, &["words", &size_class(all.len())]);
    for (at, word) in all.iter().enumerate() {
        sink.add(Tier::Word, &[&word.text]);
        if word.is_capitals && word.text.chars().count() > 3 {
            sink.add(Tier::Word, &["CAPS", &word.text]);
        }
        pairs(&all, &pieces, at, Tier::Pair, sink);
    }
}

pub(super) fn of_subject(subject: &str, sink: &mut Sink<'_>) {
    let all: Vec<Word<'_>> = words(subject).take(60).collect();
    let pieces = pieces(&all);
    for (at, word) in all.iter().enumerate() {
        sink.add(Tier::Subject, &[&word.text]);
        // The same word in the text: a subject of few words shares what the text taught.
        sink.add(Tier::Word, &[&word.text]);
        if word.is_capitals {
            sink.add(Tier::Subject, &["CAPS", &word.text]);
        }
        pairs(&all, &pieces, at, Tier::Subject, sink);
    }
    let capitals = all.iter().filter(|w| w.is_capitals).count();
    sink.add(Tier::Subject, &["capitals", &share_class(capitals, all.len())]);
    sink.add(Tier::Subject, &["words", &size_class(all.len())]);
    if let Some(last) = subject.trim_end().chars().next_back().filter(|c| !c.is_alphanumeric()) {
        sink.add(Tier::Subject, &["ends", last.encode_utf8(&mut [0; 4])]);
    }
    if subject.contains("   ") {
        sink.add(Tier::Subject, &["gap"]);
    }
}

/// `pieces`: those of the words, in their order.
fn pairs(all: &[Word<'_>], pieces: &[Option<Piece>], at: usize, tier: Tier, sink: &mut Sink<'_>) {
    const GAPS: [&str; WINDOW] = ["", "", "_", "_ _", "_ _ _"];
    static GAP_PIECES: LazyLock<[Option<Piece>; WINDOW]> = LazyLock::new(|| GAPS.map(Piece::of));
    for (distance, gap) in GAP_PIECES.iter().enumerate().skip(1) {
        let Some(before) = at.checked_sub(distance) else { break };
        match (&pieces[before], gap, &pieces[at]) {
            (Some(first), Some(gap), Some(second)) => sink.add_short(tier, [first, gap, second]),
            _ => sink.add(tier, &[&all[before].text, GAPS[distance], &all[at].text]),
        }
    }
}

fn pieces(all: &[Word<'_>]) -> Vec<Option<Piece>> {
    all.iter().map(|word| Piece::of(&word.text)).collect()
}
