//! Updates onto files that stand for partitions: what is taken, and what is refused with which words.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::{Path, PathBuf};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use data_encoding::{BASE64, HEXLOWER};
use postern_os::bundle::{BadBundle, Bundle, Direction};
use postern_os::manifest::Hash;
use postern_os::update::{self, Stage, Target};
use serde_json::json;

const KEY: [u8; 32] = [7; 32];
const OTHER_KEY: [u8; 32] = [8; 32];

fn image(kind: u8, size: usize) -> Vec<u8> {
    (0..size).map(|i| kind ^ (i / 251) as u8).collect()
}

fn public() -> String {
    let key = Ed25519KeyPair::from_seed_unchecked(&KEY).unwrap();
    let info = [&HEXLOWER.decode(b"302a300506032b6570032100").unwrap()[..], key.public_key().as_ref()].concat();
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", BASE64.encode(&info))
}

fn sha256(octets: &[u8]) -> String {
    Hash::whole(octets)
}

/// A bundle by parts, each of which a test may change.
struct Parts {
    manifest: serde_json::Value,
    key: [u8; 32],
    members: Vec<(String, Vec<u8>)>,
    /// Octets that are cut off the end of the file.
    cut: usize,
}

impl Parts {
    fn good() -> Self {
        // Not a multiple of the piece that is read at a time.
        let (boot, root) = (image(1, 700_001), image(2, 3_300_003));
        let file = |octets: &[u8]| json!({ "size": octets.len(), "sha256": sha256(octets) });
        let manifest = json!({ "product": "postern", "version": "1.2.0", "files": { "boot.img": file(&boot), "root.img": file(&root) } });
        let members = [("manifest.json", vec![]), ("manifest.sig", vec![]), ("boot.img", boot), ("root.img", root)];
        Self { manifest, key: KEY, members: members.map(|(n, o)| (n.to_owned(), o)).to_vec(), cut: 0 }
    }

    fn with(change: impl FnOnce(&mut Self)) -> Self {
        let mut parts = Self::good();
        change(&mut parts);
        parts
    }

    fn write(&self, folder: &Path) -> PathBuf {
        let text = serde_json::to_vec(&self.manifest).unwrap();
        let signature = Ed25519KeyPair::from_seed_unchecked(&self.key).unwrap().sign(&text).as_ref().to_vec();
        let mut tar = tar::Builder::new(Vec::new());
        for (name, octets) in &self.members {
            let octets = match (name.as_str(), octets.is_empty()) {
                ("manifest.json", true) => &text,
                ("manifest.sig", true) => &signature,
                _ => octets,
            };
            let mut header = tar::Header::new_ustar();
            header.set_size(octets.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, name, &octets[..]).unwrap();
        }
        let mut whole = tar.into_inner().unwrap();
        whole.truncate(whole.len() - self.cut);
        let path = folder.join("postern.update");
        fs::write(&path, whole).unwrap();
        path
    }
}

/// Partitions of so many octets, full of something else.
fn partitions(folder: &Path, boot: usize, root: usize) -> Target {
    let target = Target { boot: folder.join("boot-b"), root: folder.join("root-b") };
    fs::write(&target.boot, vec![9; boot]).unwrap();
    fs::write(&target.root, vec![9; root]).unwrap();
    target
}

#[test]
fn both_images_are_written_and_read_back() {
    let scratch = tempfile::tempdir().unwrap();
    let target = partitions(scratch.path(), 1 << 20, 4 << 20);
    let bundle = Bundle::open(&Parts::good().write(scratch.path()), &public()).unwrap();
    bundle.may_follow(&"1.2.0".parse().unwrap(), Direction::Forward).unwrap();
    let mut told = [0; 3];
    let mut progress = |stage, octets| match stage {
        Stage::Checking => told[0] += octets,
        Stage::Writing => told[1] += octets,
        Stage::ReadingBack => told[2] += octets,
    };
    update::check(&bundle, &target, &mut progress).unwrap();
    update::write(&bundle, &target, &mut progress).unwrap();
    assert_eq!(told, [bundle.size(); 3]);
    let (boot, root) = (fs::read(&target.boot).unwrap(), fs::read(&target.root).unwrap());
    assert_eq!(&boot[..700_001], image(1, 700_001));
    assert_eq!(&root[..3_300_003], image(2, 3_300_003));
    assert!(boot.len() == 1 << 20 && boot[700_001..].iter().all(|o| *o == 9), "nothing beyond it is touched");
}

#[test]
fn what_is_not_believed_says_why() {
    let cases: Vec<(&str, Parts, &str)> = vec![
        ("signed by somebody else", Parts::with(|p| p.key = OTHER_KEY), "not signed by the key of this appliance"),
        ("another product", Parts::with(|p| p.manifest["product"] = json!("toaster")), "for `toaster`, this is postern"),
        ("no version", Parts::with(|p| p.manifest["version"] = json!("latest")), "`latest` is no version"),
        ("an unknown word in the manifest", Parts::with(|p| p.manifest["mirror"] = json!("x")), "unknown field `mirror`"),
        ("cut in the last image", Parts::with(|p| p.cut = 1_000_000), "ends in the middle of root.img"),
        ("cut before the images", Parts::with(|p| p.cut = 3_500_000), "ends in the middle of boot.img"),
        ("no signature", Parts::with(|p| drop(p.members.remove(1))), "`boot.img` where manifest.sig should be"),
        ("images in another order", Parts::with(|p| p.members.swap(2, 3)), "`root.img` where boot.img should be"),
        ("more than it should hold", Parts::with(|p| p.members.push(("extra".into(), vec![1]))), "holds more than it should"),
        ("an image is missing", Parts::with(|p| drop(p.members.pop())), "root.img is missing"),
        ("a name that leads elsewhere", Parts::with(|p| p.members[2].0 = "boot.img/x".into()), "where boot.img should be"),
        ("a size that was not signed", Parts::with(|p| p.members[2].1.push(0)), "boot.img is not the file that was signed"),
        (
            "an image that is not named",
            Parts::with(|p| drop(p.manifest["files"].as_object_mut().unwrap().remove("root.img"))),
            "does not name root.img",
        ),
        ("a manifest without end", Parts::with(|p| p.members[0].1 = vec![b' '; 70_000]), "longer than 64 KiB"),
    ];
    for (what, parts, expected) in cases {
        let scratch = tempfile::tempdir().unwrap();
        let said = Bundle::open(&parts.write(scratch.path()), &public()).map(drop).unwrap_err().to_string();
        assert!(said.contains(expected), "{what}: {said}");
    }
}

#[test]
fn what_is_no_tar_at_all() {
    let scratch = tempfile::tempdir().unwrap();
    for octets in [vec![], b"hello".to_vec(), vec![0; 10_240], vec![0xff; 100_000]] {
        let path = scratch.path().join("x");
        fs::write(&path, octets).unwrap();
        let said = Bundle::open(&path, &public()).unwrap_err();
        assert!(matches!(said, BadBundle::Form(_)), "{said}");
    }
    let good = Parts::good().write(scratch.path());
    assert!(matches!(Bundle::open(&good, "no key"), Err(BadBundle::Key)));
    assert!(matches!(Bundle::open(&scratch.path().join("gone"), &public()), Err(BadBundle::Io(_))));
}

#[test]
fn an_older_version_only_when_it_is_wanted() {
    let scratch = tempfile::tempdir().unwrap();
    let bundle = Bundle::open(&Parts::good().write(scratch.path()), &public()).unwrap();
    let said = bundle.may_follow(&"1.10.0".parse().unwrap(), Direction::Forward).unwrap_err().to_string();
    assert!(said.contains("1.2.0, which is older than this one, 1.10.0"), "{said}");
    bundle.may_follow(&"1.10.0".parse().unwrap(), Direction::AllowOlder).unwrap();
    bundle.may_follow(&"1.2.0-rc.1".parse().unwrap(), Direction::Forward).unwrap();
}

#[test]
fn nothing_is_written_when_it_cannot_go_well() {
    let scratch = tempfile::tempdir().unwrap();
    let small = partitions(scratch.path(), 1 << 20, 3 << 20);
    let good = Bundle::open(&Parts::good().write(scratch.path()), &public()).unwrap();
    let said = update::check(&good, &small, |_, _| {}).unwrap_err().to_string();
    assert!(said.contains("root.img has 3300003 octets and its partition") && said.contains("only 3145728"), "{said}");

    let target = partitions(scratch.path(), 1 << 20, 4 << 20);
    let path = Parts::with(|p| p.members[3].1[2_000_000] ^= 1).write(scratch.path());
    let flipped = Bundle::open(&path, &public()).unwrap();
    let said = update::check(&flipped, &target, |_, _| {}).unwrap_err().to_string();
    assert!(said.contains("root.img is not the file that was signed"), "{said}");
    // Somebody changed the file between the check and the writing: what was written is not what was signed.
    let said = update::write(&flipped, &target, |_, _| {}).unwrap_err().to_string();
    assert!(said.contains("does not give back what was written"), "{said}");
}
