//! Names in a PDF that make it do something, also when written with `#xx` escapes (ISO 32000-1 §7.3.5).
//! Names inside compressed object streams are the sandbox's business; `/ObjStm` says that there are some.

use memchr::memchr_iter;

use crate::read::decode::hex;

/// Octets scanned at the start and at the end of the file.
const HEAD: usize = 8 * 1024 * 1024;
const TAIL: usize = 1024 * 1024;

const NAMES: [&str; 15] = [
    "JavaScript",
    "JS",
    "OpenAction",
    "AA",
    "Launch",
    "EmbeddedFile",
    "EmbeddedFiles",
    "Encrypt",
    "URI",
    "SubmitForm",
    "GoToR",
    "GoToE",
    "RichMedia",
    "XFA",
    "ObjStm",
];

/// The names found, each once, with their slash; `#` is put behind those that were escaped.
pub fn names(pdf: &[u8]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let head = &pdf[..pdf.len().min(HEAD)];
    let tail = &pdf[pdf.len().saturating_sub(TAIL).max(head.len())..];
    for region in [head, tail] {
        for at in memchr_iter(b'/', region) {
            let (name, is_escaped) = name_at(&region[at + 1..]);
            if let Some(known) = NAMES.iter().find(|n| n.as_bytes() == name.as_slice()) {
                let shown = if is_escaped { format!("/{known}#") } else { format!("/{known}") };
                if !found.contains(&shown) {
                    found.push(shown);
                }
            }
        }
    }
    found
}

/// The name's octets, unescaped, up to one more than the longest known.
fn name_at(rest: &[u8]) -> (short::Name, bool) {
    let mut name = short::Name::default();
    let mut is_escaped = false;
    let mut at = 0;
    while let Some(&b) = rest.get(at) {
        let octet = match b {
            b'#' => match (rest.get(at + 1).copied().and_then(hex), rest.get(at + 2).copied().and_then(hex)) {
                (Some(hi), Some(lo)) => {
                    is_escaped = true;
                    at += 2;
                    hi << 4 | lo
                }
                _ => b,
            },
            b if b.is_ascii_alphanumeric() => b,
            _ => break,
        };
        at += 1;
        if !name.push(octet) {
            break;
        }
    }
    (name, is_escaped)
}

/// Octets of one name without an allocation.
mod short {
    #[derive(Default)]
    pub struct Name {
        octets: [u8; 16],
        len: usize,
    }

    impl Name {
        pub fn push(&mut self, octet: u8) -> bool {
            match self.octets.get_mut(self.len) {
                Some(slot) => {
                    *slot = octet;
                    self.len += 1;
                    true
                }
                None => false,
            }
        }

        pub fn as_slice(&self) -> &[u8] {
            &self.octets[..self.len]
        }
    }
}
