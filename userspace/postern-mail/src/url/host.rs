//! Hosts of URLs: names in A-labels, addresses in all the spellings that browsers take.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::percent_decode;

/// The part of a name that somebody registered, by the public suffix list; empty when it has none.
pub fn registrable_domain(host: &str) -> String {
    // An unknown top-level domain is a suffix by the list's `*` rule: `host.lan` is registrable.
    postern_suffix::registrable(host).map(str::to_owned).unwrap_or_default()
}

/// Lower case, percent-decoded, A-labels, no final dot; true when it was written oddly. Empty: no client opens that.
pub(super) fn normal(host: &str) -> (String, bool) {
    let decoded = percent_decode(host);
    let mut is_bent = decoded.len() != host.len();
    let whole = decoded.trim();
    if let Some(inner) = whole.strip_prefix('[') {
        // WHATWG URL §3.5: only an address may stand in brackets.
        let address = inner.strip_suffix(']').and_then(|a| a.parse::<Ipv6Addr>().ok());
        return address.map_or((String::new(), true), |a| (format!("[{a}]"), is_bent));
    }
    // What cannot be in a host ends it, as it ends in the address bar; percent-encoded or not.
    let bare = whole.split(ends_host).next().unwrap_or_default();
    is_bent |= bare.len() != whole.len();
    let bare = bare.trim_matches('.');
    if bare.is_ascii() {
        return (limited(bare.to_ascii_lowercase()), is_bent);
    }
    // Soft hyphens and zero-width characters are dropped by IDNA mapping, full-width letters and dots folded.
    is_bent |= bare.chars().any(|c| matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{3002}' | '\u{ff01}'..='\u{ff61}'));
    // With the list of what a host may not hold: a full-width solidus becomes a plain one.
    match idna::domain_to_ascii_cow(bare.as_bytes(), idna::AsciiDenyList::URL) {
        Ok(ascii) if !ascii.is_empty() => (limited(ascii.trim_matches('.').to_owned()), is_bent),
        _ => (limited(bare.to_lowercase()), true),
    }
}

fn ends_host(c: char) -> bool {
    c.is_whitespace() || c.is_control() || c.is_ascii() && !c.is_ascii_alphanumeric() && !matches!(c, '.' | '-' | '_')
}

fn limited(host: String) -> String {
    if host.len() > 255 { host.chars().take(255).collect() } else { host }
}

/// An address, and whether it was written plainly. WHATWG URL §3.5: one to four numbers, each decimal,
/// octal or hexadecimal, the last one filling what is left.
pub(super) fn address(host: &str) -> Option<(IpAddr, bool)> {
    if let Some(inner) = host.strip_prefix('[') {
        let six: Ipv6Addr = inner.trim_end_matches(']').parse().ok()?;
        return Some((IpAddr::V6(six).to_canonical(), true));
    }
    if !host.bytes().next_back().is_some_and(|b| b.is_ascii_hexdigit()) || !host.bytes().next().is_some_and(|b| b.is_ascii_digit()) {
        return None;
    }
    if let Ok(four) = host.parse::<Ipv4Addr>() {
        return Some((IpAddr::V4(four), true));
    }
    let numbers: Vec<u64> = host.split('.').take(5).map(number).collect::<Option<_>>()?;
    let (last, firsts) = numbers.split_last()?;
    if firsts.len() > 3 || firsts.iter().any(|n| *n > 255) || *last >= 1u64 << (8 * (4 - firsts.len())) {
        return None;
    }
    let mut value = *last;
    for (i, n) in firsts.iter().enumerate() {
        value |= n << (8 * (3 - i));
    }
    Some((IpAddr::V4(Ipv4Addr::from(u32::try_from(value).ok()?)), false))
}

fn number(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    match lower.strip_prefix("0x") {
        Some("") => Some(0),
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None if lower.len() > 1 && lower.starts_with('0') => u64::from_str_radix(&lower, 8).ok(),
        None => lower.parse().ok(),
    }
}
