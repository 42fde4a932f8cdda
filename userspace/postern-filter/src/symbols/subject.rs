//! The subject line.

use super::Findings;
use crate::evidence::is_invisible;
use crate::symbols;
use crate::themes::Theme;
use crate::view::View;

symbols! { Headers:
    SUBJECT_ALL_CAPITALS = 0.8, "The subject is in capitals only.";
    SUBJECT_GAPPY = 1.5, "The subject is written w i t h  g a p s.";
    SUBJECT_REPLY_TO_NOTHING = 0.5, "Re: or Fwd: without any reference to an earlier mail.";
    SUBJECT_NEEDLESSLY_ENCODED = 0.7, "The subject is encoded though it is plain ASCII: to hide it from filters.";
    SUBJECT_SHOUTS = 0.6, "Several exclamation or question marks in the subject.";
    SUBJECT_TRAILING_CODE = 0.8, "The subject ends in a random code behind a gap.";
    SUBJECT_ADVERTISEMENT = 2.0, "The subject says itself that it is advertisement (ADV:).";
    SUBJECT_MONEY = 0.6, "A sum of money or a percentage off in the subject.";
    SUBJECT_MONEY_PICTOGRAM = 1.2, "Banknotes, a coin or a money bag as a pictogram in the subject, and no list to leave.";
    SUBJECT_FREE = 0.5, "Free, gratis, kostenlos in the subject.";
    SUBJECT_PICTOGRAM = 0.3, "Emoji or dingbats in the subject.";
    SUBJECT_HAS_RECIPIENT = 0.8, "The recipient's address or its local part stands in the subject.";
    SUBJECT_INVISIBLE = 1.5, "Invisible or direction-changing characters in the subject.";
    SUBJECT_MIXED_SCRIPT = 2.5, "The subject mixes Latin letters with look-alikes of other scripts, or uses styled letters.";
    SUBJECT_URGENT = 0.8, "The subject presses for time.";
    SUBJECT_LURE = 0.8, "The subject speaks of a blocked account, an expiring password, a full mailbox or the like.";
    SUBJECT_CASE_NUMBER = 0.4, "A made-up case, ticket or reference number ends the subject of a mail that is no reply.";
    SUBJECT_OTHER_ENCODING = 0.5, "Raw octets above 127 in the subject (RFC 5322 wants encoded words).";
}

pub fn check(view: &View<'_>, found: &mut Findings) {
    let subject = view.subject.trim();
    if subject.is_empty() {
        return;
    }
    let folded = &view.folded_subject;
    let bare = strip_prefixes(&folded.text);
    if folded.ascii_letters >= 10 && folded.ascii_capitals == folded.ascii_letters && bare.contains(' ') {
        found.add(&SUBJECT_ALL_CAPITALS, subject);
    }
    if is_gappy(bare) {
        found.add(&SUBJECT_GAPPY, subject);
    }
    let answers = ["re:", "aw:", "fw:", "fwd:", "wg:", "sv:", "antw:", "tr:", "rv:"].iter().any(|p| folded.text.starts_with(p));
    if answers && !view.is_reply && !view.is_list && view.header("Thread-Index").is_none() && view.header("X-Forwarded-For").is_none() {
        found.add(&SUBJECT_REPLY_TO_NOTHING, subject);
    }
    encoding(view, subject, found);
    if subject.matches('!').count() >= 2 || subject.contains("?!") || subject.contains("!?") || subject.contains("??") {
        found.add(&SUBJECT_SHOUTS, subject);
    }
    if let Some(code) = trailing_code(subject) {
        found.add(&SUBJECT_TRAILING_CODE, code);
    }
    let head = bare.trim_start_matches(['[', '(', '<', '*', ' ']);
    if head.starts_with("adv:")
        || head.starts_with("adv ") && view.subject.contains("ADV")
        || head.starts_with("adlt")
        || head.starts_with("adv]")
    {
        found.add(&SUBJECT_ADVERTISEMENT, subject);
    }
    if !view.is_reply && has_money(bare) {
        found.add(&SUBJECT_MONEY, subject);
    }
    let words = || bare.split(|c: char| !c.is_alphanumeric());
    if !view.is_reply && !view.is_list && words().any(|w| matches!(w, "free" | "gratis" | "kostenlos" | "gratuit")) {
        found.add(&SUBJECT_FREE, subject);
    }
    let money = |c: char| matches!(c, '\u{1f4b0}'..='\u{1f4b8}' | '\u{1f911}' | '\u{1fa99}');
    if !view.is_reply && !view.is_newsletter && subject.chars().any(money) {
        found.add(&SUBJECT_MONEY_PICTOGRAM, subject);
    }
    if subject.chars().any(is_pictogram) {
        found.add(&SUBJECT_PICTOGRAM, subject);
    }
    let named = view
        .recipients
        .iter()
        .find(|(l, d)| folded.text.contains(&format!("{l}@{d}")) || (l.len() >= 5 && !is_role(l) && words().any(|w| w == l)));
    if let (Some((local, _)), true) = (named, view.from_outside && !view.is_reply) {
        found.add(&SUBJECT_HAS_RECIPIENT, local);
    }
    if view.themes.in_subject(Theme::Urgency) && !view.is_reply {
        found.add(&SUBJECT_URGENT, view.themes.evidence(Theme::Urgency));
    }
    if let Some(theme) = super::lure::CREDENTIAL.iter().find(|t| view.themes.in_subject(**t))
        && !view.is_reply
        && !view.is_from_brand()
    {
        found.add(&SUBJECT_LURE, view.themes.evidence(*theme));
    }
    if !view.is_reply && !view.is_list && ends_in_case_number(bare) {
        found.add(&SUBJECT_CASE_NUMBER, subject);
    }
}

fn encoding(view: &View<'_>, subject: &str, found: &mut Findings) {
    let Some(header) = view.header("Subject") else { return };
    if header.raw.to_ascii_lowercase().contains("?b?") && subject.is_ascii() && header.raw.matches("=?").count() * 75 > header.raw.len() {
        found.add(&SUBJECT_NEEDLESSLY_ENCODED, &header.raw);
    }
    if !header.raw.is_ascii() && !view.facts.message.defects.is_empty() && header.raw.contains('\u{fffd}') {
        found.add(&SUBJECT_OTHER_ENCODING, subject);
    }
    // A soft hyphen or joiner alone may come from a word processor; inside a word it hides the word.
    if view.folded_subject.hidden_in_words > 0
        || subject.chars().any(|c| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') && is_invisible(c))
    {
        found.add(&SUBJECT_INVISIBLE, subject);
    }
    if view.folded_subject.mixed_words > 0 || view.folded_subject.styled_letters >= 3 {
        found.add(&SUBJECT_MIXED_SCRIPT, subject);
    }
}

/// Without `re:`, `fwd:` and the tags of lists in brackets.
fn strip_prefixes(folded: &str) -> &str {
    let mut rest = folded.trim();
    for _ in 0..6 {
        let head = rest;
        for prefix in ["re:", "aw:", "fw:", "fwd:", "wg:", "sv:"] {
            rest = rest.strip_prefix(prefix).unwrap_or(rest).trim_start();
        }
        if rest.starts_with('[') {
            rest = rest.split_once(']').map_or(rest, |(_, r)| r).trim_start();
        }
        if head == rest {
            break;
        }
    }
    rest
}

/// Five single letters in a row, each followed by the same kind of gap.
pub fn is_gappy(folded: &str) -> bool {
    let mut run = 0;
    for word in folded.split([' ', '.', '-', '_', '*']) {
        let mut chars = word.chars();
        match (chars.next(), chars.next()) {
            (Some(c), None) if c.is_alphabetic() => run += 1,
            _ => run = 0,
        }
        if run >= 5 {
            return true;
        }
    }
    false
}

/// `Great rates      xkqzv` or `… 1234abcd5`: a hash buster.
fn trailing_code(subject: &str) -> Option<&str> {
    let (head, tail) = subject.trim_end_matches([']', ')']).rsplit_once([' ', '\t', '[', '('])?;
    let gap = head.ends_with("    ") || head.ends_with('\t');
    let code = tail.trim_matches(['.', '-']);
    let digits = code.bytes().filter(u8::is_ascii_digit).count();
    let letters = code.bytes().filter(u8::is_ascii_alphabetic).count();
    let mixed = digits >= 2 && letters >= 3 && digits + letters == code.len();
    let lower = code.to_ascii_lowercase();
    ((gap && !code.is_empty())
        || (mixed && crate::lookalike::is_random(&lower))
        || (code.len() >= 7 && digits == 0 && crate::lookalike::is_random(&lower)))
    .then_some(code)
}

fn has_money(bare: &str) -> bool {
    let amount = |after: &str| after.trim_start().starts_with(|c: char| c.is_ascii_digit());
    ['$', '€', '£'].iter().any(|c| bare.match_indices(*c).any(|(i, m)| amount(&bare[i + m.len()..])))
        || bare.contains("% off")
        || bare.contains("% rabatt")
        || ["$$", " usd ", "million dollar"].iter().any(|p| bare.contains(p))
}

fn is_pictogram(c: char) -> bool {
    matches!(c, '\u{2600}'..='\u{27bf}' | '\u{1f300}'..='\u{1faff}' | '\u{2b50}' | '\u{2b55}' | '\u{23e9}'..='\u{23fa}')
}

/// Names of mailboxes that are words.
fn is_role(local: &str) -> bool {
    matches!(
        local,
        "admin"
            | "support"
            | "sales"
            | "contact"
            | "office"
            | "billing"
            | "postmaster"
            | "webmaster"
            | "service"
            | "invoice"
            | "buchhaltung"
            | "vertrieb"
            | "kontakt"
            | "orders"
            | "hello"
    )
}

/// `#48213-993`, `ref: 8842113`, `[case id: 19-22-1]` at the end.
fn ends_in_case_number(bare: &str) -> bool {
    let tail: String = bare.chars().rev().take(26).collect::<Vec<_>>().into_iter().rev().collect();
    let digits = tail.bytes().rev().take(12).filter(u8::is_ascii_digit).count();
    let marked = ["#", "ref", "case", "ticket", "id:", "id ", "no.", "nr.", "code"].iter().any(|m| tail.contains(m));
    digits >= 5 && marked && tail.ends_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, ']' | ')' | '}' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_of_subjects() {
        assert!(is_gappy("v i a g r a now") && !is_gappy("a plan b for us") && is_gappy("f.r.e.e.!.m.o.n.e.y f r e e e"));
        assert_eq!(trailing_code("Lower your rates      qzxv"), Some("qzxv"));
        assert_eq!(trailing_code("Meeting on Tuesday"), None);
        assert_eq!(trailing_code("[SAdev] spamassassin-devel"), None);
        assert!(has_money("win $500 now") && !has_money("usd exchange"));
        assert!(ends_in_case_number("account alert - ref: 8841132") && !ends_in_case_number("meeting 2024"));
        assert_eq!(strip_prefixes("re: [list] fwd: hello"), "hello");
    }
}
