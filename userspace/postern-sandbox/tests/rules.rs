//! The rules that Postern brings, each on files that it is for and on files that it is not; rules with errors; a folder of an admin's.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use data_encoding::BASE64;
use postern_model::sandbox::FindingName;
use postern_sandbox::yara::compile::{BROUGHT, compile};
use postern_sandbox::yara::scan::Scanner;
use postern_sandbox::yara::{self, Source};

const TIME: Duration = Duration::from_secs(60);

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("rules")
}

fn source(file: &str, text: &str) -> Source {
    Source { file: file.to_owned(), text: text.as_bytes().to_vec() }
}

fn scanner(sources: &[Source]) -> Scanner {
    Scanner::new(&compile(sources).unwrap().rules.expect("the rules can be used"), TIME).unwrap()
}

/// A file as it would come: what the world's scanners would stop at, and what is no text, is kept as base64.
fn content(path: &Path) -> Vec<u8> {
    let octets = fs::read(path).unwrap();
    if path.extension().is_none_or(|e| e != "b64") {
        return octets;
    }
    let digits: Vec<u8> = octets.into_iter().filter(|b| !b.is_ascii_whitespace()).collect();
    BASE64.decode(&digits).unwrap()
}

/// Files in the rule's folder whose name begins so.
fn files(rule: &str, begin: &str) -> Vec<PathBuf> {
    let folder = folder().join("tests").join(rule);
    let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}: a rule has files that it is tried on", folder.display()));
    let mut found: Vec<_> = entries.map(|e| e.unwrap().path()).collect();
    assert!(found.iter().all(|p| ["fires", "silent"].iter().any(|b| p.file_name().unwrap().to_str().unwrap().starts_with(b))), "{found:?}");
    found.retain(|p| p.file_name().unwrap().to_str().unwrap().starts_with(begin));
    found
}

#[test]
fn each_rule_fires_on_its_files_and_not_on_the_others() {
    let written: BTreeSet<String> = fs::read_dir(folder())
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "yar"))
        .map(|p| p.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    let brought: BTreeSet<String> = BROUGHT.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(written, brought, "each file in rules/ is one that is brought");
    let compiled = compile(&[]).unwrap();
    assert_eq!((compiled.ours, compiled.theirs, compiled.problems), (BROUGHT.len(), 0, Vec::new()));
    let mut scanner = scanner(&[]);
    for rule in brought {
        let own = format!("postern:{rule}");
        let is_told = |found: &[(FindingName, String)]| {
            found.iter().any(|(_, evidence)| evidence.split([' ', ',']).next() == Some(own.as_str()) && evidence.contains(": "))
        };
        let (fires, silent) = (files(&rule, "fires"), files(&rule, "silent"));
        assert!(!fires.is_empty() && !silent.is_empty(), "{rule}: one file at least that it fires on, and one that it does not");
        for path in fires {
            let found = scanner.look(&content(&path));
            assert!(is_told(&found), "{}: {found:?}", path.display());
        }
        for path in silent {
            let found = scanner.look(&content(&path));
            assert!(!is_told(&found), "{}: {found:?}", path.display());
        }
    }
}

#[test]
fn tags_weigh_and_the_first_place_is_told() {
    let rules = source(
        "company/phish.yar",
        "rule a : suspicious bank { meta: description = \"said\" strings: $x = \"needle\" condition: $x }\n\
         rule b : Info { condition: filesize == 10 }\n\
         rule c { strings: $y = /ne+dle/ condition: #y > 1 }",
    );
    let mut scanner = scanner(&[rules]);
    let told: Vec<_> = scanner.look(b"a needle and a needle").into_iter().map(|(name, text)| (name.name(), text)).collect();
    assert_eq!(
        told,
        [
            ("YARA_SUSPICIOUS", "company/phish:a [suspicious, bank], $x at 2: said".to_owned()),
            ("YARA", "company/phish:c, $y at 2".to_owned())
        ]
    );
    assert_eq!(scanner.look(b"0123456789"), [(FindingName::YaraInfo, "company/phish:b [Info]".to_owned())]);
}

#[test]
fn what_is_wrong_is_told_with_its_file_and_line() {
    for (text, line, what) in [
        ("rule a {\n condition: $x }", 2, "unknown pattern"),
        ("rule a { condition: true", 1, "syntax error"),
        ("import \"nothing\"\nrule a { condition: nothing.x }", 1, "unknown module"),
        ("rule a {\n strings:\n  $x = /a(b/\n condition: $x }", 3, "invalid regular expression"),
        ("rule a { condition: true }\nrule a { condition: true }", 2, "duplicate rule"),
        ("include \"other.yar\"\n", 1, "include"),
    ] {
        let good = source("good.yar", "rule good { condition: filesize == 1 }");
        let compiled = compile(&[good, source("bad.yar", text)]).unwrap();
        let said: Vec<_> = compiled.problems.iter().filter(|p| p.is_error).map(ToString::to_string).collect();
        assert!(compiled.rules.is_none(), "{text}");
        assert!(said.iter().any(|s| s.starts_with(&format!("bad.yar:{line}: error: ")) && s.contains(what)), "{text}: {said:?}");
    }
    let slow = compile(&[source("slow.yar", "rule a { strings: $x = \"x\" condition: $x }")]).unwrap();
    assert!(
        slow.rules.is_some() && slow.problems.iter().all(|p| !p.is_error) && !slow.problems.is_empty(),
        "a warning: {:?}",
        slow.problems
    );
}

/// Rules for the modules that are there, as others write them.
#[test]
fn modules_that_rules_of_others_use_are_there() {
    for module in ["elf", "hash", "lnk", "math", "string", "time"] {
        let compiled = compile(&[source("a.yar", &format!("import \"{module}\"\nrule a {{ condition: filesize == 0 }}"))]).unwrap();
        assert!(compiled.rules.is_some(), "{module}: {:?}", compiled.problems);
    }
    let rules = source(
        "a.yar",
        "import \"hash\" import \"math\"\nrule a { condition: hash.md5(0, filesize) == \"900150983cd24fb0d6963f7d28e17f72\" and math.entropy(0, filesize) > 1.5 }",
    );
    assert_eq!(scanner(&[rules]).look(b"abc").len(), 1);
}

#[test]
fn a_rule_for_a_module_that_is_not_here_is_left_out_alone() {
    let rules = "import \"pe\"\nrule a { condition: pe.is_pe }\nrule b { condition: filesize == 3 }";
    let compiled = compile(&[source("a.yar", rules)]).unwrap();
    assert!(compiled.rules.is_some() && compiled.theirs == 1, "{:?}", compiled.problems);
    assert!(compiled.problems.iter().any(|p| !p.is_error && p.what.contains("pe")), "{:?}", compiled.problems);
    assert_eq!(scanner(&[source("a.yar", rules)]).look(b"abc"), [(FindingName::Yara, "a:b".to_owned())]);
}

/// A rule that goes on and on, and one that matches everywhere, are ended: by time, and by count.
#[test]
fn rules_are_bounded() {
    let endless = source(
        "endless.yar",
        "rule a { condition: for all i in (0..filesize - 1) : ( for all j in (0..filesize - 1) : ( uint8(i) + uint8(j) + i + j != 1000000000 ) ) }",
    );
    let mut bounded = scanner(&[endless]);
    let began = std::time::Instant::now();
    let found = bounded.look(&vec![b'x'; 4 << 20]);
    assert_eq!(found, [(FindingName::YaraStopped, "they took too long for this part".to_owned())]);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    let mut all = scanner(&[source("all.yar", "rule every { condition: true }")]);
    let told: usize = (0..1000).map(|_| all.look(b"x").len()).sum();
    assert_eq!(told, 257, "256 and the word that there were more");
    let short =
        Scanner::new(&compile(&[source("all.yar", "rule every { condition: true }")]).unwrap().rules.unwrap(), Duration::from_nanos(1));
    let mut short = short.unwrap();
    let found = short.look(b"x");
    assert!(found.len() == 2 && found[1].0 == FindingName::YaraStopped && short.look(b"x").is_empty(), "{found:?}");
}

#[test]
fn a_folder_is_read_with_its_folders_and_a_change_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("more")).unwrap();
    for (name, text) in [("b.yar", "rule b { condition: true }"), ("more/a.YARA", "rule a { condition: true }"), ("readme.txt", "no rules")]
    {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let files: Vec<_> = yara::of_folder(folder.path()).unwrap().into_iter().map(|s| s.file).collect();
    assert_eq!(files, ["b.yar", "more/a.YARA"]);
    let before = yara::stamp(folder.path()).unwrap();
    assert_eq!(before, yara::stamp(folder.path()).unwrap());
    fs::write(folder.path().join("b.yar"), "rule bb { condition: true }").unwrap();
    assert_ne!(before, yara::stamp(folder.path()).unwrap());
    let nothing = yara::of_folder(&folder.path().join("nothing")).unwrap_err().to_string();
    assert!(nothing.contains("nothing cannot be read"), "{nothing}");
    std::os::unix::fs::symlink(folder.path(), folder.path().join("more/back")).unwrap();
    assert!(yara::of_folder(folder.path()).unwrap_err().to_string().contains("may lead back to itself"));
    fs::remove_file(folder.path().join("more/back")).unwrap();
    fs::File::create(folder.path().join("large.yar")).unwrap().set_len(17 << 20).unwrap();
    assert!(yara::of_folder(folder.path()).unwrap_err().to_string().contains("more than 16777216 octets"));
}
