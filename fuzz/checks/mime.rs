//! A whole mail: structure, transfer encodings, text, HTML, URLs, content types. Everything that comes out is bounded by the
//! limits, lies within the mail and names only what is there.

use postern_mail::message::Limits;

const LIMITS: Limits = Limits { text: 16 * 1024, parts: 50, depth: 6, headers: 100, urls: 50 };

pub fn check(mail: &[u8]) {
    let limits = &LIMITS;
    let message = postern_mail::read(mail, limits);
    assert_eq!(message.size, mail.len() as u64);
    assert!(message.header_size <= message.size);
    assert!(message.text.len() <= limits.text, "{} octets of text", message.text.len());
    assert!((1..=limits.parts).contains(&message.parts.len()), "{} parts", message.parts.len());
    assert!(message.urls.len() <= limits.urls, "{} URLs", message.urls.len());
    assert!(message.headers.len() <= limits.headers, "{} fields", message.headers.len());

    let mut at = 0;
    for field in &message.headers {
        assert!(at <= field.start && field.start < field.end && field.end <= message.header_size, "{field:?} after {at}");
        assert!(!field.raw.contains(['\r', '\n']), "{field:?} is not unfolded");
        at = field.end;
    }
    let mut numbers: Vec<&str> = Vec::new();
    for part in &message.parts {
        assert!(part.depth <= limits.depth, "{} levels", part.depth);
        assert!(part.size <= message.size, "{} octets out of {}", part.size, message.size);
        assert!(part.member_names.len() <= 100, "{} names", part.member_names.len());
        assert!(part.filename.as_ref().is_none_or(|n| !n.is_empty() && !n.contains(char::is_control)), "{:?}", part.filename);
        assert!(part.is_multipart || part.hash.is_some() || part.is_message, "{}: no hash", part.number);
        numbers.push(&part.number);
    }
    numbers.sort_unstable();
    assert!(numbers.windows(2).all(|w| w[0] != w[1]), "a number stands twice: {numbers:?}");
    for page in &message.html {
        assert!(page.part < message.parts.len());
        assert!(page.links.iter().all(|link| link.url < message.urls.len() && link.text.chars().count() <= 200));
    }
    for url in &message.urls {
        assert!(url.part < message.parts.len() && url.count > 0, "{url:?}");
        assert!(url.raw.chars().count() <= 2000);
        assert!(!url.host.contains(|c: char| c.is_ascii_uppercase()) && !url.scheme.contains(|c: char| c.is_ascii_uppercase()), "{url:?}");
        assert!(url.host.ends_with(&url.domain), "{url:?}");
    }
    for defect in &message.defects {
        assert!(defect.part < message.parts.len() && defect.evidence.chars().count() <= 100, "{defect:?}");
    }
    // The header alone is read as with the body behind it.
    let header = postern_mail::read_header(mail, limits);
    assert_eq!((header.headers, header.from, header.subject), (message.headers, message.from, message.subject));
}
