//! Links by their form (by their host: `url_host.rs`; by whom they imitate: `impersonation.rs`).

use postern_mail::message::Url;

use super::Findings;
use crate::domain_lists::{Kind, registrable, related};
use crate::symbols;
use crate::themes::Theme;
use crate::view::View;

symbols! { Url:
    URL_ADDRESS = 1.5, "A link to an IP address.";
    URL_ADDRESS_DISGUISED = 2.5, "A link to an IP address written in decimal, octal or hex.";
    URL_PORT = 0.8, "A link to an unusual port.";
    URL_USERINFO = 2.5, "Something that looks like a host stands before the @ in a link: the real host is behind it.";
    URL_DANGEROUS_SCHEME = 3.0, "A link with code or data instead of an address (javascript:, data:, blob:, vbscript:, file:).";
    URL_TEXT_LIES = 2.0, "A link shows one domain and leads to another.";
    URL_RECIPIENT = 1.8, "The recipient's address is in a link to a foreign site, plain or in base64: how a phishing page greets its victim.";
    URL_OPEN_REDIRECT = 1.5, "A link through somebody's open redirector to another site.";
    URL_NESTED = 0.2, "A link carries another site's full address.";
    URL_OBFUSCATED = 1.5, "A link is written to be misread: backslashes, needless escapes, tabs.";
    URL_LOGIN_PATH = 0.4, "The path of a link to a foreign site speaks of login or verification, and the text demands something.";
    URL_HACKED_SITE = 1.5, "A page in a place where only a break-in puts pages (wp-includes, .well-known, …).";
    URL_EXECUTABLE = 2.0, "A link to a program, script, disk image or archive.";
    URL_LONG = 0.2, "A link of more than 700 characters.";
    URL_REMOVE = 0.6, "A link to be removed, as bulk mail of strangers has it.";
    URL_HEX_PATH = 0.3, "A link to a foreign site whose path is a random code.";
    URL_MANY_SITES = 0.3, "Links to more than fifteen sites.";
    URL_AFFILIATE = 0.8, "A link with an affiliate's number to a foreign site.";
}

pub fn check(view: &View<'_>, found: &mut Findings) {
    for url in &view.mail.urls {
        if matches!(url.scheme.as_str(), "javascript" | "vbscript" | "blob" | "file") || (url.scheme == "data" && is_page(url)) {
            found.add(&URL_DANGEROUS_SCHEME, &url.raw);
        }
    }
    let mut sites: Vec<&str> = Vec::new();
    for url in view.links() {
        if sites.len() <= 16 && !sites.contains(&url.domain.as_str()) {
            sites.push(&url.domain);
        }
        form(view, url, found);
        let foreign = !related(&url.host, view.from_domain) && !view.is_own(&url.host);
        if foreign {
            path(view, url, found);
        }
    }
    if sites.len() > 15 && !view.is_list && !view.is_newsletter {
        found.add(&URL_MANY_SITES, format!("{} sites", sites.len()));
    }
    text_lies(view, found);
}

/// A `data:` URI that is shown as a page, not as a picture.
fn is_page(url: &Url) -> bool {
    use postern_mail::message::UrlSource;
    let raw = url.raw.get(..url.raw.floor_char_boundary(40)).unwrap_or_default().to_ascii_lowercase();
    url.source != UrlSource::HtmlImage && !raw.starts_with("data:image/") && !raw.starts_with("data:font/")
        || raw.starts_with("data:image/svg+xml") && url.source == UrlSource::HtmlLink
}

fn form(view: &View<'_>, url: &Url, found: &mut Findings) {
    if let Some(ip) = url.ip {
        if view.facts.connection.ip.is_none_or(|c| c != ip) {
            found.add(&URL_ADDRESS, &url.raw);
        }
        let written = url.raw.split("://").nth(1).unwrap_or_default();
        let host = written.rsplit_once('@').map_or(written, |(_, h)| h).split(['/', ':', '?', '#']).next().unwrap_or_default();
        let plain = host.split('.').count() == 4
            && host.split('.').all(|p| p.bytes().all(|b| b.is_ascii_digit()) && (p == "0" || !p.starts_with('0')));
        if ip.is_ipv4() && !plain && !written.starts_with('[') {
            found.add(&URL_ADDRESS_DISGUISED, &url.raw);
        }
    } else if url.is_obfuscated {
        found.add(&URL_OBFUSCATED, &url.raw);
    }
    if url.port.is_some_and(|p| !matches!(p, 80 | 443 | 8080 | 8443 | 21)) {
        found.add(&URL_PORT, &url.raw);
    }
    if url.userinfo.as_deref().is_some_and(|u| u.contains('.') || u.contains("%2e") || u.contains("http")) && url.scheme != "ftp" {
        found.add(&URL_USERINFO, &url.raw);
    }
    if url.raw.len() > 700 && !view.is_newsletter {
        found.add(&URL_LONG, &url.raw);
    }
}

fn path(view: &View<'_>, url: &Url, found: &mut Findings) {
    let lists = view.policy.lists;
    let path = url.path.to_ascii_lowercase();
    let esp = lists.is(Kind::Esp, &url.host);
    let known = view.policy.brands.owner(&url.host).is_some();
    if view.from_outside
        && !view.is_from_brand()
        && let Some(seen) = recipient_in(view, url)
    {
        // A newsletter's unsubscribe link carries the address too.
        let leaves = [
            "unsub",
            "optout",
            "opt-out",
            "remove",
            "abmelde",
            "austragen",
            "preferences",
            "desabon",
            "/manage",
            "confirm",
            "verifysub",
            "mailman",
            "subscri",
        ]
        .iter()
        .any(|w| path.contains(w) || url.query.to_ascii_lowercase().contains(w));
        if !esp
            && !known
            && !view.is_list
            && (!leaves || !view.is_newsletter && !path.contains("unsub") && !path.contains("remove") && !path.contains("mailman"))
        {
            found.add(&URL_RECIPIENT, seen);
        }
    }
    let tail = format!("{path}?{}", url.query);
    if lists.is_at(Kind::Redirector, &url.host, &path) && carries_site(url) {
        found.add(&URL_OPEN_REDIRECT, &url.raw);
    } else if carries_site(url) && !esp && !view.is_newsletter && !view.is_list {
        found.add(&URL_NESTED, &url.raw);
    }
    let words = [
        "login", "log-in", "signin", "sign-in", "logon", "verify", "verif", "secure", "account", "webmail", "owa/", "/auth", "update",
        "confirm", "wallet", "password", "recover", "billing", "validate", "unlock",
    ];
    if let Some(word) = words.iter().find(|w| path.contains(**w))
        && !esp
        && !known
        && !view.is_newsletter
        && !view.is_list
        && demands(view)
    {
        found.add(&URL_LOGIN_PATH, format!("{word} in {}", url.raw));
    }
    let places = [
        "/wp-includes/",
        "/wp-content/",
        "/wp-admin/",
        "/.well-known/",
        "/cgi-sys/",
        "/components/com_",
        "/modules/mod_",
        "/.tmb/",
        "/tmp/",
        "/xmlrpc",
        "/vendor/phpunit",
    ];
    if places.iter().any(|p| path.contains(p)) && is_page_name(&path) && !path.contains("/wp-content/uploads/") {
        found.add(&URL_HACKED_SITE, &url.raw);
    }
    let ends = [
        ".exe", ".scr", ".msi", ".js", ".jse", ".vbs", ".hta", ".lnk", ".iso", ".img", ".bat", ".cmd", ".ps1", ".jar", ".apk", ".zip",
        ".rar", ".7z", ".one", ".appx", ".msix", ".vhd", ".url", ".wsf", ".xll",
    ];
    if let Some(end) = ends.iter().find(|e| path.ends_with(**e)) {
        let archive = matches!(*end, ".zip" | ".rar" | ".7z" | ".js" | ".iso" | ".msi" | ".exe" | ".apk" | ".jar");
        // Software is announced with links to archives; a stranger's single archive is bait.
        if !archive || (!view.is_list && !view.is_newsletter && !view.is_reply && view.foreign_links().count() <= 3) {
            found.add(&URL_EXECUTABLE, &url.raw);
        }
    }
    if !view.is_list
        && !view.is_newsletter
        && ["/remove", "remove.", "/optout", "/opt-out", "optout.", "/unsubscribe.htm", "/removal", "takemeoff", "/rem.", "/unsub."]
            .iter()
            .any(|w| tail.contains(w))
    {
        found.add(&URL_REMOVE, &url.raw);
    }
    if !esp && !known && !view.is_newsletter && !view.is_list && path.split('/').any(|p| p.len() >= 16 && crate::lookalike::is_random(p)) {
        found.add(&URL_HEX_PATH, &url.raw);
    }
    if !view.is_list
        && ["affid=", "aff_id=", "affiliate", "aff=", "afid=", "refid=", "/aff/", "offer_id="]
            .iter()
            .any(|w| tail.to_ascii_lowercase().contains(w))
    {
        found.add(&URL_AFFILIATE, &url.raw);
    }
}

/// The text asks for something that a login would follow.
fn demands(view: &View<'_>) -> bool {
    view.is_credential_lure()
        || view.themes.first_of(&[Theme::Urgency, Theme::DocumentShare, Theme::RefundTax, Theme::RewardPoints, Theme::Crypto]).is_some()
}

fn is_page_name(path: &str) -> bool {
    let file = path.rsplit('/').next().unwrap_or_default();
    file.is_empty() || !file.contains('.') || [".php", ".html", ".htm", ".asp"].iter().any(|e| file.ends_with(e))
}

fn carries_site(url: &Url) -> bool {
    let inside = |s: &str| {
        let lower = s.to_ascii_lowercase();
        ["http://", "https://", "http%3a", "https%3a", "=www.", "//www."].iter().any(|p| lower.contains(p))
            || lower.starts_with("/amp/s/")
            || lower.contains("/amp/s/")
    };
    inside(&url.query) || inside(&url.path) || inside(&url.fragment)
}

/// The recipient's address in path, query or fragment: plain, percent-encoded or in base64.
fn recipient_in(view: &View<'_>, url: &Url) -> Option<String> {
    let tails = [url.path.as_str(), url.query.as_str(), url.fragment.as_str()];
    if tails.iter().all(|t| t.len() < 6) {
        return None;
    }
    for (local, domain) in &view.recipients {
        let plain = format!("{local}@{domain}");
        let escaped = format!("{local}%40{domain}");
        for tail in tails {
            let lower = tail.to_ascii_lowercase();
            if lower.contains(&plain) || lower.contains(&escaped) {
                return Some(format!("{plain} in {}", url.host));
            }
            let pieces = tail
                .split(['/', '?', '&', '#', ';', '$', '*', ',', '!'])
                .flat_map(|p| [Some(p), p.split_once('=').map(|(_, v)| v)])
                .flatten();
            for piece in pieces.filter(|p| p.len() >= 12 && p.len() <= 400).take(40) {
                let decoded = base64::decode(piece);
                if decoded.len() >= plain.len() && String::from_utf8_lossy(&decoded).to_ascii_lowercase().contains(&plain) {
                    return Some(format!("{plain} in base64 in {}", url.host));
                }
            }
        }
    }
    None
}

/// Link texts that are themselves a domain or address of a page.
fn text_lies(view: &View<'_>, found: &mut Findings) {
    if view.is_list {
        return;
    }
    for html in view.inline_html() {
        for link in html.links.iter().take(200) {
            let Some(url) = view.mail.urls.get(link.url) else { continue };
            if url.host.is_empty() || !matches!(url.scheme.as_str(), "http" | "https") {
                continue;
            }
            let Some(shown) = shown_host(&link.text) else { continue };
            let lists = view.policy.lists;
            let counted = lists.is(Kind::Esp, &url.host)
                || (related(&url.host, view.from_domain))
                || (view.is_newsletter && view.from_is_authentic() != Some(false));
            let same_brand = view.policy.brands.owner(&shown).is_some_and(|b| view.policy.brands.owns(b, &url.host));
            let tracked = lists.is(Kind::Redirector, &url.host)
                || url.host.contains("safelinks")
                || url.host.contains("urldefense")
                || url.host.contains("click.");
            // Click counters rewrite links of newsletters; a link that shows a well-known brand or our own domain may not be rewritten by strangers.
            let grave = view.policy.brands.owner(&shown).is_some()
                || view.is_own(&shown)
                || view.themes.first_of(super::lure::CREDENTIAL).is_some();
            let is_excused = related(&shown, &url.host) || same_brand || counted || (tracked && !grave);
            if !is_excused {
                found.add(&URL_TEXT_LIES, format!("shows {shown}, leads to {}", url.host));
            }
        }
    }
}

/// The host in a link's text, when the text is nothing but an address of a page.
fn shown_host(text: &str) -> Option<String> {
    let text = text.trim();
    if text.len() > 200 || text.contains(char::is_whitespace) || text.contains('@') {
        return None;
    }
    let lower = text.to_lowercase();
    let has_scheme = lower.starts_with("http://") || lower.starts_with("https://");
    let bare = lower.trim_start_matches("https://").trim_start_matches("http://");
    let host = bare.split(['/', '?', '#', ':']).next()?.trim_end_matches('.');
    let site = registrable(host);
    let zone = host.rsplit('.').next()?;
    let looks = host.contains('.')
        && site.contains('.')
        && host.split('.').all(|l| !l.is_empty() && l.chars().all(|c| c.is_alphanumeric() || c == '-'))
        && zone.len() >= 2
        && zone.chars().all(char::is_alphabetic);
    let known_zone = postern_suffix::has_known_suffix(host);
    (looks && known_zone && (has_scheme || host.starts_with("www.") || !is_file_name(host))).then(|| host.to_owned())
}

/// `invoice.zip`, `readme.md`: file names whose ending is a zone as well.
fn is_file_name(host: &str) -> bool {
    let ends = ["zip", "md", "py", "sh", "pl", "rs", "mov", "ps", "so", "cc", "java", "app"];
    ends.contains(&host.rsplit('.').next().unwrap_or_default())
}

/// Base64 by itself: URLs carry it with and without padding, in both alphabets.
mod base64 {
    /// What can be decoded from the beginning of `text`; stops at the first foreign character.
    pub fn decode(text: &str) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len() * 3 / 4);
        let (mut bits, mut held) = (0u32, 0u32);
        for b in text.bytes() {
            let value = match b {
                b'A'..=b'Z' => b - b'A',
                b'a'..=b'z' => b - b'a' + 26,
                b'0'..=b'9' => b - b'0' + 52,
                b'+' | b'-' => 62,
                b'/' | b'_' => 63,
                _ => break,
            };
            bits = bits << 6 | u32::from(value);
            held += 6;
            if held >= 8 {
                held -= 8;
                out.push(u8::try_from(bits >> held & 0xff).unwrap_or_default());
                bits &= (1 << held) - 1;
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_an_address_is_read() {
        assert_eq!(base64::decode("dXNlckBleGFtcGxlLnRlc3Q="), b"user@example.test");
        assert_eq!(base64::decode("dXNlckBleGFtcGxlLnRlc3Q&x"), b"user@example.test");
    }

    #[test]
    fn texts_that_are_hosts() {
        assert_eq!(shown_host("https://www.paypal.com/login").as_deref(), Some("www.paypal.com"));
        assert_eq!(shown_host("paypal.com").as_deref(), Some("paypal.com"));
        for text in ["Click here", "invoice.zip", "e.g.", "user@example.org", "3.14", "Node.js"] {
            assert_eq!(shown_host(text), None, "{text}");
        }
    }
}
