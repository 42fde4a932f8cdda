//! The writing of From itself: marks that programs for bulk mail leave and people do not.

use super::Findings;
use crate::lookalike::is_random;
use crate::symbols;
use crate::view::View;

symbols! { Headers:
    FROM_ADDRESS_PADDED = 1.2, "A blank between the address in From and its closing bracket.";
    FROM_NAME_AND_NUMBER = 1.2, "From is a made-up person with a number, at a domain that is no free mailer: lina_miller_54213@.";
    FROM_DEEP_DOMAIN = 1.0, "The author's domain has three labels and more below the registered domain, or three of one letter.";
    FROM_HOST_RANDOM = 0.8, "A label before the author's registered domain is a random string.";
    FROM_NAME_DECORATED = 1.0, "The display name is framed or filled with signs: brackets, underscores, quotes, dots.";
    FROM_SERVER_USER = 0.8, "From or the envelope's sender is a web server's or system's own user at a host's name: root@vps-1234.";
}

/// Users that servers send as when nobody configured a sender.
const SYSTEM_USERS: &[&str] =
    &["root", "www-data", "apache", "nginx", "nobody", "httpd", "www", "ubuntu", "debian", "centos", "ec2-user", "azureuser"];

pub fn check(view: &View<'_>, found: &mut Findings) {
    if view.from_domain.is_empty() || view.is_list || view.is_own(view.from_domain) {
        return;
    }
    let raw = view.header("From").map_or("", |h| h.raw.trim_end());
    if raw.ends_with([' ', '\t']) || raw.trim_end_matches('>').ends_with([' ', '\t']) && raw.ends_with('>') {
        found.add(&FROM_ADDRESS_PADDED, raw);
    }
    let local = view.from_address.rsplit_once('@').map_or("", |(l, _)| l);
    if !view.is_free_mailer(view.from_domain) && is_numbered_person(local) {
        found.add(&FROM_NAME_AND_NUMBER, &view.from_address);
    }
    domain(view, found);
    if is_decorated(view.from_name) {
        found.add(&FROM_NAME_DECORATED, view.from_name);
    }
    system_user(view, local, found);
}

/// `lina_miller_54213`, `offer.news.60359`: two words and four digits or more, joined alike.
fn is_numbered_person(local: &str) -> bool {
    let mut parts = local.split(['_', '.']).rev();
    let number = parts.next().unwrap_or_default();
    let words: Vec<&str> = parts.collect();
    number.len() >= 4
        && number.bytes().all(|b| b.is_ascii_digit())
        && (2..=3).contains(&words.len())
        && words.iter().all(|w| !w.is_empty() && w.bytes().all(|b| b.is_ascii_alphanumeric()) && w.bytes().any(|b| b.is_ascii_alphabetic()))
}

fn domain(view: &View<'_>, found: &mut Findings) {
    let site = crate::domain_lists::registrable(view.from_domain);
    if view.policy.brands.owner(view.from_domain).is_some() {
        return;
    }
    let below = view.from_domain.strip_suffix(site).unwrap_or_default();
    if below.split('.').filter(|l| !l.is_empty()).count() >= 3 || view.from_domain.split('.').filter(|l| l.len() == 1).count() >= 3 {
        found.add(&FROM_DEEP_DOMAIN, view.from_domain);
    }
    if below.split('.').any(|l| l.len() >= 7 && (is_random(l) || mixes_digits(l))) {
        found.add(&FROM_HOST_RANDOM, view.from_domain);
    }
}

/// Digits between letters twice or more: `sab3atontanks25` once, `a7f3k9` more.
fn mixes_digits(label: &str) -> bool {
    let b = label.as_bytes();
    b.windows(2).filter(|w| w[0].is_ascii_digit() != w[1].is_ascii_digit()).count() >= 3
}

fn is_decorated(name: &str) -> bool {
    let name = name.trim();
    let signs = name
        .chars()
        .filter(|c| matches!(c, '_' | '~' | '[' | ']' | '{' | '}' | '*' | '|' | '=' | '"' | '#' | '^' | '<' | '>' | '«' | '»'))
        .count();
    let framed = name.starts_with(['_', '~', '*', '=', '.', '"', '-', '#', '|', ':', ','])
        || name.ends_with(['_', '~', '*', '=', '"', '#', '|', ',']);
    let dots = name.contains("..") || name.contains("__");
    // `[List] Name` and `Name | Firm` are usual; a frame of signs is not.
    signs >= 4 || framed && signs + usize::from(dots) >= 1 || dots && signs >= 1
}

fn system_user(view: &View<'_>, from_local: &str, found: &mut Findings) {
    let envelope = view.facts.mail_from.address().map(ToString::to_string).unwrap_or_default();
    let (local, domain) = envelope.rsplit_once('@').unwrap_or_default();
    let on_host = |domain: &str| domain.split('.').count() >= 3;
    // A server that reports to its own admin writes as root in From too; a mask has another From.
    let masked = SYSTEM_USERS.contains(&local) && !SYSTEM_USERS.contains(&from_local);
    if masked && on_host(domain) && view.from_is_authentic() != Some(true) {
        found.add(&FROM_SERVER_USER, format!("From {}, envelope {envelope}", view.from_address));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_numbers() {
        assert!(is_numbered_person("lina_miller_54213") && is_numbered_person("offer.news.60359"));
        for local in ["erika.mustermann", "news2024", "order_48213", "a.b.c", "reply-48213"] {
            assert!(!is_numbered_person(local), "{local}");
        }
    }

    #[test]
    fn frames_around_names() {
        for name in ["_C0NSUMER__REWARDS__", "\"~.. Delivery lost ..\"", "[[VERY IMPORTANT]]"] {
            assert!(is_decorated(name), "{name}");
        }
        for name in ["Erika Mustermann", "[List] Erika", "Erika | Example GmbH", "O'Neill, Pat", "JetBrains .NET", "Yahoo!", "user_name"] {
            assert!(!is_decorated(name), "{name}");
        }
    }
}
