//! Shortcuts of Windows (MS-SHLLINK): what they start. Of the target's many forms the texts are read; they are what runs.

use postern_model::sandbox::FindingName;

use super::text::utf16;
use super::{Waiting, Walk, scripts};

const HAS_TARGET_LIST: u32 = 1;
const HAS_LINK_INFO: u32 = 1 << 1;
/// Name, relative path, working folder, arguments, icon: in this order, each when its bit is set (MS-SHLLINK 2.4).
const TEXTS: [(u32, &str); 5] = [(1 << 2, "name"), (1 << 3, "path"), (1 << 4, "folder"), (1 << 5, "arguments"), (1 << 6, "icon")];
const IS_UNICODE: u32 = 1 << 7;
const HEADER: usize = 0x4c;

pub fn open(walk: &mut Walk<'_>, part: &Waiting) {
    match command(&part.content) {
        Some(command) => {
            walk.find(FindingName::ShortcutCommand, part.number, command.as_str());
            scripts::command_line(walk, part, &command);
        }
        None => walk.find(FindingName::Damaged, part.number, "a shortcut"),
    }
}

fn command(octets: &[u8]) -> Option<String> {
    let flags = u32::from_le_bytes(octets.get(0x14..0x18)?.try_into().ok()?);
    let mut at = HEADER;
    if flags & HAS_TARGET_LIST != 0 {
        at += 2 + usize::from(u16::from_le_bytes(octets.get(at..at + 2)?.try_into().ok()?));
    }
    if flags & HAS_LINK_INFO != 0 {
        at += u32::from_le_bytes(octets.get(at..at + 4)?.try_into().ok()?) as usize;
    }
    let mut said = Vec::new();
    for (bit, name) in TEXTS {
        if flags & bit == 0 {
            continue;
        }
        let count = usize::from(u16::from_le_bytes(octets.get(at..at + 2)?.try_into().ok()?));
        let width = if flags & IS_UNICODE == 0 { 1 } else { 2 };
        let text = octets.get(at + 2..at + 2 + count * width)?;
        at += 2 + count * width;
        let text = if width == 2 { utf16(text) } else { String::from_utf8_lossy(text).into_owned() };
        if matches!(name, "path" | "arguments") {
            // Spaces push the rest of a command out of the window that shows it.
            said.push(format!("{name} {}", text.split_whitespace().collect::<Vec<_>>().join(" ")));
        }
    }
    (!said.is_empty()).then(|| said.join(", "))
}
