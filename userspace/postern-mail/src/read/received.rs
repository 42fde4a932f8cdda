//! One Received field (RFC 5321 §4.4) as real mail servers write it: Postfix, Sendmail, Exim, qmail,
//! Exchange and their friends agree on little but the keywords.

use std::net::IpAddr;

use mail_parser::parsers::MessageStream;

use crate::message::Received;

/// Words and comments looked at in one field.
const MAX_TOKENS: usize = 100;

enum Token<'x> {
    Word(&'x str),
    Comment(&'x str),
}

#[derive(Clone, Copy, PartialEq)]
enum Clause {
    None,
    From,
    By,
    With,
    Other,
}

/// Reads an unfolded value. Never fails: what is not there is `None`.
pub fn parse(raw: &str) -> Received {
    let (head, date) = match raw.rsplit_once(';') {
        Some((head, date)) => (head, timestamp(date)),
        None => (raw, None),
    };
    let mut out = Received { date, raw: raw.to_owned(), ..Received::default() };
    let mut clause = Clause::None;
    let mut is_first = true;
    for token in tokens(head) {
        match token {
            Token::Word(word) if is_keyword(word).is_some_and(|c| clause != Clause::None || c == Clause::From || c == Clause::By) => {
                clause = is_keyword(word).unwrap_or(Clause::Other);
                is_first = true;
            }
            Token::Word(word) => {
                match clause {
                    Clause::From if is_first => {
                        out.ip = out.ip.or_else(|| bracketed(word));
                        out.helo = Some(word.to_owned());
                    }
                    // `from name [192.0.2.1]` without a comment.
                    Clause::From => out.ip = out.ip.or_else(|| bracketed(word)),
                    Clause::By if is_first => out.by = Some(word.to_owned()),
                    Clause::With if is_first => out.with = Some(word.to_owned()),
                    _ => {}
                }
                is_first = false;
            }
            Token::Comment(comment) if clause == Clause::From => from_comment(comment, &mut out),
            Token::Comment(_) => {}
        }
    }
    out
}

/// `reverse.example [192.0.2.1]`, `[192.0.2.1] helo=name`, `HELO name`, `192.0.2.1`, `user@host [..]`, `envelope-from <..>`.
fn from_comment(comment: &str, out: &mut Received) {
    let mut words = comment.split([' ', '\t', ',']).filter(|w| !w.is_empty()).take(20).peekable();
    let mut is_first = true;
    while let Some(word) = words.next() {
        let lower = word.to_ascii_lowercase();
        if let Some(name) = lower.strip_prefix("helo=").or_else(|| lower.strip_prefix("ehlo=")) {
            // Exim puts the reverse name before the comment and HELO into it.
            let before = out.helo.replace(name.to_owned());
            out.reverse = out.reverse.take().or(before.filter(|b| bracketed(b).is_none()));
        } else if matches!(lower.as_str(), "helo" | "ehlo") {
            if let Some(name) = words.next() {
                let before = out.helo.replace(name.to_owned());
                out.reverse = out.reverse.take().or(before.filter(|b| bracketed(b).is_none() && !b.eq_ignore_ascii_case("unknown")));
            }
        } else if let Some(ip) = bracketed(word).or_else(|| if is_first { plain_ip(word) } else { None }) {
            out.ip = out.ip.or(Some(ip));
        } else if is_first && word.contains('.') && !word.contains('=') {
            let name = word.rsplit_once('@').map_or(word, |(_, host)| host);
            out.reverse = out.reverse.take().or(Some(name.trim_end_matches('.').to_owned()));
        }
        is_first = false;
    }
}

/// An address in brackets, or a bare one.
fn bracketed(word: &str) -> Option<IpAddr> {
    let inner = word.strip_prefix('[')?.split(']').next()?;
    plain_ip(inner)
}

fn plain_ip(text: &str) -> Option<IpAddr> {
    let text = text.trim_matches(['[', ']']);
    let text = text.get(..5).filter(|p| p.eq_ignore_ascii_case("ipv6:")).map_or(text, |_| &text[5..]);
    text.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

fn is_keyword(word: &str) -> Option<Clause> {
    let is = |keyword: &&str| word.eq_ignore_ascii_case(keyword);
    if is(&"from") {
        Some(Clause::From)
    } else if is(&"by") {
        Some(Clause::By)
    } else if is(&"with") {
        Some(Clause::With)
    } else {
        ["via", "id", "for"].iter().any(is).then_some(Clause::Other)
    }
}

fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut out = Vec::with_capacity(12);
    let mut rest = text.trim_start();
    while !rest.is_empty() && out.len() < MAX_TOKENS {
        if rest.starts_with('(') {
            let mut depth = 0usize;
            let end = rest.char_indices().find_map(|(i, c)| {
                match c {
                    '(' => depth += 1,
                    ')' => depth -= 1,
                    _ => {}
                }
                (depth == 0).then_some(i)
            });
            let end = end.unwrap_or(rest.len());
            out.push(Token::Comment(&rest[1..end]));
            rest = rest.get(end + 1..).unwrap_or_default();
        } else {
            let end = rest.find([' ', '\t', '(']).unwrap_or(rest.len());
            out.push(Token::Word(&rest[..end]));
            rest = &rest[end..];
        }
        rest = rest.trim_start();
    }
    out
}

/// A date of RFC 5322 §3.3 in seconds since the epoch; `None` when it is none.
pub fn timestamp(text: &str) -> Option<i64> {
    let line = format!("{}\n", text.trim());
    let date = MessageStream::new(line.as_bytes()).parse_date();
    date.as_datetime().filter(|d| d.is_valid()).map(mail_parser::DateTime::to_timestamp)
}
