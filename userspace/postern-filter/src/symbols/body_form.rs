//! The form of the text: tricks against filters, and traits of honest mail.

use super::Findings;
use crate::symbols;
use crate::themes::Theme;
use crate::view::View;

symbols! { Body:
    BODY_HIDDEN_CHARACTERS = 1.5, "Invisible characters inside words.";
    BODY_MIXED_SCRIPT = 2.0, "Words that mix Latin letters with look-alikes of other scripts.";
    BODY_STYLED_LETTERS = 1.2, "Text in mathematical, full-width or circled letters.";
    BODY_ALL_CAPITALS = 1.0, "Most of the text is in capitals.";
    BODY_GAPPY = 1.0, "Words are written w i t h  g a p s.";
    BODY_HAS_RECIPIENT = 0.8, "The recipient's address stands in the text of a mail that demands something.";
    BODY_BITCOIN_ADDRESS = 1.5, "A bitcoin or ethereum address.";
    BODY_SHORT_WITH_LINK = 0.6, "Hardly any text, and one link to a foreign site, from a free mailer.";
    BODY_NO_TEXT = 0.4, "No text at all.";
    BODY_MONEY_SUMS = 0.6, "Three or more sums of money in figures.";
    BODY_MILLIONS = 1.0, "Sums in the millions.";
    BODY_TELEPHONE_LURE = 1.5, "A number to call about a purchase, and no link to the seller.";
    BODY_RANDOM_WORDS = 1.0, "Several strings of random letters: hash busters.";
    BODY_EXCLAIMS = 0.5, "Many exclamation marks.";
    BODY_QUOTES = -0.4, "Quoted lines of an earlier mail.";
    BODY_CODE = -0.4, "A patch, a log or program text.";
    BODY_SIGNATURE = -0.3, "A signature behind the usual delimiter (RFC 3676 §4.3).";
}

pub fn check(view: &View<'_>, found: &mut Findings) {
    let text = &view.text;
    if text.hidden_in_words >= 3 {
        found.add(&BODY_HIDDEN_CHARACTERS, format!("{} invisible characters inside words", text.hidden_in_words));
    }
    if text.mixed_words >= 2 {
        found.add(&BODY_MIXED_SCRIPT, format!("{} words, as {}", text.mixed_words, text.mixed_example));
    }
    if text.styled_letters >= 20 {
        found.add(&BODY_STYLED_LETTERS, format!("{} letters", text.styled_letters));
    }
    if text.ascii_letters >= 100 && text.ascii_capitals * 10 > text.ascii_letters * 6 {
        found.add(&BODY_ALL_CAPITALS, format!("{} of {} letters", text.ascii_capitals, text.ascii_letters));
    }
    let beginning = text.text.get(..text.text.floor_char_boundary(8000)).unwrap_or_default();
    if super::subject::is_gappy(beginning) && gappy_words(beginning) >= 1 {
        found.add(&BODY_GAPPY, "");
    }
    recipient(view, found);
    amounts(view, found);
    if view.is_free_mailer(view.from_domain)
        && view.text_length() < 160
        && view.text_length() > 0
        && view.foreign_links().count() == 1
        && !view.is_reply
        && !view.is_list
        && view.from_outside
    {
        found.add(&BODY_SHORT_WITH_LINK, view.foreign_links().next().map_or("", |u| u.host.as_str()));
    }
    if view.text_length() == 0 && view.mail.html.is_empty() {
        found.add(&BODY_NO_TEXT, "");
    }
    let exclamations = text.text.bytes().filter(|b| *b == b'!').count();
    if exclamations >= 5 && exclamations * 120 > text.text.len() {
        found.add(&BODY_EXCLAIMS, format!("{exclamations} in {} letters", text.text.len()));
    }
    if !view.is_list && !view.is_reply {
        let random = beginning
            .as_bytes()
            .split(|b| *b == b' ')
            .filter(|w| (9..=30).contains(&w.len()) && w.iter().all(u8::is_ascii_lowercase))
            .filter(|w| std::str::from_utf8(w).is_ok_and(crate::lookalike::is_random))
            .count();
        if random >= 3 {
            found.add(&BODY_RANDOM_WORDS, format!("{random} strings"));
        }
    }
    honest(view, found);
}

/// Runs of single letters of at least six, separated by one blank each: not the columns of a table.
fn gappy_words(text: &str) -> usize {
    let mut runs = 0;
    let mut run = 0;
    for word in text.as_bytes().split(|b| *b == b' ') {
        let single = matches!(word, [letter] if letter.is_ascii_alphabetic());
        run = if single { run + 1 } else { 0 };
        runs += usize::from(run == 6);
    }
    runs
}

fn recipient(view: &View<'_>, found: &mut Findings) {
    if !view.from_outside || view.is_reply || view.is_list || view.is_from_brand() {
        return;
    }
    let demands = view.is_credential_lure()
        || view.themes.has(Theme::Urgency)
        || view.themes.has(Theme::DocumentShare)
        || view.themes.has(Theme::Extortion);
    let named = view.recipients.iter().find(|(l, d)| view.text.text.contains(&format!("{l}@{d}")));
    if let (Some((local, domain)), true) = (named, demands && !view.is_newsletter) {
        found.add(&BODY_HAS_RECIPIENT, format!("{local}@{domain}"));
    }
}

fn amounts(view: &View<'_>, found: &mut Findings) {
    let text = &view.text.text;
    if let Some(address) = coin_address(&view.mail.text) {
        found.add(&BODY_BITCOIN_ADDRESS, address);
    }
    // Talk of lists and answers may name sums: their text is not searched at all.
    if !view.is_list && !view.is_reply {
        sums(text, found);
    }
    if (view.themes.has(Theme::SubscriptionCallback) || view.themes.has(Theme::TechSupport)) && !view.is_from_brand() {
        // The number may stand in an attached picture or PDF; without one in the text this is another symbol's work.
        if let Some(number) = telephone(text).filter(|_| view.links().count() <= 2) {
            found.add(&BODY_TELEPHONE_LURE, number);
        }
    }
}

fn sums(text: &str, found: &mut Findings) {
    let sums = ["$", "€", "£", "usd", "eur"]
        .iter()
        .map(|c| {
            text.match_indices(c)
                .take(50)
                .filter(|(i, m)| text[i + m.len()..].trim_start().starts_with(|c: char| c.is_ascii_digit()))
                .count()
        })
        .sum::<usize>();
    if sums >= 3 {
        found.add(&BODY_MONEY_SUMS, format!("{sums} sums"));
    }
    let millions = [
        "000,000",
        "000.000,",
        "million dollars",
        "million united",
        "million usd",
        "million euro",
        "million pounds",
        "millions of dollars",
        "millionen euro",
        "millionen dollar",
    ];
    // All of them hold one of two pieces, and most mails neither.
    let may_hold = text.contains("million") || text.contains("000");
    if let Some(m) = millions.iter().find(|m| may_hold && text.contains(**m)) {
        found.add(&BODY_MILLIONS, m);
    }
}

/// A word in the form of a Bitcoin (base58 or bech32) or Ethereum address.
fn coin_address(text: &str) -> Option<&str> {
    let base58 = |w: &[u8]| {
        (26..=35).contains(&w.len())
            && (w.starts_with(b"1") || w.starts_with(b"3"))
            && w.iter().all(|b| b.is_ascii_alphanumeric() && !matches!(b, b'0' | b'O' | b'I' | b'l'))
    };
    let bech32 =
        |w: &[u8]| (40..=62).contains(&w.len()) && w.starts_with(b"bc1") && w.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let ether = |w: &[u8]| w.len() == 42 && w.starts_with(b"0x") && w[2..].iter().all(u8::is_ascii_hexdigit);
    let varied = |w: &[u8]| {
        w.iter().any(u8::is_ascii_digit)
            && w.iter().any(u8::is_ascii_lowercase)
            && (w.starts_with(b"bc1") || w.starts_with(b"0x") || w.iter().any(u8::is_ascii_uppercase))
    };
    let mut words = text.as_bytes().split(|b| !b.is_ascii_alphanumeric()).take(20_000);
    let word = words.find(|w| (base58(w) || bech32(w) || ether(w)) && varied(w))?;
    std::str::from_utf8(word).ok()
}

/// Ten or eleven digits with the usual separators.
fn telephone(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if !(bytes[at].is_ascii_digit() || matches!(bytes[at], b'+' | b'(')) {
            at += 1;
            continue;
        }
        let end = at
            + bytes[at..]
                .iter()
                .take(22)
                .take_while(|b| b.is_ascii_digit() || matches!(b, b'+' | b'(' | b')' | b' ' | b'-' | b'.' | b'*' | b'_'))
                .count();
        let run = text.get(at..end)?.trim();
        let digits = run.bytes().filter(u8::is_ascii_digit).count();
        let groups = run.split(|c: char| !c.is_ascii_digit()).filter(|g| !g.is_empty()).count();
        if (10..=12).contains(&digits) && ((2..=5).contains(&groups) || run.starts_with('+')) && !run.contains(". ") {
            return Some(run);
        }
        at = end.max(at + 1);
    }
    None
}

fn honest(view: &View<'_>, found: &mut Findings) {
    if view.is_credential_lure() || view.themes.has(Theme::Urgency) {
        return;
    }
    let (mut quotes, mut code, mut signature) = (0, 0, false);
    for line in view.mail.text.lines().take(600) {
        quotes += usize::from(line.starts_with("> ") || line.starts_with(">>"));
        code += usize::from(is_code(line));
        signature |= matches!(line, "-- " | "--");
    }
    if quotes >= 3 {
        found.add(&BODY_QUOTES, format!("{quotes} lines"));
    }
    if code >= 3 {
        found.add(&BODY_CODE, "");
    }
    if signature {
        found.add(&BODY_SIGNATURE, "");
    }
}

fn is_code(line: &str) -> bool {
    // One beginning for each first letter: nine comparisons a line otherwise.
    let beginning = match line.as_bytes().first() {
        Some(b' ') => return line.starts_with("  ") && line.trim_end().ends_with(';'),
        Some(b'@') => "@@ -",
        Some(b'd') => "diff --git",
        Some(b'+') => "+++ ",
        Some(b'-') => "--- a/",
        Some(b'#') => "#include",
        Some(b'I') => "Index: ",
        Some(b'$') => "$ ",
        Some(b'[') => "[root@",
        Some(b'T') => "Traceback (",
        _ => return false,
    };
    line.starts_with(beginning)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_people_call() {
        assert_eq!(telephone("call +1 (888) 555-0142 now"), Some("+1 (888) 555-0142"));
        assert_eq!(telephone("order 4711 of 2024-11-12, total 49.90"), None);
        assert_eq!(telephone("id 12345678901234567890"), None);
    }

    #[test]
    fn addresses_of_coins() {
        assert_eq!(coin_address("send to 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa today"), Some("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"));
        assert!(coin_address("bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq").is_some());
        assert_eq!(coin_address("commit 1234567890123456789012345678901234"), None);
    }
}
