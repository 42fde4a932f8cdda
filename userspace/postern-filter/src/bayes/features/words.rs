//! Words and pairs of words, of the text and of the subject.

use super::shape::{share_class, size_class};
use super::{Sink, Tier};

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
pub(super) struct Word {
    pub(super) text: String,
    is_capitals: bool,
}

/// Words, amounts and runs of `!` and `$`; a letter of a script without spaces is a word by itself.
pub(super) fn words(text: &str) -> impl Iterator<Item = Word> + '_ {
    let mut rest = text.char_indices().peekable();
    std::iter::from_fn(move || {
        loop {
            let (start, first) = rest.next()?;
            if is_single(first) {
                return Some(Word { text: first.to_string(), is_capitals: false });
            }
            if matches!(first, '!' | '$' | '%' | '*' | '=' | '_' | '#') {
                let mut run = 1;
                while rest.peek().is_some_and(|(_, c)| *c == first) {
                    rest.next();
                    run += 1;
                }
                if run == 1 && !matches!(first, '!' | '$' | '%') {
                    continue;
                }
                let text = if run > 1 { format!("{first}{}", size_class(run)) } else { first.to_string() };
                return Some(Word { text, is_capitals: false });
            }
            if !first.is_alphanumeric() {
                continue;
            }
            let mut end = start + first.len_utf8();
            while let Some((at, c)) = rest.peek().copied() {
                let inside = c.is_alphanumeric() && !is_single(c) || matches!(c, '\'' | '’' | '-' | '.' | ',' | '@');
                // Punctuation belongs to a word only between two letters: don't, e-mail, 1,000.
                if !inside {
                    break;
                }
                if !c.is_alphanumeric() {
                    let mut ahead = rest.clone();
                    ahead.next();
                    let followed = ahead.peek().is_some_and(|(_, n)| n.is_alphanumeric());
                    let digits = matches!(c, '.' | ',') && !text[start..at].chars().next_back().is_some_and(|p| p.is_ascii_digit());
                    if !followed || digits || c == '@' {
                        break;
                    }
                }
                rest.next();
                end = at + c.len_utf8();
            }
            let raw = &text[start..end];
            return Some(normalise(raw));
        }
    })
}

/// Scripts written without spaces: Han, kana, Thai.
fn is_single(c: char) -> bool {
    matches!(c, '\u{0E00}'..='\u{0E7F}' | '\u{3040}'..='\u{30FF}' | '\u{3400}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}')
}

fn normalise(raw: &str) -> Word {
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
    Word { text, is_capitals }
}

pub(super) fn of_text(text: &str, sink: &mut Sink<'_>) {
    let mut all: Vec<Word> = words(text).take(MAX_WORDS * 8).collect();
    if all.len() > MAX_WORDS {
        let tail = all.len().saturating_sub(TAIL_WORDS).max(MAX_WORDS);
        all.drain(MAX_WORDS..tail);
    }
    let capitals = all.iter().filter(|w| w.is_capitals).count();
    sink.add(Tier::Structure, &["capitals", &share_class(capitals, all.len())]);
    sink.add(Tier::Structure, &["words", &size_class(all.len())]);
    for (at, word) in all.iter().enumerate() {
        sink.add(Tier::Word, &[&word.text]);
        if word.is_capitals && word.text.chars().count() > 3 {
            sink.add(Tier::Word, &["CAPS", &word.text]);
        }
        pairs(&all, at, Tier::Pair, sink);
    }
}

pub(super) fn of_subject(subject: &str, sink: &mut Sink<'_>) {
    let all: Vec<Word> = words(subject).take(60).collect();
    for (at, word) in all.iter().enumerate() {
        sink.add(Tier::Subject, &[&word.text]);
        // The same word in the text: a subject of few words shares what the text taught.
        sink.add(Tier::Word, &[&word.text]);
        if word.is_capitals {
            sink.add(Tier::Subject, &["CAPS", &word.text]);
        }
        pairs(&all, at, Tier::Subject, sink);
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

fn pairs(all: &[Word], at: usize, tier: Tier, sink: &mut Sink<'_>) {
    const GAPS: [&str; WINDOW] = ["", "", "_", "_ _", "_ _ _"];
    for (distance, gap) in GAPS.iter().enumerate().skip(1) {
        if let Some(before) = at.checked_sub(distance).and_then(|i| all.get(i)) {
            sink.add(tier, &[&before.text, gap, &all[at].text]);
        }
    }
}
