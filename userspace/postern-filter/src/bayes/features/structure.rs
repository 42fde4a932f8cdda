//! URLs, MIME and HTML structure.

use std::fmt::Write as _;

use postern_mail::message::{HtmlFacts, Message, Part, TransferEncoding, Url};

use super::shape::{shape, shape_digits, share_class, size_class};
use super::words::{MAX_WORD, words};
use super::{Sink, Tier};

pub(super) fn urls(urls: &[Url], sink: &mut Sink<'_>) {
    sink.add(Tier::Structure, &["urls", &size_class(urls.len())]);
    for url in urls.iter().take(60) {
        sink.add(Tier::Url, &["scheme", &url.scheme]);
        if url.scheme == "mailto" {
            continue;
        }
        if url.ip.is_some() {
            sink.add(Tier::Url, &["host", "address"]);
        } else {
            sink.add(Tier::Url, &["host", &url.host]);
            sink.add(Tier::Url, &["domain", &url.domain]);
            sink.add(Tier::Url, &["tld", url.host.rsplit('.').next().unwrap_or_default()]);
            sink.add(Tier::Url, &["labels", &size_class(url.host.split('.').count())]);
        }
        sink.add(Tier::Url, &["source", &format!("{:?}", url.source)]);
        sink.add(Tier::Url, &["path-shape", &shape(&url.path, 24)]);
        for piece in url.path.split(['/', '.', '-', '_']).filter(|p| p.len() > 1 && p.len() <= MAX_WORD).take(8) {
            sink.add(Tier::Url, &["path", &shape_digits(&piece.to_ascii_lowercase(), MAX_WORD)]);
        }
        for parameter in url.query.split('&').filter(|p| !p.is_empty()).take(6) {
            sink.add(Tier::Url, &["parameter", parameter.split('=').next().unwrap_or_default()]);
        }
        for (what, is) in [("port", url.port.is_some()), ("userinfo", url.userinfo.is_some()), ("obfuscated", url.is_obfuscated)] {
            if is {
                sink.add(Tier::Url, &[what]);
            }
        }
    }
}

pub(super) fn parts(message: &Message, sink: &mut Sink<'_>) {
    let mut sequence = String::new();
    for part in message.parts.iter().take(30) {
        let _ = write!(sequence, "{},", part.content_type);
        one_part(part, sink);
    }
    sink.add(Tier::Structure, &["parts", &sequence]);
    sink.add(Tier::Structure, &["size", &size_class(usize::try_from(message.size).unwrap_or(usize::MAX))]);
    for html in message.html.iter().take(4) {
        one_html(html, sink);
    }
    let quoted = message.text.lines().take(2000).filter(|l| l.starts_with('>')).count();
    sink.add(Tier::Structure, &["quoted-lines", &size_class(quoted)]);
    let longest = message.text.lines().take(2000).map(str::len).max().unwrap_or(0);
    sink.add(Tier::Structure, &["longest-line", &size_class(longest)]);
}

fn one_part(part: &Part, sink: &mut Sink<'_>) {
    let encoding = match part.encoding {
        TransferEncoding::SevenBit => "7bit",
        TransferEncoding::EightBit => "8bit",
        TransferEncoding::Binary => "binary",
        TransferEncoding::QuotedPrintable => "quoted-printable",
        TransferEncoding::Base64 => "base64",
        TransferEncoding::Unknown => "unknown",
    };
    sink.add(Tier::Structure, &["part", &part.content_type, encoding, part.charset.as_deref().unwrap_or("")]);
    sink.add(Tier::Structure, &["charset", part.charset.as_deref().unwrap_or("")]);
    if let Some(name) = part.filename.as_deref() {
        let extension = name.rsplit_once('.').map_or("", |(_, e)| e).to_ascii_lowercase();
        sink.add(Tier::Structure, &["file", &extension, &part.content_type]);
    }
}

fn one_html(html: &HtmlFacts, sink: &mut Sink<'_>) {
    let facts: [(&str, usize); 15] = [
        ("images", html.images),
        ("remote-images", html.remote_images),
        ("pixels", html.tracking_pixels),
        ("links", html.links.len()),
        ("image-links", html.links.iter().filter(|l| l.has_image).count()),
        ("forms", html.forms.len()),
        ("scripts", html.scripts),
        ("handlers", html.event_handlers),
        ("iframes", html.iframes),
        ("comments", html.comments),
        ("unknown-tags", html.unknown_tags),
        ("unbalanced", html.unbalanced_tags),
        ("encoded-letters", html.encoded_letters),
        ("tables", html.tables),
        ("fonts", html.font_tags),
    ];
    for (name, count) in facts {
        sink.add(Tier::Structure, &["html", name, &size_class(count)]);
    }
    sink.add(Tier::Structure, &["html", "visible", &share_class(html.visible_text, html.octets)]);
    sink.add(Tier::Structure, &["html", "hidden", &share_class(html.hidden_text, html.octets)]);
    sink.add(Tier::Structure, &["html", "size", &size_class(html.octets)]);
    if let Some(title) = html.title.as_deref() {
        for word in words(title).take(12) {
            sink.add(Tier::Structure, &["title", &word.text]);
        }
    }
}
