//! Formats with files in them, each made here by its specification: what is in them is found, and what only looks like them says nothing.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::io::{Cursor, Write};

use postern_model::sandbox::Kind;
use support::documents::{document, program};
use support::{names, run, told};

fn one_note(files: &[&[u8]], names: &[&str]) -> Vec<u8> {
    let mut out = b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d\xae\xb1\x53\x78\xd0\x29\x96\xd3".to_vec();
    out.resize(1024, 0);
    for name in names {
        out.extend(name.encode_utf16().flat_map(u16::to_le_bytes));
        out.extend([0, 0]);
    }
    for file in files {
        out.extend(b"\xe7\x16\xe3\xbd\x65\x26\x11\x45\xa4\xc4\x8d\x4d\x0b\x7a\x9e\xac");
        out.extend((file.len() as u64).to_le_bytes());
        out.extend([0; 12]);
        out.extend(*file);
        out.extend(b"\x22\xa7\xfb\x71\x79\x0f\x0b\x4a\xbb\x13\x89\x92\x56\x42\x6b\x24");
    }
    out
}

#[test]
fn files_in_a_notebook_are_opened_by_their_names() {
    let page = b"<html><script>new ActiveXObject('WScript.Shell').Run('calc.exe')</script></html>";
    let picture = [&b"\x89PNG\r\n\x1a\n"[..], &[7; 50]].concat();
    let content = one_note(&[&picture, page, &program()], &["Open.hta", "invoice.exe"]);
    let report = run("notes.one", &content);
    let tree: Vec<_> = report.parts.iter().map(|p| (p.name.as_str(), p.kind)).collect();
    assert_eq!(
        tree,
        [("notes.one", Kind::OneNote), ("file 0", Kind::Image), ("Open.hta", Kind::Html), ("invoice.exe", Kind::WindowsProgram)]
    );
    assert_eq!(names(&report), ["EMBEDDED_OBJECT", "SCRIPT", "EMBEDDED_OBJECT", "PROGRAM", "SCRIPT_STARTS"], "{:?}", told(&report));
    assert_eq!(names(&run("plain.one", &one_note(&[&picture], &["a.png"]))), [] as [&str; 0], "a picture in notes");
    let mut cut = content.clone();
    cut.truncate(cut.len() - 200);
    assert!(names(&run("cut.one", &cut)).contains(&"DAMAGED"));
}

fn attribute(level: u8, id: u32, data: &[u8]) -> Vec<u8> {
    let sum = data.iter().fold(0_u16, |sum, b| sum.wrapping_add(u16::from(*b)));
    [&[level][..], &id.to_le_bytes(), &(data.len() as u32).to_le_bytes(), data, &sum.to_le_bytes()].concat()
}

#[test]
fn what_outlook_packs_into_winmail_dat() {
    let long: Vec<u8> = "Invoice of November.exe\0".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let properties =
        [&1_u32.to_le_bytes()[..], &[0x1f, 0, 0x07, 0x37], &1_u32.to_le_bytes(), &(long.len() as u32).to_le_bytes(), &long].concat();
    let content = [
        b"\x78\x9f\x3e\x22\x01\x00".to_vec(),
        attribute(1, 0x0008_9006, &[0, 0, 1, 0]),
        attribute(1, 0x0002_800c, b"see the file\0"),
        attribute(2, 0x0006_9002, &[0; 14]),
        attribute(2, 0x0001_8010, b"INVOIC~1.EXE\0"),
        attribute(2, 0x0006_800f, &program()),
        attribute(2, 0x0006_9005, &properties),
        attribute(2, 0x0006_9002, &[0; 14]),
        attribute(2, 0x0001_8010, b"notes.txt\0"),
        attribute(2, 0x0006_800f, b"hello"),
    ]
    .concat();
    let report = run("winmail.dat", &content);
    let tree: Vec<_> = report.parts.iter().map(|p| (p.inside, p.name.as_str())).collect();
    assert_eq!(tree, [(None, "winmail.dat"), (Some(0), "text"), (Some(0), "Invoice of November.exe"), (Some(0), "notes.txt")]);
    assert_eq!(names(&report), ["PROGRAM"]);
    assert_eq!(names(&run("winmail.dat", &content[..content.len() - 4])), ["PROGRAM", "DAMAGED"]);
}

fn uuencoded(name: &str, content: &[u8]) -> String {
    let letter = |b: u8| if b == 0 { '`' } else { char::from(b' ' + b) };
    let mut out = format!("begin 644 {name}\n");
    for line in content.chunks(45) {
        out.push(letter(line.len() as u8));
        for three in line.chunks(3) {
            let b = |n: usize| three.get(n).copied().unwrap_or(0);
            let sixes = [b(0) >> 2, (b(0) & 3) << 4 | b(1) >> 4, (b(1) & 15) << 2 | b(2) >> 6, b(2) & 63];
            out.extend(sixes.map(letter));
        }
        out.push('\n');
    }
    out + "`\nend\n"
}

#[test]
fn files_within_a_text() {
    let text = format!(
        "Hello,\n\nbegin 100 of them\n\n{}\nand\r\n{}",
        uuencoded("run.exe", &program()),
        uuencoded("a.txt", b"hello world").replace('\n', "\r\n")
    );
    let report = run("letter.txt", text.as_bytes());
    let tree: Vec<_> = report.parts.iter().map(|p| (p.name.as_str(), p.size)).collect();
    assert_eq!(tree, [("letter.txt", text.len() as u64), ("run.exe", 300), ("a.txt", 11)]);
    assert_eq!(names(&report), ["PROGRAM"]);
    assert_eq!(names(&run("letter.txt", b"We begin 644 things\nbegin 644 x\nand then an end\nend\n")), [] as [&str; 0]);
    let cut = &text[..text.find("and\r").unwrap() - 8];
    assert_eq!(names(&run("letter.txt", cut.as_bytes())), ["DAMAGED", "PROGRAM"]);
}

fn record(id: u16, data: &[u8]) -> Vec<u8> {
    [&id.to_le_bytes()[..], &(data.len() as u16).to_le_bytes(), data].concat()
}

fn workbook(records: &[Vec<u8>]) -> Vec<u8> {
    let mut file = cfb::CompoundFile::create(Cursor::new(Vec::new())).unwrap();
    file.create_stream("/Workbook").unwrap().write_all(&records.concat()).unwrap();
    file.into_inner().into_inner()
}

#[test]
fn macros_of_excel_before_vba() {
    let sheet =
        |state: u8, kind: u8, name: &str| record(0x0085, &[&[0, 0, 0, 0, state, kind, name.len() as u8, 0][..], name.as_bytes()].concat());
    let auto_open = record(0x0018, &[&[0x20, 0, 0, 1, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], &[0x01], &[0; 7]].concat());
    // =EXEC("calc"): a text, then the function with one argument.
    let exec = record(0x0006, &[&[0; 22][..], &[0x17, 4, 0], b"calc", &[0x42, 1, 110, 0]].concat());
    let beginning = record(0x0809, &[0, 6, 5, 0]);
    let report = run("invoice.xls", &workbook(&[beginning.clone(), sheet(2, 1, "Macro1"), auto_open, exec.clone()]));
    assert_eq!(
        told(&report),
        [("MACROS", "macro sheet Macro1, hidden from its reader"), ("MACRO_AUTOSTART", "Auto_Open"), ("MACRO_SUSPICIOUS", "=EXEC(…)")]
    );
    assert_eq!(names(&run("plain.xls", &workbook(&[beginning, sheet(0, 0, "Sheet1"), exec]))), [] as [&str; 0], "a sheet of numbers");
    let xml = document(&[
        (
            "xl/workbook.xml",
            b"<workbook><definedNames><definedName name=\"_xlnm.Auto_Open\">Macro1!$A$1</definedName></definedNames></workbook>",
        ),
        ("xl/macrosheets/sheet1.xml", b"<xm:macrosheet><c><f>CALL(\"urlmon\",\"URLDownloadToFileA\")</f></c></xm:macrosheet>"),
    ]);
    assert_eq!(names(&run("invoice.xlsm", &xml)), ["MACRO_AUTOSTART", "MACROS", "MACRO_SUSPICIOUS"]);
    let plain = document(&[("xl/workbook.xml", b"<workbook/>"), ("xl/worksheets/sheet1.xml", b"<c><f>SUM(A1:A2)</f></c>")]);
    assert_eq!(names(&run("plain.xlsx", &plain)), [] as [&str; 0]);
}
