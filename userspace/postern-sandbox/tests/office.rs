//! Office documents made here: macros in both forms, what they load, what is packed into them.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::io::{Cursor, Write};

use postern_model::sandbox::Kind;
use support::{names, run, told};
use zip::write::SimpleFileOptions;

const SOURCE: &str = "Attribute VB_Name = \"ThisDocument\"\r\nPrivate Sub Document_Open()\r\n  CreateObject(\"WScript.Shell\").Run \"calc\" ' gr\u{fc}ss\r\nEnd Sub\r\n";

/// MS-OVBA 2.4.1 with literal tokens alone: as long as the text and an eighth.
fn packed(plain: &[u8]) -> Vec<u8> {
    let mut out = vec![1];
    for chunk in plain.chunks(3000) {
        let tokens: Vec<u8> = chunk.chunks(8).flat_map(|eight| [&[0][..], eight].concat()).collect();
        out.extend((0xb000 | u16::try_from(tokens.len() - 1).unwrap()).to_le_bytes());
        out.extend(tokens);
    }
    out
}

fn record(id: u16, data: &[u8]) -> Vec<u8> {
    [&id.to_le_bytes()[..], &u32::try_from(data.len()).unwrap().to_le_bytes(), data].concat()
}

/// A compound file with one module, below `root`.
fn project(root: &str) -> Vec<u8> {
    let dir = [
        record(0x0003, &1252_u16.to_le_bytes()),
        [&0x0009_u16.to_le_bytes()[..], &4_u32.to_le_bytes(), &[1, 0, 0, 0, 2, 0]].concat(),
        record(0x000f, &1_u16.to_le_bytes()),
        record(0x0019, b"ThisDocument"),
        record(0x001a, b"ThisDocument"),
        record(0x0032, b"T\0"),
        record(0x0031, &7_u32.to_le_bytes()),
        record(0x002b, b""),
        record(0x0010, b""),
    ]
    .concat();
    let mut file = cfb::CompoundFile::create(Cursor::new(Vec::new())).unwrap();
    file.create_storage_all(format!("{root}/VBA")).unwrap();
    let mut put = |name: &str, octets: &[u8]| file.create_stream(format!("{root}/VBA/{name}")).unwrap().write_all(octets).unwrap();
    put("dir", &packed(&dir));
    let source: Vec<u8> = SOURCE.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    put("ThisDocument", &[&b"pcode--"[..], &packed(&source)].concat());
    file.into_inner().into_inner()
}

fn document(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in [("[Content_Types].xml", &b"<Types/>"[..])].iter().chain(files) {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

#[test]
fn macros_are_found_read_and_judged_in_both_forms() {
    let old = run("letter.doc", &project("/Macros"));
    let new = run("letter.docm", &document(&[("word/vbaProject.bin", &project(""))]));
    for report in [old, new] {
        let told = told(&report);
        assert_eq!(told.iter().map(|t| t.0).collect::<Vec<_>>(), ["MACROS", "MACRO_AUTOSTART", "MACRO_SUSPICIOUS"], "{told:?}");
        assert_eq!(told[1].1, "ThisDocument: Private Sub Document_Open()");
        assert_eq!(told[2].1, "ThisDocument: CreateObject(\"WScript.Shell\").Run \"calc\"");
        let module = report.parts.last().unwrap();
        assert_eq!((module.name.as_str(), module.kind, module.size), ("ThisDocument.bas", Kind::Text, SOURCE.len() as u64));
    }
}

#[test]
fn what_is_loaded_when_the_document_opens_is_told_and_links_are_not() {
    let relations = br#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">
        <Relationship Id="1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/hyperlink" Target="http://a.example/" TargetMode="External"/>
        <Relationship Id="2" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/attachedTemplate" Target="http://b.example/x.dotm" TargetMode="External"/>
        <Relationship Id="3" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/image" Target="media/1.png"/></Relationships>"#;
    let report = run("offer.docx", &document(&[("word/_rels/settings.xml.rels", relations)]));
    assert_eq!(told(&report), [("EXTERNAL_TARGET", "attachedTemplate: http://b.example/x.dotm")]);
}

#[test]
fn a_project_that_lies_is_damaged_and_no_more() {
    let mut file = cfb::CompoundFile::create(Cursor::new(Vec::new())).unwrap();
    file.create_storage_all("/Macros/VBA").unwrap();
    file.create_stream("/Macros/VBA/dir").unwrap().write_all(b"\x01\xff\xbf\x00junk").unwrap();
    let report = run("x.doc", &file.into_inner().into_inner());
    assert_eq!(names(&report), ["MACROS", "DAMAGED"]);
}
