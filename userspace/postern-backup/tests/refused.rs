//! Backups that must not be restored: each is refused with a clear word, and nothing is changed.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod world;

use std::io::Write;

use age::x25519;
use data_encoding::HEXLOWER;
use postern_backup::lock::Key;
use postern_backup::restore::{Occupied, Plan, restore};
use postern_backup::verify::verify;
use postern_model::settings::backup::QuarantineBodies;
use serde_json::json;
use sha2::{Digest, Sha256};
use tar::{EntryType, Header};
use world::{World, files};

/// Restores `octets` to a new folder and over one in use; returns the word, after it saw that nothing changed.
fn refused(world: &World, name: &str, key: &Key, octets: &[u8]) -> String {
    let before = files(world.folder.path());
    let new = world.plan("new");
    let over = Plan { data: world.data.clone(), occupied: Occupied::MoveAside, membership: new.membership };
    let word = restore(octets, key, &new).map(drop).unwrap_err().to_string();
    let again = restore(octets, key, &over).map(drop).unwrap_err().to_string();
    assert_eq!(word.replace("/new.", "/postern."), again, "{name}");
    assert!(word.starts_with("nothing was changed: "), "{name}: {word}");
    let verified = verify(octets, key, &world.target, &mut |_| {}).map(drop).map_err(|e| e.to_string());
    assert!(files(world.folder.path()) == before && !new.data.exists(), "{name} changed something");
    let word = word.trim_start_matches("nothing was changed: ").to_owned();
    // Two members at one place are found when they are put there.
    assert!(verified == Err(word.clone()) || word.starts_with("cannot make "), "{name}: restore says {word}, verify says {verified:?}");
    word
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_anywhere_is_found_before_anything_is_put_in_place() {
    let world = World::new().await;
    let (_, path) = world.back_up(QuarantineBodies::Included).await;
    let good = std::fs::read(&path).unwrap();
    const DAMAGED: &str = "damaged or cut short";
    let len = good.len();
    // Its length is another each time: age adds stanzas that mean nothing (GREASE).
    let head = good
        .windows(4)
        .position(|w| w == b"\n---")
        .map(|at| at + 1 + good[at + 1..].iter().position(|b| *b == b'\n').unwrap() + 1)
        .unwrap();
    let in_head = (0..head).step_by(7).chain([head - 1]);
    for at in in_head.chain([head, head + 16, head + 1000, 70_000, len / 2, len - 17, len - 1]) {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        let word = refused(&world, &format!("bit {at}"), &world.key, &bad);
        // In the head a bit may also make it another file, or one for another key.
        let expected = [DAMAGED, "no backup", "none of the keys"];
        assert!(word.contains(DAMAGED) || (at < head && expected.iter().any(|e| word.contains(e))), "bit {at} of a head of {head}: {word}");
    }
    for keep in [1, 20, 60, head - 1, head, head + 16, head + 1000, 65_536 + 300, len / 2, len - 16, len - 1] {
        let word = refused(&world, &format!("first {keep}"), &world.key, &good[..keep]);
        assert!(word.contains(DAMAGED) || (keep < head && word.contains("no backup")), "first {keep} with a head of {head}: {word}");
    }
    // At the edges of age's pieces of 64 KiB, where nothing but its last mark is lacking.
    let edge = head + 16 + 3 * (65_536 + 16);
    assert!(refused(&world, "cut at an edge", &world.key, &good[..edge]).contains(DAMAGED));
    let mut longer = good.clone();
    longer.extend_from_slice(&good);
    assert!(refused(&world, "twice", &world.key, &longer).contains(DAMAGED));
    for (name, octets) in [("empty", &b""[..]), ("text", b"hello, this is a text of some length\n"), ("a tar", &[0; 10_240])] {
        let word = refused(&world, name, &world.key, octets);
        assert!(word.contains("no backup") || word.contains(DAMAGED), "{name}: {word}");
    }
    let stranger = Key::Identities(vec![x25519::Identity::generate()]);
    assert_eq!(refused(&world, "another key", &stranger, &good), "none of the keys opens this backup");
}

/// A member as somebody else would write it.
struct Forged {
    path: &'static [u8],
    kind: EntryType,
    link: &'static str,
    octets: &'static [u8],
}

fn file(path: &'static str, octets: &'static [u8]) -> Forged {
    Forged { path: path.as_bytes(), kind: EntryType::Regular, link: "", octets }
}

fn special(path: &'static str, kind: EntryType, link: &'static str) -> Forged {
    Forged { path: path.as_bytes(), kind, link, octets: b"" }
}

fn line(path: &str, octets: &[u8]) -> String {
    json!({"path": path, "size": octets.len(), "sha256": HEXLOWER.encode(&Sha256::digest(octets)), "mode": 0o600}).to_string()
}

fn head(members: usize, octets: usize) -> String {
    json!({"format": 1, "version": "9", "host": "h", "node": null, "at": 0, "members": members, "octets": octets, "left_out": []})
        .to_string()
}

/// Sealed with the world's key: what somebody can make who knows the public key.
fn sealed(key: &Key, manifest: &str, members: &[Forged], after: &[u8]) -> Vec<u8> {
    let Key::Identities(keys) = key else { panic!("a key") };
    let recipient = keys[0].to_public();
    let age = age::Encryptor::with_recipients(std::iter::once(&recipient as &dyn age::Recipient)).unwrap().wrap_output(Vec::new()).unwrap();
    let mut out = zstd::Encoder::new(age, 1).unwrap();
    let mut builder = tar::Builder::new(&mut out);
    let manifest = Forged { path: b"manifest.jsonl", kind: EntryType::Regular, link: "", octets: manifest.to_owned().leak().as_bytes() };
    for m in std::iter::once(&manifest).chain(members) {
        let mut header = Header::new_gnu();
        // Not by set_path, which refuses what is to be tried here.
        header.as_mut_bytes()[..m.path.len()].copy_from_slice(m.path);
        if !m.link.is_empty() {
            header.set_link_name(m.link).unwrap();
        }
        header.set_entry_type(m.kind);
        header.set_mode(0o600);
        header.set_size(m.octets.len() as u64);
        header.set_cksum();
        builder.append(&header, m.octets).unwrap();
    }
    builder.finish().unwrap();
    drop(builder);
    out.write_all(after).unwrap();
    out.finish().unwrap().finish().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_backups_are_refused() {
    let world = World::new().await;
    let lines = |texts: &[String]| texts.iter().map(|t| format!("{t}\n")).collect::<String>();
    let one = |path: &str| lines(&[head(1, 1), line(path, b"x")]);
    let good = lines(&[head(1, 1), line("a", b"x")]);

    // First that such a file is taken when nothing is wrong with it: else the table would show nothing.
    let fine = sealed(&world.key, &good, &[file("a", b"x")], b"");
    assert_eq!(restore(fine.as_slice(), &world.key, &world.plan("fine")).unwrap().head.members, 1);

    let newer = lines(&[json!({"format": 2, "surprise": true}).to_string()]);
    let table: &[(&str, &str, Vec<Forged>, &str)] = &[
        ("a newer format", &newer, vec![], "has format 2 and this version reads up to 1"),
        ("format 0", &lines(&[json!({"format": 0}).to_string()]), vec![], "has format 0"),
        ("no manifest", "", vec![], "has format 0"),
        ("a manifest of nonsense", "nonsense\n", vec![], "line 1 of the manifest"),
        ("a path from the root", &one("/etc/cron.d/x"), vec![file("/etc/cron.d/x", b"x")], "no path below the data folder"),
        ("a path that climbs", &one("../../x"), vec![file("../../x", b"x")], "no path below the data folder"),
        ("one that climbs later", &one("a/../../x"), vec![file("a/../../x", b"x")], "no path below the data folder"),
        ("a dot", &one("./a"), vec![file("./a", b"x")], "no path below the data folder"),
        ("an archive that climbs, a manifest that does not", &good, vec![file("../a", b"x")], "says Some(\"a\")"),
        ("a link", &good, vec![special("a", EntryType::Symlink, "/etc/passwd")], "no plain file"),
        ("a hard link", &good, vec![special("a", EntryType::Link, "/etc/passwd")], "no plain file"),
        ("a device", &good, vec![special("a", EntryType::Char, "")], "no plain file"),
        ("a block device", &good, vec![special("a", EntryType::Block, "")], "no plain file"),
        ("a pipe", &good, vec![special("a", EntryType::Fifo, "")], "no plain file"),
        ("a folder", &good, vec![special("a", EntryType::Directory, "")], "no plain file"),
        (
            "a long name",
            &good,
            vec![Forged { path: b"././@LongLink", kind: EntryType::GNULongName, link: "", octets: b"../x\0" }],
            "no plain file",
        ),
        ("a sparse file", &good, vec![special("a", EntryType::GNUSparse, "")], "no plain file"),
        ("other octets", &good, vec![file("a", b"y")], "its SHA-256 is another"),
        ("another size", &good, vec![file("a", b"xx")], "has 2 octets and not 1"),
        ("a member too few", &good, vec![], "says Some(\"a\")"),
        ("a member too many", &good, vec![file("a", b"x"), file("b", b"x")], "Some(\"b\")"),
        (
            "another order",
            &lines(&[head(2, 2), line("a", b"x"), line("b", b"x")]),
            vec![file("b", b"x"), file("a", b"x")],
            "says Some(\"a\")",
        ),
        ("a name twice", &lines(&[head(2, 2), line("a", b"x"), line("a", b"x")]), vec![file("a", b"x"), file("a", b"x")], "cannot make"),
        (
            "a file as a folder",
            &lines(&[head(2, 2), line("a", b"x"), line("a/b", b"x")]),
            vec![file("a", b"x"), file("a/b", b"x")],
            "cannot make",
        ),
        ("a wrong count", &lines(&[head(7, 1), line("a", b"x")]), vec![file("a", b"x")], "speaks of 7 members"),
        ("more than fits", &lines(&[head(1, usize::MAX >> 1), line("a", b"x")]), vec![file("a", b"x")], ""),
    ];
    for (name, manifest, members, expected) in table {
        let octets = sealed(&world.key, manifest, members, b"");
        if *name == "more than fits" {
            let word = restore(octets.as_slice(), &world.key, &world.plan("new")).map(drop).unwrap_err().to_string();
            assert!(word.contains("the backup needs") && word.contains("are free"), "{name}: {word}");
            continue;
        }
        let word = refused(&world, name, &world.key, &octets);
        assert!(word.contains(expected), "{name}: {word}");
    }
    let octets = sealed(&world.key, &good, &[file("a", b"x")], b"something more");
    assert!(refused(&world, "something after the end", &world.key, &octets).contains("after its end"));

    let place = world.plan("new");
    let missing = Plan { data: world.folder.path().join("no/such/parent"), ..place };
    assert!(restore(fine.as_slice(), &world.key, &missing).unwrap_err().to_string().contains("no/such"));
}
