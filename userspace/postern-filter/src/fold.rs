//! Text as a reader understands it, in one simple alphabet: lower case, no accents, single spaces,
//! look-alike letters of other scripts inside Latin words taken for what they look like. The phrase
//! lists are folded the same way, so that `Veríﬁer` and `verifier` are one word.

use unicode_normalization::char::{decompose_canonical, decompose_compatible, is_combining_mark};

use crate::evidence::is_invisible;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Folded {
    pub text: String,
    /// Invisible characters inside words.
    pub hidden_in_words: usize,
    /// Words that mix Latin letters with look-alikes from other scripts.
    pub mixed_words: usize,
    /// The first of them, as it stood there.
    pub mixed_example: String,
    /// Letters from the styled blocks (mathematical bold, full width, circled).
    pub styled_letters: usize,
    /// Letters in all.
    pub letters: usize,
    /// Capital letters among the ASCII ones, and all ASCII letters.
    pub ascii_capitals: usize,
    pub ascii_letters: usize,
}

/// Folds at most `limit` octets of `text`.
pub fn fold(text: &str, limit: usize) -> Folded {
    match text.as_bytes().get(..limit).unwrap_or(text.as_bytes()) {
        ascii if ascii.is_ascii() => fold_ascii(ascii),
        _ => fold_any(text, limit),
    }
}

/// The short way for most mails, a third of the work: nothing can be hidden or mixed in ASCII.
fn fold_ascii(text: &[u8]) -> Folded {
    let mut out = Vec::with_capacity(text.len());
    for b in text {
        if !(b.is_ascii_whitespace() || b.is_ascii_control()) {
            out.push(b.to_ascii_lowercase());
        } else if out.last().is_some_and(|last| *last != b' ') {
            out.push(b' ');
        }
    }
    let letters = text.iter().filter(|b| b.is_ascii_alphabetic()).count();
    Folded {
        text: String::from_utf8(out).unwrap_or_default(),
        letters,
        ascii_letters: letters,
        ascii_capitals: text.iter().filter(|b| b.is_ascii_uppercase()).count(),
        ..Folded::default()
    }
}

fn fold_any(text: &str, limit: usize) -> Folded {
    let mut out = Folded { text: String::with_capacity(text.len().min(limit) + 2), ..Folded::default() };
    let mut word = Word::default();
    for (at, c) in text.char_indices() {
        if at >= limit {
            break;
        }
        if c.is_ascii() {
            if c.is_ascii_alphabetic() {
                out.ascii_letters += 1;
                out.letters += 1;
                out.ascii_capitals += usize::from(c.is_ascii_uppercase());
                word.has_ascii_letter = true;
                word.flush_hidden(&mut out);
                out.text.push(c.to_ascii_lowercase());
                continue;
            }
            if c.is_ascii_digit() {
                word.flush_hidden(&mut out);
                out.text.push(c);
                continue;
            }
            word.end(&mut out, text, at);
            if c.is_ascii_whitespace() || c.is_ascii_control() {
                if out.text.as_bytes().last().is_some_and(|b| *b != b' ') {
                    out.text.push(' ');
                }
            } else {
                out.text.push(c);
            }
            word.start = at + 1;
            word.out_start = out.text.len();
            continue;
        }
        if is_invisible(c) {
            word.hidden += usize::from(out.text.len() > word.out_start);
            continue;
        }
        if c.is_alphabetic() {
            out.letters += 1;
            word.flush_hidden(&mut out);
            if is_styled(c) {
                out.styled_letters += 1;
            }
            word.has_lookalike |= latin_lookalike(c).is_some();
            push_plain(c, &mut out.text);
            continue;
        }
        if is_combining_mark(c) {
            continue;
        }
        word.end(&mut out, text, at);
        match c {
            '\u{2018}' | '\u{2019}' | '\u{2bc}' | '\u{ff07}' => out.text.push('\''),
            '\u{201c}' | '\u{201d}' | '\u{201e}' => out.text.push('"'),
            '\u{2010}'..='\u{2015}' => out.text.push('-'),
            '\u{2026}' => out.text.push_str("..."),
            _ if c.is_whitespace() => {
                if out.text.as_bytes().last().is_some_and(|b| *b != b' ') {
                    out.text.push(' ');
                }
            }
            _ => decompose_compatible(c, |d| out.text.push(d)),
        }
        word.start = at + c.len_utf8();
        word.out_start = out.text.len();
    }
    let end = text.len();
    word.end(&mut out, text, end);
    out
}

/// The word being read: where it began in the input and in the output.
#[derive(Default)]
struct Word {
    start: usize,
    out_start: usize,
    has_ascii_letter: bool,
    has_lookalike: bool,
    hidden: usize,
}

impl Word {
    /// A letter follows: invisible characters before it stood inside the word.
    fn flush_hidden(&mut self, out: &mut Folded) {
        out.hidden_in_words += std::mem::take(&mut self.hidden);
    }

    fn end(&mut self, out: &mut Folded, text: &str, at: usize) {
        if self.has_ascii_letter && self.has_lookalike {
            out.mixed_words += 1;
            if out.mixed_example.is_empty() {
                out.mixed_example = text.get(self.start..at).unwrap_or_default().chars().take(60).collect();
            }
            let plain: String = out.text[self.out_start..].chars().map(|c| latin_lookalike(c).unwrap_or(c)).collect();
            out.text.truncate(self.out_start);
            out.text.push_str(&plain);
        }
        self.has_ascii_letter = false;
        self.has_lookalike = false;
        self.hidden = 0;
    }
}

fn push_plain(c: char, out: &mut String) {
    match c {
        'ß' | 'ẞ' => out.push_str("ss"),
        'æ' | 'Æ' => out.push_str("ae"),
        'œ' | 'Œ' => out.push_str("oe"),
        'ø' | 'Ø' => out.push('o'),
        'ł' | 'Ł' => out.push('l'),
        'ı' => out.push('i'),
        _ => {
            let mut push = |d: char| {
                if !is_combining_mark(d) {
                    out.extend(d.to_lowercase());
                }
            };
            if is_styled(c) { decompose_compatible(c, &mut push) } else { decompose_canonical(c, &mut push) }
        }
    }
}

fn is_styled(c: char) -> bool {
    matches!(c, '\u{1d400}'..='\u{1d7ff}' | '\u{ff21}'..='\u{ff5a}' | '\u{24b6}'..='\u{24e9}' | '\u{1f130}'..='\u{1f189}' | '\u{fb00}'..='\u{fb06}')
}

/// The Latin letter that a small letter of another script is drawn like. Only letters that are
/// indistinguishable in common fonts: Greek `ν` in a Greek word is no attack.
pub fn latin_lookalike(c: char) -> Option<char> {
    Some(match c {
        'а' | 'А' | 'α' | 'Α' | 'ɑ' => 'a',
        'В' | 'Β' | 'ь' => 'b',
        'с' | 'С' | 'ϲ' => 'c',
        'ԁ' => 'd',
        'е' | 'Е' | 'Ε' | 'ҽ' => 'e',
        'ɡ' | 'ց' => 'g',
        'һ' | 'Н' | 'Η' => 'h',
        'і' | 'І' | 'Ι' | 'ι' => 'i',
        'ј' | 'Ј' => 'j',
        'к' | 'К' | 'Κ' | 'κ' => 'k',
        'ӏ' | 'Ӏ' => 'l',
        'м' | 'М' | 'Μ' => 'm',
        'ո' | 'Ν' => 'n',
        'о' | 'О' | 'ο' | 'Ο' | 'օ' => 'o',
        'р' | 'Р' | 'ρ' | 'Ρ' => 'p',
        'ԛ' => 'q',
        'ѕ' | 'Ѕ' => 's',
        'т' | 'Т' | 'Τ' | 'τ' => 't',
        'υ' | 'ս' => 'u',
        'ѵ' | 'ν' => 'v',
        'ԝ' | 'ѡ' => 'w',
        'х' | 'Х' | 'χ' | 'Χ' => 'x',
        'у' | 'У' | 'Υ' => 'y',
        'Ζ' => 'z',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A letter outside ASCII behind it makes a text take the long way.
    #[test]
    fn the_short_way_folds_as_the_long_one() {
        for text in ["", " ", "  Two  WORDS\r\n\tand 1,000 more!\u{7f}", "x\0y", "ends in a space "] {
            let short = fold(text, 1000);
            assert_eq!(fold_any(text, 1000), short, "{text:?}");
            assert_eq!(fold(&format!("{text}é"), text.len()), short, "{text:?}");
        }
    }

    #[test]
    fn spellings_of_one_word_become_one() {
        assert_eq!(fold("Konto   bestätigen:\r\n JETZT", 1000).text, "konto bestatigen: jetzt");
        assert_eq!(fold("p\u{0430}yp\u{0430}l", 1000).text, "paypal");
        assert_eq!(fold("𝐏𝐚𝐲𝐏𝐚𝐥 Straße don\u{2019}t", 1000).text, "paypal strasse don't");
        assert_eq!(
            fold("ver\u{200b}ify", 1000),
            Folded { text: "verify".into(), hidden_in_words: 1, letters: 6, ascii_letters: 6, ..Folded::default() }
        );
    }

    #[test]
    fn other_scripts_are_no_attack() {
        let russian = fold("Добрый день, ваш заказ", 1000);
        assert_eq!((russian.mixed_words, russian.text.as_str()), (0, "добрыи день, ваш заказ"));
        assert_eq!(fold("p\u{0430}ypal", 1000).mixed_words, 1);
        assert_eq!(fold("a\u{200b} b", 1000).hidden_in_words, 0);
    }
}
