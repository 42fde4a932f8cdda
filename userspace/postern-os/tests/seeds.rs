//! Seeds as data: what comes of good ones, and what is said about bad ones.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use postern_os::machine::Machine;
use postern_os::seed::network::Card;
use postern_os::seed::{BadSeed, Files, LARGEST_FILE, Seed, ovf, volume};
use postern_os::setup;
use proptest::prelude::*;

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

fn folders(of: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(tests().join(of)).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_dir()).collect();
    found.sort();
    found
}

fn cards() -> Vec<Card> {
    let card = |name: &str, mac: &str| Card { name: name.into(), mac: mac.into() };
    vec![card("eth0", "52:54:00:00:00:01"), card("eth1", "52:54:00:00:00:02")]
}

/// `BLESS=1 cargo test` writes them anew; the diff is the review.
#[test]
fn good_seeds_come_to_what_stands_beside_them() {
    let good = folders("seeds");
    assert!(good.len() >= 8);
    for folder in good {
        let files = volume::folder(&folder.join("seed")).unwrap();
        let seed = Seed::read(&files, &cards()).unwrap_or_else(|e| panic!("{}: {e}", folder.display())).expect("it says something");
        let machine = setup::rendered(&seed.machine).unwrap();
        assert_eq!(Machine::parse(&machine).unwrap(), seed.machine, "{}", folder.display());
        let instance = seed.instance.iter().map(|i| format!("instance: {i}\n"));
        let remarks: String = instance.chain(seed.remarks.iter().map(|r| format!("{r}\n"))).collect();
        let node = serde_json::to_string_pretty(&seed.node).unwrap() + "\n";
        for (name, text) in [("machine.toml", &machine), ("node.json", &node), ("remarks.txt", &remarks)] {
            let golden = folder.join(name);
            if std::env::var_os("BLESS").is_some() {
                fs::write(&golden, text).unwrap();
            }
            let expected = fs::read_to_string(&golden).unwrap();
            // The order of members within an object is not ours (serde_json).
            if name.ends_with(".json") {
                let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
                assert_eq!(value(text), value(&expected), "{}", golden.display());
            } else {
                assert_eq!(*text, expected, "{}", golden.display());
            }
        }
    }
}

#[test]
fn bad_seeds_are_told_what_is_wrong() {
    let bad = folders("bad-seeds");
    assert!(bad.len() >= 60);
    let mut wrong = Vec::new();
    for folder in bad {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let expected = fs::read_to_string(folder.with_extension("txt")).unwrap();
        let said = match Seed::read(&volume::folder(&folder).unwrap(), &cards()) {
            Ok(_) => "nothing".to_owned(),
            Err(e) => e.to_string(),
        };
        let is_secret = |secret: &&str| said.contains(*secret);
        if !said.contains(expected.trim()) {
            wrong.push(format!("{name}: `{said}` lacks `{}`", expected.trim()));
        }
        if said.contains(char::is_control) || ["hunter2", "99887766", "correct horse", "postern1-abc"].iter().any(is_secret) {
            wrong.push(format!("{name}: a control character or a secret is said: {said:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What people copy must be taken.
#[test]
fn the_example_of_the_manual_is_a_good_seed() {
    let manual = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/how-to/appliance.md")).unwrap();
    let section = manual.split("### A complete example").nth(1).unwrap().split("\n### ").next().unwrap();
    let mut files = Files::new();
    for part in section.split("```yaml\n").collect::<Vec<_>>().windows(2) {
        // The name stands in backticks on the line before the block.
        let name = part[0].rsplit("\n`").next().unwrap().split('`').next().unwrap();
        files.insert(name.to_owned(), part[1].split("```").next().unwrap().into());
    }
    assert_eq!(files.keys().collect::<Vec<_>>(), ["meta-data", "network-config", "user-data"]);
    let card = Card { name: "eth0".into(), mac: "52:54:00:12:34:56".into() };
    let seed = Seed::read(&files, &[card]).unwrap_or_else(|e| panic!("{e}")).unwrap();
    assert_eq!((seed.machine.hostname.as_str(), seed.node.domains.len(), seed.node.settings.len()), ("mx1.example.org", 2, 3));
    assert!(seed.remarks.is_empty(), "{:?}", seed.remarks);
}

#[test]
fn an_ova_with_nothing_filled_in_is_no_seed() {
    let offered = offered();
    let empty: String = offered.iter().map(|key| format!("<Property oe:key=\"{key}\" oe:value=\"\"/>")).collect();
    assert_eq!(Seed::read(&environment(&empty), &cards()), Ok(None));
    assert_eq!(Seed::read(&environment(""), &cards()), Ok(None));
}

fn environment(properties: &str) -> Files {
    let text = format!(
        "<Environment xmlns=\"http://schemas.dmtf.org/ovf/environment/1\" xmlns:oe=\"http://schemas.dmtf.org/ovf/environment/1\">\
         <PropertySection>{properties}</PropertySection></Environment>"
    );
    Files::from([("ovf-env.xml".to_owned(), text.into_bytes())])
}

/// The properties that the OVA offers, each as an environment names it: class and key.
fn offered() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../image/ovf-properties.xml");
    let text = fs::read_to_string(path).unwrap();
    // A fragment of the OVF: its prefix is declared there.
    let document = format!("<all xmlns:ovf=\"http://schemas.dmtf.org/ovf/envelope/1\">{text}</all>");
    let document = roxmltree::Document::parse(&document).unwrap();
    let key = |n: roxmltree::Node| n.attribute(("http://schemas.dmtf.org/ovf/envelope/1", "key")).map(|k| format!("{}{k}", ovf::CLASS));
    document.descendants().filter(|n| n.has_tag_name("Property")).filter_map(key).collect()
}

#[test]
fn every_property_that_the_ova_offers_is_read_and_none_else() {
    let mut known: Vec<String> = ovf::PROPERTIES.iter().map(|p| format!("{}{p}", ovf::CLASS)).collect();
    let mut offered = offered();
    for key in &offered {
        // With a value that fits nothing it is refused, so somebody looked at it. (A password may be any text: too short a one.)
        let files = environment(&format!("<Property oe:key=\"{key}\" oe:value=\"?!/\"/>"));
        let said = Seed::read(&files, &cards()).expect_err(key).to_string();
        assert!(!said.contains("not known here"), "{key}: {said}");
    }
    known.sort();
    offered.sort();
    assert_eq!(known, offered);
    let ova = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../image/src/ova.rs")).unwrap();
    assert!(
        ova.contains(&format!("<ProductSection ovf:class=\"{}\">", ovf::CLASS.trim_end_matches('.'))),
        "the class of the OVA is another one"
    );
}

#[test]
fn sizes_are_bounded() {
    let files = Files::from([("user-data".to_owned(), vec![b'#'; LARGEST_FILE + 1])]);
    assert_eq!(Seed::read(&files, &cards()), Err(BadSeed::Size("user-data".into())));
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("user-data"), vec![b'#'; LARGEST_FILE + 1]).unwrap();
    assert!(matches!(volume::folder(folder.path()), Err(BadSeed::Size(_))));
    fs::remove_file(folder.path().join("user-data")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", folder.path().join("user-data")).unwrap();
    assert!(matches!(volume::folder(folder.path()), Err(BadSeed::File(..))), "a link leads out of the medium");
}

#[test]
fn what_would_be_done_is_shown_without_secrets() {
    let files = volume::folder(&tests().join("seeds/everything/seed")).unwrap();
    let shown = Seed::read(&files, &cards()).unwrap().unwrap().summary().unwrap();
    for part in ["hostname = \"mx1.example.org\"", "set the password of the admin", "take mail for example.org to 192.0.2.25 port 25"] {
        assert!(shown.contains(part), "{shown}");
    }
    assert!(!shown.contains("correct horse") && !shown.contains("0815"), "{shown}");
}

/// Every file of every seed, to be changed here and there.
static SAMPLES: LazyLock<Vec<(String, Vec<u8>)>> = LazyLock::new(|| {
    let of_good = folders("seeds").into_iter().map(|f| f.join("seed"));
    let all = of_good.chain(folders("bad-seeds")).flat_map(|folder| volume::folder(&folder).unwrap());
    all.filter(|(_, octets)| octets.len() < 4096).collect()
});

fn must_not_panic(files: &Files) {
    if let Err(e) = Seed::read(files, &cards()) {
        let said = e.to_string();
        assert!(!said.contains(|c: char| c.is_control() && c != '\n'), "{said:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_seed_panics(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3u8), 0..6),
        other in any::<prop::sample::Index>(),
    ) {
        let (name, mut octets) = which.get(&SAMPLES[..]).clone();
        for (at, octet, how) in changes {
            let at = at.index(octets.len() + 1);
            match how {
                0 if at < octets.len() => octets[at] = octet,
                1 if at < octets.len() => drop(octets.remove(at)),
                _ => octets.insert(at, octet),
            }
        }
        must_not_panic(&Files::from([other.get(&SAMPLES[..]).clone(), (name, octets)]));
    }

    #[test]
    fn no_octets_panic(name in 0..5usize, text in "\\PC{0,200}", octets in prop::collection::vec(any::<u8>(), 0..200)) {
        let name = postern_os::seed::NAMES[name];
        must_not_panic(&Files::from([(name.to_owned(), octets)]));
        must_not_panic(&Files::from([(name.to_owned(), text.clone().into_bytes())]));
        must_not_panic(&Files::from([("user-data".to_owned(), format!("#cloud-config\n{text}").into_bytes())]));
    }
}
