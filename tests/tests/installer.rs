//! The installer of the ISO under QEMU: onto a blank disk by questions and by answers, and what it installed, started.
//!
//! Run by `./just test-image`; without an image each test says that it was skipped.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use postern_image::machine::seed::medium;
use postern_image::machine::{Firmware, Machine, Medium, Options};
use postern_tests::appliance::{BOOT, artefact, started};
use postern_tests::artefacts_or_skip;

/// Half a gigabyte is written and read under software emulation.
const INSTALLATION: Duration = Duration::from_secs(600);

fn installer(folder: &Path, firmware: Firmware, answers: Option<PathBuf>) -> Options {
    let iso = artefact(folder, ".iso").unwrap();
    Options { medium: Medium::Installer { iso: iso.clone(), answers }, ..Options::disk(&iso, firmware) }
}

#[test]
fn by_questions_on_the_serial_line() {
    let (folder, _alone) = artefacts_or_skip!();
    let scratch = tempfile::tempdir().unwrap();
    let mut machine = Machine::start(&installer(&folder, Firmware::Bios, None), scratch.path()).unwrap();
    machine.serial.see("Install Postern", BOOT).unwrap();
    machine.serial.press("i").unwrap();
    for (expected, typed) in [
        ("Number of the disk", "7"),
        ("Type a number", "1"),
        ("When it is done", "off"),
        ("Type ERASE vda", "yes"),
        ("That is not it", "ERASE vda"),
    ] {
        machine.serial.expect(expected, BOOT).unwrap();
        machine.serial.type_line(typed).unwrap();
    }
    machine.serial.expect("Installed.", INSTALLATION).unwrap();
    // All of it is on the disk when this was said.
    machine.cut_power().unwrap();

    let disk = Options::disk(&scratch.path().join("disk.qcow2"), Firmware::Bios);
    let (machine, ready) = started(&disk, scratch.path()).unwrap();
    assert_eq!(["slot", "data", "firmware"].map(|n| ready.get(n).to_owned()), ["a", "made", "bios"]);
    machine.cut_power().unwrap();

    // The same medium again: the data of the first boot are seen, kept when told to, and there at the next boot.
    let mut machine = Machine::resume(&installer(&folder, Firmware::Bios, None), scratch.path()).unwrap();
    machine.serial.see("Install Postern", BOOT).unwrap();
    machine.serial.press("i").unwrap();
    machine.serial.expect("holds Postern, version", BOOT).unwrap();
    for (expected, typed) in
        [("Number of the disk", "1"), ("Type keep", "keep"), ("When it is done", ""), ("Type REPLACE vda", "REPLACE vda")]
    {
        machine.serial.expect(expected, BOOT).unwrap();
        machine.serial.type_line(typed).unwrap();
    }
    machine.serial.expect("Installed.", INSTALLATION).unwrap();
    machine.cut_power().unwrap();
    let (machine, again) = started(&disk, scratch.path()).unwrap();
    assert_eq!((again.get("data"), again.get("machine")), ("kept", ready.get("machine")));
    drop(machine);
}

#[test]
fn by_an_answer_file_and_not_twice() {
    let (folder, _alone) = artefacts_or_skip!();
    if let Err(e) = Command::new("xorriso").arg("--version").output() {
        println!("skipped: xorriso: {e}");
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let (files, answers) = (scratch.path().join("answers"), scratch.path().join("answers.iso"));
    fs::create_dir(&files).unwrap();
    let text = "disk.serial = \"postern-disk\"\nerase = true\n[machine]\nhostname = \"mx7.example.org\"\n";
    fs::write(files.join("postern-install.toml"), text).unwrap();
    medium("POSTERN-ANSWERS", &files, &answers).unwrap();

    let vm = scratch.path().join("vm");
    let options = installer(&folder, Firmware::Uefi, Some(answers));
    let mut machine = Machine::start(&options, &vm).unwrap();
    machine.serial.expect("is installed by an answer file on vda", BOOT).unwrap();
    machine.serial.expect("Installed on vda.", INSTALLATION).unwrap();
    machine.cut_power().unwrap();

    // The medium comes first in the boot order, as it does where nobody takes it out.
    let mut machine = Machine::resume(&options, &vm).unwrap();
    machine.serial.expect("vda was installed by this answer file before", BOOT).unwrap();
    machine.cut_power().unwrap();

    let (mut machine, ready) = started(&Options::disk(&vm.join("disk.qcow2"), Firmware::Uefi), &vm).unwrap();
    // The settings came with the data partition, so the machine asks no questions but for the password.
    assert_eq!(["slot", "data", "firmware"].map(|n| ready.get(n).to_owned()), ["a", "kept", "uefi"]);
    machine.serial.rewind();
    machine.serial.expect("Password of the admin:", BOOT).unwrap();
    drop(machine);
}
