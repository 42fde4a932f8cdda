//! Links by what stands behind their host, and all links of a mail together.

use super::Findings;
use crate::domain_lists::{Kind, registrable, related};
use crate::symbols;
use crate::view::View;

symbols! { Url:
    URL_CODE_PATH = 0.8, "A link to a foreign site whose path is one long code of letters and digits: how bulk mail kits count clicks.";
    URL_ALL_SHORTENED = 1.5, "Every link goes through a shortener.";
    URL_ONE_FOREIGN_SITE = 1.0, "All links of a mail in HTML alone lead to one site, which is not the author's, and there is no list to leave.";
    URL_SERVER_NAME = 1.2, "A link to a host by the name its data centre gave it.";
}

pub fn check(view: &View<'_>, found: &mut Findings) {
    if !view.from_outside || view.is_list || view.is_reply || view.is_from_brand() {
        return;
    }
    let lists = view.policy.lists;
    let mut sites: Vec<&str> = Vec::new();
    let (mut links, mut short) = (0, 0);
    for url in view.links() {
        links += 1;
        short += usize::from(lists.is_at(Kind::Shortener, &url.host, &url.path));
        let foreign = !related(&url.host, view.from_domain)
            && !view.is_own(&url.host)
            && !lists.is(Kind::Esp, &url.host)
            && view.policy.brands.owner(&url.host).is_none();
        if !foreign {
            sites.push("");
            continue;
        }
        let site = registrable(&url.host);
        if sites.len() < 40 && !sites.contains(&site) {
            sites.push(site);
        }
        if !view.is_newsletter && is_code_path(&url.path) {
            found.add(&URL_CODE_PATH, &url.raw);
        }
        if is_server_name(&url.host) {
            found.add(&URL_SERVER_NAME, &url.host);
        }
    }
    if links > 0 && short == links && !view.is_newsletter {
        found.add(&URL_ALL_SHORTENED, format!("{links} links"));
    }
    if let [site] = sites.as_slice()
        && !site.is_empty()
        && !view.is_newsletter
        && !view.mail.html.is_empty()
        && !view.leaves().any(|p| p.content_type == "text/plain" && !p.is_attachment)
    {
        found.add(&URL_ONE_FOREIGN_SITE, site);
    }
}

/// One segment, or one behind a short word, that is a long code: `/4xlfOU37711OJuK1174vfyht`, `/track/3haHz…`.
fn is_code_path(path: &str) -> bool {
    let mut segments = path.split('/').filter(|s| !s.is_empty());
    let (first, second, third) = (segments.next(), segments.next(), segments.next());
    match (first, second, third) {
        (Some(one), None, _) => is_code(one),
        (Some(word), Some(code), None) => word.len() <= 8 && is_code(code),
        _ => false,
    }
}

/// At least 18 letters and digits that change between the two, or between cases, more often than words do.
fn is_code(text: &str) -> bool {
    let b = text.as_bytes();
    if b.len() < 18 || !b.iter().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'=')) || text.matches('-').count() > 2 {
        return false;
    }
    let digits = b.iter().filter(|c| c.is_ascii_digit()).count();
    let kind = |c: u8| (c.is_ascii_digit(), c.is_ascii_uppercase());
    let changes = b.windows(2).filter(|w| kind(w[0]) != kind(w[1])).count();
    digits >= 2 && changes * 5 >= b.len() || changes * 3 >= b.len()
}

/// `212.224.205.92.host.example`, `vps-1a2b.example`, `ec2-203-0-113-5.example`: four numbers or a vps label.
fn is_server_name(host: &str) -> bool {
    let numbers = host.split(['.', '-']).filter(|p| !p.is_empty() && p.len() <= 3 && p.bytes().all(|b| b.is_ascii_digit())).count();
    let first = host.split('.').next().unwrap_or_default();
    let is_vps = ["vps", "vmi", "srv", "ip-", "static-"]
        .iter()
        .any(|p| first.strip_prefix(p).is_some_and(|r| r.bytes().filter(u8::is_ascii_digit).count() >= 3));
    (numbers >= 4 || is_vps) && host.parse::<std::net::IpAddr>().is_err() && host.matches('.').count() >= 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_words() {
        for path in ["/4xlfOU37711OJuK1174vfyht", "/track/3haHzF1601gmuY8vhv", "/VHRGU212YTQ1azN2Zm9qN05m"] {
            assert!(is_code_path(path), "{path}");
        }
        for path in ["/", "/products/blue-running-shoes-2024", "/2024/11/a-long-title-of-a-post", "/JavaScriptFrameworksCompared", "/watch"]
        {
            assert!(!is_code_path(path), "{path}");
        }
    }

    #[test]
    fn names_from_a_data_centre() {
        assert!(is_server_name("212.224.205.92.host.example.net") && is_server_name("vps-e1095755.vps.example.net"));
        assert!(!is_server_name("www.example.net") && !is_server_name("203.0.113.5") && !is_server_name("area-51.example.net"));
    }
}
