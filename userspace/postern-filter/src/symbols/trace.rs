//! Date, Message-ID and the trace of hosts (RFC 5322 §3.6.1, §3.6.4, §3.6.7).

use super::Findings;
use crate::domain_lists::related;
use crate::symbols;
use crate::view::View;

symbols! { Headers:
    DATE_MISSING = 1.0, "No Date field (RFC 5322 §3.6).";
    DATE_INVALID = 0.8, "A Date that is no date.";
    DATE_IN_FUTURE = 1.5, "The Date lies more than twelve hours ahead.";
    DATE_IN_PAST = 0.8, "The Date lies more than four days back.";
    DATE_ZONE_IMPOSSIBLE = 1.0, "A time zone that does not exist.";
    MESSAGE_ID_MISSING = 0.9, "No Message-ID.";
    MESSAGE_ID_INVALID = 0.9, "A Message-ID without the form left@right.";
    MESSAGE_ID_LOCAL = 0.1, "The Message-ID's host is localhost or one word.";
    MESSAGE_ID_OURS = 1.2, "The Message-ID names one of our domains, but the author is elsewhere.";
    MESSAGE_ID_FREE_MAILER = 0.8, "From is at a large free mailer that writes its own Message-IDs, and this is none of them.";
    MESSAGE_ID_FORGED_PROVIDER = 0.8, "The Message-ID names a large provider, which neither From nor any host on the way belongs to.";
    RECEIVED_IMPOSSIBLE = 2.0, "A Received line with an address that cannot exist.";
    RECEIVED_GOES_BACK = 0.8, "A hop took the mail more than a day before the hop before it.";
    RECEIVED_FORGED_HELO = 1.2, "A hop called itself after a large provider while its reverse name or address was another's.";
    RECEIVED_MANY = 0.5, "More than 15 hops.";
}

pub fn check(view: &View<'_>, found: &mut Findings) {
    date(view, found);
    message_id(view, found);
    received(view, found);
}

const HOUR: i64 = 3600;

fn date(view: &View<'_>, found: &mut Findings) {
    let Some(header) = view.header("Date") else {
        found.add(&DATE_MISSING, "");
        return;
    };
    let Some(date) = view.mail.date else {
        found.add(&DATE_INVALID, &header.value);
        return;
    };
    let ahead = date - view.facts.now.unix_seconds();
    if ahead > 12 * HOUR {
        found.add(&DATE_IN_FUTURE, &header.value);
    } else if ahead < -96 * HOUR {
        found.add(&DATE_IN_PAST, &header.value);
    }
    if let Some(zone) = zone_of(&header.value).filter(|z| is_impossible(z)) {
        found.add(&DATE_ZONE_IMPOSSIBLE, zone);
    }
}

/// `+0200` of a date.
fn zone_of(value: &str) -> Option<&str> {
    value
        .split_whitespace()
        .find(|w| w.len() >= 5 && (w.starts_with('+') || w.starts_with('-')) && w[1..].bytes().all(|b| b.is_ascii_digit()))
}

fn is_impossible(zone: &str) -> bool {
    let number: i32 = zone[1..].parse().unwrap_or(9999);
    zone.len() != 5 || number > 1400 || (zone.starts_with('-') && number > 1200) || !matches!(number % 100, 0 | 30 | 45)
}

/// Providers with a form of their own: free mailer, what the right side of its Message-IDs may be.
const ID_FORMS: &[(&str, &[&str])] = &[
    ("gmail.com", &["gmail.com", "googlemail.com", "google.com", "android.com"]),
    ("googlemail.com", &["gmail.com", "googlemail.com", "google.com"]),
    ("hotmail.com", &["hotmail.com", "outlook.com", "live.com", "microsoft.com", "phx.gbl", "msn.com"]),
    ("outlook.com", &["hotmail.com", "outlook.com", "live.com", "microsoft.com", "phx.gbl"]),
    ("live.com", &["hotmail.com", "outlook.com", "live.com", "microsoft.com", "phx.gbl"]),
    ("yahoo.com", &["yahoo.com", "yahoodns.net", "ymail.com", "aol.com", "yahooinc.com"]),
    ("aol.com", &["aol.com", "yahoo.com", "aol.net"]),
];

fn message_id(view: &View<'_>, found: &mut Findings) {
    let raw = view.value("Message-ID").trim();
    if raw.is_empty() {
        found.add(&MESSAGE_ID_MISSING, "");
        return;
    }
    let bare = raw.trim_start_matches('<').split('>').next().unwrap_or_default();
    let Some((left, right)) = bare.rsplit_once('@').filter(|(l, r)| !l.is_empty() && !r.is_empty()) else {
        found.add(&MESSAGE_ID_INVALID, raw);
        return;
    };
    if !raw.starts_with('<') || left.contains(' ') || right.contains(' ') {
        found.add(&MESSAGE_ID_INVALID, raw);
    }
    let right = right.to_ascii_lowercase();
    if !right.contains('.') || right.starts_with("localhost") || right.starts_with("127.") {
        found.add(&MESSAGE_ID_LOCAL, raw);
    }
    if view.is_own(&right) && !view.is_own(view.from_domain) && !view.is_reply && !view.is_list {
        found.add(&MESSAGE_ID_OURS, raw);
    }
    if view.is_list {
        return;
    }
    let from = view.from_domain;
    if let Some((_, forms)) = ID_FORMS.iter().find(|(provider, _)| from == *provider) {
        // Programs of the sender's own may set the ID; then the provider's hosts stand in the trace.
        let by_provider = forms.iter().any(|f| related(&right, f))
            || view
                .mail
                .received
                .iter()
                .any(|r| r.by.as_deref().is_some_and(|by| forms.iter().any(|f| related(&by.to_ascii_lowercase(), f))));
        if !by_provider {
            found.add(&MESSAGE_ID_FREE_MAILER, raw);
        }
    } else if let Some((provider, _)) = ID_FORMS.iter().find(|(provider, _)| right == *provider) {
        let on_the_way = view.mail.received.iter().any(|r| r.raw.to_ascii_lowercase().contains(provider));
        if !related(from, provider) && !on_the_way && !view.mail.received.is_empty() {
            found.add(&MESSAGE_ID_FORGED_PROVIDER, raw);
        }
    }
}

fn received(view: &View<'_>, found: &mut Findings) {
    let hops = &view.mail.received;
    if hops.len() > 15 {
        found.add(&RECEIVED_MANY, format!("{} hops", hops.len()));
    }
    for hop in hops.iter().take(30) {
        if let Some(bad) = impossible_address(&hop.raw) {
            found.add(&RECEIVED_IMPOSSIBLE, bad);
        }
        let (Some(helo), Some(reverse)) = (&hop.helo, &hop.reverse) else { continue };
        let helo = helo.to_ascii_lowercase();
        let provider = ["yahoo.com", "hotmail.com", "aol.com", "gmail.com", "msn.com", "outlook.com", "paypal.com", "ebay.com"]
            .iter()
            .find(|p| [helo.strip_prefix("mail."), helo.strip_prefix("mx."), Some(&helo)].contains(&Some(**p)));
        if provider.is_some_and(|p| !related(&reverse.to_ascii_lowercase(), p) && reverse.contains('.')) {
            found.add(&RECEIVED_FORGED_HELO, &hop.raw);
        }
    }
    for pair in hops.windows(2) {
        if let (Some(newer), Some(older)) = (pair[0].date, pair[1].date)
            && older > newer + 24 * HOUR
        {
            found.add(&RECEIVED_GOES_BACK, &pair[1].raw);
        }
    }
}

/// A bracketed or parenthesised dotted quad with a number above 255.
fn impossible_address(raw: &str) -> Option<&str> {
    raw.split(['[', ']', '(', ')', ' ']).filter(|word| word.starts_with(|c: char| c.is_ascii_digit())).find(|word| {
        let parts = || word.split('.');
        parts().count() == 4
            && parts().all(|p| (1..=3).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_digit()))
            && parts().any(|p| p.parse::<u16>().is_ok_and(|n| n > 255))
            && raw.contains(&format!("[{word}]"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones() {
        assert_eq!(zone_of("Thu, 19 Sep 2002 13:00:19 +0100 (IST)"), Some("+0100"));
        assert!(
            is_impossible("+2400")
                && is_impossible("-1700")
                && is_impossible("+0123")
                && !is_impossible("+0545")
                && !is_impossible("-0330")
        );
    }

    #[test]
    fn addresses_that_cannot_be() {
        assert_eq!(impossible_address("from x ([300.1.2.3]) by y"), Some("300.1.2.3"));
        assert_eq!(impossible_address("from x ([30.1.2.3]) by y (Postfix 8.12.300.1)"), None);
    }
}
