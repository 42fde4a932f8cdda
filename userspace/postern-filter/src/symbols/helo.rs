//! The name a client gives itself (RFC 5321 §4.1.1.1).

use std::net::IpAddr;

use super::connection::is_line_name;
use crate::domain_lists::related;
use crate::facts::Asked;
use crate::symbols;
use crate::symbols::Findings;
use crate::view::View;

symbols! { Helo:
    HELO_BARE_ADDRESS = 2.0, "HELO is an address without brackets (RFC 5321 §4.1.3).";
    HELO_ADDRESS_LITERAL = 1.2, "HELO is an address literal: legal, but no mail server of an organisation says it.";
    HELO_NO_DOMAIN = 0.8, "HELO is one word without a dot.";
    HELO_INVALID = 1.0, "HELO has characters that no host name has.";
    HELO_LOCAL_NAME = 1.2, "HELO is localhost or a name that only exists in a local network.";
    HELO_IS_OURS = 3.5, "The client claims to be one of our own hosts.";
    HELO_DYNAMIC = 1.5, "HELO looks like an access line of a home or office.";
    HELO_FORGED_PROVIDER = 2.2, "HELO names a large mail provider, but the client's reverse name is not its.";
    HELO_UNRESOLVED = 0.5, "The name in HELO does not lead to the client's address.";
}

/// Providers whose servers have reverse names of their own.
const PROVIDERS: &[&str] = &[
    "gmail.com",
    "google.com",
    "googlemail.com",
    "outlook.com",
    "hotmail.com",
    "live.com",
    "microsoft.com",
    "office365.com",
    "yahoo.com",
    "aol.com",
    "icloud.com",
    "apple.com",
    "gmx.net",
    "gmx.de",
    "web.de",
    "t-online.de",
    "mail.ru",
    "yandex.ru",
    "qq.com",
    "163.com",
    "msn.com",
    "amazon.com",
    "paypal.com",
    "facebook.com",
];

pub fn check(view: &View<'_>, found: &mut Findings) {
    let c = &view.facts.connection;
    let helo = c.helo.trim();
    if helo.is_empty() {
        return;
    }
    let lower = helo.trim_end_matches('.').to_ascii_lowercase();
    if lower.starts_with('[') {
        found.add(&HELO_ADDRESS_LITERAL, helo);
        return;
    }
    if lower.parse::<IpAddr>().is_ok() {
        found.add(&HELO_BARE_ADDRESS, helo);
        return;
    }
    if !lower.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_')) {
        found.add(&HELO_INVALID, helo);
    }
    if matches!(lower.as_str(), "localhost" | "localhost.localdomain" | "ylmf-pc" | "user" | "win")
        || [".local", ".lan", ".localdomain", ".internal", ".home", ".localhost", ".intranet"].iter().any(|s| lower.ends_with(s))
    {
        found.add(&HELO_LOCAL_NAME, helo);
    } else if !lower.contains('.') {
        found.add(&HELO_NO_DOMAIN, helo);
    }
    // Without a reverse look-up (a file, an old mail) nothing says whose host it was.
    let is_ours = matches!(&c.reverse, Asked::Yes(Some(name)) if view.is_own(name));
    if view.is_own(&lower) && !is_ours && matches!(c.reverse, Asked::Yes(_)) {
        found.add(&HELO_IS_OURS, helo);
    }
    if is_line_name(&lower, c.ip) {
        found.add(&HELO_DYNAMIC, helo);
    }
    if let Some(provider) = PROVIDERS.iter().find(|p| related(&lower, p)) {
        let reverse_is_other = match &c.reverse {
            Asked::Yes(Some(name)) => !same_house(provider, name),
            Asked::Yes(None) => true,
            Asked::No | Asked::Failed => false,
        };
        if reverse_is_other {
            found.add(&HELO_FORGED_PROVIDER, helo);
        }
    }
    if c.helo_resolves == Asked::Yes(false) {
        found.add(&HELO_UNRESOLVED, helo);
    }
}

/// Large providers use several domains for their hosts.
fn same_house(provider: &str, reverse: &str) -> bool {
    const HOUSES: &[&[&str]] = &[
        &["gmail.com", "google.com", "googlemail.com", "1e100.net"],
        &["outlook.com", "hotmail.com", "live.com", "microsoft.com", "office365.com", "msn.com"],
        &["yahoo.com", "aol.com", "yahoodns.net"],
        &["icloud.com", "apple.com", "me.com"],
        &["gmx.net", "gmx.de", "web.de", "kundenserver.de"],
        &["amazon.com", "amazonses.com", "amazonaws.com"],
        &["facebook.com", "facebookmail.com"],
    ];
    let reverse = reverse.to_ascii_lowercase();
    related(provider, &reverse) || HOUSES.iter().any(|h| h.contains(&provider) && h.iter().any(|d| related(d, &reverse)))
}
