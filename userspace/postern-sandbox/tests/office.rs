//! Office documents made here: macros in both forms, what they load, what is packed into them.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::io::{Cursor, Write};

use postern_model::sandbox::Kind;
use support::documents::{SOURCE, document, project};
use support::{names, run, told};

#[test]
fn macros_are_found_read_and_judged_in_both_forms() {
    let old = run("letter.doc", &project("/Macros"));
    let new = run("letter.docm", &document(&[("word/vbaProject.bin", &project(""))]));
    for report in [old, new] {
        let told = told(&report);
        assert_eq!(
            told.iter().map(|t| t.0).collect::<Vec<_>>(),
            ["MACROS", "MACRO_AUTOSTART", "MACRO_SUSPICIOUS", "SCRIPT_STARTS"],
            "{told:?}"
        );
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
