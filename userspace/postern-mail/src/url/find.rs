//! URLs in running text, as mail programs make them clickable, and in the spellings people use
//! to get them past filters: `hxxp://`, `example[.]com`, `http:\\`.

use memchr::{memchr_iter, memmem};

const SCHEMES: [&str; 12] = ["https", "http", "ftp", "hxxps", "hxxp", "mailto", "javascript", "data", "vbscript", "file", "ws", "wss"];
/// Octets of one URL.
const MAX_LEN: usize = 4000;

/// At most `max` URLs in order of appearance. Bare names come back with `http://` before them.
pub fn find(text: &str, max: usize) -> Vec<String> {
    find_at(text, max).into_iter().map(|(_, url)| url).collect()
}

/// The same with the offset in the text.
pub(crate) fn find_at(text: &str, max: usize) -> Vec<(usize, String)> {
    let octets = text.as_bytes();
    let mut out: Vec<(usize, String)> = Vec::new();
    let mut ends: Vec<(usize, usize)> = Vec::new();
    // Twice the bound, because spans that overlap are dropped below.
    let most = max.saturating_mul(2).saturating_add(1);
    for colon in memchr_iter(b':', octets) {
        if out.len() >= most {
            break;
        }
        if let Some(start) = scheme_start(octets, colon) {
            let end = url_end(text, colon + 1);
            let rest = &text[colon + 1..end];
            let is_mail = text[start..colon].eq_ignore_ascii_case("mailto");
            let has_slashes = rest.starts_with("//") || rest.starts_with("\\\\") || rest.starts_with("/\\") || rest.starts_with("\\/");
            if is_mail && rest.contains('@') || has_slashes && rest.len() > 2 {
                out.push((start, defanged(&text[start..end])));
                ends.push((start, end));
            }
        }
    }
    for dot in memchr_iter(b'.', octets) {
        if out.len() >= most {
            break;
        }
        if ends.iter().rev().take(4).any(|(start, end)| (*start..*end).contains(&dot)) {
            continue;
        }
        if let Some((start, end, url)) = bare(text, dot) {
            out.push((start, url));
            ends.push((start, end));
        }
    }
    if !out.is_sorted_by_key(|(at, _)| *at) || out.len() > 1 {
        let mut both: Vec<((usize, String), usize)> = out.into_iter().zip(ends.into_iter().map(|(_, end)| end)).collect();
        both.sort_by_key(|((at, _), _)| *at);
        let mut covered = 0;
        out = Vec::with_capacity(both.len());
        for ((at, url), end) in both {
            if at >= covered {
                covered = end;
                out.push((at, url));
            }
        }
    }
    out.truncate(max);
    out
}

/// Start of a known scheme before the colon; the character before it must not continue the word.
fn scheme_start(octets: &[u8], colon: usize) -> Option<usize> {
    let from = colon.saturating_sub(10);
    let start = octets[from..colon].iter().rposition(|b| !b.is_ascii_alphabetic()).map_or(from, |i| from + i + 1);
    let word = octets.get(start..colon)?;
    if word.len() < 2 {
        return None;
    }
    SCHEMES.iter().find(|s| word.eq_ignore_ascii_case(s.as_bytes())).map(|_| start)
}

fn url_end(text: &str, from: usize) -> usize {
    let stop = |c: char| {
        c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '"' | '`' | '“' | '”' | '»' | '「' | '」' | '。' | '，' | '、')
    };
    let rest = &text[from..];
    let rest = &rest[..crate::read::floor_char_boundary(rest, MAX_LEN)];
    let mut end = rest.find(stop).unwrap_or(rest.len());
    // Punctuation at the end belongs to the sentence; a bracket only when it was opened outside.
    while let Some(last) = rest[..end].chars().next_back() {
        let is_extra = match last {
            '.' | ',' | ';' | ':' | '!' | '?' | '\'' | '*' | '|' => true,
            ')' => is_unopened(&rest[..end], '(', ')'),
            ']' => is_unopened(&rest[..end], '[', ']'),
            '}' => is_unopened(&rest[..end], '{', '}'),
            _ => false,
        };
        if !is_extra {
            break;
        }
        end -= last.len_utf8();
    }
    from + end
}

/// More closing than opening brackets: the last one was opened outside.
fn is_unopened(text: &str, open: char, close: char) -> bool {
    // Only the last part is counted, so that a URL of brackets alone is not gone through for each of them.
    let from = (text.len().saturating_sub(300)..=text.len()).find(|i| text.is_char_boundary(*i)).unwrap_or(0);
    let text = &text[from..];
    text.matches(close).count() > text.matches(open).count()
}

/// `www.example.org`, `example.org/path`, `example[.]org` around a dot.
fn bare(text: &str, dot: usize) -> Option<(usize, usize, String)> {
    let octets = text.as_bytes();
    let is_host = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'[' | b']' | b'_') || b >= 0x80;
    // Only the first dot of a word is looked at, and only with something on both sides.
    let floor = dot.saturating_sub(80);
    let mut start = octets[floor..dot].iter().rposition(|b| !is_host(*b)).map_or(floor, |i| floor + i + 1);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    let before = octets.get(start.wrapping_sub(1)).copied().filter(|_| start > 0);
    if start >= dot || octets[start..dot].contains(&b'.') || matches!(before, Some(b'@' | b'/' | b'=' | b'%' | b'\\')) {
        return None;
    }
    let after = octets.get(dot + 1).copied()?;
    if !(after.is_ascii_alphanumeric() || after == b']' || after >= 0x80) {
        return None;
    }
    // The host is judged before the end is searched: a text full of dots must stay cheap.
    let host_len = octets[start..].iter().take(255).position(|b| !is_host(*b)).unwrap_or_else(|| (octets.len() - start).min(255));
    let host = text.get(start..start + host_len)?.trim_end_matches(['.', '-', '_']);
    let is_www = host.get(..4).is_some_and(|p| p.eq_ignore_ascii_case("www."));
    let is_defanged = memmem::find(host.as_bytes(), b"[.]").is_some();
    if !(is_www || is_defanged || octets.get(start + host_len) == Some(&b'/')) {
        return None;
    }
    let clean = host.replace("[.]", ".");
    let clean = clean.trim_matches(['[', ']', '.', '-', '_']);
    let is_name = clean.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_') || b >= 0x80);
    if !is_name || !(is_www && clean.len() > 4 || has_known_suffix(clean)) {
        return None;
    }
    let host_end = start + host.len();
    let goes_on = matches!(octets.get(host_end), Some(b'/' | b'?' | b'#' | b':' | b'\\'));
    let end = if goes_on { url_end(text, host_end) } else { host_end };
    let scheme = if is_defanged { "hxxp" } else { "http" };
    Some((start, end, format!("{scheme}://{clean}{}", text.get(host_end..end)?)))
}

/// A suffix that stands in the public suffix list, not one guessed by its `*` rule.
fn has_known_suffix(host: &str) -> bool {
    let lower = host.to_ascii_lowercase();
    postern_suffix::has_known_suffix(&lower) && postern_suffix::registrable(&lower).is_some()
}

/// `[.]` and `[:]` back to what they stand for, marked by the scheme.
fn defanged(raw: &str) -> String {
    if memmem::find(raw.as_bytes(), b"[.]").is_none() {
        return raw.to_owned();
    }
    let plain = raw.replace("[.]", ".");
    if plain.get(..4).is_some_and(|p| p.eq_ignore_ascii_case("http")) { format!("hxxp{}", &plain[4..]) } else { plain }
}
