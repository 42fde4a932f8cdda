//! Mails as attachments (RFC 5322, MIME): their parts are parts like those of an archive.

use mail_parser::{MessageParser, MimeHeaders, PartType};
use postern_model::sandbox::FindingName;

use super::{Waiting, Walk};

pub fn open(walk: &mut Walk<'_>, part: &Waiting) {
    let Some(message) = MessageParser::default().parse(part.content.as_slice()) else {
        return walk.find(FindingName::Damaged, part.number, "a mail");
    };
    for (number, inner) in message.parts.iter().enumerate() {
        let name = inner.attachment_name().map_or_else(|| format!("part {number}"), ToOwned::to_owned);
        match &inner.body {
            PartType::Multipart(_) => {}
            PartType::Message(nested) => add(walk, part, &name, nested.raw_message.as_ref()),
            PartType::Text(text) | PartType::Html(text) => add(walk, part, &name, text.as_bytes()),
            PartType::Binary(octets) | PartType::InlineBinary(octets) => add(walk, part, &name, octets.as_ref()),
        }
    }
}

fn add(walk: &mut Walk<'_>, part: &Waiting, name: &str, octets: &[u8]) {
    let content = walk.unpack(part, name, octets, octets.len() as u64);
    walk.add(Some(part), name, content);
}
