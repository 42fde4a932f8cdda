//! A mail's octets into a [`Message`].
//!
//! mail-parser reads the structured fields and the charsets; the structure itself is walked here:
//! mail-parser finds delimiters in the middle of lines and by prefix, which clients do not, searches
//! to the end of the mail for every part whose delimiter is missing (quadratic), and nests without
//! a bound. Here one forward pass finds all parts, each octet is decoded once, and every bound that
//! cut something left a [`Defect`].
//!
//! The cost is linear in the mail's size. Nesting in base64 is the one place that decodes twice, and
//! each level has three quarters of the octets of the one around it.

mod address;
mod boundary;
pub mod decode;
mod encoded_word;
pub mod header;
mod lines;
mod part;
pub mod received;
mod top;

use std::num::NonZeroUsize;

use crate::message::{Defect, DefectKind, Limits, Message, Part, TransferEncoding, Url, UrlSource};
use crate::url::{self, UrlSet};
use boundary::{Frame, Kind};
use part::Entity;

/// Defects of one kind kept; the first tell everything.
const MAX_DEFECTS_OF_A_KIND: usize = 20;
/// Header fields of an inner part that are looked at.
const MAX_PART_FIELDS: usize = 200;

/// Takes a mail apart. Never fails and never panics, whatever the octets.
pub fn read(mail: &[u8], limits: &Limits) -> Message {
    let mut reader = Reader::new(limits);
    reader.message.size = mail.len() as u64;
    lines::inspect(mail, &mut reader);
    let root = Root { number: String::new(), depth: 0, is_top: true };
    reader.walk(mail, root);
    reader.finish()
}

/// Header fields only, for look-ups where the body does not matter.
pub fn read_header(mail: &[u8], limits: &Limits) -> Message {
    let mut reader = Reader::new(limits);
    reader.message.size = mail.len() as u64;
    let block = header::block(mail, 0, limits.headers, |_| false);
    reader.top_header(mail, &block);
    reader.finish()
}

/// What accumulates while a mail is walked.
pub(crate) struct Reader<'l> {
    pub(crate) limits: &'l Limits,
    pub(crate) message: Message,
    pub(crate) urls: UrlSet,
    defects_of_kind: [u8; 64],
    /// Encoded messages that are being walked: what lies in one has no place in the mail itself.
    encoded_around: usize,
}

/// The entity a walk begins with.
struct Root {
    number: String,
    depth: usize,
    is_top: bool,
}

impl<'l> Reader<'l> {
    fn new(limits: &'l Limits) -> Self {
        let urls = UrlSet::new(NonZeroUsize::new(limits.urls).unwrap_or(NonZeroUsize::MIN));
        Self { limits, message: Message::default(), urls, defects_of_kind: [0; 64], encoded_around: 0 }
    }

    fn finish(mut self) -> Message {
        if self.urls.is_over() {
            let evidence = format!("more than {} URLs", self.limits.urls);
            self.defect(DefectKind::TooManyUrls, 0, &evidence);
        }
        self.message.urls = self.urls.into_vec();
        self.message
    }

    pub(crate) fn defect(&mut self, kind: DefectKind, part: usize, evidence: &str) {
        let seen = &mut self.defects_of_kind[kind as usize % 64];
        if usize::from(*seen) < MAX_DEFECTS_OF_A_KIND {
            *seen += 1;
            self.message.defects.push(Defect { kind, part, evidence: evidence.chars().take(100).collect() });
        }
    }

    /// Adds a URL of the mail; the index is that in [`Message::urls`].
    pub(crate) fn add_url(&mut self, raw: &str, source: UrlSource, part: usize) -> Option<usize> {
        self.urls.add(raw, |raw| url::parse(raw).map(|parsed| Url { source, part, count: 1, ..parsed }))
    }

    /// URLs in running text.
    pub(crate) fn add_urls_in_text(&mut self, text: &str, source: UrlSource, part: usize) {
        for found in url::find(text, self.limits.urls.saturating_add(1)) {
            self.add_url(&found, source, part);
        }
    }

    /// Appends to the mail's text within the bound; false when something was cut.
    pub(crate) fn append_text(&mut self, text: &str) -> bool {
        let room = self.limits.text.saturating_sub(self.message.text.len());
        let cut = floor_char_boundary(text, room);
        self.message.text.push_str(&text[..cut]);
        if !self.message.text.is_empty() && !self.message.text.ends_with('\n') && self.message.text.len() < self.limits.text {
            self.message.text.push('\n');
        }
        cut == text.len()
    }

    /// One pass over an entity and everything in it.
    fn walk(&mut self, mail: &[u8], root: Root) {
        let mut frames: Vec<Frame> = Vec::new();
        let mut at = 0;
        let mut number = root.number;
        let mut depth = root.depth;
        let mut is_root = root.is_top;
        let mut in_digest = false;
        loop {
            if self.message.parts.len() >= self.limits.parts {
                let evidence = format!("more than {} parts", self.limits.parts);
                self.defect(DefectKind::TooManyParts, self.message.parts.len() - 1, &evidence);
                return;
            }
            let max_fields = if is_root { self.limits.headers } else { MAX_PART_FIELDS };
            let block = header::block(mail, at, max_fields, |line| boundary::matching(line, &frames).is_some());
            if is_root {
                self.top_header(mail, &block);
            }
            is_root = false;
            let index = self.message.parts.len();
            let entity = self.entity(mail, &block, Part { number: number.clone(), depth, ..Part::default() }, in_digest);
            let body = block.body;
            at = body;

            let opens = self.opens(&entity, index, &frames, depth);
            let is_leaf = opens.is_none();
            if let Some(kind) = opens {
                let is_message = matches!(kind, Kind::Message);
                frames.push(Frame { part: index, children: 0, prefix: number.clone(), depth, kind });
                if is_message {
                    self.message.parts[index].size = (mail.len() - body) as u64;
                    number = inner_number(&number);
                    depth += 1;
                    in_digest = false;
                    continue;
                }
            }

            // The delimiter that ends this leaf, or the preamble of this multipart.
            let mut next = boundary::next(mail, at, &frames);
            if is_leaf {
                let end = next.as_ref().map_or(mail.len(), |hit| hit.content_end).max(body);
                self.message.parts[index].body = (self.encoded_around == 0 && !self.message.parts[index].is_multipart).then_some(body..end);
                self.leaf(&mail[body..end], index, &entity);
            }
            // Closing delimiters lead to the epilogue, which ends at the next delimiter of an outer multipart.
            let child = loop {
                let Some(hit) = next else { break None };
                let closed_at = hit.content_end;
                while frames.len() > hit.frame + 1 {
                    self.close(&mut frames, mail, closed_at, false);
                }
                at = hit.after;
                if !hit.is_close {
                    break Some(hit);
                }
                self.close(&mut frames, mail, closed_at, true);
                next = boundary::next(mail, at, &frames);
            };
            let Some(hit) = child else {
                while !frames.is_empty() {
                    self.close(&mut frames, mail, mail.len(), false);
                }
                return;
            };
            let Some(frame) = frames.get_mut(hit.frame) else { return };
            frame.children += 1;
            number = if frame.prefix.is_empty() { frame.children.to_string() } else { format!("{}.{}", frame.prefix, frame.children) };
            depth = frame.depth + 1;
            in_digest = matches!(frame.kind, Kind::Multipart { is_digest: true, .. });
        }
    }

    /// Whether the entity contains others that the walk descends into.
    fn opens(&mut self, entity: &Entity, index: usize, frames: &[Frame], depth: usize) -> Option<Kind> {
        let (is_multipart, is_message, encoding) = {
            let part = &self.message.parts[index];
            (part.is_multipart, part.is_message, part.encoding)
        };
        let is_encoded = matches!(encoding, TransferEncoding::Base64 | TransferEncoding::QuotedPrintable);
        if is_multipart && is_encoded {
            // RFC 2045 §6.4 forbids it; readers take the body as it stands.
            self.defect(DefectKind::NestedTransferEncoding, index, "an encoded multipart");
        }
        if !is_multipart && (!is_message || is_encoded) {
            return None;
        }
        if depth >= self.limits.depth {
            let evidence = format!("more than {} levels", self.limits.depth);
            self.defect(DefectKind::TooDeep, index, &evidence);
            return None;
        }
        if is_message {
            return Some(Kind::Message);
        }
        let Some(boundary) = entity.boundary.clone().filter(|b| !b.is_empty()) else {
            self.defect(DefectKind::BoundaryMissing, index, "a multipart without a boundary");
            return None;
        };
        if frames.iter().any(|f| matches!(&f.kind, Kind::Multipart { boundary: outer, .. } if *outer == boundary)) {
            self.defect(DefectKind::BoundaryDuplicate, index, &String::from_utf8_lossy(&boundary));
        }
        Some(Kind::Multipart { boundary, is_digest: self.message.parts[index].content_type == "multipart/digest" })
    }

    fn close(&mut self, frames: &mut Vec<Frame>, mail: &[u8], end: usize, is_proper: bool) {
        let Some(frame) = frames.pop() else { return };
        if let Some(part) = self.message.parts.get_mut(frame.part) {
            // `size` holds what was left of the mail at the part's body.
            let begin = (mail.len() as u64).saturating_sub(part.size);
            part.size = (end as u64).saturating_sub(begin);
        }
        if let Kind::Multipart { boundary, .. } = &frame.kind
            && !is_proper
        {
            let kind = if frame.children == 0 { DefectKind::BoundaryNotFound } else { DefectKind::MultipartNotClosed };
            self.defect(kind, frame.part, &String::from_utf8_lossy(boundary));
        }
    }
}

/// The number of the entity inside a message part: as IMAP calls its text (RFC 3501 §6.4.5).
fn inner_number(outer: &str) -> String {
    if outer.is_empty() { "1".to_owned() } else { format!("{outer}.1") }
}

/// The largest cut at or below `at` that splits no character.
pub(crate) fn floor_char_boundary(text: &str, at: usize) -> usize {
    if at >= text.len() {
        return text.len();
    }
    (0..=at).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0)
}
