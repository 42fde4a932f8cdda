//! Documents with macros that ask for all that lies beside them: one stream or file of it is whatever it is ([`super::dissect`]).

use std::io::{Cursor, Write};

use super::dissect;

const MACRO: &str = "Attribute VB_Name = \"M\"\nSub AutoOpen()\nFor Each s In Sheets\nFor Each c In s.UsedRange\nt = t & c.Value\nNext\nNext\nFor Each v In ActiveDocument.Variables\nt = t & v\nNext\nMsgBox Form.Caption & Form.Label1.Caption & ActiveDocument.Content.Text & t\nEnd Sub\n";
const STREAMS: &[&str] = &[
    "/Workbook",
    "/WordDocument",
    "/0Table",
    "/1Table",
    "/\u{5}SummaryInformation",
    "/\u{5}DocumentSummaryInformation",
    "/Form/f",
    "/Form/o",
    "/Form/\u{3}VBFrame",
];
const FILES: &[&str] = &[
    "xl/workbook.xml",
    "xl/sharedStrings.xml",
    "xl/worksheets/sheet1.xml",
    "xl/workbook.bin",
    "xl/sharedStrings.bin",
    "xl/worksheets/sheet1.bin",
    "word/settings.xml",
    "word/document.xml",
    "docProps/core.xml",
    "docProps/custom.xml",
];

pub fn check(octets: &[u8]) {
    let Some((first, rest)) = octets.split_first() else { return };
    let of = usize::from(*first) % (STREAMS.len() + FILES.len());
    // With a table for what a stream of Word refers to, and controls for what their form says.
    let (one, other) = if matches!(of, 1..=3 | 6..=7) { rest.split_at(rest.len() / 2) } else { (rest, &[][..]) };
    match STREAMS.get(of) {
        Some(name) => {
            let beside = match of {
                1 => Some("/0Table"),
                2 | 3 => Some("/WordDocument"),
                6 => Some("/Form/o"),
                7 => Some("/Form/f"),
                _ => None,
            };
            let streams: Vec<_> = [(*name, one)].into_iter().chain(beside.map(|name| (name, other))).collect();
            dissect::check_deep("file.doc", &project("/Macros", &streams));
        }
        None => {
            let relations = b"<Relationships><Relationship Id=\"r\" Target=\"worksheets/sheet1.xml\"/></Relationships>";
            let workbook = b"<workbook><sheets><sheet name=\"S\" id=\"r\"/></sheets></workbook>";
            let own = project("", &[]);
            let mut files =
                vec![("[Content_Types].xml", &b"<Types/>"[..]), ("xl/_rels/workbook.xml.rels", relations), ("word/vbaProject.bin", &own)];
            if of - STREAMS.len() != 0 {
                files.push(("xl/workbook.xml", workbook));
            }
            files.push((FILES[of - STREAMS.len()], one));
            dissect::check_deep("file.xlsm", &stored(&files));
        }
    }
}

/// A compound file with a module and these streams.
fn project(root: &str, streams: &[(&str, &[u8])]) -> Vec<u8> {
    let record = |id: u16, data: &[u8]| [&id.to_le_bytes()[..], &(data.len() as u32).to_le_bytes(), data].concat();
    let dir = [record(0x0019, b"M"), record(0x001a, b"M"), record(0x0031, &0_u32.to_le_bytes()), record(0x002b, b"")].concat();
    let mut file = cfb::CompoundFile::create(Cursor::new(Vec::new())).expect("in memory");
    let mut put = |name: &str, octets: &[u8]| {
        let folder = name.rsplit_once('/').map_or("/", |(folder, _)| folder);
        if !folder.is_empty() {
            file.create_storage_all(folder).expect("in memory");
        }
        file.create_stream(name).and_then(|mut stream| stream.write_all(octets)).expect("in memory");
    };
    put(&format!("{root}/VBA/dir"), &packed(&dir));
    put(&format!("{root}/VBA/M"), &packed(MACRO.as_bytes()));
    for (name, octets) in streams {
        put(name, octets);
    }
    file.into_inner().into_inner()
}

/// MS-OVBA 2.4.1 with literal tokens alone.
fn packed(plain: &[u8]) -> Vec<u8> {
    let mut out = vec![1];
    for chunk in plain.chunks(3000) {
        let tokens: Vec<u8> = chunk.chunks(8).flat_map(|eight| [&[0][..], eight].concat()).collect();
        out.extend((0xb000 | (tokens.len() - 1) as u16).to_le_bytes());
        out.extend(tokens);
    }
    out
}

/// A ZIP of files that are not packed.
fn stored(files: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in files {
        let at = out.len() as u32;
        let size = (content.len() as u32).to_le_bytes();
        let fields =
            [&[20, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], &sum(content).to_le_bytes(), &size, &size, &(name.len() as u16).to_le_bytes(), &[0, 0]]
                .concat();
        out.extend([&b"PK\x03\x04"[..], &fields, name.as_bytes(), content].concat());
        directory.extend([&b"PK\x01\x02\x14\0"[..], &fields, &[0; 10], &at.to_le_bytes(), name.as_bytes()].concat());
    }
    let (count, at, length) =
        ((files.len() as u16).to_le_bytes(), (out.len() as u32).to_le_bytes(), (directory.len() as u32).to_le_bytes());
    out.extend(directory);
    out.extend([&b"PK\x05\x06\0\0\0\0"[..], &count, &count, &length, &at, &[0, 0]].concat());
    out
}

fn sum(octets: &[u8]) -> u32 {
    !octets
        .iter()
        .fold(!0_u32, |sum, b| (0..8).fold(sum ^ u32::from(*b), |sum, _| if sum & 1 == 0 { sum >> 1 } else { sum >> 1 ^ 0xedb8_8320 }))
}
