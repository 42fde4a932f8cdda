//! What can be said about the image without building it: lock, plan, layout, units, boot menu, firewall.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use postern_image::cache::Cache;
use postern_image::execute::{Builder, Reuse};
use postern_image::lock::{Lock, Use};
use postern_image::recipe::{self, Sources};
use postern_image::sbom;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn lock() -> Lock {
    Lock::read(&folder().join("packages.lock")).unwrap()
}

/// Programs and a key that stand for real ones.
fn sources(scratch: &Path) -> Sources {
    let at = |name: &str| scratch.join(name);
    for name in ["postern", "cell", "init", "key"] {
        fs::write(at(name), name).unwrap();
    }
    Sources {
        cargo_lock: folder().join("../Cargo.lock"),
        folder: folder(),
        postern: at("postern"),
        cell: at("cell"),
        init: at("init"),
        key: at("key"),
        version: "1.2.3".into(),
    }
}

/// Runs a tool, or says why not.
fn tool(program: &str, arguments: &[&str]) -> Option<(bool, String)> {
    match Command::new(program).args(arguments).output() {
        Ok(ended) => Some((ended.status.success(), String::from_utf8_lossy(&[ended.stdout, ended.stderr].concat()).into_owned())),
        Err(e) => {
            println!("skipped: {program}: {e}");
            None
        }
    }
}

#[test]
fn the_lock_holds_what_is_wanted() {
    let (lock, wanted) = (lock(), fs::read_to_string(folder().join("packages.wanted")).unwrap());
    for line in wanted.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
        match line.split_once(' ') {
            None => assert!(lock.of(Use::Root).any(|p| p.name == line), "{line} is not in the lock: ./just image-lock"),
            Some(("office", name)) => assert!(lock.of(Use::Office).any(|p| p.name == name), "{name} is not in the lock: ./just image-lock"),
            Some(("boot", name)) => assert!(lock.of(Use::Boot).any(|p| p.name == name), "{name} is not in the lock: ./just image-lock"),
            Some((_, meta)) => assert!(lock.kernel().unwrap().name.contains("6.12"), "the kernel is not that of {meta}"),
        }
    }
    let mut names: Vec<_> = lock.packages.iter().map(|p| (&p.name, p.used)).collect();
    names.dedup();
    assert_eq!(names.len(), lock.packages.len(), "a package stands twice in the lock");
}

/// Its four packages and what they need, beside what is there anyway; the image without it has none of them, and no other names.
#[test]
fn the_office_pack_is_asked_for() {
    let scratch = tempfile::tempdir().unwrap();
    let sources = sources(scratch.path());
    let cache = Cache::open(&scratch.path().join("cache")).unwrap();
    let plan = |lock: &Lock| {
        let plan = recipe::plan(&sources, lock).unwrap();
        let builder = Builder { sources: &sources, lock, cache: &cache, reuse: Reuse::Cached };
        let mut printed = Vec::new();
        builder.print(&plan, &mut printed).unwrap();
        (String::from_utf8(printed).unwrap(), builder.fingerprints(&plan).unwrap())
    };
    let (all, plain) = (lock(), lock().without(Use::Office));
    let ((with, with_prints), (without, without_prints)) = (plan(&all), plan(&plain));
    for (word, is_with, is_without) in [
        ("the office pack among them", true, false),
        ("libreoffice-writer-nogui", true, false),
        ("poppler-utils", true, false),
        ("/postern-1.2.3-office.iso", true, false),
        ("/postern-1.2.3.iso", false, true),
        ("systemd-resolved", true, true),
    ] {
        assert_eq!((with.contains(word), without.contains(word)), (is_with, is_without), "{word}");
    }
    assert_eq!(all.chosen().count() - plain.chosen().count(), all.of(Use::Office).count());
    let same: Vec<&str> = with_prints.iter().filter(|(step, print)| without_prints[*step] == **print).map(|(step, _)| *step).collect();
    assert_eq!(same, ["boot-loaders", "initramfs", "kernel"], "what the pack does not reach is not made anew");
    for (uses, is_named) in [(vec![Use::Root, Use::Office], true), (vec![Use::Root], false)] {
        let bill = sbom::make(&folder().join("packages.lock"), &uses, &sources.cargo_lock, "1.2.3").unwrap();
        assert_eq!(bill.contains("pkg:deb/debian/libreoffice-core-nogui@"), is_named);
    }
}

#[test]
fn the_plan_can_be_printed_and_depends_on_what_it_reads() {
    let scratch = tempfile::tempdir().unwrap();
    let at = |name: &str| scratch.path().join(name);
    let sources = sources(scratch.path());
    let (lock, cache) = (lock(), Cache::open(&at("cache")).unwrap());
    let plan = recipe::plan(&sources, &lock).unwrap();
    let builder = Builder { sources: &sources, lock: &lock, cache: &cache, reuse: Reuse::Cached };
    let mut printed = Vec::new();
    builder.print(&plan, &mut printed).unwrap();
    let printed = String::from_utf8(printed).unwrap();
    for word in ["mmdebstrap", "mksquashfs", "veritysetup", "xorriso", "qemu-img", "to do", "postern-1.2.3-office.ova"] {
        assert!(printed.contains(word), "{word} is not in the plan:\n{printed}");
    }
    assert!(!printed.contains(&format!("| cp {}", folder().display())), "no command depends on where the checkout lies");

    let before = builder.fingerprints(&plan).unwrap();
    fs::write(at("postern"), "another").unwrap();
    let after = builder.fingerprints(&plan).unwrap();
    let changed: Vec<&str> = before.iter().filter(|(step, print)| after[*step] != **print).map(|(step, _)| *step).collect();
    assert_eq!(changed, ["disk", "iso", "ova", "qcow2", "raw", "result", "root", "slot", "update"]);
}

#[test]
fn partitions_lie_one_behind_the_other_where_the_recipe_says() {
    let table = fs::read_to_string(folder().join("boot/partitions.sfdisk")).unwrap();
    let field = |line: &str, name: &str| {
        let value = line.split(',').find_map(|f| f.trim().strip_prefix(name)?.strip_prefix('='));
        value.unwrap_or_else(|| panic!("no {name} in {line}")).trim_matches('"').to_owned()
    };
    let partitions: Vec<(String, u64, u64)> = table
        .lines()
        .filter(|l| l.starts_with("start="))
        .map(|l| (field(l, "name"), field(l, "start").parse().unwrap(), field(l, "size").parse().unwrap()))
        .collect();
    for pair in partitions.windows(2) {
        assert_eq!(pair[0].1 + pair[0].2, pair[1].1, "{} and {}", pair[0].0, pair[1].0);
    }
    let find = |name: &str| partitions.iter().find(|(n, ..)| n == name).map(|(_, start, size)| (*start, *size)).unwrap();
    assert_eq!(find("bios").0, recipe::BIOS_AT);
    assert_eq!(find("esp"), (recipe::ESP_AT, recipe::ESP_MIB * 2048));
    for (slot, boot, root) in recipe::SLOTS {
        assert_eq!(find(&format!("boot-{slot}")), (boot, recipe::BOOT_MIB * 2048));
        assert_eq!(find(&format!("root-{slot}")), (root, recipe::ROOT_MIB * 2048));
    }
}

/// The installer reads on the medium what the recipe lays there.
#[test]
fn the_medium_has_what_the_installer_asks_for() {
    let installer = fs::read_to_string(folder().join("../userspace/postern-os/src/install/medium.rs")).unwrap();
    for file in recipe::INSTALLED {
        assert!(installer.contains(&format!("\"{file}\"")), "the installer does not know {file}");
    }
    let menu = fs::read_to_string(folder().join("boot/live.cfg")).unwrap();
    let answers = fs::read_to_string(folder().join("../userspace/postern-os/src/install/answers.rs")).unwrap();
    for label in menu.lines().find_map(|l| l.strip_prefix("for label in ")?.strip_suffix("; do")).unwrap().split(' ') {
        assert!(answers.contains(&format!("\"{label}\"")), "the installer does not look for {label}");
    }
    assert!(menu.contains("/postern-install.toml ]") && answers.contains("\"postern-install.toml\""));
}

/// Whether an installer has a machine's consoles, every unit of ours knows.
#[test]
fn units_tell_an_installation_from_a_boot() {
    let units = folder().join("overlay/usr/lib/systemd/system");
    for entry in fs::read_dir(&units).unwrap() {
        let path = entry.unwrap().path();
        // A folder adds to a unit of Debian's.
        if path.is_dir() {
            continue;
        }
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap();
        let condition = text.lines().find_map(|l| l.strip_prefix("ConditionKernelCommandLine="));
        let expected = match name.as_str() {
            "postern-install@.service" => Some("postern.install"),
            // It renders what there is, and a medium has no machine.toml.
            "postern-os-start.service" => None,
            _ => Some("!postern.install"),
        };
        assert_eq!(condition, expected, "{name}");
    }
}

/// The bar of the issue, and where a role needs more than it allows: why.
const EXPOSURE: &[(&str, u32, &str)] = &[
    ("postern-node.service", 25, "no capability, no device, no write beyond its data"),
    ("postern-edge.service", 45, "bpf() and CAP_NET_ADMIN are its work, and XDP acts on the machine's own network"),
    ("postern-sandbox.service", 25, "makes namespaces and mounts for cells, without a right outside of them"),
    ("postern-os-start.service", 45, "writes /etc and names the host, before anything else runs"),
    ("postern-fence.service", 25, "loads the rules of the firewall"),
    ("postern-os.service", 45, "writes slots and /etc, mounts the boot loader's partition, names the host"),
    ("postern-setup@.service", 25, "a terminal, and questions to two sockets"),
    ("postern-install@.service", 45, "writes whole disks, on a medium that does nothing else"),
    ("postern-restore.service", 25, "puts the node's folder in place and gives it to its users, when it was asked to"),
    ("postern-seed.service", 45, "mounts attached media for a moment and writes /etc, at the first boot only"),
    ("postern-web-port.service", 25, "puts a port into a set of the firewall"),
    ("postern-seed-node.service", 25, "reads and writes one folder, and asks the node"),
];

#[test]
fn units_stay_below_their_exposure() {
    let units = folder().join("overlay/usr/lib/systemd/system");
    for (unit, bar, why) in EXPOSURE {
        let path = units.join(unit);
        let bar_text = format!("--threshold={bar}");
        let asked = ["security", "--offline=yes", "--no-pager", &bar_text, path.to_str().unwrap()];
        let Some((is_below, said)) = tool("systemd-analyze", &asked) else { return };
        let verdict = said.lines().rev().find(|l| l.contains("Overall exposure")).unwrap_or(&said).to_owned();
        println!("{verdict} ({why})");
        assert!(is_below, "{unit} is above {bar}:\n{said}");
    }
    for entry in fs::read_dir(&units).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        assert!(!name.ends_with(".service") || EXPOSURE.iter().any(|(unit, ..)| *unit == name), "{name} has no bar");
    }
}

#[test]
fn scripts_of_other_languages_parse() {
    for (program, arguments, file) in [
        ("bash", vec!["-n"], "finish-root"),
        ("sh", vec!["-n"], "overlay/usr/lib/postern/early"),
        ("grub-script-check", vec![], "boot/grub.cfg"),
        ("grub-script-check", vec![], "boot/live.cfg"),
    ] {
        let path = folder().join(file);
        let Some((is_good, said)) = tool(program, &[&arguments[..], &[path.to_str().unwrap()]].concat()) else { continue };
        assert!(is_good, "{file}: {said}");
    }
    let rules = folder().join("overlay/etc/nftables.conf");
    if nix::unistd::geteuid().is_root()
        && let Some((is_good, said)) = tool("nft", &["--check", "--file", rules.to_str().unwrap()])
    {
        assert!(is_good, "nftables.conf: {said}");
    }
}

#[test]
fn units_that_are_enabled_are_there() {
    let overlay = folder().join("overlay/usr/lib/systemd");
    let preset = fs::read_to_string(overlay.join("system-preset/00-postern.preset")).unwrap();
    let ours = preset.lines().filter_map(|l| l.strip_prefix("enable ")).filter(|u| u.starts_with("postern"));
    let ours = ours.filter_map(|u| u.split_whitespace().next());
    let mut count = 0;
    for unit in ours {
        assert!(Path::new(&overlay.join("system").join(unit)).exists(), "{unit} is enabled and not there");
        count += 1;
    }
    assert!(count >= 3);
}
