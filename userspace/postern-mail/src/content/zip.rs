//! The directory of a zip file (APPNOTE.TXT 6.3): names and the encryption bit, nothing unpacked.

use memchr::memmem;

/// Names kept, and entries looked at.
const MAX_NAMES: usize = 100;
const MAX_ENTRIES: usize = 5000;
const MAX_NAME: usize = 300;

#[derive(Debug, Default)]
pub struct Directory {
    pub names: Vec<String>,
    pub is_encrypted: bool,
    lower: Vec<String>,
}

impl Directory {
    pub fn has(&self, name: &str) -> bool {
        self.lower.iter().any(|n| n == name)
    }

    pub fn has_suffix(&self, end: &str) -> bool {
        self.lower.iter().any(|n| n.ends_with(end))
    }

    fn add(&mut self, name: &[u8], flags: u16) {
        // General purpose bit 0 (§4.4.4); bit 13 hides the directory itself.
        self.is_encrypted |= flags & 0x2001 != 0;
        let name = String::from_utf8_lossy(&name[..name.len().min(MAX_NAME)]).replace('\\', "/");
        if self.names.len() < MAX_NAMES {
            self.names.push(name.chars().filter(|c| !c.is_control()).collect());
        }
        let lower = name.to_ascii_lowercase();
        if lower == "[content_types].xml" || lower.ends_with("vbaproject.bin") {
            self.lower.push(lower);
        }
    }
}

/// Reads the central directory; when there is none (cut or hidden), the local headers.
pub fn read(zip: &[u8]) -> Directory {
    let mut out = Directory::default();
    if !central(zip, &mut out) {
        out = Directory::default();
        local(zip, &mut out);
    }
    out
}

fn central(zip: &[u8], out: &mut Directory) -> bool {
    // The end record stands within the last 64 KiB and 22 octets (§4.3.16).
    let tail_start = zip.len().saturating_sub(65_557);
    let Some(end) = memmem::rfind(&zip[tail_start..], b"PK\x05\x06").map(|i| i + tail_start) else { return false };
    let (Some(size), Some(offset)) = (u32_at(zip, end + 12), u32_at(zip, end + 16)) else { return false };
    // Something put before the archive shifts its offsets: count back from the end record.
    let start = end.checked_sub(size as usize).unwrap_or(offset as usize);
    let mut at = if zip.get(start..start + 4) == Some(b"PK\x01\x02") { start } else { offset as usize };
    let mut entries = 0;
    while entries < MAX_ENTRIES && zip.get(at..at.saturating_add(4)) == Some(b"PK\x01\x02") {
        let (Some(flags), Some(name_len), Some(extra), Some(comment)) =
            (u16_at(zip, at + 8), u16_at(zip, at + 28), u16_at(zip, at + 30), u16_at(zip, at + 32))
        else {
            break;
        };
        let name_end = at + 46 + usize::from(name_len);
        let Some(name) = zip.get(at + 46..name_end) else { break };
        out.add(name, flags);
        at = name_end + usize::from(extra) + usize::from(comment);
        entries += 1;
    }
    entries > 0
}

fn local(zip: &[u8], out: &mut Directory) {
    for at in memmem::find_iter(zip, b"PK\x03\x04").take(MAX_ENTRIES) {
        let (Some(flags), Some(name_len)) = (u16_at(zip, at + 6), u16_at(zip, at + 26)) else { return };
        if let Some(name) = zip.get(at + 30..at + 30 + usize::from(name_len)) {
            out.add(name, flags);
        }
    }
}

fn u16_at(octets: &[u8], at: usize) -> Option<u16> {
    octets.get(at..at.checked_add(2)?)?.try_into().ok().map(u16::from_le_bytes)
}

fn u32_at(octets: &[u8], at: usize) -> Option<u32> {
    octets.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_le_bytes)
}
