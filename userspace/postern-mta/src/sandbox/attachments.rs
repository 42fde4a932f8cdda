//! Which parts of a mail are taken apart.

use std::borrow::Cow;

use postern_mail::message::{Message, Part, TrueType};
use postern_model::settings::sandbox::{SandboxSettings, Skipped};

/// One that is taken apart.
#[derive(Debug)]
pub struct Attachment<'m> {
    /// As the mail calls it; of one without a name its place and type.
    pub name: String,
    pub content_type: &'m str,
    /// BLAKE3 of the content.
    pub hash: [u8; 32],
    pub content: Cow<'m, [u8]>,
}

/// The attachments of a mail that are taken apart, and of those that are not although they should be: why.
pub fn of<'m>(settings: &SandboxSettings, mail: &'m [u8], message: &'m Message) -> (Vec<Attachment<'m>>, Vec<String>) {
    let (mut taken, mut left_out) = (Vec::new(), Vec::new());
    for part in message.parts.iter().filter(|part| is_wanted(settings, part)) {
        let name = name_of(part);
        if part.size > settings.max_size {
            left_out.push(format!("{name}: {} octets, and {} at most are taken apart", part.size, settings.max_size));
        } else if taken.len() >= settings.max_attachments {
            left_out.push(format!("{name}: more than {} attachments", settings.max_attachments));
        } else if let (Some(content), Some(hash)) = (part.content(mail), part.hash) {
            taken.push(Attachment { name, content_type: &part.content_type, hash, content });
        }
    }
    (taken, left_out)
}

fn name_of(part: &Part) -> String {
    part.filename.clone().unwrap_or_else(|| format!("part {} ({})", part.number, part.content_type))
}

/// By what it is. The mail's own text and pages are the filter's work; what lies within an encoded mail is taken apart with that mail.
fn is_wanted(settings: &SandboxSettings, part: &Part) -> bool {
    if part.is_multipart || part.size == 0 || part.body.is_none() {
        return false;
    }
    let is_attached = part.is_attachment || part.filename.is_some();
    let skips = |what| settings.skip.contains(&what);
    match part.true_type {
        TrueType::Image => !skips(Skipped::Image),
        TrueType::Audio | TrueType::Video => !skips(Skipped::Media),
        TrueType::Pdf => !skips(Skipped::Pdf),
        TrueType::Html | TrueType::Svg => is_attached,
        TrueType::Text | TrueType::Calendar => is_attached && !(skips(Skipped::Text) && is_harmless_text(part)),
        TrueType::Unknown => is_attached,
        _ => true,
    }
}

/// Text that no system runs: by its ending, or without one.
fn is_harmless_text(part: &Part) -> bool {
    const ENDINGS: &[&str] = &["txt", "csv", "tsv", "log", "md", "ics", "vcf", "asc", "sig", "patch", "diff", "json", "yaml"];
    match part.filename.as_deref().and_then(|name| name.trim_end_matches(['.', ' ']).rsplit_once('.')) {
        Some((_, ending)) => ENDINGS.contains(&ending.to_ascii_lowercase().as_str()),
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use postern_mail::message::Limits;

    fn mail(parts: &[&str]) -> Vec<u8> {
        let head = "From: a@example.org\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=x\n\n";
        let body: String = parts.iter().map(|p| format!("--x\n{p}\n")).collect();
        format!("{head}{body}--x--\n").replace('\n', "\r\n").into_bytes()
    }

    fn attached(name: &str, content_type: &str, base64: &str) -> String {
        format!(
            "Content-Type: {content_type}\nContent-Disposition: attachment; filename=\"{name}\"\nContent-Transfer-Encoding: base64\n\n{base64}"
        )
    }

    fn names(settings: &SandboxSettings, mail: &[u8]) -> (Vec<String>, Vec<String>) {
        let message = postern_mail::read(mail, &Limits::default());
        let (taken, left_out) = of(settings, mail, &message);
        (taken.into_iter().map(|a| a.name).collect(), left_out)
    }

    /// A ZIP's first header, "%PDF-1.4", a PNG's head, "hello".
    const ZIP: &str = "UEsDBBQAAAAIAAAAIQAAAAAAAAAAAAAA";
    const PDF: &str = "JVBERi0xLjQK";
    const PNG: &str = "iVBORw0KGgoAAAANSUhEUg==";
    const TEXT: &str = "aGVsbG8K";

    #[test]
    fn all_but_text_and_pictures_by_what_they_are() {
        let whole = mail(&[
            "Content-Type: text/plain\n\nthe mail",
            "Content-Type: text/html\n\n<html><body>the page</body></html>",
            &attached("a.zip", "application/zip", ZIP),
            &attached("photo.png", "image/png", PNG),
            &attached("photo.jpg", "image/jpeg", ZIP),
            &attached("notes.txt", "text/plain", TEXT),
            &attached("run.js", "text/plain", TEXT),
            &attached("b.pdf", "application/octet-stream", PDF),
        ]);
        let (taken, left_out) = names(&SandboxSettings::default(), &whole);
        assert_eq!((taken, left_out), (["a.zip", "photo.jpg", "run.js", "b.pdf"].map(str::to_owned).to_vec(), vec![]));
        let everything = SandboxSettings { skip: Vec::new(), ..SandboxSettings::default() };
        assert_eq!(names(&everything, &whole).0.len(), 6);
        let no_pdf = SandboxSettings { skip: vec![Skipped::Pdf], ..SandboxSettings::default() };
        assert!(!names(&no_pdf, &whole).0.contains(&"b.pdf".to_owned()));
    }

    #[test]
    fn what_is_beyond_the_limits_is_said() {
        let whole = mail(&[&attached("a.zip", "application/zip", ZIP), &attached("b.pdf", "application/pdf", PDF)]);
        let few = SandboxSettings { max_attachments: 1, ..SandboxSettings::default() };
        assert_eq!(names(&few, &whole), (vec!["a.zip".into()], vec!["b.pdf: more than 1 attachments".into()]));
        let small = SandboxSettings { max_size: 10, ..SandboxSettings::default() };
        assert_eq!(names(&small, &whole).1, ["a.zip: 24 octets, and 10 at most are taken apart"]);
    }

    #[test]
    fn the_content_is_that_of_the_mail() {
        let whole = mail(&[&attached("b.pdf", "application/pdf", PDF)]);
        let message = postern_mail::read(&whole, &Limits::default());
        let (taken, _) = of(&SandboxSettings::default(), &whole, &message);
        assert_eq!((taken[0].content.as_ref(), taken[0].content_type), (&b"%PDF-1.4\n"[..], "application/pdf"));
        assert_eq!(taken[0].hash, *blake3::hash(b"%PDF-1.4\n").as_bytes());
    }

    /// RFC 2046 §5.2.1 forbids it, readers open it: the mail within is taken apart as a whole.
    #[test]
    fn an_encoded_mail_is_one_attachment() {
        // "From: b@example.org", "Content-Type: application/pdf", an empty line, "%PDF-1.4".
        let inner = "RnJvbTogYkBleGFtcGxlLm9yZw0KQ29udGVudC1UeXBlOiBhcHBsaWNhdGlvbi9wZGYNCg0KJVBERi0xLjQNCg==";
        let (taken, _) = names(&SandboxSettings::default(), &mail(&[&attached("inner.eml", "message/rfc822", inner)]));
        assert_eq!(taken, ["inner.eml"]);
    }
}
