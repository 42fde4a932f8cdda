//! The mail's own header: fields, people, dates, and what is wrong with them.

use super::header::{self, Block, decode, unfold};
use super::{Reader, address, received};
use crate::message::{DefectKind, Header, Mailbox, UrlSource};

/// Text kept of all fields together; the rest is counted and cut.
const MAX_HEADER_TEXT: usize = 1024 * 1024;
/// Fields that may stand in a mail once (RFC 5322 §3.6, RFC 2045 §3).
const ONCE: [&str; 14] = [
    "from",
    "sender",
    "reply-to",
    "to",
    "cc",
    "bcc",
    "message-id",
    "in-reply-to",
    "references",
    "subject",
    "date",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
];
/// Fields that machines fill: a URL in them is no content.
const NO_URLS: [&str; 12] = [
    "received",
    "dkim-signature",
    "authentication-results",
    "message-id",
    "references",
    "in-reply-to",
    "return-path",
    "content-type",
    "received-spf",
    "from",
    "to",
    "cc",
];

impl Reader<'_> {
    pub(super) fn top_header(&mut self, mail: &[u8], block: &Block) {
        self.message.header_size = block.body as u64;
        let mut room = MAX_HEADER_TEXT;
        let mut seen = [0u16; ONCE.len()];
        let mut has_date_field = false;
        let mut has_from_field = false;
        self.message.headers.reserve(block.fields.len());
        for field in &block.fields {
            let name_octets = field.name(mail);
            let value_octets = field.value(mail);
            let value_octets = &value_octets[..value_octets.len().min(room)];
            room -= value_octets.len();
            let name = String::from_utf8_lossy(name_octets).into_owned();
            let raw = unfold(value_octets);
            if !value_octets.is_ascii() {
                self.eight_bit(&name, value_octets);
            }
            let (value, is_broken) = decode(&raw);
            let value = value.trim().to_owned();
            if is_broken {
                self.defect(DefectKind::BadEncodedWord, 0, &format!("{name}: {raw}"));
            }
            let lower = name.to_ascii_lowercase();
            if let Some(i) = ONCE.iter().position(|n| *n == lower) {
                seen[i] += 1;
                if seen[i] == 2 {
                    self.defect(DefectKind::DuplicateHeader, 0, &name);
                }
            }
            match lower.as_str() {
                "from" => {
                    has_from_field = true;
                    let list = self.people(value_octets, &name, &value);
                    self.message.from.extend(list);
                }
                "sender" => {
                    let list = self.people(value_octets, &name, &value);
                    self.message.sender.extend(list);
                }
                "reply-to" => {
                    let list = self.people(value_octets, &name, &value);
                    self.message.reply_to.extend(list);
                }
                "to" => self.message.to.extend(address::list(value_octets)),
                "cc" => self.message.cc.extend(address::list(value_octets)),
                "subject" if self.message.subject.is_none() => self.message.subject = Some(value.clone()),
                "message-id" if self.message.message_id.is_none() => {
                    let id = raw.trim().trim_start_matches('<').trim_end_matches('>').trim();
                    self.message.message_id = Some(id.to_owned()).filter(|id| !id.is_empty());
                }
                "date" if !has_date_field => {
                    has_date_field = true;
                    self.message.date = received::timestamp(&raw);
                    if self.message.date.is_none() {
                        self.defect(DefectKind::BadDate, 0, &raw);
                    }
                }
                "received" => self.message.received.push(received::parse(&raw)),
                _ => {}
            }
            let has_urls = value.contains("://") || value.contains("www.") || lower == "list-unsubscribe";
            if has_urls && !NO_URLS.contains(&lower.as_str()) && !lower.starts_with("arc-") {
                let source = if lower == "subject" { UrlSource::Subject } else { UrlSource::Header };
                self.add_urls_in_text(&value, source, 0);
            }
            self.message.headers.push(Header { name, value, raw, start: field.start as u64, end: field.end as u64 });
        }
        for (missing, name) in [(!has_from_field, "From"), (!has_date_field, "Date"), (self.message.message_id.is_none(), "Message-ID")] {
            if missing {
                self.defect(DefectKind::MissingHeader, 0, name);
            }
        }
        if block.skipped > 0 {
            let evidence = format!("{} fields, {} are looked at", block.fields.len() + block.skipped, block.fields.len());
            self.defect(DefectKind::TooManyHeaders, 0, &evidence);
        }
        self.header_form(mail, block, 0);
    }

    /// Malformed lines and a missing end, of any part's header.
    pub(super) fn header_form(&mut self, mail: &[u8], block: &Block, part: usize) {
        if let Some(at) = block.first_bad {
            let line = header::trim_line(&mail[at..header::line_end(mail, at)]);
            let line = String::from_utf8_lossy(&line[..line.len().min(200)]);
            self.defect(DefectKind::BadHeaderLine, part, &line);
        }
        if !block.is_ended {
            self.defect(DefectKind::NoHeaderEnd, part, "no empty line after the header");
        }
    }

    fn eight_bit(&mut self, name: &str, value: &[u8]) {
        let kind = if std::str::from_utf8(value).is_ok() { "UTF-8" } else { "no UTF-8" };
        self.defect(DefectKind::EightBitHeader, 0, &format!("{name}: {kind}"));
    }

    fn people(&mut self, value: &[u8], name: &str, shown: &str) -> Vec<Mailbox> {
        let list = address::list(value);
        let is_good = |m: &Mailbox| m.domain().is_some() && !m.address.starts_with('@') && !m.address.contains(char::is_whitespace);
        if list.is_empty() || !list.iter().all(is_good) {
            self.defect(DefectKind::BadAddress, 0, &format!("{name}: {shown}"));
        }
        list
    }
}
