//! One part: its content fields, and for a leaf its content.

use std::borrow::Cow;

use mail_parser::parsers::MessageStream;
use mail_parser::{ContentType, HeaderValue};

use super::header::{Block, decode as decode_words, terminated, unfold};
use super::{Reader, Root, decode, floor_char_boundary, inner_number};
use crate::content;
use crate::html;
use crate::message::{DefectKind, Part, TransferEncoding, TrueType, UrlSource};

/// Octets of a structured field handed to its reader.
const MAX_STRUCTURED: usize = 8 * 1024;
/// HTML is looked at this many times the octets of text that are kept: markup weighs more than words.
const HTML_FACTOR: usize = 16;

/// What the walk needs to know of a part beyond [`Part`].
#[derive(Default)]
pub(super) struct Entity {
    pub boundary: Option<Vec<u8>>,
}

impl Reader<'_> {
    /// Reads the content fields and adds the part.
    pub(super) fn entity(&mut self, mail: &[u8], block: &Block, mut part: Part, in_digest: bool) -> Entity {
        let index = self.message.parts.len();
        let mut entity = Entity::default();
        let mut disposition: Option<String> = None;
        let mut name_in_type = None;
        let mut has_type = false;
        let mut encodings = 0;
        let mut defects: Vec<(DefectKind, String)> = Vec::new();
        for field in &block.fields {
            let name = field.name(mail);
            if name.len() < 10 || !name[..8].eq_ignore_ascii_case(b"content-") {
                continue;
            }
            let value = field.value(mail);
            let value = &value[..value.len().min(MAX_STRUCTURED)];
            if field.is(mail, "content-type") {
                if has_type {
                    defects.push((DefectKind::BadContentType, "a second Content-Type".to_owned()));
                    continue;
                }
                has_type = true;
                match content_type(value) {
                    Some(parsed) => {
                        part.content_type = format!("{}/{}", parsed.ctype(), parsed.subtype().unwrap_or_default()).to_ascii_lowercase();
                        if !is_type(&part.content_type) {
                            defects.push((DefectKind::BadContentType, unfold(value)));
                        }
                        part.charset = parsed.attribute("charset").map(|c| c.trim().to_ascii_lowercase()).filter(|c| !c.is_empty());
                        entity.boundary = parsed.attribute("boundary").// RFC 2046 §5.1.1: a boundary does not end in a space.
                        map(|b| b.trim_ascii_end().as_bytes().to_vec());
                        name_in_type = parsed.attribute("name").map(str::to_owned);
                    }
                    None => defects.push((DefectKind::BadContentType, unfold(value))),
                }
            } else if field.is(mail, "content-disposition") {
                if let Some(parsed) = content_type(value) {
                    part.filename = part.filename.take().or_else(|| parsed.attribute("filename").map(str::to_owned));
                    disposition = Some(parsed.ctype().to_ascii_lowercase());
                }
            } else if field.is(mail, "content-transfer-encoding") {
                encodings += 1;
                let text = unfold(value).to_ascii_lowercase();
                part.encoding = encoding(&text);
                if part.encoding == TransferEncoding::Unknown || encodings > 1 {
                    defects.push((DefectKind::UnknownTransferEncoding, text));
                }
            } else if field.is(mail, "content-id") {
                let id = unfold(value);
                part.content_id = Some(id.trim_matches(['<', '>', ' ']).to_owned()).filter(|id| !id.is_empty());
            }
        }
        part.filename = part.filename.take().or(name_in_type).map(|n| clean_name(&n)).filter(|n| !n.is_empty());
        if part.content_type.is_empty() || !is_type(&part.content_type) {
            // RFC 2045 §5.2: what has no usable type is plain text.
            part.content_type = if in_digest && !has_type { "message/rfc822".to_owned() } else { "text/plain".to_owned() };
        }
        part.is_multipart = part.content_type.starts_with("multipart/");
        part.is_message = matches!(part.content_type.as_str(), "message/rfc822" | "message/global" | "message/news");
        match part.content_type.as_str() {
            "message/partial" => defects.push((DefectKind::PartialMessage, "message/partial".to_owned())),
            "message/external-body" => defects.push((DefectKind::ExternalBody, "message/external-body".to_owned())),
            _ => {}
        }
        let says_attachment = disposition.as_deref().is_some_and(|d| d != "inline");
        let is_shown = part.content_type.starts_with("text/") || part.content_type.starts_with("image/");
        if !part.is_multipart {
            part.is_attachment = match disposition.as_deref() {
                Some("inline") => !is_shown,
                Some(_) => says_attachment,
                None => !is_shown && !part.is_message || part.filename.is_some() && part.content_id.is_none(),
            };
            part.is_inline = !part.is_attachment;
        }
        part.size = (mail.len() - block.body) as u64;
        let is_top = part.number.is_empty();
        self.message.parts.push(part);
        for (kind, evidence) in defects {
            self.defect(kind, index, &evidence);
        }
        if !is_top {
            self.header_form(mail, block, index);
        }
        entity
    }

    /// Decodes and looks into a part that contains no others.
    pub(super) fn leaf(&mut self, body: &[u8], index: usize, _entity: &Entity) {
        let encoding = self.message.parts[index].encoding;
        let octets: Cow<'_, [u8]> = match encoding {
            TransferEncoding::Base64 => {
                let decoded = decode::base64(body);
                if decoded.is_bad {
                    self.defect(DefectKind::BadBase64, index, &first_line(body));
                }
                Cow::Owned(decoded.octets)
            }
            TransferEncoding::QuotedPrintable => {
                let decoded = decode::quoted_printable(body);
                if decoded.is_bad {
                    self.defect(DefectKind::BadQuotedPrintable, index, &bad_escape(body));
                }
                Cow::Owned(decoded.octets)
            }
            _ => Cow::Borrowed(body),
        };
        if encoding == TransferEncoding::SevenBit && !body.is_ascii() {
            self.defect(DefectKind::EightBitInSevenBit, index, &first_eight_bit(body));
        }
        let is_multipart = self.message.parts[index].is_multipart;
        let found = content::inspect(&octets);
        {
            let part = &mut self.message.parts[index];
            part.size = octets.len() as u64;
            if !is_multipart {
                part.hash = Some(*blake3::hash(&octets).as_bytes());
            }
            part.true_type = found.true_type;
            part.is_encrypted_archive = found.is_encrypted;
            part.member_names = found.member_names;
            part.has_macros = found.has_macros;
            part.pdf_names = found.pdf_names;
        }
        if self.message.parts[index].is_message && matches!(encoding, TransferEncoding::Base64 | TransferEncoding::QuotedPrintable) {
            self.encoded_message(&octets, index);
        } else if let Some(form) = self.text_form(index) {
            self.text_part(&octets, index, form);
        }
    }

    /// A message in a transfer encoding: forbidden (RFC 2046 §5.2.1), decoded by several readers.
    fn encoded_message(&mut self, octets: &[u8], index: usize) {
        self.defect(DefectKind::NestedTransferEncoding, index, "an encoded message/rfc822");
        let (number, depth) = (self.message.parts[index].number.clone(), self.message.parts[index].depth);
        if depth >= self.limits.depth {
            let evidence = format!("more than {} levels", self.limits.depth);
            self.defect(DefectKind::TooDeep, index, &evidence);
            return;
        }
        self.encoded_around += 1;
        self.walk(octets, Root { number: inner_number(&number), depth: depth + 1, is_top: false });
        self.encoded_around -= 1;
    }

    /// Whether the part is text, and which, by declared type, name and content.
    fn text_form(&self, index: usize) -> Option<TextForm> {
        let part = &self.message.parts[index];
        let name = part.filename.as_deref().unwrap_or_default().to_ascii_lowercase();
        let is_html_name = [".htm", ".html", ".shtml", ".xhtml", ".svg", ".mht"].iter().any(|e| name.ends_with(e));
        let is_text_content = matches!(part.true_type, TrueType::Text | TrueType::Html | TrueType::Svg | TrueType::Unknown);
        match part.content_type.as_str() {
            "text/html" | "application/xhtml+xml" | "image/svg+xml" => Some(TextForm::Html),
            // What is called a page opens as one, whatever its type says.
            _ if is_html_name && is_text_content => Some(TextForm::Html),
            "application/octet-stream" if matches!(part.true_type, TrueType::Html | TrueType::Svg) => Some(TextForm::Html),
            t if t.starts_with("text/") || part.is_multipart => Some(TextForm::Plain),
            _ => None,
        }
    }

    fn text_part(&mut self, octets: &[u8], index: usize, form: TextForm) {
        let is_attachment = self.message.parts[index].is_attachment;
        let charset = self.message.parts[index].charset.clone();
        let most = match form {
            TextForm::Html => self.limits.text.saturating_mul(HTML_FACTOR),
            // Four octets a character at most.
            TextForm::Plain => self.limits.text.saturating_mul(4),
        };
        let is_cut = octets.len() > most;
        let (text, known) = decode::text(&octets[..octets.len().min(most)], charset.as_deref());
        if known == decode::Charset::Unknown {
            self.defect(DefectKind::UnknownCharset, index, charset.as_deref().unwrap_or_default());
        }
        let mut all_kept = !is_cut;
        match form {
            TextForm::Html => {
                let room = self.limits.text.saturating_sub(self.message.text.len());
                let page = html::read(&text, if is_attachment { self.limits.text } else { room }, self.limits.urls);
                all_kept &= page.is_whole;
                let facts = page.into_facts(self, index, octets.len(), is_attachment);
                self.message.html.push(facts.0);
                if !is_attachment {
                    self.append_text(&facts.1);
                }
            }
            TextForm::Plain => {
                let kept = &text[..floor_char_boundary(&text, self.limits.text)];
                let source = if is_attachment { UrlSource::Attachment } else { UrlSource::Text };
                self.add_urls_in_text(kept, source, index);
                if let Some(line) = uuencoded(kept) {
                    self.defect(DefectKind::Uuencoded, index, line);
                }
                if !is_attachment {
                    all_kept &= self.append_text(&text);
                }
            }
        }
        if !all_kept {
            self.defect(DefectKind::TextCut, index, &format!("{} octets", octets.len()));
        }
    }
}

#[derive(Clone, Copy)]
enum TextForm {
    Plain,
    Html,
}

fn content_type(value: &[u8]) -> Option<ContentType<'static>> {
    let line = terminated(value);
    match MessageStream::new(&line).parse_content_type().into_owned() {
        HeaderValue::ContentType(parsed) => Some(parsed),
        _ => None,
    }
}

fn is_type(text: &str) -> bool {
    let token = |t: &str| !t.is_empty() && t.len() <= 127 && t.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b));
    text.split_once('/').is_some_and(|(t, s)| token(t) && token(s))
}

fn encoding(text: &str) -> TransferEncoding {
    // A comment or parameter after the token changes nothing for readers.
    match text.split([' ', ';', '(', '\t']).next().unwrap_or_default() {
        "7bit" | "" => TransferEncoding::SevenBit,
        "8bit" => TransferEncoding::EightBit,
        "binary" => TransferEncoding::Binary,
        "quoted-printable" => TransferEncoding::QuotedPrintable,
        "base64" => TransferEncoding::Base64,
        _ => TransferEncoding::Unknown,
    }
}

/// Encoded words in names are against RFC 2231 and everywhere; control characters hide the real end.
fn clean_name(name: &str) -> String {
    let (decoded, _) = decode_words(name);
    decoded.chars().filter(|c| !c.is_control()).take(500).collect::<String>().trim().to_owned()
}

/// `begin 644 name` at the start of a line.
fn uuencoded(text: &str) -> Option<&str> {
    memchr::memmem::find_iter(text.as_bytes(), b"begin ").take(100).find_map(|at| {
        let at_line_start = at == 0 || text.as_bytes()[at - 1] == b'\n';
        let line = text[at..].lines().next()?;
        let mut words = line.split(' ').skip(1);
        let mode = words.next()?;
        (at_line_start && (3..=4).contains(&mode.len()) && mode.bytes().all(|b| (b'0'..=b'7').contains(&b)) && words.next().is_some())
            .then_some(line)
    })
}

fn first_line(body: &[u8]) -> String {
    String::from_utf8_lossy(body.trim_ascii_start().split(|b| *b == b'\n').next().unwrap_or_default().get(..).unwrap_or_default())
        .chars()
        .take(100)
        .collect()
}

fn bad_escape(body: &[u8]) -> String {
    memchr::memchr_iter(b'=', body)
        .find(|i| {
            !matches!(body.get(i + 1..).unwrap_or_default(), [b'\r' | b'\n' | b' ' | b'\t', ..] | [])
                && !matches!(body.get(i + 1..i + 3), Some([a, b]) if decode::hex(*a).is_some() && decode::hex(*b).is_some())
        })
        .map(|i| String::from_utf8_lossy(&body[i..body.len().min(i + 10)]).into_owned())
        .unwrap_or_default()
}

fn first_eight_bit(body: &[u8]) -> String {
    body.iter().position(|b| !b.is_ascii()).map(|i| format!("octet {:#04x} at {i}", body[i])).unwrap_or_default()
}
