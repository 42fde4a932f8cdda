//! URLs as clients open them: read leniently (WHATWG URL §4.4), with what was bent about their form.

mod find;
mod host;

use std::num::NonZeroUsize;

use ahash::AHashMap;

pub use find::find;
pub(crate) use find::find_at;
pub use host::registrable_domain;

use crate::message::Url;
use crate::read::decode::hex;
use crate::read::floor_char_boundary;

/// Characters of a URL that are kept.
const MAX_RAW: usize = 2000;

/// The URLs of a mail, each once, in order of appearance.
pub(crate) struct UrlSet {
    urls: Vec<Url>,
    /// Index in `urls`; `None`: seen, and no URL.
    index: AHashMap<Box<str>, Option<usize>>,
    max: NonZeroUsize,
    is_over: bool,
}

impl UrlSet {
    pub(crate) fn new(max: NonZeroUsize) -> Self {
        Self { urls: Vec::new(), index: AHashMap::new(), max, is_over: false }
    }

    pub(crate) fn add(&mut self, raw: &str, parse: impl FnOnce(&str) -> Option<Url>) -> Option<usize> {
        let key = &raw[..floor_char_boundary(raw, MAX_RAW)];
        if let Some(known) = self.index.get(key) {
            if let Some(url) = known.and_then(|i| self.urls.get_mut(i)) {
                url.count += 1;
            }
            return *known;
        }
        // What is no URL counts against a bound of its own, so that junk cannot grow the table.
        if self.urls.len() >= self.max.get() || self.index.len() >= self.max.get().saturating_mul(4) {
            self.is_over = true;
            return None;
        }
        let index = parse(key).map(|url| {
            self.urls.push(url);
            self.urls.len() - 1
        });
        self.index.insert(key.into(), index);
        index
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }

    pub(crate) fn into_vec(self) -> Vec<Url> {
        self.urls
    }
}

/// Reads one URL, absolute or beginning with `//` or `www.`. `None`: it is none, or relative.
/// `source`, `part` and `count` are the caller's.
pub fn parse(raw: &str) -> Option<Url> {
    let raw = &raw[..floor_char_boundary(raw, MAX_RAW)];
    let trimmed = raw.trim_matches(|c: char| c.is_whitespace() || c.is_control());
    // Line breaks and tabs inside are dropped by browsers: a way to hide a scheme from filters.
    let mut is_obfuscated = trimmed.contains(['\t', '\r', '\n']);
    let cleaned: String =
        if is_obfuscated { trimmed.chars().filter(|c| !matches!(c, '\t' | '\r' | '\n')).collect() } else { String::new() };
    let text = if is_obfuscated { cleaned.as_str() } else { trimmed };
    // A folded href is a mail artefact, not a trick, when the break stands where white space could.
    let (mut scheme, rest) = match split_scheme(text) {
        Some((scheme, rest)) => (scheme, rest),
        None if text.starts_with("//") || text.starts_with("\\\\") => ("http".to_owned(), text),
        None if text.get(..4).is_some_and(|p| p.eq_ignore_ascii_case("www.")) => ("http".to_owned(), text),
        None => return None,
    };
    if matches!(scheme.as_str(), "hxxp" | "hxxps") {
        scheme = scheme.replace("xx", "tt");
        is_obfuscated = true;
    }
    let mut url = Url { raw: trimmed.to_owned(), scheme, ..Url::default() };
    match url.scheme.as_str() {
        "http" | "https" | "ftp" | "ws" | "wss" => hierarchical(&mut url, rest, &mut is_obfuscated)?,
        "mailto" => {
            let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
            url.path = percent_decode(path).into_owned();
            url.query = query.to_owned();
            if let Some((_, domain)) = url.path.rsplit_once('@') {
                let domain = domain.trim().trim_end_matches('>');
                url.host = host::normal(domain).0;
                url.domain = registrable_domain(&url.host);
            }
        }
        _ => url.path = rest.to_owned(),
    }
    url.is_obfuscated = is_obfuscated;
    Some(url)
}

fn hierarchical(url: &mut Url, rest: &str, is_obfuscated: &mut bool) -> Option<()> {
    // Browsers take any number of slashes of either kind.
    let slashes = rest.bytes().take_while(|b| matches!(b, b'/' | b'\\')).count();
    *is_obfuscated |= rest[..slashes].contains('\\') || slashes > 2 || slashes < 2 && rest.len() != url.raw.len();
    let rest = &rest[slashes..];
    let authority_end = rest.find(['/', '\\', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(authority_end);
    *is_obfuscated |= tail.starts_with('\\');
    let (userinfo, host_port) = match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority),
    };
    url.userinfo = userinfo.filter(|u| !u.is_empty()).map(str::to_owned);
    let (host, port) = split_port(host_port);
    url.port = port.and_then(|p| p.parse().ok());
    let (name, bent) = host::normal(host);
    if name.is_empty() {
        return None;
    }
    *is_obfuscated |= bent;
    match host::address(&name) {
        Some((ip, is_plain)) => {
            *is_obfuscated |= !is_plain;
            url.ip = Some(ip);
            url.host = ip.to_string();
        }
        None => {
            url.domain = registrable_domain(&name);
            url.host = name;
        }
    }
    let (before_fragment, fragment) = tail.split_once('#').unwrap_or((tail, ""));
    let (path, query) = before_fragment.split_once('?').unwrap_or((before_fragment, ""));
    *is_obfuscated |= has_needless_escape(path);
    url.path = path.to_owned();
    url.query = query.to_owned();
    url.fragment = fragment.to_owned();
    Some(())
}

/// RFC 3986 §3.1, and only schemes that somebody could mean: `Note: this` is no URL.
fn split_scheme(text: &str) -> Option<(String, &str)> {
    let colon = text.bytes().take(24).position(|b| b == b':')?;
    let scheme = &text[..colon];
    let is_valid = scheme.bytes().next().is_some_and(|b| b.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    let rest = &text[colon + 1..];
    // `example.org:8080/x` has a port, not a scheme.
    (is_valid && !(scheme.contains('.') && rest.starts_with(|c: char| c.is_ascii_digit()))).then(|| (scheme.to_ascii_lowercase(), rest))
}

fn split_port(authority: &str) -> (&str, Option<&str>) {
    if let Some(end) = authority.strip_prefix('[').and_then(|_| authority.find(']')) {
        let (host, rest) = authority.split_at(end + 1);
        return (host, rest.strip_prefix(':'));
    }
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => (host, Some(port)),
        _ => (authority, None),
    }
}

/// `%61` for `a`: nobody needs it but those who hide from pattern matching.
fn has_needless_escape(text: &str) -> bool {
    let octets = text.as_bytes();
    memchr::memchr_iter(b'%', octets).any(|i| {
        let pair = (octets.get(i + 1).copied().and_then(hex), octets.get(i + 2).copied().and_then(hex));
        matches!(pair, (Some(hi), Some(lo)) if (hi << 4 | lo).is_ascii_alphanumeric())
    })
}

pub(crate) fn percent_decode(text: &str) -> std::borrow::Cow<'_, str> {
    if !text.contains('%') {
        return text.into();
    }
    let octets = text.as_bytes();
    let mut out = Vec::with_capacity(octets.len());
    let mut at = 0;
    while let Some(&b) = octets.get(at) {
        let pair = (octets.get(at + 1).copied().and_then(hex), octets.get(at + 2).copied().and_then(hex));
        match (b, pair) {
            (b'%', (Some(hi), Some(lo))) => {
                out.push(hi << 4 | lo);
                at += 2;
            }
            _ => out.push(b),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned().into()
}
