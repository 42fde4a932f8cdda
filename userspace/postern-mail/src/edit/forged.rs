//! Fields that only we may write (RFC 8601 §5), in every spelling that a reader may take for ours.

use crate::read::header::{Field, decode, line_end, trim_line, unfold};

/// Fields looked at; the receiver's limit on header octets comes first.
const MAX_FIELDS: usize = 100_000;

/// Every field up to the first empty line, junk lines skipped.
pub(super) fn fields(mail: &[u8]) -> Vec<Field> {
    let mut out: Vec<Field> = Vec::with_capacity(32);
    let mut at = 0;
    let mut in_field = false;
    while at < mail.len() {
        let next = line_end(mail, at);
        let line = trim_line(&mail[at..next]);
        if line.is_empty() {
            break;
        }
        if matches!(line[0], b' ' | b'\t') {
            if let (true, Some(last)) = (in_field, out.last_mut()) {
                last.end = next;
            }
        } else if let Some(colon) = memchr::memchr(b':', line) {
            in_field = out.len() < MAX_FIELDS;
            if in_field {
                let name_len = line[..colon].trim_ascii_end().len();
                out.push(Field { start: at, name_end: at + name_len, value_start: at + colon + 1, end: next });
            }
        } else {
            in_field = false;
        }
        at = next;
    }
    out
}

/// Where the folded lines end that stand before the first field. Behind fields of ours they would be read as the rest of the last.
pub(super) fn leading_folds(mail: &[u8]) -> usize {
    let mut at = 0;
    while matches!(mail.get(at), Some(b' ' | b'\t')) {
        at = line_end(mail, at);
    }
    at
}

/// Ours by name, or a result under our name.
pub(super) fn is_forged(mail: &[u8], field: &Field, hostname: &str) -> bool {
    let name = field.name(mail);
    if name.len() >= 10 && name[..10].eq_ignore_ascii_case(b"x-postern-") {
        return true;
    }
    field.is(mail, "authentication-results") && claims(&unfold(field.value(mail)), hostname)
}

/// Whether a value's authserv-id is our name, or is missing, which some readers take for "local".
fn claims(value: &str, hostname: &str) -> bool {
    let decoded = decode(value).0.into_owned();
    let bare = without_comments(&decoded);
    let id = authserv_id(&bare);
    if id.is_empty() || id.contains('=') {
        return true;
    }
    normal(&id) == normal(hostname)
}

/// Comments may stand anywhere and nest (RFC 5322 §3.2.2).
fn without_comments(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut depth = 0usize;
    let mut is_quoted = false;
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' if depth > 0 => {
                chars.next();
            }
            '"' if depth == 0 => {
                is_quoted = !is_quoted;
                out.push(c);
            }
            '(' if !is_quoted => {
                depth += 1;
                // `mx(x).example` is read as `mx .example` by some and `mx.example` by others: as the latter here.
            }
            ')' if depth > 0 => depth -= 1,
            _ if depth == 0 => out.push(c),
            _ => {}
        }
    }
    out
}

/// The first word, without quotes and without the version after it.
fn authserv_id(value: &str) -> String {
    let value = value.trim_start();
    match value.strip_prefix('"') {
        Some(quoted) => {
            let mut out = String::new();
            let mut chars = quoted.chars();
            while let Some(c) = chars.next() {
                match c {
                    '"' => break,
                    '\\' => out.extend(chars.next()),
                    _ => out.push(c),
                }
            }
            out.trim().to_owned()
        }
        None => value.split([';', ' ', '\t', '/']).next().unwrap_or_default().to_owned(),
    }
}

/// Lower case, A-labels, no dots at the ends, nothing invisible.
fn normal(name: &str) -> String {
    let visible: String = name.chars().filter(|c| !c.is_control() && !c.is_whitespace()).collect();
    let bare = visible.trim_matches('.');
    idna::domain_to_ascii(bare).unwrap_or_else(|_| bare.to_lowercase()).trim_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::claims;

    #[test]
    fn every_spelling_of_our_name_is_ours() {
        for value in [
            "mx.example.org; spf=pass",
            "MX.Example.ORG 1; spf=pass",
            "mx.example.org.; spf=pass",
            "mx.example.org.. ; spf=pass",
            "\"mx.example.org\"; spf=pass",
            "\"mx\\.example.org\" 1; none",
            "(a (nested) comment) mx.example.org (another); dmarc=pass",
            "mx(x).example.org; dmarc=pass",
            "mx.example.org/1; spf=pass",
            "mx.example。org; spf=pass",
            "mx.exam\u{ad}ple.org; spf=pass",
            "=?utf-8?q?mx.example.org?=; spf=pass",
            "; dmarc=pass",
            "",
            "dmarc=pass header.from=bank.example",
            "(only a comment)",
        ] {
            assert!(claims(value, "mx.example.org"), "{value:?} was left in");
        }
    }

    #[test]
    fn results_of_others_stay() {
        for value in ["mx.example.com; spf=pass", "notmx.example.org; none", "example.org; none", "mx.example.org.evil.example; none"] {
            assert!(!claims(value, "mx.example.org"), "{value:?} was taken out");
        }
    }
}
