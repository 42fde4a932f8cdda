//! Mails that are a picture: what is shown is not in the mail, and filters cannot read it.

use postern_mail::message::UrlSource;

use super::{Findings, url_host};
use crate::domain_lists::{Kind, related};
use crate::symbols;
use crate::view::View;

symbols! { Html:
    PICTURE_FROM_ADDRESS = 1.5, "A picture is loaded from an IP address.";
    PICTURE_FROM_ANONYMOUS_HOST = 1.5, "A picture is loaded from a host where anybody puts pictures without an account.";
    PICTURE_WITH_LINE = 1.0, "A picture as a link to a foreign site, with a line or two of text, and no list to leave.";
    PICTURE_WITH_SHORTENER = 1.2, "A picture and hardly any text behind a shortener or redirector.";
}

/// Letters of visible text up to which a mail is "a picture and a line".
const A_LINE: usize = 350;

pub fn check(view: &View<'_>, found: &mut Findings) {
    if !view.from_outside || view.is_list || view.is_reply {
        return;
    }
    let pictures = || view.mail.urls.iter().filter(|u| u.source == UrlSource::HtmlImage);
    // The same address in a link is counted there.
    if let Some(url) = pictures().find(|u| u.ip.is_some()).filter(|_| !found.has(&super::url::URL_ADDRESS)) {
        found.add(&PICTURE_FROM_ADDRESS, &url.raw);
    }
    if let Some(url) = pictures().find(|u| view.policy.lists.is(Kind::PictureHost, &u.host)) {
        found.add(&PICTURE_FROM_ANONYMOUS_HOST, &url.raw);
    }
    let visible: usize = view.inline_html().map(|h| h.visible_text).sum();
    let linked = view.inline_html().any(|h| h.links.iter().any(|l| l.has_image));
    let carries = view.attachments().any(|p| !p.content_type.starts_with("image/"));
    if visible > A_LINE || !linked || carries {
        return;
    }
    let foreign = |host: &str| !related(host, view.from_domain) && !view.policy.lists.is(Kind::Esp, host);
    let mut links = view.links();
    if !view.is_newsletter && view.links().count() > 0 && links.all(|u| foreign(&u.host)) {
        found.add(&PICTURE_WITH_LINE, format!("{visible} octets of text, {}", view.links().next().map_or("", |u| u.host.as_str())));
    }
    if found.any_of(&[&url_host::URL_SHORTENER, &super::url::URL_OPEN_REDIRECT]) {
        found.add(&PICTURE_WITH_SHORTENER, view.links().next().map_or("", |u| u.raw.as_str()));
    }
}
