//! Hosts of URLs: names in A-labels, addresses in all the spellings that browsers take.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::percent_decode;

/// The part of a name that somebody registered, by the public suffix list; empty when it has none.
pub fn registrable_domain(host: &str) -> String {
    // An unknown top-level domain is a suffix by the list's `*` rule: `host.lan` is registrable.
    postern_suffix::registrable(host).map(str::to_owned).unwrap_or_default()
}

/// Lower case, percent-decoded, A-labels, no final dot; true when it was written oddly.
pub(super) fn normal(host: &str) -> (String, bool) {
    let decoded = percent_decode(host);
    let mut is_bent = decoded.len() != host.len();
    let bare = decoded.trim().trim_end_matches('.');
    if bare.starts_with('[') {
        return (bare.to_ascii_lowercase(), is_bent);
    }
    if bare.is_ascii() {
        // A name of clean characters only; what cannot be a host ends it, as it ends in the address bar.
        let clean: String = bare.chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')).collect();
        is_bent |= clean.len() != bare.len();
        let mut clean = clean;
        clean.make_ascii_lowercase();
        return (limited(clean.trim_matches('.').to_owned()), is_bent);
    }
    // Soft hyphens and zero-width characters are dropped by IDNA mapping, full-width letters and dots folded.
    is_bent |= bare.chars().any(|c| matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{3002}' | '\u{ff01}'..='\u{ff61}'));
    match idna::domain_to_ascii(bare) {
        Ok(ascii) if !ascii.is_empty() => (limited(ascii.trim_end_matches('.').to_owned()), is_bent),
        _ => (limited(bare.to_lowercase()), true),
    }
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
