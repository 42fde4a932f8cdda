//! Disk images as real tools made them (`tests/disks/make`): each file in them comes out whole, and what is broken or closed says so.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::io::Read;
use std::path::{Path, PathBuf};

use postern_model::sandbox::{Kind, Report};
use postern_sandbox::cell::{CellError, Cells};
use postern_sandbox::dissect;
use postern_sandbox::job::Job;
use postern_sandbox::limits::Limits;
use support::documents::{archive, program};
use support::{done, has, job, names, run, show, told};

fn image(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/disks").join(format!("{name}.zst"));
    let packed = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut out = Vec::new();
    ruzstd::decoding::StreamingDecoder::new(packed.as_slice()).unwrap().read_to_end(&mut out).unwrap();
    out
}

fn letter() -> Vec<u8> {
    (0..1000).flat_map(|n| format!("line {n} of a letter\n").into_bytes()).collect()
}

fn setup() -> Vec<u8> {
    program().into_iter().chain((0..9000).map(|n: usize| (n * 7 + n / 256) as u8)).collect()
}

/// What `make` puts everywhere, below a folder.
fn files(below: &str) -> Vec<(String, Vec<u8>)> {
    let named = [
        ("run.js", b"new ActiveXObject(\"WScript.Shell\").Run(\"calc.exe\")".to_vec()),
        ("letter.txt", letter()),
        ("empty.txt", Vec::new()),
        ("Unterlagen für März/setup.exe", setup()),
    ];
    let many = (0..120).map(|n| (format!("{below}many/file {n}.txt"), format!("file {n}\n").into_bytes()));
    named.into_iter().map(|(name, content)| (format!("{below}{name}"), content)).chain(many).collect()
}

fn holds(report: &Report, name: &str, content: &[u8]) {
    let part = report.parts.iter().find(|p| p.name == name);
    let part = part.unwrap_or_else(|| panic!("{name} is not among {:?}", report.parts.iter().map(|p| &p.name).collect::<Vec<_>>()));
    assert_eq!((part.size, part.hash), (content.len() as u64, *blake3::hash(content).as_bytes()), "{name}");
}

/// All that `make` put there is there, a click on the shortcut and the script are told, and nothing is called damaged.
fn is_whole(report: &Report, below: &str, others: &[(&str, &[u8])]) {
    for (name, content) in files(below) {
        holds(report, &name, &content);
    }
    for (name, content) in others {
        holds(report, name, content);
    }
    assert!(report.parts.iter().any(|p| p.name == format!("{below}Invoice.pdf.lnk") && p.kind == Kind::Shortcut));
    for name in ["SHORTCUT", "SHORTCUT_COMMAND", "SCRIPT", "SCRIPT_STARTS", "PROGRAM"] {
        assert!(has(report, name), "{name}: {}", show(report));
    }
    assert!(done(report).contains(&("start", "calc.exe")), "{}", show(report));
    for name in ["DAMAGED", "NOT_OPENED", "TOO_LARGE", "TOO_MANY", "TYPE_MISMATCH", "PATH_ESCAPE"] {
        assert!(!has(report, name), "{:?}", told(report));
    }
}

#[test]
fn a_floppy_without_partitions() {
    let report = run("invoice.img", &image("floppy.img"));
    is_whole(&report, "", &[]);
    assert_eq!((report.parts[0].kind, report.parts.len()), (Kind::DiskImage, 1 + 125));
}

#[test]
fn a_fixed_vhd_with_primary_and_logical_partitions() {
    let report = run("invoice.vhd", &image("mbr.vhd"));
    is_whole(&report, "partition 1/", &[("partition 2/run.js", files("")[0].1.as_slice())]);
    assert_eq!(report.parts.len(), 1 + 125 + 1);
}

#[test]
fn a_vhdx_with_gpt_fat32_and_exfat() {
    let report = run("invoice.vhdx", &image("gpt.vhdx"));
    is_whole(&report, "partition 1/", &[]);
    is_whole(&report, "partition 2/", &[("partition 2/pieces.txt", &letter())]);
    assert_eq!(report.parts.len(), 1 + 125 + 126);
}

#[test]
fn a_vhd_that_grows_with_ntfs() {
    let mut sparse = vec![0; 7 << 20];
    sparse.extend(letter());
    sparse.resize(8 << 20, 0);
    let report = run("invoice.vhd", &image("ntfs.vhd"));
    let packed = letter().repeat(12);
    is_whole(
        &report,
        "",
        &[
            ("pieces.txt", &letter()),
            ("packed/packed.txt", &packed),
            ("sparse.txt", &sparse),
            ("letter.txt:run.vbs", b"WScript.Echo \"hidden\""),
        ],
    );
    assert!(done(&report).contains(&("show", "hidden")), "another stream of a file is run, too: {}", show(&report));
    assert_eq!(report.parts.len(), 1 + 125 + 4, "nothing of the file system's own");
}

/// Packed, an image is next to nothing: its holes make no bomb of it.
#[test]
fn an_image_in_an_archive_is_no_bomb() {
    let vhd = image("mbr.vhd");
    let zip = archive(&[("invoice.vhd", &vhd)], None);
    assert!(zip.len() as u64 * Limits::default().ratio + (1 << 20) < vhd.len() as u64, "{} of {}", zip.len(), vhd.len());
    is_whole(&run("invoice.zip", &zip), "partition 1/", &[]);
    let zeros = archive(&[("zeros.bin", &vec![0; 64 << 20])], None);
    assert!(has(&run("zeros.zip", &zeros), "TOO_LARGE"));
    let closed = archive(&[("invoice.vhd", &vhd)], Some("4711"));
    let report = dissect::run(&Job { passwords: vec!["4711".to_owned()], ..job("invoice.zip") }, closed);
    assert!(report.parts.iter().any(|p| p.name == "partition 2/run.js"), "{}", show(&report));
}

#[test]
fn limits_hold_within() {
    let mut job = job("invoice.vhdx");
    job.limits.parts = 20;
    let report = dissect::run(&job, image("gpt.vhdx"));
    assert!(report.parts.len() == 20 && has(&report, "TOO_MANY"), "{:?}", told(&report));
    job.limits.depth = 0;
    assert_eq!(names(&dissect::run(&job, image("gpt.vhdx"))), ["TOO_DEEP"]);
    job.limits = Limits { octets: 30_000, ..Limits::default() };
    let report = dissect::run(&job, image("gpt.vhdx"));
    assert!(has(&report, "TOO_LARGE") && report.parts.iter().skip(1).map(|p| p.size).sum::<u64>() <= 30_000);
}

#[test]
fn what_is_broken_says_so() {
    for name in ["floppy.img", "mbr.vhd", "gpt.vhdx", "ntfs.vhd"] {
        let whole = image(name);
        for part in [2, 3, 10] {
            let report = run(name, &whole[..whole.len() / part]);
            assert!(has(&report, "DAMAGED") || has(&report, "NOT_OPENED"), "{name} / {part}: {:?}", told(&report));
        }
    }
    // Each block is said to lie behind the end.
    let mut vhd = image("ntfs.vhd");
    let table = u64::from_be_bytes(vhd[512 + 16..512 + 24].try_into().unwrap()) as usize;
    vhd[table..table + 4].copy_from_slice(&[0x70, 0, 0, 0]);
    assert!(!names(&run("a.vhd", &vhd)).is_empty());
    // The end is gone, and with it the footer: the copy in front does.
    let vhd = image("ntfs.vhd");
    holds(&run("a.vhd", &vhd[..vhd.len() - 512]), "letter.txt", &letter());
}

#[test]
fn what_is_closed_or_of_others_is_named() {
    let volume = |at: usize, mark: &[u8]| {
        let mut disk = image("mbr.vhd");
        disk[(1 << 20) + at..][..mark.len()].copy_from_slice(mark);
        disk
    };
    let to_go = b"\x3b\xd6\x67\x49\x29\x2e\xd8\x4a\x83\x99\xf6\xa3\x39\xe3\xd0\x01";
    let mut stick = volume(3, b"MSWIN4.1");
    stick[(1 << 20) + 424..][..16].copy_from_slice(to_go);
    for (disk, expected) in [
        (volume(3, b"-FVE-FS-"), ("ENCRYPTED", "partition 1/a volume of BitLocker")),
        (stick, ("ENCRYPTED", "partition 1/a volume of BitLocker")),
        (volume(3, b"ReFS\0\0\0\0"), ("NOT_OPENED", "partition 1/a volume of ReFS")),
    ] {
        let report = run("a.vhd", &disk);
        assert!(told(&report).contains(&expected), "{:?}", told(&report));
        assert!(report.parts.iter().any(|p| p.name == "partition 2/run.js"), "the others are opened");
    }
    let mut difference = image("ntfs.vhd");
    let end = difference.len() - 512;
    difference[end + 63] = 4;
    assert_eq!(told(&run("a.vhd", &difference)), [("NOT_OPENED", "a disk image that only holds what differs from another one")]);
    for (begin, expected) in
        [(&b"KDMV"[..], "a disk of VMware"), (b"QFI\xfb", "a disk of QEMU"), (b"MSWIM\0\0\0", "an image of Windows' installer")]
    {
        assert_eq!(told(&run("a.bin", &[begin, &[7; 3000]].concat())), [("NOT_OPENED", expected)]);
    }
    assert_eq!(told(&run("a.dmg", &[&[7; 3000][..], b"koly", &[7; 508]].concat())), [("NOT_OPENED", "a disk of macOS")]);
}

/// A file that is two things: what reads it sees the one, and a click mounts the other.
#[test]
fn an_image_behind_another_begin() {
    let mut vhd = image("mbr.vhd");
    vhd[..4].copy_from_slice(b"PK\x03\x04");
    let report = run("a.vhd", &vhd);
    assert!(report.parts.iter().any(|p| p.name == "partition 2/run.js"), "{:?}", told(&report));
    let mut program = setup();
    program.extend(&vhd[vhd.len() - 512..]);
    assert!(has(&run("setup.exe", &program), "PROGRAM"), "it stays what it is");
    let mut cd = image("bridge.iso");
    cd[..300].copy_from_slice(&support::documents::program());
    let report = run("a.iso", &cd);
    assert!(report.parts[0].kind == Kind::WindowsProgram && report.parts.iter().any(|p| p.name == "run.js"), "{:?}", told(&report));
}

#[test]
fn names_promise_an_image() {
    assert_eq!(told(&run("a.vhd", &program())), [("PROGRAM", "a.vhd"), ("TYPE_MISMATCH", "a.vhd is WindowsProgram")]);
    let report = run("a.pdf", &image("floppy.img"));
    assert!(told(&report).contains(&("TYPE_MISMATCH", "a.pdf is DiskImage")), "{:?}", told(&report));
    // A sector's mark at its end alone is no disk.
    let mut noise = vec![7; 4096];
    noise[510..512].copy_from_slice(b"\x55\xaa");
    assert_eq!(run("a.bin", &noise).parts[0].kind, Kind::Unknown);
}

/// In a real cell: no reader makes a call that is not on the list.
#[tokio::test]
async fn it_is_opened_behind_the_walls() {
    let cells = Cells::new(PathBuf::from(env!("CARGO_BIN_EXE_postern-cell")));
    for name in ["gpt.vhdx", "ntfs.vhd"] {
        match cells.run(&job(name), &image(name), None).await {
            Ok(report) => assert!(report.parts.len() > 125 && has(&report, "SHORTCUT"), "{name}: {:?}", report.findings),
            Err(CellError::Walls(why)) if why.contains("EPERM") || why.contains("ENOSPC") => return println!("skipped: {why}"),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_cd_by_iso_9660_and_by_udf() {
    let mut cd = image("bridge.iso");
    let report = run("invoice.iso", &cd);
    is_whole(&report, "", &[]);
    assert_eq!(report.parts.len(), 1 + 125, "each file once");
    // Without the volumes of ISO 9660 what is left is UDF.
    for sector in 16..24 {
        let at = sector * 2048 + 1;
        if cd[at..].starts_with(b"CD001") {
            cd[at..at + 5].copy_from_slice(if sector == 16 { b"BEA01" } else { b"NSR02" });
            cd[at - 1] = 0;
        }
    }
    let report = run("invoice.iso", &cd);
    is_whole(&report, "", &[]);
    assert_eq!(report.parts.len(), 1 + 125);
    assert_eq!(names(&run("empty.iso", &image("udf.iso"))), [] as [&str; 0], "one without files");
}
