//! Slides of PowerPoint's old form as Office made them (`tests/documents/`), and some made here.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::io::Read;
use std::path::Path;

use postern_model::sandbox::Kind;
use support::documents::{noise, project};
use support::slides::{object, slides};
use support::{has, names, run, show, told};

fn sample(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/documents").join(name);
    let octets = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut out = Vec::new();
    ruzstd::decoding::StreamingDecoder::new(octets.as_slice()).unwrap().read_to_end(&mut out).unwrap();
    out
}

#[test]
fn macros_and_packed_files_of_slides() {
    let report = run("a.ppt", &sample("macros.ppt.zst"));
    assert!(has(&report, "MACROS") && !has(&report, "DAMAGED"), "{:?}", told(&report));
    assert!(report.parts.iter().any(|p| p.name.ends_with(".bas")), "{}", show(&report));
    let report = run("a.ppt", &sample("shortcut.ppt.zst"));
    for expected in ["EMBEDDED_OBJECT", "SHORTCUT", "SHORTCUT_COMMAND"] {
        assert!(has(&report, expected), "{:?}", told(&report));
    }
    let report = run("a.ppt", &slides(&[object(&project(""), false), object(b"words", true)]));
    assert_eq!(names(&report), ["MACROS", "MACRO_AUTOSTART", "MACRO_SUSPICIOUS", "SCRIPT_STARTS"], "{:?}", told(&report));
    let tree: Vec<_> = report.parts.iter().map(|p| (p.name.as_str(), p.kind, p.inside)).collect();
    assert!(tree.contains(&("object 1", Kind::Compound, Some(0))) && tree.contains(&("object 2", Kind::Text, Some(0))), "{tree:?}");
}

#[test]
fn slides_that_lie() {
    let mut cut = object(&noise(9000), true);
    let length = cut.len();
    cut.truncate(length / 2);
    let damaged = run("a.ppt", &slides(&[cut]));
    assert_eq!(names(&damaged), ["DAMAGED"], "{:?}", told(&damaged));
    // A bomb.
    let report = run("a.ppt", &slides(&[object(&vec![0; 64 << 20], true)]));
    assert_eq!(names(&report), ["TOO_LARGE"], "{:?}", told(&report));
}
