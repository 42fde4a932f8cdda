//! The value of Authentication-Results (RFC 8601 §2.2), one result a line.

use std::fmt::Write;

use crate::authentication::{AuthResult, Authentication, DmarcPolicy};

/// Octets of one value or comment.
const MAX_VALUE: usize = 200;

/// `host; none` (RFC 8601 §2.2): nothing was checked.
pub(super) fn none(hostname: &str) -> String {
    format!("{}; none", token(hostname))
}

pub(super) fn value(a: &Authentication, hostname: &str, helo: &str, sender: &str) -> String {
    let mut out = token(hostname);
    let mut line = |text: String| {
        out.push_str(";\r\n\t");
        out.push_str(&text);
    };
    if a.spf_helo != AuthResult::None && !sender.is_empty() {
        line(format!("spf={} smtp.helo={}", a.spf_helo.name(), pvalue(helo)));
    }
    let (kind, subject) = if sender.is_empty() { ("smtp.helo", helo) } else { ("smtp.mailfrom", sender) };
    line(format!("spf={}{} {kind}={}", a.spf.name(), spf_comment(a), pvalue(subject)));
    if a.dkim.is_empty() {
        line("dkim=none".to_owned());
    }
    for dkim in &a.dkim {
        let mut text = format!("dkim={}", dkim.result.name());
        let mut comment = dkim.why.clone();
        if let (true, Some(bits)) = (comment.is_empty(), dkim.key_bits) {
            comment = format!("{bits}-bit key");
        }
        if dkim.is_testing {
            comment.push_str(if comment.is_empty() { "testing" } else { ", testing" });
        }
        if !comment.is_empty() {
            let _ = write!(text, " ({})", comment_text(&comment));
        }
        for (property, of) in [("header.d", &dkim.domain), ("header.s", &dkim.selector), ("header.a", &dkim.algorithm)] {
            if !of.is_empty() {
                let _ = write!(text, " {property}={}", pvalue(of));
            }
        }
        line(text);
    }
    if !a.dmarc_domain.is_empty() || a.dmarc != AuthResult::None {
        let mut text = format!("dmarc={}", a.dmarc.name());
        let policy = match a.dmarc_policy {
            DmarcPolicy::Unspecified => None,
            DmarcPolicy::None => Some("none"),
            DmarcPolicy::Quarantine => Some("quarantine"),
            DmarcPolicy::Reject => Some("reject"),
        };
        if let Some(policy) = policy {
            let _ = write!(text, " (p={policy})");
        }
        if !a.dmarc_domain.is_empty() {
            let _ = write!(text, " header.from={}", pvalue(&a.dmarc_domain));
        }
        line(text);
    }
    if a.arc != AuthResult::None {
        let sealer = if a.arc_sealer.is_empty() { String::new() } else { format!(", newest by {}", comment_text(&a.arc_sealer)) };
        line(format!("arc={} ({} sets{sealer})", a.arc.name(), a.arc_sets));
    }
    out
}

fn spf_comment(a: &Authentication) -> String {
    match a.spf {
        AuthResult::Fail | AuthResult::SoftFail => {
            format!(" ({} does not name the client as a sender)", comment_text(&a.spf_domain))
        }
        AuthResult::PermError => format!(" (the record of {} is broken)", comment_text(&a.spf_domain)),
        AuthResult::TempError => format!(" (the record of {} could not be asked for)", comment_text(&a.spf_domain)),
        _ => String::new(),
    }
}

/// A host name; anything that is no token is dropped.
fn token(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')).take(MAX_VALUE).collect()
}

/// RFC 8601 §2.2 pvalue: an address or a token stays bare, anything else is quoted. What a client
/// sent comes through here: nothing of it may end the line, the comment or the result.
fn pvalue(text: &str) -> String {
    let clean: String = text.chars().filter(|c| !c.is_control()).take(MAX_VALUE).collect();
    let is_bare = |c: char| !c.is_ascii() || c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.@".contains(c);
    if !clean.is_empty() && clean.chars().all(is_bare) {
        clean
    } else {
        format!("\"{}\"", clean.replace('\\', "\\\\").replace('"', "\\\""))
    }
}

fn comment_text(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).map(|c| if matches!(c, '(' | ')' | '\\') { ' ' } else { c }).take(MAX_VALUE).collect()
}

/// Whether an ARC-Authentication-Results says `dmarc=pass`, comments and quoted strings left out.
pub(super) fn says_dmarc_pass(value: &[u8]) -> bool {
    let text = String::from_utf8_lossy(value).to_ascii_lowercase();
    let mut bare = String::with_capacity(text.len());
    let mut depth = 0usize;
    let mut is_quoted = false;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' if depth > 0 || is_quoted => {
                chars.next();
            }
            '"' if depth == 0 => is_quoted = !is_quoted,
            _ if is_quoted => {}
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ if depth == 0 => bare.push(c),
            _ => {}
        }
    }
    bare.split(';').skip(1).any(|result| {
        let method = result.trim_start();
        method.strip_prefix("dmarc").is_some_and(|rest| {
            let rest = rest.trim_start();
            rest.strip_prefix('=').is_some_and(|r| r.split_whitespace().next() == Some("pass"))
        })
    })
}
