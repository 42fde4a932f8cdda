//! Macros: MS-OVBA, from the compressed streams to the source, and what in the source acts by itself or on the machine.

use postern_model::sandbox::FindingName;

/// Octets of one chunk's plain text (MS-OVBA 2.4.1.1.1).
const CHUNK: usize = 4096;

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Project {
    pub code_page: u16,
    pub modules: Vec<Module>,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Module {
    pub name: String,
    /// Of the stream beside `dir`.
    pub stream: String,
    /// Where in it the source begins.
    pub offset: u32,
}

/// MS-OVBA 2.4.1: a container of chunks, each with copies of what came out of the same chunk before. What is readable before
/// damage is returned; `None` when nothing is.
pub fn decompress(container: &[u8], most: usize) -> Option<Vec<u8>> {
    let (1, chunks) = container.split_first().map(|(first, rest)| (*first, rest))? else { return None };
    let out = chunks_of(chunks, most);
    (!out.is_empty()).then_some(out)
}

/// The chunks without the octet in front of them: what NTFS packs its files into, too (LZNT1, MS-XCA 2.5).
pub fn chunks_of(mut rest: &[u8], most: usize) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some((header, after)) = rest.split_first_chunk::<2>() {
        let header = u16::from_le_bytes(*header);
        // Three bits of signature, always 0b011.
        if header >> 12 & 0b111 != 0b011 || out.len() >= most {
            break;
        }
        let size = usize::from(header & 0x0fff) + 1;
        let chunk = &after[..size.min(after.len())];
        if header & 0x8000 == 0 {
            out.extend_from_slice(&chunk[..CHUNK.min(chunk.len())]);
        } else if chunk_into(chunk, &mut out).is_none() {
            break;
        }
        rest = &after[size.min(after.len())..];
    }
    out
}

fn chunk_into(mut tokens: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let start = out.len();
    while let Some((flags, after)) = tokens.split_first() {
        tokens = after;
        for bit in 0..8 {
            if tokens.is_empty() {
                return Some(());
            }
            if flags >> bit & 1 == 0 {
                out.push(tokens[0]);
                tokens = &tokens[1..];
                continue;
            }
            let (token, after) = tokens.split_first_chunk::<2>()?;
            let token = u16::from_le_bytes(*token);
            // MS-OVBA 2.4.1.3.19.1: as many bits for the offset as the plain text so far needs, four at least.
            let bits = usize::BITS - (out.len() - start).saturating_sub(1).leading_zeros();
            let bits = bits.clamp(4, 12);
            let length = usize::from(token & (0xffff >> bits)) + 3;
            let offset = usize::from(token >> (16 - bits)) + 1;
            if offset > out.len() - start || out.len() - start + length > CHUNK {
                return None;
            }
            for _ in 0..length {
                out.push(out[out.len() - offset]);
            }
            tokens = after;
        }
    }
    Some(())
}

/// The `dir` stream (MS-OVBA 2.3.4.2): records of an id, a length and data.
pub fn project(dir: &[u8]) -> Option<Project> {
    const CODE_PAGE: u16 = 0x0003;
    const VERSION: u16 = 0x0009;
    const MODULE_NAME: u16 = 0x0019;
    const MODULE_STREAM: u16 = 0x001a;
    const MODULE_OFFSET: u16 = 0x0031;
    const MODULE_END: u16 = 0x002b;
    let mut project = Project { code_page: 1252, modules: Vec::new() };
    let mut module = Module::default();
    let mut rest = dir;
    while let Some((head, after)) = rest.split_first_chunk::<6>() {
        let id = u16::from_le_bytes([head[0], head[1]]);
        // The version's length is a reserved 4, and six octets follow.
        let length = if id == VERSION { 6 } else { u32::from_le_bytes([head[2], head[3], head[4], head[5]]) as usize };
        let data = after.get(..length)?;
        match id {
            CODE_PAGE => project.code_page = u16::from_le_bytes(data.try_into().ok()?),
            MODULE_NAME => module.name = text(data, project.code_page),
            MODULE_STREAM => module.stream = text(data, project.code_page),
            MODULE_OFFSET => module.offset = u32::from_le_bytes(data.try_into().ok()?),
            MODULE_END => project.modules.push(std::mem::take(&mut module)),
            _ => {}
        }
        rest = &after[length..];
    }
    (!project.modules.is_empty()).then_some(project)
}

/// Text in a Windows code page.
pub fn text(octets: &[u8], code_page: u16) -> String {
    use encoding_rs as e;
    let encoding = match code_page {
        874 => e::WINDOWS_874,
        932 => e::SHIFT_JIS,
        936 => e::GBK,
        949 => e::EUC_KR,
        950 => e::BIG5,
        1250 => e::WINDOWS_1250,
        1251 => e::WINDOWS_1251,
        1253 => e::WINDOWS_1253,
        1254 => e::WINDOWS_1254,
        1255 => e::WINDOWS_1255,
        1256 => e::WINDOWS_1256,
        1257 => e::WINDOWS_1257,
        1258 => e::WINDOWS_1258,
        10000 => e::MACINTOSH,
        65001 => e::UTF_8,
        _ => e::WINDOWS_1252,
    };
    encoding.decode(octets).0.into_owned()
}

/// Procedures that Word, Excel, PowerPoint or an ActiveX control call by themselves.
const AUTOSTART: &[&str] = &[
    "autoopen",
    "autoexec",
    "autoclose",
    "autonew",
    "autoexit",
    "auto_open",
    "auto_close",
    "document_open",
    "document_close",
    "document_new",
    "document_beforeclose",
    "documentopen",
    "workbook_open",
    "workbook_close",
    "workbook_activate",
    "workbook_beforeclose",
    "inkpicture1_painted",
    "frame1_layout",
];

/// What starts programs, loads, or reaches past the document.
const SUSPICIOUS: &[&str] = &[
    "shell",
    "createobject",
    "getobject",
    "callbyname",
    "wscript",
    "powershell",
    "cmd.exe",
    "mshta",
    "rundll32",
    "regsvr32",
    "certutil",
    "bitsadmin",
    "schtasks",
    "xmlhttp",
    "winhttprequest",
    "adodb.stream",
    "urldownloadtofile",
    "urldownloadtofilea",
    "shellexecute",
    "shellexecutea",
    "createprocess",
    "createprocessa",
    "virtualalloc",
    "virtualprotect",
    "createthread",
    "rtlmovememory",
    "winmgmts",
    "environ",
    "savetofile",
    "macroscript",
    "executeexcel4macro",
];

/// What of a module's source matters. Comments and the attributes that VBA writes itself are not looked at.
pub fn check(source: &str) -> Vec<(FindingName, String)> {
    let mut found = Vec::new();
    for line in source.lines() {
        let line = code(line);
        if line.starts_with("Attribute VB_") {
            continue;
        }
        let lower = line.to_lowercase();
        let words = || lower.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '.');
        if lower.split_whitespace().any(|w| w == "sub" || w == "function") && words().any(|w| AUTOSTART.contains(&w)) {
            found.push((FindingName::MacroAutostart, line.trim().to_owned()));
        } else if words().any(|w| SUSPICIOUS.iter().any(|s| w == *s || w.split('.').any(|step| step == *s))) {
            found.push((FindingName::MacroSuspicious, line.trim().to_owned()));
        }
    }
    found
}

/// A line without its comment.
fn code(line: &str) -> &str {
    let mut is_text = false;
    for (at, c) in line.char_indices() {
        match c {
            '"' => is_text = !is_text,
            '\'' if !is_text => return &line[..at],
            _ => {}
        }
    }
    if line.trim_start().to_ascii_lowercase().starts_with("rem ") { "" } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of MS-OVBA 3.2.
    #[test]
    fn the_specifications_examples_unpack() {
        let plain = b"\x01\x19\xb0\x00abcdefgh\x00ijklmnop\x00qrstuv.";
        assert_eq!(decompress(plain, 9999).as_deref(), Some(&b"abcdefghijklmnopqrstuv."[..]));
        let normal = b"\x01\x2f\xb0\x00#aaabcde\x82f\x00\x70aghij\x01\x38\x08akl\x00\x30mnop\x06q\x02\x70\x04\x10rstuv\x10wxyz\x00<";
        assert_eq!(decompress(normal, 9999).as_deref(), Some(&b"#aaabcdefaaaaghijaaaaaklaaamnopqaaaaaaaaaaaarstuvwxyzaaa"[..]));
        let most = b"\x01\x03\xb0\x02a\x45\x00";
        assert_eq!(decompress(most, 9999), Some(vec![b'a'; 73]));
    }

    #[test]
    fn damage_and_lies_end_early() {
        assert_eq!(decompress(b"", 9), None);
        assert_eq!(decompress(b"\x02\x19\xb0\x00abc", 9), None, "another signature");
        assert_eq!(decompress(b"\x01\x03\xb0\x01\x45\x00", 9), None, "a copy of what is not there yet");
    }

    #[test]
    fn what_acts_is_seen_and_what_is_said_is_not() {
        let source = "Attribute VB_Name = \"Shell\"\nPrivate Sub Document_Open()\n ' Shell \"x\"\n x = \"it's\": Shell \"calc.exe\" ' run\nRem CreateObject\nEnd Sub\n\
                      Sub OpenShells()\nSet o = CreateObject(\"MSXML2.XMLHTTP\")\nEnd Sub";
        let found = check(source);
        assert_eq!(
            found,
            [
                (FindingName::MacroAutostart, "Private Sub Document_Open()".to_owned()),
                (FindingName::MacroSuspicious, "x = \"it's\": Shell \"calc.exe\"".to_owned()),
                (FindingName::MacroSuspicious, "Set o = CreateObject(\"MSXML2.XMLHTTP\")".to_owned()),
            ]
        );
    }
}
