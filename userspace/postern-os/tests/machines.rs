//! Settings of machines as data: what is rendered from good ones, and what is said about bad ones.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use postern_os::apply;
use postern_os::machine::Machine;
use postern_os::plan::Plan;

fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let mut found: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    found.retain(|p| p.extension().is_some_and(|e| e == ending));
    found.sort();
    found
}

fn shown(plan: &Plan) -> String {
    let mut text = String::new();
    for file in &plan.files {
        write!(text, "=== {}\n{}", file.path.display(), file.text).unwrap();
    }
    text
}

/// `BLESS=1 cargo test` writes them anew; the diff is the review.
#[test]
fn good_machines_are_rendered_as_they_were() {
    let good = files("machines", "toml");
    assert!(good.len() >= 2);
    for path in good {
        let plan = Plan::new(&Machine::parse(&fs::read_to_string(&path).unwrap()).unwrap());
        let golden = path.with_extension("plan");
        if std::env::var_os("BLESS").is_some() {
            fs::write(&golden, shown(&plan)).unwrap();
        }
        assert_eq!(shown(&plan), fs::read_to_string(&golden).unwrap(), "{}", path.display());
    }
}

#[test]
fn bad_machines_are_told_what_is_wrong() {
    let bad = files("bad-machines", "toml");
    assert!(bad.len() >= 15);
    for path in bad {
        let said = Machine::parse(&fs::read_to_string(&path).unwrap()).expect_err(&path.display().to_string()).to_string();
        let expected = fs::read_to_string(path.with_extension("txt")).unwrap();
        assert!(said.contains(expected.trim()), "{}: `{said}` lacks `{}`", path.display(), expected.trim());
    }
}

#[test]
fn the_edge_follows_the_roles_unless_somebody_chose() {
    let machine = |names: &[&str]| {
        let one =
            |n: &&str| format!("[[interface]]\nname = {n:?}\nmac = \"52:54:00:00:00:0{}\"\nrole = \"outside\"\nipv4 = \"on\"\n", n.len());
        Machine::parse(&names.iter().map(one).collect::<String>()).unwrap()
    };
    let names = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
    for (before, after, now, wanted) in [
        (&[][..], &["mx"][..], &["eth0"][..], Some(&["mx"][..])),
        (&["mx"], &["mx", "wan"], &["mx"], Some(&["mx", "wan"])),
        (&["mx"], &["mx"], &["mx"], None),
        (&["mx"], &[], &["mx"], None),
        // Chosen by a person.
        (&["mx"], &["wan"], &["mx", "inside0"], None),
        (&[], &["mx"], &[], None),
    ] {
        assert_eq!(machine(after).guards(&machine(before), &names(now)), wanted.map(names), "{before:?} {after:?} {now:?}");
    }
}

#[test]
fn a_second_plan_takes_away_what_the_first_left() {
    let root = tempfile::tempdir().unwrap();
    let zone = root.path().join("usr/share/zoneinfo/Europe");
    fs::create_dir_all(&zone).unwrap();
    fs::write(zone.join("Berlin"), "").unwrap();
    let others = root.path().join("etc/systemd/network/90-other.network");
    fs::create_dir_all(others.parent().unwrap()).unwrap();
    fs::write(&others, "").unwrap();
    let plan = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/machines").join(name);
        Plan::new(&Machine::parse(&fs::read_to_string(path).unwrap()).unwrap())
    };
    let (first, second) = (plan("static-two-cards.toml"), plan("vlans-on-a-bond.toml"));
    assert!(!apply::files(&first, root.path()).unwrap().0.is_empty());
    assert_eq!(apply::files(&first, root.path()).unwrap(), apply::Changes::default(), "twice is once");
    apply::files(&second, root.path()).unwrap();
    let at = |name: &str| root.path().join("etc/systemd/network").join(name);
    assert!(!at("10-outside.network").exists() && at("10-bond0.netdev").exists() && others.exists());
    assert_eq!(fs::read_link(root.path().join("etc/localtime")).unwrap(), Path::new("/usr/share/zoneinfo/UTC"));
    fs::remove_file(zone.join("Berlin")).unwrap();
    assert!(apply::files(&first, root.path()).unwrap_err().to_string().contains("Europe/Berlin"));
    assert!(!at("10-outside.network").exists(), "nothing is written when something is wrong");
}

#[test]
fn what_roles_fence_in_is_taken_by_nftables() {
    if !nix::unistd::geteuid().is_root() || Command::new("nft").arg("--version").output().is_err() {
        eprintln!("skipped: wants root and nft");
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let mut fenced = 0;
    for path in files("machines", "toml") {
        let plan = Plan::new(&Machine::parse(&fs::read_to_string(&path).unwrap()).unwrap());
        let Some(rules) = plan.files.iter().find(|f| f.path.ends_with("10-roles.nft")) else { continue };
        let file = scratch.path().join("rules.nft");
        fs::write(&file, format!("table inet t {{\nchain input {{\ntype filter hook input priority filter\n{}}}\n}}\n", rules.text))
            .unwrap();
        let said = Command::new("nft").arg("--check").arg("--file").arg(&file).output().unwrap();
        assert!(said.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&said.stderr));
        fenced += 1;
    }
    assert!(fenced >= 2, "{fenced}");
}
