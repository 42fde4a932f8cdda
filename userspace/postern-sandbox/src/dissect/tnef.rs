//! TNEF (MS-OXTNEF): what Outlook makes of a mail for other Outlooks, `winmail.dat`. Its attachments are those of the mail.

use postern_model::sandbox::FindingName;

use super::text::utf16;
use super::{Waiting, Walk};

/// Signature and key.
const HEAD: usize = 6;
/// Level, id, length; and the checksum behind the data.
const BEFORE: usize = 9;
const BEHIND: usize = 2;
const ATTRIBUTES: usize = 5000;

/// A new attachment begins (MS-OXTNEF 2.1.3.2, `attAttachRendData`).
const BEGINS: u32 = 0x0006_9002;
const TITLE: u32 = 0x0001_8010;
const DATA: u32 = 0x0006_800f;
/// Its properties, among them the long name.
const PROPERTIES: u32 = 0x0006_9005;
const BODY: u32 = 0x0002_800c;
/// PidTagAttachLongFilename, as text of one or two octets a character.
const LONG_NAME: [[u8; 4]; 2] = [[0x1e, 0, 0x07, 0x37], [0x1f, 0, 0x07, 0x37]];

#[derive(Default)]
struct Attachment<'a> {
    title: String,
    long_name: Option<String>,
    data: Option<&'a [u8]>,
}

pub fn open(walk: &mut Walk<'_>, part: &Waiting) {
    let mut rest = part.content.get(HEAD..).unwrap_or_default();
    let mut current: Option<Attachment<'_>> = None;
    for _ in 0..ATTRIBUTES {
        if rest.is_empty() {
            break;
        }
        let Some((id, data, after)) = attribute(rest) else {
            walk.find(FindingName::Damaged, part.number, "an attribute is cut");
            break;
        };
        rest = after;
        match (id, &mut current) {
            (BEGINS, attachment) => {
                let done = attachment.replace(Attachment::default());
                add(walk, part, done);
            }
            (TITLE, Some(attachment)) => attachment.title = text(data),
            (DATA, Some(attachment)) => attachment.data = Some(data),
            (PROPERTIES, Some(attachment)) => attachment.long_name = long_name(data),
            (BODY, _) => {
                let content = walk.unpack(part, "text", data, data.len() as u64);
                walk.add(Some(part), "text", content);
            }
            _ => {}
        }
    }
    add(walk, part, current);
}

/// Id and data of the first attribute, and what follows it.
fn attribute(octets: &[u8]) -> Option<(u32, &[u8], &[u8])> {
    let id = u32::from_le_bytes(octets.get(1..5)?.try_into().ok()?);
    let length = u32::from_le_bytes(octets.get(5..9)?.try_into().ok()?) as usize;
    let data = octets.get(BEFORE..)?.get(..length)?;
    Some((id, data, octets.get(BEFORE + length + BEHIND..).unwrap_or_default()))
}

fn add(walk: &mut Walk<'_>, part: &Waiting, attachment: Option<Attachment<'_>>) {
    let Some(Attachment { title, long_name, data: Some(data) }) = attachment else { return };
    let name = long_name.filter(|name| !name.is_empty()).unwrap_or(title);
    let content = walk.unpack(part, &name, data, data.len() as u64);
    walk.add(Some(part), &name, content);
}

/// A property of variable length: its tag, how many values, length, value.
fn long_name(properties: &[u8]) -> Option<String> {
    LONG_NAME.iter().enumerate().find_map(|(wide, tag)| {
        let at = super::kind::find(properties, tag)? + tag.len() + 4;
        let length = u32::from_le_bytes(properties.get(at..at + 4)?.try_into().ok()?) as usize;
        let value = properties.get(at + 4..)?.get(..length)?;
        Some(if wide == 0 { text(value) } else { utf16(value).trim_end_matches('\0').to_owned() })
    })
}

fn text(octets: &[u8]) -> String {
    let end = octets.iter().position(|b| *b == 0).unwrap_or(octets.len());
    encoding_rs::WINDOWS_1252.decode_without_bom_handling(&octets[..end]).0.into_owned()
}
