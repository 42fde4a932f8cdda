//! Finding a seed: labels of file systems that the real tools made, and what is chosen among them.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use postern_os::seed::volume::{self, FileSystem, Volume};
use postern_os::seed::{BadSeed, Seed};

fn has(program: &str) -> bool {
    let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).output().is_ok_and(|o| o.status.success());
    if !found {
        eprintln!("skipped: {program} is not installed");
    }
    found
}

fn run(program: &str, arguments: &[&str]) {
    let said = Command::new(program).args(arguments).output().unwrap();
    assert!(said.status.success(), "{program}: {}", String::from_utf8_lossy(&said.stderr));
}

fn seed_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/seeds/name-only/seed")
}

fn iso(folder: &Path, label: &str, from: &Path) -> PathBuf {
    let to = folder.join(format!("{}.iso", label.replace(' ', "-")));
    let (out, from) = (to.to_string_lossy(), from.to_string_lossy());
    run("xorriso", &["-report_about", "WARNING", "-as", "mkisofs", "-o", &out, "-V", label, "-R", "-J", &from]);
    to
}

fn fat(folder: &Path, label: &str, mebibytes: u64, bits: &str) -> PathBuf {
    let to = folder.join(format!("{label}-{bits}.img"));
    File::create(&to).unwrap().set_len(mebibytes << 20).unwrap();
    run("mkfs.vfat", &["-F", bits, "-n", label, &to.to_string_lossy()]);
    to
}

#[test]
fn labels_are_those_that_the_tools_wrote() {
    let folder = tempfile::tempdir().unwrap();
    let look = |path: &Path| volume::look(&File::open(path).unwrap()).unwrap();
    if has("xorriso") {
        for label in ["cidata", "CIDATA", "OVF ENV"] {
            assert_eq!(look(&iso(folder.path(), label, &seed_folder())), Some((FileSystem::Iso9660, label.into())));
        }
    }
    if has("mkfs.vfat") {
        for (bits, mebibytes) in [("12", 1), ("16", 16), ("32", 64)] {
            assert_eq!(look(&fat(folder.path(), "CIDATA", mebibytes, bits)), Some((FileSystem::Vfat, "CIDATA".into())), "FAT{bits}");
        }
    }
    for (name, octets) in [("empty", Vec::new()), ("short", vec![0x55; 100]), ("zeros", vec![0; 1 << 20])] {
        let path = folder.path().join(name);
        fs::write(&path, octets).unwrap();
        assert_eq!(look(&path), None, "{name}");
    }
}

/// A `/sys/class/block` and a `/dev` of files: what is a disk, what is its partition, what is no medium.
#[test]
fn a_disk_stands_for_its_partition_and_loops_are_no_media() {
    if !has("xorriso") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (sys, dev, devices) = (folder.path().join("block"), folder.path().join("dev"), folder.path().join("devices"));
    fs::create_dir_all(&sys).unwrap();
    fs::create_dir_all(&dev).unwrap();
    let image = iso(folder.path(), "CIDATA", &seed_folder());
    for (name, place) in [("sdb", "sdb"), ("sdb1", "sdb/sdb1"), ("loop0", "loop0"), ("sr0", "sr0")] {
        fs::create_dir_all(devices.join(place)).unwrap();
        symlink(devices.join(place), sys.join(name)).unwrap();
        if name == "sr0" {
            fs::write(dev.join(name), "no medium").unwrap();
        } else {
            fs::copy(&image, dev.join(name)).unwrap();
        }
    }
    let found = volume::attached(&sys, &dev).unwrap();
    assert_eq!(found.iter().map(|v| v.device.clone()).collect::<Vec<_>>(), [dev.join("sdb")]);
    assert_eq!(volume::chosen(found.clone()).unwrap(), found);
}

#[test]
fn nocloud_comes_first_and_two_of_it_are_one_too_many() {
    let volume = |device: &str, file_system, label: &str| Volume { device: device.into(), file_system, label: label.into() };
    let cd = volume("/dev/sr0", FileSystem::Iso9660, "OVF ENV");
    let (stick, other) = (volume("/dev/sdb", FileSystem::Vfat, "CIDATA"), volume("/dev/sdc", FileSystem::Vfat, "cidata"));
    let system = volume("/dev/sda2", FileSystem::Vfat, "POSTERN-ESP");
    let chosen = |of: &[&Volume]| volume::chosen(of.iter().map(|v| (*v).clone()).collect());
    assert_eq!(chosen(&[&system, &cd]), Ok(vec![cd.clone()]));
    assert_eq!(chosen(&[&system, &cd, &stick]), Ok(vec![stick.clone()]));
    assert_eq!(chosen(&[&stick, &other]), Err(BadSeed::Several("/dev/sdb, /dev/sdc".into())));
    assert_eq!(chosen(&[&system]), Ok(Vec::new()));
}

/// A real mount, in a world of its own; where loop devices cannot be had it is left to the appliance's own tests.
#[test]
fn a_mounted_volume_is_read_and_let_go() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: mounting needs root");
        return;
    }
    if !has("xorriso") || !has("losetup") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let image = iso(folder.path(), "cidata", &seed_folder());
    let attached = Command::new("losetup").args(["--find", "--show", "--read-only"]).arg(&image).output().unwrap();
    if !attached.status.success() {
        eprintln!("skipped: no loop device: {}", String::from_utf8_lossy(&attached.stderr).trim());
        return;
    }
    let device = String::from_utf8(attached.stdout).unwrap().trim().to_owned();
    let read = {
        let device = device.clone();
        std::thread::spawn(move || {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).map_err(|e| e.to_string())?;
            let flags = nix::mount::MsFlags::MS_REC | nix::mount::MsFlags::MS_PRIVATE;
            nix::mount::mount(None::<&str>, "/", None::<&str>, flags, None::<&str>).map_err(|e| e.to_string())?;
            let volume = Volume { device: device.into(), file_system: FileSystem::Iso9660, label: "cidata".into() };
            let files = volume.read().map_err(|e| e.to_string());
            let left = fs::read_to_string("/proc/thread-self/mounts").unwrap();
            assert!(!left.contains("postern-seed"), "it is still mounted");
            files
        })
        .join()
        .unwrap()
    };
    run("losetup", &["--detach", &device]);
    match read {
        Ok(files) => {
            let seed = Seed::read(&files.expect("a NoCloud volume"), &[]).unwrap().unwrap();
            assert_eq!(seed.machine.hostname, "mx1.example.org");
        }
        Err(why) if why.contains("unknown filesystem") || why.contains("ENODEV") || why.contains("EPERM") => eprintln!("skipped: {why}"),
        Err(why) => panic!("{why}"),
    }
}
