//! Documents behind a password: as Office and LibreOffice made them (`tests/encrypted/`, `tests/documents/default-password.*`), and some made here.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::io::{Cursor, Read, Write};
use std::path::Path;
use std::time::Duration;

use cfb::CompoundFile;
use postern_model::sandbox::{Kind, Report};
use postern_sandbox::dissect;
use postern_sandbox::job::Job;
use postern_sandbox::limits::Limits;
use support::documents::{document, macro_document, project, project_of};
use support::locked::{agile, agile_that_says, locked_slides};
use support::slides::{compound, object, slides};
use support::{done, has, job, names, run, show, told};

const WORD: &str = "Password1234_";
const XOR_WORD: &str = "123456789012345";
const CLOSED: &str = "an office document behind a password";

fn sample(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name);
    let octets = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    if !name.ends_with(".zst") {
        return octets;
    }
    let mut out = Vec::new();
    ruzstd::decoding::StreamingDecoder::new(octets.as_slice()).unwrap().read_to_end(&mut out).unwrap();
    out
}

fn run_with(words: &[&str], content: &[u8]) -> Report {
    dissect::run(&Job { passwords: words.iter().map(|w| (*w).to_owned()).collect(), ..job("invoice") }, content.to_vec())
}

/// With one module more, that shows these values when the document is opened: macros are not encrypted.
fn with_macro(compound: &[u8], root: &str, expressions: &[&str]) -> Vec<u8> {
    let lines: String = expressions.iter().map(|e| format!("MsgBox {e}\n")).collect();
    let source = format!("Attribute VB_Name = \"M\"\nSub AutoOpen()\n{lines}End Sub\nSub Auto_Open()\nAutoOpen\nEnd Sub\n");
    let mut from = CompoundFile::open(Cursor::new(project_of("", &[("M", &source)]))).unwrap();
    let mut into = CompoundFile::open(Cursor::new(compound.to_vec())).unwrap();
    into.create_storage_all(format!("{root}/VBA")).unwrap();
    for name in ["dir", "M"] {
        let mut octets = Vec::new();
        from.open_stream(format!("/VBA/{name}")).unwrap().read_to_end(&mut octets).unwrap();
        into.create_stream(format!("{root}/VBA/{name}")).unwrap().write_all(&octets).unwrap();
    }
    into.into_inner().into_inner()
}

fn shown(report: &Report) -> Vec<&str> {
    done(report).into_iter().filter(|(action, _)| *action == "show").map(|(_, text)| text).collect()
}

#[test]
fn a_word_of_the_mail_opens_each_form() {
    for (name, word, kind) in [
        ("encrypted/agile.xlsx", WORD, Kind::OfficeXml),
        ("encrypted/standard.docx", WORD, Kind::OfficeXml),
        ("encrypted/rc4.doc", WORD, Kind::Compound),
        ("encrypted/crypto-api.doc", WORD, Kind::Compound),
        ("encrypted/crypto-api.xls", WORD, Kind::Compound),
        ("encrypted/crypto-api.ppt.zst", WORD, Kind::Compound),
        ("encrypted/xor.xls.zst", XOR_WORD, Kind::Compound),
    ] {
        let content = sample(name);
        let report = run_with(&["wrong", word], &content);
        assert_eq!(told(&report), [("PASSWORD_IN_MAIL", word)], "{name}");
        assert_eq!((report.parts[1].name.as_str(), report.parts[1].kind, report.parts[1].inside), ("decrypted", kind, Some(0)), "{name}");
        assert_eq!(told(&run_with(&["wrong"], &content)), [("ENCRYPTED", CLOSED)], "{name}");
        assert_eq!(told(&run("a", &content)), [("ENCRYPTED", CLOSED)], "{name}");
    }
}

#[test]
fn what_was_decrypted_is_what_was_encrypted() {
    // As the samples' own tests have them without a password.
    for (name, size, hash) in [
        ("encrypted/standard.docx", 3939, "2820e6fd04dcc1f3d5cef311497837dbc2d1efa588618c6c27b46151f03d8443"),
        ("encrypted/agile.xlsx", 8369, "3d89cb3e32a854045483257dadb02e59f1a47e318868f9c518c0ef27a980df35"),
    ] {
        let report = run_with(&[WORD], &sample(name));
        let part = &report.parts[1];
        assert_eq!((part.size, data_encoding::HEXLOWER.encode(&part.hash).as_str()), (size, hash), "{name}");
        assert!(report.parts.iter().any(|p| p.name == "[Content_Types].xml"), "{}", show(&report));
    }
    let text = "ActiveDocument.Content.Text";
    let cell = "Sheets(1).Name & \": \" & Sheets(1).Range(\"A1\").Value";
    for (name, root, word, asks, expected) in [
        ("encrypted/rc4.doc", "/Macros", WORD, text, "cmd /c calc grüße – 日本 "),
        ("encrypted/crypto-api.doc", "/Macros", WORD, text, "lorem ipsum "),
        ("encrypted/crypto-api.xls", "/_VBA_PROJECT_CUR", WORD, cell, "Sheet1: lorem ipsum"),
        ("encrypted/xor.xls.zst", "/_VBA_PROJECT_CUR", XOR_WORD, cell, "420: 1"),
    ] {
        assert_eq!(shown(&run_with(&[word], &with_macro(&sample(name), root, &[asks]))), [expected], "{name}");
    }
}

#[test]
fn what_office_tries_by_itself_needs_no_mail() {
    for name in ["documents/default-password.xls", "documents/default-password.xlsm"] {
        let report = run(name, &sample(name));
        let found = names(&report);
        for expected in ["DEFAULT_PASSWORD", "MACROS", "MACRO_AUTOSTART"] {
            assert!(found.contains(&expected), "{name}: {found:?}");
        }
        assert!(!found.contains(&"ENCRYPTED") && told(&report).contains(&("DEFAULT_PASSWORD", "VelvetSweatshop")), "{name}: {found:?}");
        assert_eq!(found.iter().filter(|f| **f == "MACRO_AUTOSTART").count(), 1, "told once, of what was decrypted: {:?}", told(&report));
    }
    let report = run("a.ppt", &locked_slides(&[object(&project(""), true)], "/01Hannes Ruescher/01"));
    assert_eq!(names(&report)[..3], ["DEFAULT_PASSWORD", "MACROS", "MACRO_AUTOSTART"]);
}

#[test]
fn macros_behind_a_password_are_found() {
    let letter = agile(&macro_document(), "4711", 1000);
    let slides = locked_slides(&[object(b"not a storage", false), object(&project(""), true)], "4711");
    for content in [letter, slides] {
        let report = run_with(&["4711"], &content);
        for expected in ["PASSWORD_IN_MAIL", "MACROS", "MACRO_AUTOSTART", "MACRO_SUSPICIOUS", "SCRIPT_STARTS"] {
            assert!(has(&report, expected), "{:?}", told(&report));
        }
        assert_eq!(told(&run("a", &content)), [("ENCRYPTED", CLOSED)]);
    }
}

#[test]
fn words_cost_no_more_than_they_may() {
    let package = document(&[("word/document.xml", b"<w:document/>")]);
    // Beyond what Office takes not one round is made.
    for said in ["4294967295", "10000001", "-1", "99999999999999999999", "a"] {
        let report = run_with(&["4711"], &agile_that_says(&package, "4711", 10, said));
        assert_eq!(
            told(&report),
            [("ENCRYPTED", "an office document behind a password that wants more rounds for a key than Office makes")],
            "{said}"
        );
    }
    // Within it they end with the time of the job.
    let long = agile_that_says(&package, "4711", 10, "10000000");
    let limits = Limits { cpu: Duration::from_millis(40), ..Limits::default() };
    let late = |content: &[u8]| {
        let job = Job { passwords: vec!["4711".to_owned()], limits: limits.clone(), ..job("a.docx") };
        dissect::run(&job, content.to_vec())
    };
    let expected = ("ENCRYPTED", "an office document behind a password; the time for trying words is used up");
    assert_eq!(told(&late(&long)), [expected]);
    // All documents of a job have it together.
    let two = support::documents::archive(&[("2.docx", &agile(&package, "4711", 10)), ("1.docx", &long)], None);
    assert_eq!(told(&late(&two)), [expected, expected]);
    // Of many words the first are tried.
    let words: Vec<String> = (0..9).map(|n| format!("word{n}")).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    assert_eq!(names(&run_with(&words, &agile(&package, "word7", 10))), ["PASSWORD_IN_MAIL"]);
    assert_eq!(names(&run_with(&words, &agile(&package, "word8", 10))), ["ENCRYPTED"]);
}

#[test]
fn what_lies_beside_hides_nothing() {
    let locked = sample("documents/default-password.xls");
    for stream in ["/EncryptedPackage", "/\u{9}DRMContent", "/WordDocument", "/Book"] {
        let mut file = CompoundFile::open(Cursor::new(locked.clone())).unwrap();
        file.create_stream(stream).unwrap().write_all(&[0xff; 64]).unwrap();
        let report = run("a.xls", &file.into_inner().into_inner());
        assert!(has(&report, "DEFAULT_PASSWORD") && has(&report, "MACRO_AUTOSTART"), "{stream:?}: {:?}", told(&report));
    }
    // A document that can be read, beside one that opens, and beside one that does not.
    let package = agile(&document(&[]), "VelvetSweatshop", 10);
    for (beside, expected) in [(package, "DEFAULT_PASSWORD"), (compound(&[("EncryptedPackage", b"")]), "ENCRYPTED")] {
        let mut file = CompoundFile::open(Cursor::new(beside)).unwrap();
        let mut from = CompoundFile::open(Cursor::new(slides(&[object(&project(""), true)]))).unwrap();
        for name in ["Current User", "PowerPoint Document"] {
            let mut octets = Vec::new();
            from.open_stream(name).unwrap().read_to_end(&mut octets).unwrap();
            file.create_stream(name).unwrap().write_all(&octets).unwrap();
        }
        let report = run("a.ppt", &file.into_inner().into_inner());
        assert!(has(&report, expected) && has(&report, "MACRO_AUTOSTART"), "{:?}", told(&report));
    }
}

#[test]
fn what_no_word_opens_says_why() {
    let package = agile(&document(&[]), "4711", 10);
    let info = |octets: &[u8]| compound(&[("EncryptionInfo", octets), ("EncryptedPackage", &[0; 64])]);
    let old_word: Vec<u8> = [&[0xec, 0xa5, 0xc1, 0, 0, 0, 0, 0, 0, 0, 0, 0x81][..], &[0; 100]].concat();
    for (content, expected) in [
        (compound(&[("EncryptedPackage", b"")]), " that does not say how it is encrypted"),
        (info(b"\x04\0\x04\0\x40\0\0\0<encryption/>"), " that does not say how it is encrypted"),
        (
            info(b"\x04\0\x04\0\x40\0\0\0<keyData cipherAlgorithm=\"DES\" cipherChaining=\"ChainingModeCFB\"/>"),
            ", encrypted by DES ChainingModeCFB",
        ),
        (info(b"\x03\0\x03\0\0\0\0\0"), ", encrypted in the way 3.3, which is not known here"),
        (info(&[&b"\x03\0\x02\0\x24\0\0\0\xff\xff\xff\xff"[..], &[0; 90]].concat()), ", encrypted by what is not AES"),
        (compound(&[("WordDocument", &old_word)]), ", encrypted in the way of old Word (XOR), which is not opened here"),
        (compound(&[("Workbook", b"\x09\x08\x02\0\0\x06\x2f\0\x02\0\x07\0")]), " that does not say how it is encrypted"),
    ] {
        assert_eq!(told(&run("a", &content)), [("ENCRYPTED", format!("{CLOSED}{expected}").as_str())]);
    }
    let rights = compound(&[("\u{9}DRMContent", b"")]);
    assert_eq!(told(&run("a", &rights)), [("ENCRYPTED", "an office document that is guarded by rights, not by a password")]);
    // The word is the right one, and the content is cut.
    let at = package.len() / 2;
    assert!(!run_with(&["4711"], &package[..at]).findings.is_empty());
}
