//! Archives of the older formats as real tools made them (`tests/archives/make`), and archives in several files.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::path::Path;

use postern_model::sandbox::{Kind, Report};
use support::documents::program;
use support::{has, names, run, told};

fn sample(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/archives").join(name);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn letter() -> Vec<u8> {
    (0..1000).flat_map(|n| format!("line {n} of a letter\n").into_bytes()).collect()
}

fn setup() -> Vec<u8> {
    program().into_iter().chain((0..9000).map(|n: usize| (n * 7 + n / 256) as u8)).collect()
}

fn holds(report: &Report, files: &[(&str, &[u8])]) {
    let hash = |content: &[u8]| *blake3::hash(content).as_bytes();
    let tree: Vec<_> = report.parts.iter().skip(1).map(|p| (p.name.as_str(), p.size, p.hash)).collect();
    let expected: Vec<_> = files.iter().map(|(name, content)| (*name, content.len() as u64, hash(content))).collect();
    assert_eq!(tree, expected, "{:?}", told(report));
}

#[test]
fn lha_and_arj_by_every_method_and_cpio_in_every_form() {
    let methods = [
        (Kind::Lha, ["lh0.lzh", "lh5.lzh", "lh6.lzh", "lh7.lzh", "lh5.lzh"]),
        (Kind::Arj, ["method0.arj", "method1.arj", "method2.arj", "method3.arj", "method4.arj"]),
        (Kind::Cpio, ["newc.cpio", "odc.cpio", "crc.cpio", "bin.cpio", "newc.cpio"]),
    ];
    for (kind, name) in methods.iter().flat_map(|(kind, names)| names.map(|name| (*kind, name))) {
        let whole = sample(name);
        let report = run(name, &whole);
        assert_eq!((report.parts[0].kind, names(&report)), (kind, vec!["PROGRAM"]), "{name}: {:?}", told(&report));
        holds(&report, &[("letter.txt", &letter()), ("folder/setup.exe", &setup())]);
        let report = run(name, &whole[..whole.len() / 3]);
        assert!(has(&report, "DAMAGED"), "{name}: {:?}", told(&report));
        let mut changed = whole.clone();
        changed[whole.len() / 3] ^= 0x55;
        assert!(kind == Kind::Cpio || has(&run(name, &changed), "DAMAGED"), "{name}");
        assert!(has(&run("invoice.pdf", &whole), "TYPE_MISMATCH"));
    }
}

#[test]
fn what_compress_packs() {
    let report = run("letter.txt.Z", &sample("letter.txt.Z"));
    assert_eq!((report.parts[0].kind, names(&report)), (Kind::Compress, vec![]), "{:?}", told(&report));
    holds(&report, &[("letter.txt", &letter())]);
    let noise: Vec<u8> =
        (0..14_000_u64).flat_map(|n| format!("{:x} ", (n * n).wrapping_mul(2_654_435_761) & 0xffff_ffff).into_bytes()).collect();
    holds(&run("wide.Z", &sample("wide.Z")), &[("wide", &noise)]);
    assert!(has(&run("a.Z", b"\x1f\x9d\x9f and more"), "DAMAGED"));
    // The first code is none that could be known.
    assert!(has(&run("a.Z", b"\x1f\x9d\x90\xff\xff\xff\xff"), "DAMAGED"));
}

#[test]
fn a_closed_arj_says_so() {
    assert_eq!(told(&run("a.arj", &sample("garbled.arj"))), [("ENCRYPTED", "letter.txt"), ("ENCRYPTED", "folder/setup.exe")]);
}

#[test]
fn archives_in_several_files() {
    for name in ["volume.arj", "volume.a01", "split.z01", "split.zip", "split.7z.001", "split.7z.002"] {
        let report = run(name, &sample(name));
        assert!(has(&report, "SPLIT_ARCHIVE") && !has(&report, "DAMAGED"), "{name}: {:?}", told(&report));
    }
    // What is whole in a volume is opened.
    holds(&run("volume.a01", &sample("volume.a01")), &[("folder/setup.exe", &setup())]);
    // A part of another name tells it by its content.
    for name in ["split.zip", "split.7z.001"] {
        assert!(has(&run("invoice", &sample(name)), "SPLIT_ARCHIVE"), "{name}");
    }
    let whole = support::documents::archive(&[("a.txt", b"hello")], None);
    assert_eq!(names(&run("a.zip", &whole[..whole.len() - 30])), ["DAMAGED"], "one that is cut is none of several");
    assert_eq!(names(&run("a.zip.001", &whole[..whole.len() - 30])), ["SPLIT_ARCHIVE"]);
    assert_eq!(names(&run("a.zip.001", &whole)), [] as [&str; 0], "and one that is whole is whole");
}

#[test]
fn what_is_not_taken_apart_is_named() {
    let ace = [&[0x31, 0x10, 0x90, 0x31, 0, 0, 0][..], b"**ACE**", &[7; 50]].concat();
    let zoo = [&b"ZOO 2.10 Archive.\x1a\0\0"[..], b"\xdc\xa7\xc4\xfd", &[7; 50]].concat();
    for (content, expected) in
        [(ace, "ACE"), (zoo, "ZOO"), ([&b"SZDD\x88\xf0\x27\x33A"[..], &[7; 50]].concat(), "Microsoft's COMPRESS (SZDD)")]
    {
        let report = run("invoice.bin", &content);
        assert_eq!((report.parts[0].kind, told(&report)), (Kind::RareArchive, vec![("NOT_OPENED", expected)]));
    }
}

fn yenc(name: &str, content: &[u8]) -> Vec<u8> {
    let mut out = format!("=ybegin line=128 size={} name={name}\r\n", content.len()).into_bytes();
    for line in content.chunks(128) {
        for (n, b) in line.iter().enumerate() {
            let moved = b.wrapping_add(42);
            match moved {
                0 | b'\n' | b'\r' | b'=' => out.extend([b'=', moved.wrapping_add(64)]),
                b'.' if n == 0 => out.extend(b".."),
                _ => out.push(moved),
            }
        }
        out.extend(b"\r\n");
    }
    out.extend(format!("=yend size={}\r\n", content.len()).bytes());
    out
}

#[test]
fn files_in_yenc_and_in_base64_of_uuencode() {
    let text = [b"Hello,\r\n\r\n".to_vec(), yenc("my setup.exe", &setup()), b"and\r\n".to_vec(), yenc("a.txt", b"hello")].concat();
    let report = run("letter.txt", &text);
    holds(&report, &[("my setup.exe", &setup()), ("a.txt", b"hello")]);
    assert_eq!(names(&report), ["PROGRAM"], "{:?}", told(&report));
    assert!(has(&run("letter.txt", &text[..5000]), "DAMAGED"));
    let part = String::from_utf8_lossy(&yenc("b.txt", b"hello")).replace(" name=", " total=3 name=").replacen(
        "\r\n",
        "\r\n=ypart begin=1 end=5\r\n",
        1,
    );
    assert_eq!(names(&run("letter.txt", part.as_bytes())), ["SPLIT_ARCHIVE"]);
    let text = "Hello\nbegin-base64 644 run.js\nbmV3IEFjdGl2ZVhPYmplY3QoIldTY3Jp\ncHQuU2hlbGwiKS5SdW4oImNhbGMiKQ==\n====\n";
    let report = run("letter.txt", text.as_bytes());
    assert!(report.parts[1].name == "run.js" && has(&report, "SCRIPT_STARTS"), "{:?}", told(&report));
}
