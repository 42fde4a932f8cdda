//! What the SMTP client looked like before it said anything about the mail.

use crate::facts::Asked;
use crate::symbols;
use crate::symbols::Findings;
use crate::view::View;

symbols! { Connection:
    REVERSE_NAME_MISSING = 1.2, "The client's address has no reverse name.";
    REVERSE_NAME_UNCONFIRMED = 0.8, "The client's reverse name does not lead back to its address.";
    REVERSE_NAME_DYNAMIC = 1.8, "The client's reverse name looks like an access line of a home or office.";
    SPOKE_TOO_EARLY = 3.0, "The client spoke before our greeting, as bulk senders do (RFC 5321 §3.1).";
    UNKNOWN_RECIPIENTS = 2.0, "The client tried three or more mailboxes that do not exist in this session.";
    PROTOCOL_ERRORS = 0.8, "The client made two or more errors in this session.";
    SENDER_DOMAIN_MISSING = 3.0, "The envelope sender's domain has neither MX nor address.";
    SENDER_NULL_MX = 3.0, "The envelope sender's domain says that it takes no mail (RFC 7505).";
    PLAIN_HELO = 0.4, "The client said HELO, not EHLO: hardly a mail server of today.";
}

/// Words in the names of access lines.
const LINE_WORDS: &[&str] = &[
    "dyn",
    "dynamic",
    "dsl",
    "adsl",
    "vdsl",
    "dial",
    "dialup",
    "dialin",
    "ppp",
    "pppoe",
    "pool",
    "pools",
    "dhcp",
    "cable",
    "catv",
    "cust",
    "customer",
    "client",
    "clients",
    "broadband",
    "residential",
    "resnet",
    "home",
    "user",
    "users",
    "hsd",
    "hsia",
    "ftth",
    "fiber",
    "wireless",
    "mobile",
    "lte",
    "cpe",
    "modem",
    "ip",
    "host",
];

/// A name an access provider gave to a line: the address in it together with a word for such lines,
/// or the whole address.
pub fn is_line_name(name: &str, ip: Option<std::net::IpAddr>) -> bool {
    let name = name.to_ascii_lowercase();
    let words: Vec<&str> = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty()).collect();
    if words
        .iter()
        .any(|w| matches!(*w, "mail" | "smtp" | "mx" | "mta" | "relay" | "static" | "outbound" | "out" | "srv" | "server" | "vps"))
    {
        return false;
    }
    let has_word = words.iter().any(|w| LINE_WORDS.contains(&w.trim_matches(|c: char| c.is_ascii_digit())));
    let octets: Vec<String> = match ip {
        Some(std::net::IpAddr::V4(v4)) => v4.octets().iter().map(ToString::to_string).collect(),
        _ => Vec::new(),
    };
    let in_name = octets.iter().filter(|o| words.iter().any(|w| w.trim_matches(|c: char| c.is_ascii_alphabetic()) == **o)).count();
    let numbers = words.iter().filter(|w| w.len() <= 3 && w.bytes().all(|b| b.is_ascii_digit())).count();
    (octets.len() == 4 && in_name == 4) || numbers >= 4 || (has_word && (numbers >= 2 || in_name >= 2))
}

pub fn check(view: &View<'_>, found: &mut Findings) {
    let c = &view.facts.connection;
    match &c.reverse {
        Asked::Yes(None) => match &c.reverse_unconfirmed {
            Some(name) => found.add(&REVERSE_NAME_UNCONFIRMED, name),
            None => found.add(&REVERSE_NAME_MISSING, c.ip.map(|ip| ip.to_string()).unwrap_or_default()),
        },
        Asked::Yes(Some(name)) if is_line_name(name, c.ip) => found.add(&REVERSE_NAME_DYNAMIC, name),
        Asked::Yes(Some(_)) | Asked::No | Asked::Failed => {}
    }
    if let Some(name) = c.reverse_unconfirmed.as_ref().filter(|n| is_line_name(n, c.ip)) {
        found.add(&REVERSE_NAME_DYNAMIC, name);
    }
    if c.pregreet {
        found.add(&SPOKE_TOO_EARLY, "");
    }
    if c.unknown_recipients >= 3 {
        found.add(&UNKNOWN_RECIPIENTS, format!("{} unknown recipients", c.unknown_recipients));
    }
    if c.errors >= 2 {
        found.add(&PROTOCOL_ERRORS, format!("{} errors", c.errors));
    }
    if c.sender_domain_exists == Asked::Yes(false) {
        found.add(&SENDER_DOMAIN_MISSING, view.facts.mail_from.to_string());
    }
    if c.sender_null_mx {
        found.add(&SENDER_NULL_MX, view.facts.mail_from.to_string());
    }
    // Without a greeting there is nothing to say: a file, or mail from another source.
    if !c.helo.is_empty() && !c.esmtp && c.reverse != Asked::No {
        found.add(&PLAIN_HELO, &c.helo);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_from_servers() {
        let ip = "203.0.113.57".parse().ok();
        for name in [
            "203-0-113-57.dsl.example.net",
            "p57.113.0.203.dip.example.net",
            "dyn-113-57.example.net",
            "pool-113-57-city.example.net",
            "host57-113.example.net",
        ] {
            assert!(is_line_name(name, ip), "{name}");
        }
        for name in [
            "mail.example.net",
            "mx1.example.net",
            "mail-203-0-113-57.example.net",
            "o57.ptr1234.example.net",
            "a8-29.smtp-out.example.com",
            "lists.example.org",
        ] {
            assert!(!is_line_name(name, ip), "{name}");
        }
    }
}
