//! Links by their host: free places, zones with much abuse, names nobody would choose.

use super::{Findings, Symbol};
use crate::domain_lists::{Kind, registrable, related};
use crate::lookalike::is_random;
use crate::symbols;
use crate::view::View;

symbols! { Url:
    URL_SHORTENER = 1.0, "A link through a shortener: the reader cannot see where it leads.";
    URL_FREE_HOSTING = 1.5, "A link to a page at a free host or site builder.";
    URL_FORM_BUILDER = 1.2, "A link to a form anybody can make.";
    URL_IPFS = 3.0, "A link into IPFS: pages nobody can take down.";
    URL_TUNNEL = 3.0, "A link through a tunnel to somebody's own computer.";
    URL_DYNAMIC_DNS = 2.0, "A link to a host with dynamic DNS.";
    URL_BUCKET = 1.5, "A link to a page in a storage bucket.";
    URL_FILE_SHARE = 0.8, "A link to a file at an anonymous file host.";
    URL_CHAT = 0.8, "A link into a chat (Telegram, WhatsApp) from a stranger.";
    URL_ABUSED_ZONE = 1.2, "A link to a zone with much abuse.";
    URL_RANDOM_HOST = 1.2, "A link to a host with a random name.";
    URL_LONG_HOST = 0.8, "A link to a host with a name of more than 60 characters.";
    URL_MANY_LABELS = 0.8, "A link to a host with six or more labels.";
    URL_PUNYCODE = 1.0, "A link to a host with letters outside ASCII.";
    URL_MANY_HYPHENS = 0.8, "A link to a host with three or more hyphens in its registered name.";
    URL_LOGIN_HOST = 1.0, "A link to a host whose own name speaks of login, security or verification.";
}

static BY_KIND: &[(Kind, &Symbol)] = &[
    (Kind::Shortener, &URL_SHORTENER),
    (Kind::FormBuilder, &URL_FORM_BUILDER),
    (Kind::Ipfs, &URL_IPFS),
    (Kind::Tunnel, &URL_TUNNEL),
    (Kind::DynamicDns, &URL_DYNAMIC_DNS),
    (Kind::FileShare, &URL_FILE_SHARE),
    (Kind::Chat, &URL_CHAT),
];

pub fn check(view: &View<'_>, found: &mut Findings) {
    let lists = view.policy.lists;
    let mut last = "";
    for url in view.foreign_links() {
        let host = url.host.as_str();
        let path = url.path.to_ascii_lowercase();
        // Links of a list's footer and of people who answer belong to honest talk.
        let talk = view.is_list || view.is_reply;
        for (kind, symbol) in BY_KIND {
            let mild = matches!(kind, Kind::Shortener | Kind::FormBuilder | Kind::FileShare | Kind::Chat);
            if lists.is_at(*kind, host, &path) && !(mild && talk) && !(*kind == Kind::Chat && view.is_newsletter) {
                found.add(symbol, &url.raw);
            }
        }
        if path.contains("/ipfs/") || path.contains("/ipns/") {
            found.add(&URL_IPFS, &url.raw);
        }
        let is_page = path.ends_with(".html")
            || path.ends_with(".htm")
            || path.ends_with('/')
            || !path.rsplit('/').next().unwrap_or_default().contains('.');
        if lists.is(Kind::Bucket, host) && is_page && !talk {
            found.add(&URL_BUCKET, &url.raw);
        } else if lists.is(Kind::FreeHosting, host) && !talk && !is_front_door(host) {
            found.add(&URL_FREE_HOSTING, &url.raw);
        }
        if host == last {
            continue;
        }
        last = host;
        shape(view, host, found);
    }
}

/// The builder's own pages, not a customer's.
fn is_front_door(host: &str) -> bool {
    let site = registrable(host);
    (host == site || host.strip_prefix("www.").is_some_and(|h| h == site))
        && postern_suffix::suffix(host).is_some_and(|s| s != host)
        && site.matches('.').count() == 1
        && !crate::lookalike::is_random(site.split('.').next().unwrap_or_default())
}

fn shape(view: &View<'_>, host: &str, found: &mut Findings) {
    let lists = view.policy.lists;
    if view.policy.brands.owner(host).is_some()
        || lists.is(Kind::Esp, host)
        || view.is_own(host)
        || host.parse::<std::net::IpAddr>().is_ok()
    {
        return;
    }
    let talk = view.is_list || view.is_reply;
    if lists.is(Kind::AbusedTld, host) && !talk && !related(host, view.facts.mail_from.domain().map_or("", |d| d.as_str())) {
        found.add(&URL_ABUSED_ZONE, host);
    }
    let site = registrable(host);
    let label = site.split('.').next().unwrap_or_default();
    if is_random(label) || host.split('.').any(|l| l.len() >= 10 && is_random(l)) && !talk && !view.is_newsletter {
        found.add(&URL_RANDOM_HOST, host);
    }
    if host.len() > 60 && !view.is_newsletter {
        found.add(&URL_LONG_HOST, host);
    }
    if host.split('.').count() >= 6 && !view.is_newsletter {
        found.add(&URL_MANY_LABELS, host);
    }
    if host.split('.').any(|l| l.starts_with("xn--")) {
        found.add(&URL_PUNYCODE, host);
    }
    if label.matches('-').count() >= 3 && !label.starts_with("xn--") {
        found.add(&URL_MANY_HYPHENS, host);
    }
    let words = [
        "login",
        "signin",
        "logon",
        "verify",
        "verification",
        "secure",
        "security",
        "account",
        "accounts",
        "webmail",
        "update",
        "confirm",
        "auth",
        "unlock",
        "banking",
        "wallet",
        "validate",
        "support",
        "alert",
        "refund",
        "billing",
        "recovery",
    ];
    let pieces = || site.split('.').next().unwrap_or_default().split('-');
    if !talk && !view.is_newsletter && pieces().count() >= 2 && pieces().any(|p| words.contains(&p)) {
        found.add(&URL_LOGIN_HOST, host);
    }
}
