//! Mails that the gateway writes to people: one text, as HTML and plain.

use std::io;

use mail_builder::MessageBuilder;
use mail_builder::headers::raw::Raw;
use postern_model::address::Address;
use postern_model::time::Timestamp;

#[derive(Clone, Debug)]
pub struct Letter<'a> {
    /// Shown beside the address.
    pub from_name: &'a str,
    pub from: &'a str,
    pub to: &'a Address,
    pub subject: &'a str,
    pub at: Timestamp,
    /// `<id@host>`
    pub message_id: &'a str,
    /// As in `en` (RFC 3282).
    pub language: &'a str,
    pub text: &'a str,
    /// What a stranger wrote has been escaped in it ([`escaped`]).
    pub html: &'a str,
    pub attachment: Option<Attachment<'a>>,
}

#[derive(Clone, Copy, Debug)]
pub struct Attachment<'a> {
    /// Of the file, ours.
    pub name: &'a str,
    /// As in `application/pdf`.
    pub kind: &'a str,
    pub octets: &'a [u8],
}

/// The whole mail, with CRLF line ends, in ASCII but for an address that is not.
///
/// # Errors
/// None is known: it is written into memory.
pub fn write(letter: &Letter<'_>) -> io::Result<Vec<u8>> {
    let builder = MessageBuilder::new()
        .from((letter.from_name, letter.from))
        .to(letter.to.to_string())
        .subject(letter.subject)
        .date(letter.at.0 / 1000)
        .message_id(letter.message_id.trim_matches(['<', '>']))
        // RFC 3834 section 5: so that no vacation program answers.
        .header("Auto-Submitted", Raw::new("auto-generated"))
        .header("Content-Language", Raw::new(letter.language))
        .text_body(letter.text)
        .html_body(letter.html);
    match letter.attachment {
        Some(Attachment { name, kind, octets }) => builder.attachment(kind, name, octets).write_to_vec(),
        None => builder.write_to_vec(),
    }
}

/// Text within HTML, in an element or in an attribute with quotes.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Nothing that a sender wrote turns the rest of a line around, or breaks it.
            c if c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// The same for plain text: one line.
pub fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::message::Limits;

    #[test]
    fn a_letter_reads_back_and_nothing_in_it_is_markup_or_another_header() {
        let nasty = "x\r\nBcc: all@example.org\r\n\r\n<script>\u{202e}";
        let to: Address = "anna@example.org".parse().unwrap();
        let html = format!("<p>{}</p>", escaped(nasty));
        let letter = Letter {
            from_name: "Postern",
            from: "postern@mx.example",
            to: &to,
            subject: nasty,
            at: Timestamp(1_795_000_000_000),
            message_id: "<1@mx.example>",
            language: "de",
            text: "Zurückgehalten: 1",
            html: &html,
            attachment: Some(Attachment { name: "a.pdf", kind: "application/pdf", octets: b"%PDF-\xff" }),
        };
        let written = write(&letter).unwrap();
        assert!(written.is_ascii());
        let read = crate::read(&written, &Limits::default());
        let names: Vec<String> = read.headers.iter().map(|h| h.name.to_ascii_lowercase()).collect();
        assert!(!names.contains(&"bcc".to_owned()), "{names:?}");
        assert!(read.parts.iter().any(|p| p.filename.as_deref() == Some("a.pdf")), "{:?}", read.parts);
        assert!(read.text.contains("Zurückgehalten: 1") || read.parts.len() >= 2, "{read:?}");
        assert!(!html.contains("<script>") && !html.contains('\u{202e}') && html.contains("&lt;script&gt;"));
        assert_eq!(one_line("a\r\nb\u{2066}c"), "a  b c");
    }
}
