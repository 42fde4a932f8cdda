//! The form of an SPF record (RFC 7208 §12), checked before mail-auth evaluates it: mail-auth reads
//! on after syntax errors, where §4.6 demands `permerror` for the whole record.

/// Octets of one record; DNS could carry 64 KiB, no sender needs more.
const MAX_RECORD: usize = 8 * 1024;

/// Among the TXT records of a name, what there is of SPF (RFC 7208 §4.5).
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Form {
    None,
    Good,
    /// Several records, or one that breaks the grammar.
    Broken,
}

pub(super) fn of(records: &[String]) -> Form {
    let mut spf = records.iter().filter(|r| is_spf(r));
    match (spf.next(), spf.next()) {
        (None, _) => Form::None,
        (Some(record), None) if record.len() <= MAX_RECORD && is_good(record) => Form::Good,
        _ => Form::Broken,
    }
}

/// A name that can be asked about (RFC 7208 §4.3): at least two labels, none empty or too long.
pub(super) fn is_askable(domain: &str) -> bool {
    let bare = domain.strip_suffix('.').unwrap_or(domain);
    bare.len() <= 253
        && bare.contains('.')
        && !bare.starts_with('[')
        && bare.split('.').all(|l| (1..=63).contains(&l.len()))
        && bare.parse::<std::net::IpAddr>().is_err()
}

fn is_spf(record: &str) -> bool {
    record.get(..6).is_some_and(|v| v.eq_ignore_ascii_case("v=spf1")) && matches!(record.as_bytes().get(6), None | Some(b' '))
}

fn is_good(record: &str) -> bool {
    let terms = &record[6..];
    let (mut redirects, mut explanations) = (0, 0);
    terms.bytes().all(|b| (0x20..=0x7e).contains(&b))
        && terms.split(' ').filter(|t| !t.is_empty()).all(|term| match modifier(term) {
            Some((name, value)) if name.eq_ignore_ascii_case("redirect") => {
                redirects += 1;
                redirects == 1 && is_domain_spec(value)
            }
            Some((name, value)) if name.eq_ignore_ascii_case("exp") => {
                explanations += 1;
                explanations == 1 && is_domain_spec(value)
            }
            Some((_, value)) => is_macro_string(value),
            None => is_mechanism(term),
        })
}

/// `name=value`, when the name is one; a `:` or `/` before the `=` makes it a mechanism.
fn modifier(term: &str) -> Option<(&str, &str)> {
    let (name, value) = term.split_once('=')?;
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    is_name.then_some((name, value))
}

fn is_mechanism(term: &str) -> bool {
    let term = term.strip_prefix(['+', '-', '~', '?']).unwrap_or(term);
    let end = term.find([':', '/']).unwrap_or(term.len());
    let (name, rest) = term.split_at(end);
    let argument = rest.strip_prefix(':');
    match name.to_ascii_lowercase().as_str() {
        "all" => rest.is_empty(),
        "include" | "exists" => argument.is_some_and(is_domain_spec),
        "ptr" => rest.is_empty() || argument.is_some_and(is_domain_spec),
        "a" | "mx" => {
            let Some(before) = without_dual_length(rest) else { return false };
            before.is_empty() || before.strip_prefix(':').is_some_and(is_domain_spec)
        }
        "ip4" => argument.is_some_and(|a| {
            let (ip, length) = a.split_once('/').map_or((a, None), |(ip, l)| (ip, Some(l)));
            ip.parse::<std::net::Ipv4Addr>().is_ok() && length.is_none_or(|l| is_length(l, 32))
        }),
        "ip6" => argument.is_some_and(|a| {
            let (ip, length) = a.split_once('/').map_or((a, None), |(ip, l)| (ip, Some(l)));
            ip.parse::<std::net::Ipv6Addr>().is_ok() && length.is_none_or(|l| is_length(l, 128))
        }),
        _ => false,
    }
}

/// Cuts `/24`, `//64` or `/24//64` off the end; `None`: there is one that is out of range.
fn without_dual_length(text: &str) -> Option<&str> {
    let digits_at_end = |t: &str| t.len() - t.bytes().rev().take_while(u8::is_ascii_digit).count();
    let mut rest = text;
    let cut = digits_at_end(rest);
    if let Some(before) = rest[..cut].strip_suffix("//") {
        if !is_length(&rest[cut..], 128) {
            return None;
        }
        rest = before;
    }
    let cut = digits_at_end(rest);
    match rest[..cut].strip_suffix('/') {
        Some(before) => is_length(&rest[cut..], 32).then_some(before),
        None => Some(rest),
    }
}

fn is_length(text: &str, most: u8) -> bool {
    let has_leading_zero = text.len() > 1 && text.starts_with('0');
    !has_leading_zero && text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u8>().is_ok_and(|n| n <= most)
}

/// §7.1: ends in a macro, or in a dot and a top label that is not all digits.
fn is_domain_spec(text: &str) -> bool {
    if text.is_empty() || !is_macro_string(text) {
        return false;
    }
    if text.ends_with('}') || ["%%", "%_", "%-"].iter().any(|m| text.ends_with(m)) {
        return text.ends_with('}');
    }
    let bare = text.strip_suffix('.').unwrap_or(text);
    let Some((_, top)) = bare.rsplit_once('.') else { return false };
    top.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !top.is_empty()
        && !top.starts_with('-')
        && !top.ends_with('-')
        && !top.bytes().all(|b| b.is_ascii_digit())
}

/// §7.1: visible characters, `%` only in macros.
fn is_macro_string(text: &str) -> bool {
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        let after = &rest[at + 1..];
        match after.as_bytes().first() {
            Some(b'%' | b'_' | b'-') => rest = &after[1..],
            Some(b'{') => {
                let Some(end) = after.find('}') else { return false };
                let inner = &after[1..end];
                let Some(letter) = inner.chars().next() else { return false };
                let transformers = &inner[letter.len_utf8()..];
                let digits = transformers.bytes().take_while(u8::is_ascii_digit).count();
                let tail = &transformers[digits..];
                let tail = tail.strip_prefix(['r', 'R']).unwrap_or(tail);
                let has_bad_count = digits > 0 && transformers[..digits].bytes().all(|b| b == b'0');
                if !"slodiphcrtvSLODIPHCRTV".contains(letter) || has_bad_count || !tail.bytes().all(|b| b".-+,/_=".contains(&b)) {
                    return false;
                }
                rest = &after[end + 1..];
            }
            _ => return false,
        }
    }
    text.bytes().all(|b| (0x21..=0x7e).contains(&b))
}

#[cfg(test)]
mod tests {
    use super::{Form, is_askable, of};

    fn form(record: &str) -> Form {
        of(&["some other text".to_owned(), record.to_owned()])
    }

    #[test]
    fn records_as_they_are_published_are_good() {
        for record in [
            "v=spf1",
            "V=SPF1 -ALL",
            "v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 a mx/24 mx:mail.example.org//64 a:x.example/24//64 ~all",
            "v=spf1 include:_spf.%{d2}.example  exists:%{ir}.%{l1r-}.spf.%{d} ?ptr redirect=%{d}.example exp=why.example",
            "v=spf1 match.sub-domains_9=yes moo=%{l}%% +all",
        ] {
            assert_eq!(form(record), Form::Good, "{record}");
        }
    }

    #[test]
    fn syntax_errors_break_the_record() {
        for term in [
            "ip4:192.0.2.0/33",
            "ip4:192.0.2.0/08",
            "ip4:192.0.2",
            "ip4",
            "ip6:2001:db8::/129",
            "a/33",
            "a//129",
            "a:",
            "a:museum",
            "a:x.11",
            "include",
            "include:",
            "exists:%{x}.example",
            "exists:%{d0}.example",
            "exists:%a.example",
            "all:x",
            "redirect=",
            "redirect=a.b redirect=c.d",
            "exp=a.b exp=a.b",
            "=x",
            "9=x",
            "ptr:",
            "foo",
            "foo:bar.example",
            "exists:a%%",
            "a:x.example/",
            "café",
        ] {
            assert_eq!(form(&format!("v=spf1 {term} -all")), Form::Broken, "{term}");
        }
        assert_eq!(of(&["v=spf1 -all".into(), "v=spf1 +all".into()]), Form::Broken);
        assert_eq!(of(&["v=spf10 -all".into(), "spf2.0/pra -all".into()]), Form::None);
    }

    #[test]
    fn names_that_cannot_be_asked_about() {
        assert!(is_askable("example.org") && is_askable("a.example.org."));
        for name in ["", "localhost", "[192.0.2.1]", "192.0.2.1", "a..b", &format!("{}.b", "x".repeat(64))] {
            assert!(!is_askable(name), "{name}");
        }
    }
}
