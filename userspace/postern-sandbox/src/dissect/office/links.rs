//! Objects that are elsewhere (MS-OLEDS 2.3.3): monikers in the stream `\1Ole` say where. Word loads one from the network when the document is
//! opened, which was how CVE-2017-0199 came in.

use super::super::kind::find;
use super::super::octets::number;
use super::super::text::utf16;

pub const STREAM: &str = "\u{1}Ole";

/// Classes of monikers (MS-OSHARED 2.3.7.6, 2.3.7.8): a URL, a file, and what makes a script of what a file is.
const URL: &[u8] = b"\xe0\xc9\xea\x79\xf9\xba\xce\x11\x8c\x82\x00\xaa\x00\x4b\xa9\x0b";
const FILE: &[u8] = b"\x03\x03\0\0\0\0\0\0\xc0\0\0\0\0\0\0\x46";
const SCRIPT: &[u8] = b"\xc6\xaf\xab\xec\x19\x7f\xd2\x11\x97\x8e\x00\x00\xf8\x75\x7e\x2a";
const FLAGS: u64 = 4;
const IS_LINK: u64 = 1;
const LINKS: usize = 16;

/// Where they lead, in the order they stand there; however they are nested.
pub fn targets(stream: &[u8]) -> Vec<String> {
    let is_link = number(stream, FLAGS, 4).is_some_and(|flags| flags & IS_LINK != 0);
    let mut found = Vec::new();
    collect(stream, URL, url, &mut found);
    collect(stream, SCRIPT, script, &mut found);
    if is_link {
        collect(stream, FILE, file, &mut found);
    }
    found
}

fn collect(stream: &[u8], class: &[u8], read: fn(&[u8]) -> Option<String>, found: &mut Vec<String>) {
    let mut rest = stream;
    while let Some(at) = find(rest, class).filter(|_| found.len() < LINKS) {
        rest = rest.get(at + class.len()..).unwrap_or_default();
        if let Some(target) = read(rest).filter(|target| !target.is_empty() && !found.contains(target)) {
            found.push(target);
        }
    }
}

/// A length in octets and the letters, up to a zero.
fn url(octets: &[u8]) -> Option<String> {
    let length = number(octets, 0, 4)? as usize;
    let letters = octets.get(4..)?;
    Some(until_zero(&utf16(letters.get(..length.min(letters.len()))?)))
}

/// The same behind what is not told; a script's name begins with `script:`.
fn script(octets: &[u8]) -> Option<String> {
    url(octets).map(|target| if target.contains(':') { target } else { format!("script:{target}") })
}

/// Steps up, length and path in octets; then, perhaps, the path in UTF-16 behind fixed octets.
fn file(octets: &[u8]) -> Option<String> {
    let length = number(octets, 2, 4)? as usize;
    let short = octets.get(6..6_usize.checked_add(length)?)?;
    let after = 6 + length as u64 + 24;
    let wide = number(octets, after, 4).filter(|size| *size > 6).and_then(|_| {
        let (length, begin) = (number(octets, after + 4, 4)? as usize, usize::try_from(after).ok()? + 10);
        octets.get(begin..begin.checked_add(length)?)
    });
    let path = wide.map_or_else(|| String::from_utf8_lossy(short).into_owned(), utf16);
    Some(until_zero(&path))
}

fn until_zero(text: &str) -> String {
    text.split('\0').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wide(text: &str) -> Vec<u8> {
        text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
    }

    fn stream(flags: u32, moniker: &[u8]) -> Vec<u8> {
        [&0x0200_0001_u32.to_le_bytes()[..], &flags.to_le_bytes(), &[0; 12], moniker].concat()
    }

    #[test]
    fn urls_and_files() {
        let url = wide("http://a.example/x.hta");
        let url = [URL, &(url.len() as u32).to_le_bytes(), &url].concat();
        assert_eq!(targets(&stream(1, &url)), ["http://a.example/x.hta"]);
        assert_eq!(targets(&stream(0, &url)), ["http://a.example/x.hta"]);
        let path = br"C:\a.xls";
        let short = [FILE, &[0, 0], &9_u32.to_le_bytes(), path, &[0], &[0; 24], &[0; 4]].concat();
        assert_eq!(targets(&stream(1, &short)), [r"C:\a.xls"]);
        assert_eq!(targets(&stream(0, &short)), [] as [&str; 0]);
        let letters = r"\\b.example\é.xls".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        let size = letters.len() as u32;
        let long = [FILE, &[0, 0], &9_u32.to_le_bytes(), path, &[0], &[0; 24]].concat();
        let long = [long, (size + 6).to_le_bytes().to_vec(), size.to_le_bytes().to_vec(), vec![3, 0], letters].concat();
        assert_eq!(targets(&stream(1, &long)), [r"\\b.example\é.xls"]);
        for end in 0..long.len() {
            targets(&stream(1, &long[..end]));
        }
    }
}
