//! RAR as RAR made it (`tests/rar/`), taken apart here without a cell, and one in a cell.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use postern_model::sandbox::{Kind, Report};
use postern_sandbox::cell::{CellError, Cells};
use postern_sandbox::dissect;
use postern_sandbox::job::Job;
use postern_sandbox::limits::Limits;
use support::{job, names, run, told};

fn sample(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rar").join(name);
    fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn parts(report: &Report) -> Vec<(&str, u64)> {
    report.parts.iter().skip(1).map(|p| (p.name.as_str(), p.size)).collect()
}

fn with(words: &[&str], name: &str) -> Job {
    Job { passwords: words.iter().map(|w| (*w).to_owned()).collect(), ..job(name) }
}

#[test]
fn every_version_is_opened() {
    for (name, expected) in [
        ("rar15-comment.rar", &[("FILE1.TXT", 7), ("FILE2.TXT", 8)][..]),
        ("rar202-comment-nopsw.rar", &[("FILE1.TXT", 7), ("FILE2.TXT", 7)]),
        ("rar3-solid.rar", &[("stest1.txt", 2048), ("stest2.txt", 2048)]),
        ("rar5-solid.rar", &[("stest1.txt", 2048), ("stest2.txt", 2048)]),
        ("rar5-crc.rar", &[("stest1.txt", 2048), ("stest2.txt", 2048)]),
        ("rar5-blake.rar", &[("stest1.txt", 2048), ("stest2.txt", 2048)]),
        ("unicode.rar", &[("уииоотивл.txt", 2), ("𝐀𝐁𝐁𝐂.txt", 2)]),
    ] {
        let report = run(name, &sample(name));
        assert_eq!((parts(&report).as_slice(), report.parts[0].kind), (expected, Kind::Rar), "{name}");
        assert!(report.findings.is_empty(), "{name}: {:?}", report.findings);
    }
    for name in ["rar3-subdirs.rar", "rar5-subdirs.rar"] {
        let report = run(name, &sample(name));
        let expected =
            [("sub/dir2/file2.txt", 6), ("sub/with space/long fn.txt", 8), ("sub/üȵĩöḋè/file.txt", 5), ("sub/dir1/file1.txt", 6)];
        assert_eq!((parts(&report).as_slice(), report.findings.len()), (&expected[..], 0), "{name}: {:?}", report.findings);
    }
    // The same text by both versions' unpackers.
    let contents = ["rar3-solid.rar", "rar5-solid.rar", "rar5-crc.rar"].map(|name| run(name, &sample(name)).parts[1].hash);
    assert!(contents.iter().all(|hash| *hash == contents[0]));
}

#[test]
fn a_password_of_the_mail_opens_and_another_one_does_not() {
    for (name, files) in [("rar5-psw.rar", 2), ("rar5-psw-blake.rar", 2), ("rar5-hpsw.rar", 2), ("rar3-comment-hpsw.rar", 2)] {
        let report = dissect::run(&with(&["hello", "password"], name), sample(name));
        assert_eq!((told(&report), report.parts.len()), (vec![("PASSWORD_IN_MAIL", "password")], 1 + files), "{name}");
        let report = dissect::run(&with(&["hello"], name), sample(name));
        assert_eq!((names(&report), report.parts.len()), (vec!["ENCRYPTED"], 1), "{name}");
    }
    // Its files are empty: any word would do, and none is said to.
    let report = dissect::run(&with(&["hello"], "a.rar"), sample("rar3-comment-psw.rar"));
    assert_eq!(told(&report), [("ENCRYPTED", "2 files")]);
}

#[test]
fn links_that_lead_out_are_told() {
    let report = run("evil.rar", &sample("rar5-evil-symlink-traversal.rar"));
    assert_eq!((told(&report), parts(&report)), (vec![("PATH_ESCAPE", "up leads to ..")], vec![("up/pwned.txt", 23)]));
    let report = run("links.rar", &sample("rar5-symlink-win.rar"));
    let expected = ["links/bad_link leads to ../../missing", "links/dir_junction leads to /??/C:/Users/User/stuff/content/dir2"];
    assert_eq!(told(&report), expected.map(|text| ("PATH_ESCAPE", text)));
}

#[test]
fn what_cannot_be_opened_is_told() {
    let report = run("files.part3.rar", &sample("rar3-vols.part3.rar"));
    assert!(told(&report).iter().any(|(name, text)| *name == "SPLIT_ARCHIVE" && text.contains("in another file")), "{:?}", report.findings);
    let whole = sample("rar5-crc.rar");
    for length in [7, 8, 20, 60, 200, whole.len() - 1000] {
        let report = run("torn.rar", &whole[..length]);
        assert!(
            report.is_sound() && names(&report).iter().all(|name| ["DAMAGED", "NOT_OPENED"].contains(name)),
            "{length}: {:?}",
            report.findings
        );
    }
    let mut flipped = whole.clone();
    flipped[140] ^= 0xff;
    assert!(names(&run("flipped.rar", &flipped)).contains(&"DAMAGED"), "its checksum is wrong");
}

#[test]
fn limits_hold() {
    let few = Job { limits: Limits { octets: 3000, ..Limits::default() }, ..job("a.rar") };
    assert!(names(&dissect::run(&few, sample("rar5-crc.rar"))).contains(&"TOO_LARGE"));
    let few = Job { limits: Limits { parts: 2, ..Limits::default() }, ..job("a.rar") };
    let report = dissect::run(&few, sample("rar5-subdirs.rar"));
    assert_eq!((report.parts.len(), names(&report)), (2, vec!["TOO_MANY"]));
}

#[test]
fn a_program_that_unpacks_itself_is_opened() {
    let mut program = support::documents::program();
    let alone = run("setup.exe", &program);
    program.extend_from_slice(&sample("rar5-crc.rar"));
    let report = run("setup.exe", &program);
    assert_eq!((report.parts[0].kind, parts(&report).len()), (Kind::WindowsProgram, 2), "{:?}", report.findings);
    assert_eq!(names(&report), names(&alone));
    // A signature alone is no archive.
    let mut program = support::documents::program();
    program.extend_from_slice(b"Rar!\x1a\x07\x01\0 is how they begin");
    assert_eq!(names(&run("setup.exe", &program)), names(&alone));
}

/// In a real cell: the unpacker makes no call that is not on the list.
#[tokio::test]
async fn it_is_opened_behind_the_walls() {
    let cells = Cells::new(PathBuf::from(env!("CARGO_BIN_EXE_postern-cell")));
    for name in ["rar3-solid.rar", "rar5-crc.rar", "rar5-psw.rar", "rar3-comment-hpsw.rar"] {
        match cells.run(&with(&["password"], name), &sample(name), None).await {
            Ok(report) => assert_eq!(report.parts.len(), 3, "{name}: {:?}", report.findings),
            Err(CellError::Walls(why)) if why.contains("EPERM") || why.contains("ENOSPC") => return println!("skipped: {why}"),
            Err(error) => panic!("{error}"),
        }
    }
}
