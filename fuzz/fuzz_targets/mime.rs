//! A whole mail: structure, transfer encodings, text, HTML, URLs, content types.
#![no_main]

use libfuzzer_sys::fuzz_target;
use postern_mail::message::Limits;

fuzz_target!(|mail: &[u8]| {
    let limits = Limits { text: 16 * 1024, parts: 50, depth: 6, headers: 100, urls: 50 };
    let message = postern_mail::read(mail, &limits);
    assert!(message.text.len() <= limits.text && message.parts.len() <= limits.parts);
    assert!(message.urls.len() <= limits.urls && message.headers.len() <= limits.headers);
    for page in &message.html {
        assert!(page.links.iter().all(|link| link.url < message.urls.len()));
    }
});
