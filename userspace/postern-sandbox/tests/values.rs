//! What macros find beside themselves in documents of LibreOffice and Word (`tests/documents/`): properties, variables, cells, forms.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::io::{Cursor, Read, Write};
use std::path::Path;

use cfb::CompoundFile;
use postern_model::sandbox::Report;
use support::documents::{document, project_of};
use support::{done, has, run, show};

fn sample(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/documents").join(name);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// A macro that shows these values when the document is opened.
fn shows(expressions: &[&str]) -> String {
    let lines: String = expressions.iter().map(|e| format!("MsgBox {e}\n")).collect();
    format!("Attribute VB_Name = \"Module1\"\nSub Auto_Open()\n{lines}End Sub\n")
}

fn module(source: &str) -> Vec<u8> {
    project_of("", &[("Module1", source)])
}

/// All files of a ZIP with this one more.
fn with_file(zip: &[u8], name: &str, content: &[u8]) -> Vec<u8> {
    let mut archive = zip::ZipArchive::new(Cursor::new(zip)).unwrap();
    let mut files = Vec::new();
    for n in 0..archive.len() {
        let mut file = archive.by_index(n).unwrap();
        let mut octets = Vec::new();
        file.read_to_end(&mut octets).unwrap();
        files.push((file.name().unwrap().into_owned(), octets));
    }
    files.push((name.to_owned(), content.to_vec()));
    let files: Vec<_> =
        files.iter().filter(|(name, _)| name != "[Content_Types].xml").map(|(name, octets)| (name.as_str(), octets.as_slice())).collect();
    document(&files)
}

/// All storages and streams of another compound file, below a root, but for those that are there.
fn copied(into: &mut CompoundFile<Cursor<Vec<u8>>>, from: &[u8], root: &str) {
    let mut from = CompoundFile::open(Cursor::new(from.to_vec())).unwrap();
    let entries: Vec<_> = from.walk().map(|e| (e.path().to_owned(), e.is_stream())).collect();
    for (path, is_stream) in entries {
        let target = Path::new("/").join(root).join(path.strip_prefix("/").unwrap());
        if is_stream && !into.exists(&target) {
            let mut octets = Vec::new();
            from.open_stream(&path).unwrap().read_to_end(&mut octets).unwrap();
            into.create_stream(&target).unwrap().write_all(&octets).unwrap();
        } else if !is_stream && !into.exists(&target) {
            into.create_storage_all(&target).unwrap();
        }
    }
}

fn with_project(compound: &[u8], root: &str, source: &str) -> Vec<u8> {
    let mut file = CompoundFile::open(Cursor::new(compound.to_vec())).unwrap();
    copied(&mut file, &module(source), root);
    file.into_inner().into_inner()
}

fn shown(report: &Report) -> Vec<&str> {
    assert!(!done(report).iter().any(|(action, _)| *action == "error"), "{}", show(report));
    done(report).into_iter().filter(|(action, _)| *action == "show").map(|(_, text)| text).collect()
}

#[test]
fn cells_of_a_workbook_in_both_forms() {
    let source = shows(&[
        "Range(\"A1\").Value",
        "Range(\"A1\")",
        "Chr(Cells(1, 2)) & Chr(Cells(2, 2).Value)",
        "Cells(1, \"C\").Value * 2",
        "Sheets(\"sheet1\").Range(\"$A$2\").Value",
        "CBool(ThisWorkbook.Worksheets(1).Cells(2, 3))",
        "[Sheet1!A3]",
        "Range(\"Secret\").Value",
        "Sheets(2).Name",
        "Worksheets(\"Hidden One\").Range(\"A400\").Value",
        "Sheets(\"Hidden One\").Cells(Rows.Count, 1).End(xlUp).Row",
        "Sheets(2).UsedRange.Rows.Count",
        "Range(\"'Hidden One'!B3\").Offset(1, 0).Value",
        "Sheets.Count",
        "ActiveSheet.Range(\"B3\").Value",
    ]);
    let source = source.replace("MsgBox [Sheet1!A3]", "For Each c In Sheets(2).Range(\"B1:B4\"): t = t & c.Value & \",\": Next: MsgBox t\nv = Sheets(2).Range(\"A1:B3\").Value: MsgBox v(3, 2) & UBound(v)");
    let expected = [
        "cmd /c calc",
        "ca",
        "3",
        "grüße – 日本",
        "True",
        "3,6,9,12,",
        "93",
        "grüße – 日本",
        "Hidden One",
        "text number 400, long enough that the table of texts takes several records",
        "400",
        "12",
        "2",
        "123456789.25",
    ];
    for (name, content) in [
        ("a.xlsm", with_file(&sample("cells.xlsx"), "xl/vbaProject.bin", &module(&source))),
        ("a.xls", with_project(&sample("cells.xls"), "_VBA_PROJECT_CUR", &source)),
    ] {
        let report = run(name, &content);
        assert_eq!(shown(&report), expected, "{name}: {}", show(&report));
    }
}

/// Excel's own binary form.
#[test]
fn cells_of_a_binary_workbook() {
    let source = shows(&["Range(\"A1\").Value", "Left(Cells(2, 2), 14)", "Sheets(1).Range(\"A4\")", "Sheets(1).UsedRange.Rows.Count"]);
    let report = run("a.xlsb", &with_file(&sample("cells.xlsb"), "xl/vbaProject.bin", &module(&source)));
    assert_eq!(shown(&report), ["Test", "Long live open", "DDE-Link:", "6"], "{}", show(&report));
}

#[test]
fn properties_and_text_of_a_letter_in_both_forms() {
    let source = shows(&[
        "ActiveDocument.BuiltInDocumentProperties(\"Comments\")",
        "ThisDocument.BuiltInDocumentProperties(\"Title\").Value",
        "ActiveDocument.BuiltInDocumentProperties(wdPropertySubject)",
        "ActiveDocument.BuiltInDocumentProperties.Item(\"keywords\").Value",
        "ActiveDocument.CustomDocumentProperties(\"Payload\").Value",
        "ActiveDocument.CustomDocumentProperties(\"count\").Value + 1",
        "Left(ActiveDocument.Content.Text, 11)",
    ]);
    for (name, content) in [
        ("a.docm", with_file(&sample("letter.docx"), "word/vbaProject.bin", &module(&source))),
        ("a.doc", with_project(&sample("letter.doc"), "Macros", &source)),
    ] {
        let report = run(name, &content);
        let expected = ["cmd /c calc <über>", "Invoice & more", "powershell -w hidden", "one", "start.exe – now", "18", "cmd /c calc"];
        assert_eq!(shown(&report), expected, "{name}: {}", show(&report));
    }
}

/// A document variable in both forms: the old one by its specification (MS-DOC 2.9.287).
#[test]
fn variables_of_a_document() {
    let source =
        shows(&["ActiveDocument.Variables(\"Payload\").Value", "ThisDocument.Variables(\"other\")", "ActiveDocument.Variables.Count"]);
    let settings = "<w:settings xmlns:w=\"w\"><w:docVars><w:docVar w:name=\"payload\" w:val=\"cmd /c &quot;calc&quot;\"/><w:docVar w:name=\"Other\" w:val=\"a_x0042_c\"/></w:docVars></w:settings>";
    let new = document(&[("word/settings.xml", settings.as_bytes()), ("word/vbaProject.bin", &module(&source))]);
    let text = |text: &str| {
        [&(text.encode_utf16().count() as u16).to_le_bytes()[..], &text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()]
            .concat()
    };
    let names = [text("payload"), vec![0; 4], text("Other"), vec![0; 4]].concat();
    let table = [&[0xff, 0xff, 2, 0, 4, 0][..], &names, &text("cmd /c \"calc\""), &text("aBc")].concat();
    let mut main = vec![0; 0x300];
    main[0x0b] = 2;
    main[0x27a..0x27e].copy_from_slice(&16_u32.to_le_bytes());
    main[0x27e..0x282].copy_from_slice(&(table.len() as u32).to_le_bytes());
    let mut old = CompoundFile::create(Cursor::new(Vec::new())).unwrap();
    old.create_stream("/WordDocument").unwrap().write_all(&main).unwrap();
    old.create_stream("/1Table").unwrap().write_all(&[&[0; 16], table.as_slice()].concat()).unwrap();
    let old = with_project(&old.into_inner().into_inner(), "Macros", &source);
    for (name, content) in [("a.docm", new), ("a.doc", old)] {
        let report = run(name, &content);
        assert_eq!(shown(&report), ["cmd /c \"calc\"", "aBc", "2"], "{name}: {}", show(&report));
    }
}

/// Word's own: labels, texts, boxes, in a frame, on a page.
#[test]
fn controls_of_forms() {
    let word = sample("forms.docm");
    let mut project = Vec::new();
    zip::ZipArchive::new(Cursor::new(word)).unwrap().by_name("word/vbaProject.bin").unwrap().read_to_end(&mut project).unwrap();
    let source = shows(&[
        "UserFormTEST1.Label1.Caption",
        "UserFormTEST1.Label1.Tag",
        "UserFormTEST1.TextBox1 & UserFormTEST1.TextBox1.Text",
        "UserFormTEST1.ComboBox1.Value",
        "UserFormTEST1.CheckBox1.Caption",
        "UserFormTEST1.Controls(\"TextBox2\").Value",
        "userformtest1.TextBox3.Text",
        "UserFormTEST1.OptionButton1.Caption",
        "UserFormTEST1.CommandButton1.Caption",
        "UserFormTest2.TextBox1.Value",
        "UserFormTEST1.Caption",
    ]);
    let mut file = CompoundFile::open(Cursor::new(module(&source))).unwrap();
    let mut forms = CompoundFile::open(Cursor::new(project)).unwrap();
    for name in ["/VBA/dir", "/VBA/ThisDocument", "/VBA/UserFormTEST1", "/VBA/UserFormTest2", "/VBA/NewMacros"] {
        forms.remove_stream(name).unwrap();
    }
    copied(&mut file, &forms.into_inner().into_inner(), "");
    let content = document(&[("word/vbaProject.bin", &file.into_inner().into_inner())]);
    let report = run("a.docm", &content);
    let expected = [
        "Label1-test",
        "sdfff",
        "heyheyheyhey",
        "none dd",
        "mouahaha",
        "abcd",
        "last one",
        "OptionButton1",
        "CommandButton1",
        "&é\"'",
        "UserForm1_capt",
    ];
    assert_eq!(shown(&report), expected, "{}", show(&report));
}

/// The payload lies in a cell, the macro only starts it: what was said before was that it starts nothing.
#[test]
fn a_payload_in_a_cell_is_started() {
    let source = "Attribute VB_Name = \"ThisWorkbook\"\nSub Workbook_Open()\nFor i = 1 To 2\ns = s & Chr(Sheets(1).Cells(i, 2).Value)\nNext\nShell s & Mid(Range(\"A3\"), 3)\nEnd Sub\n";
    let content = with_file(&sample("cells.xlsx"), "xl/vbaProject.bin", &module(source));
    let report = run("a.xlsm", &content);
    assert!(done(&report).contains(&("start", "calc")) || has(&report, "SCRIPT_STARTS"), "{}", show(&report));
}
