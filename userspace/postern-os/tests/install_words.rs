//! The installer's dialogues and answer files as data.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "install/mod.rs"]
mod bench;

use std::fs;
use std::path::{Path, PathBuf};

use bench::{Bench, here};
use postern_os::install::answers::{Answers, Which};
use postern_os::install::contents::Contents;
use postern_os::install::dialogue::Then;
use postern_os::install::refusal::Intent;
use postern_os::install::session::{Asked, asked};

fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(here(folder)).unwrap().map(|e| e.unwrap().path()).collect();
    found.retain(|p| p.extension().is_some_and(|e| e == ending));
    found.sort();
    found
}

/// A dialogue names its machine and what was done to it before; the rest is what the terminal shows, with `> ` before what was
/// typed. `BLESS=1 cargo test` writes them anew; the diff is the review.
#[test]
fn dialogues_go_as_written() {
    let dialogues = files("dialogues", "dialogue");
    assert!(dialogues.len() >= 5);
    for path in dialogues {
        let text = fs::read_to_string(&path).unwrap();
        let (head, body) = text.split_once("\n\n").unwrap();
        let mut words = head.split_whitespace();
        let bench = Bench::new(words.next().unwrap());
        for before in words {
            prepare(&bench, before);
        }
        let typed: Vec<&str> = body.lines().filter_map(|l| l.strip_prefix('>')).map(|l| l.strip_prefix(' ').unwrap_or(l)).collect();
        // The last prompt has nothing behind it: there the terminal was gone.
        let typed = typed.strip_suffix(&[""]).filter(|_| body.ends_with("> ")).unwrap_or(&typed);
        let (outcome, shown) = bench.type_lines(typed);
        let shown = format!("{head}\n\n{shown}{}", outcome.map_or_else(|e| format!("error: {e}\n"), |_| String::new()));
        let shown = shown.replace(&bench.place.system.dev.display().to_string(), "/dev");
        if std::env::var_os("BLESS").is_some() {
            fs::write(&path, &shown).unwrap();
        }
        assert_eq!(shown, fs::read_to_string(&path).unwrap(), "{}", path.display());
    }
}

fn prepare(bench: &Bench, what: &str) {
    match what {
        "installed" => drop(bench.answer("disk = \"only\"\nerase = true\n").0.unwrap()),
        "used" => drop(bench.use_data("vda")),
        "newer-medium" => bench::medium(&bench.place.medium.join("live"), "1.3.0"),
        "damaged-medium" => {
            let path = bench.place.medium.join("live/root.img");
            let mut image = fs::read(&path).unwrap();
            image[2_000_000] ^= 1;
            fs::write(path, image).unwrap();
        }
        "dos" => {
            // One NTFS partition from sector 2048 on.
            let mut sector = vec![0; 512];
            sector[446..462].copy_from_slice(&[0x80, 0, 0, 0, 7, 0, 0, 0, 0, 8, 0, 0, 0, 0, 32, 0]);
            sector[510..].copy_from_slice(&[0x55, 0xaa]);
            std::os::unix::fs::FileExt::write_all_at(&bench.open("vda"), &sector, 0).unwrap();
        }
        other => panic!("nothing is known of `{other}`"),
    }
}

#[test]
fn good_answers_say_what_they_say() {
    let zones = tempfile::tempdir().unwrap();
    fs::create_dir_all(zones.path().join("Europe")).unwrap();
    fs::write(zones.path().join("Europe/Berlin"), "").unwrap();
    let read = |name: &str| {
        let path = here("answers/good").join(name).with_extension("toml");
        Answers::parse(&fs::read_to_string(&path).unwrap(), zones.path()).unwrap_or_else(|e| panic!("{name}: {e}"))
    };
    let only = read("only");
    assert_eq!((only.disk, only.intent, only.then, only.machine), (Which::Only, Intent::Unsaid, Then::Reboot, None));
    let keep = read("keep-by-path");
    let path = Which::Path("/dev/disk/by-path/pci-0000:00:1f.2-ata-1".into());
    assert_eq!((keep.disk, keep.intent, keep.then), (path, Intent::KeepData, Then::PowerOff));
    let machine = read("erase-by-serial-with-machine");
    assert_eq!((machine.disk, machine.intent), (Which::Serial("S4EVNF0M".into()), Intent::Erase));
    let text = machine.machine.unwrap();
    assert!(text.contains("hostname = \"mx1.example.org\"") && text.contains("192.0.2.10/24"), "{text}");
}

#[test]
fn bad_answers_are_told_what_is_wrong_and_change_nothing() {
    let bad = files("answers/bad", "toml");
    assert!(bad.len() >= 15);
    let bench = Bench::new("many");
    for path in bad {
        let (outcome, _) = bench.answer(&fs::read_to_string(&path).unwrap());
        let said = outcome.expect_err(&path.display().to_string()).to_string();
        let expected = fs::read_to_string(path.with_extension("txt")).unwrap();
        assert!(said.contains(expected.trim()), "{}: `{said}` lacks `{}`", path.display(), expected.trim());
    }
    for disk in bench.place.system.disks(&bench.layout()).unwrap() {
        assert_eq!(disk.contents, Contents::Blank, "{}", disk.name);
    }
}

#[test]
fn a_disk_is_known_by_a_link_to_it_and_by_nothing_elsewhere() {
    let bench = Bench::new("one");
    let links = bench.place.system.dev.join("disk/by-id");
    fs::create_dir_all(&links).unwrap();
    std::os::unix::fs::symlink("../../vda", links.join("virtio-1")).unwrap();
    let name = |path: &Path| bench.place.system.name_of(path);
    assert_eq!(name(&links.join("virtio-1")), Some("vda".into()));
    assert_eq!(name(&links.join("virtio-2")), None);
    assert_eq!(name(&bench.place.system.mounts), None);
}

#[test]
fn the_serial_of_a_scsi_disk_is_on_its_page() {
    let bench = Bench::new("many");
    let page = bench.place.system.sys.join("block/sdc/device/vpd_pg80");
    fs::create_dir_all(page.parent().unwrap()).unwrap();
    fs::write(page, b"\x00\x80\x00\x0a  WD-123\x1b \n").unwrap();
    assert_eq!(bench.disk("sdc").serial, "WD-123?");
}

#[test]
fn the_kernels_command_line_asks() {
    assert_eq!(asked("quiet postern.slot=live\n"), Asked::No);
    assert_eq!(asked("quiet postern.install postern.slot=live\n"), Asked::Yes);
    assert_eq!(asked("postern.install=answers postern.install"), Asked::ByAnswers);
    assert_eq!(asked("postern.installed postern.install=yes"), Asked::No);
}
