//! Updates of a machine that runs: good ones, bad ones, and the power cut in the middle.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use postern_image::machine::{Firmware, Machine, Options};
use postern_image::manifest;
use postern_tests::appliance::{BOOT, Console, Ready, artefact, started};
use postern_tests::artefacts_or_skip;
use postern_tests::gateway::wait_until;
use postern_tests::http::{Answer, Web};
use serde_json::{Value, json};

use super::free_address;

const LIMIT: Duration = Duration::from_secs(300);

/// A bundle made of the built one.
pub(super) struct Bundle {
    folder: PathBuf,
    key: PathBuf,
}

impl Bundle {
    /// Unpacked, to be changed.
    pub fn of(update: &Path, folder: &Path) -> Self {
        fs::create_dir_all(folder).unwrap();
        run(Command::new("tar").arg("--extract").arg("--directory").arg(folder).arg("--file").arg(update));
        Self {
            folder: folder.to_owned(),
            key: std::env::var_os("POSTERN_IMAGE_KEY").expect("POSTERN_IMAGE_KEY: the key of the build").into(),
        }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Signed as a version.
    pub fn packed(&self, version: &str) -> PathBuf {
        manifest::make(&[&self.at("boot.img"), &self.at("root.img")], version, &self.key, &self.folder).unwrap();
        let path = self.folder.with_extension(format!("{version}.update"));
        let members = ["manifest.json", "manifest.sig", "boot.img", "root.img"];
        run(Command::new("tar")
            .args(["--create", "--format=ustar", "--file"])
            .arg(&path)
            .arg("--directory")
            .arg(&self.folder)
            .args(members));
        path
    }
}

/// A bundle that says it is another version than the one that was signed.
pub(super) fn forged(bundle: &Path, version: &str, folder: &Path) -> PathBuf {
    let mut octets = fs::read(bundle).unwrap();
    let at = octets.windows(version.len()).position(|w| w == version.as_bytes()).unwrap();
    octets[at..at + version.len()].copy_from_slice(b"9.9.9");
    let path = folder.join("forged.update");
    fs::write(&path, &octets).unwrap();
    path
}

fn run(command: &mut Command) {
    let said = command.output().unwrap();
    assert!(said.status.success(), "{command:?}: {}", String::from_utf8_lossy(&said.stderr));
}

fn system(console: &Console) -> Value {
    console.call("GET", "/system", &[], "").unwrap()
}

fn upload(console: &Console, bundle: &Path, query: &str) -> anyhow::Result<Value> {
    let body = format!("@{}", bundle.display());
    console.call("POST", &format!("/system/update{query}"), &["content-type: application/octet-stream"], &body)
}

/// Uploads, and waits until it is written.
fn written(console: &Console, bundle: &Path) {
    upload(console, bundle, "").unwrap();
    is_written(console);
}

/// Lets the machine fetch from the host, and says where that ended.
fn fetched(console: &Console, url: &str) -> Value {
    console.call("POST", "/system/update/fetch", &[], &json!({ "url": url }).to_string()).unwrap();
    let mut last = Value::Null;
    let done = wait_until("the update to be fetched", LIMIT, || {
        last = console.call("GET", "/system/update/fetch", &[], "").unwrap();
        last["stage"] != "fetching"
    });
    done.unwrap();
    last
}

fn is_written(console: &Console) {
    let mut last = Value::Null;
    let done = wait_until("the update to be written", LIMIT, || {
        last = system(console)["update"].clone();
        last["state"] != "running"
    });
    done.unwrap();
    assert_eq!(last["state"], "ready", "{last}");
}

#[test]
fn an_update_goes_forth_with_the_settings_and_back_without_them() {
    let (folder, _alone) = artefacts_or_skip!();
    let scratch = tempfile::tempdir().unwrap();
    let good = Bundle::of(&artefact(&folder, ".update").unwrap(), &scratch.path().join("good"));
    let (mut machine, _) =
        started(&Options::disk(&artefact(&folder, ".qcow2").unwrap(), Firmware::Uefi), &scratch.path().join("vm")).unwrap();
    let console = Console::first_login(&mut machine).unwrap();

    // What must not be taken, and nothing has changed by it.
    let older = good.packed("0.0.9");
    let octets = fs::read(&older).unwrap();
    let cut = scratch.path().join("cut.update");
    fs::write(&cut, &octets[..octets.len() / 2]).unwrap();
    let forged = forged(&older, "0.0.9", scratch.path());
    for (bundle, expected) in [(&older, "older than this one"), (&cut, "ends in the middle of"), (&forged, "not signed by the key")] {
        let said = upload(&console, bundle, "").unwrap_err().to_string();
        assert!(said.contains(expected), "{said}");
    }
    assert_eq!(system(&console)["slots"][1]["tries_left"], Value::Null);

    let set = |console: &Console, name: &str| {
        let body = json!({ "path": "cluster.takeover_after", "value": name, "message": "test" });
        console.call("PATCH", "/settings", &[], &body.to_string()).unwrap();
    };
    let get = |console: &Console| console.call("GET", "/settings", &[], "").unwrap()["settings"]["cluster"]["takeover_after"].clone();
    set(&console, "91s");
    // The boot took one of its tries, and two good minutes give it back.
    wait_until("slot a to be good", LIMIT, || system(&console)["slots"][0]["tries_left"] == 3).unwrap();
    // From an address: one where it is not, and the right one.
    let address = free_address();
    let web = Web::start(address).unwrap();
    let url = |path: &str| format!("http://10.0.2.2:{}{path}", address.port());
    web.set("/postern.update", Answer::File(good.packed("0.1.1")));
    let nowhere = fetched(&console, &url("/elsewhere.update"));
    assert!(nowhere["stage"] == "failed" && nowhere["why"].as_str().unwrap().contains("404"), "{nowhere}");
    let there = fetched(&console, &url("/postern.update"));
    assert_eq!((&there["stage"], &there["octets"]), (&"taken".into(), &there["total"]), "{there}");
    is_written(&console);
    let now = system(&console);
    assert_eq!((&now["slots"][1]["wanted"], &now["slots"][1]["on_trial"]), (&Value::Bool(true), &Value::Bool(true)), "{now}");
    console.call("POST", "/system/reboot", &[], "").unwrap();
    let ready = Ready::wait(&mut machine).unwrap();
    assert_eq!((ready.get("slot"), ready.get("data")), ("b", "kept"));
    let console = Console::first_login(&mut machine).unwrap();
    assert_eq!(get(&console), "91s", "the new system goes on with the settings");
    set(&console, "92s");

    // Two minutes later it is good, and the old one is still there.
    wait_until("slot b to be good", LIMIT, || system(&console)["last_update"]["outcome"] == "good").unwrap();
    let now = system(&console);
    assert_eq!(
        (&now["slots"][0]["tries_left"], &now["slots"][1]["tries_left"], &now["slots"][1]["on_trial"]),
        (&3.into(), &3.into(), &false.into()),
        "{now}"
    );

    console.call("POST", "/system/roll-back", &[], "").unwrap();
    console.call("POST", "/system/reboot", &[], "").unwrap();
    assert_eq!(Ready::wait(&mut machine).unwrap().get("slot"), "a");
    let console = Console::first_login(&mut machine).unwrap();
    assert_eq!(get(&console), "91s", "the old system has its settings again");
    assert_eq!(system(&console)["last_update"]["outcome"], "rolled-back");
}

#[test]
fn a_system_that_never_becomes_healthy_is_left_by_itself() {
    let (folder, _alone) = artefacts_or_skip!();
    let scratch = tempfile::tempdir().unwrap();
    let (mut machine, _) =
        started(&Options::disk(&artefact(&folder, ".qcow2").unwrap(), Firmware::Bios), &scratch.path().join("vm")).unwrap();
    let console = Console::first_login(&mut machine).unwrap();

    // Its root is damaged: it comes up three times as far as that, and the boot loader takes the other slot.
    let damaged = Bundle::of(&artefact(&folder, ".update").unwrap(), &scratch.path().join("damaged"));
    let mut root = fs::read(damaged.at("root.img")).unwrap();
    for octet in root.iter_mut().skip(65_536).step_by(65_536).take(1024) {
        *octet ^= 0x55;
    }
    fs::write(damaged.at("root.img"), &root).unwrap();
    written(&console, &damaged.packed("0.1.2"));
    console.call("POST", "/system/reboot", &[], "").unwrap();
    assert_eq!(Ready::wait(&mut machine).unwrap().get("slot"), "a");
    let said = machine.serial.text();
    // (The boot menu lists the slots, too, without the version.)
    let tried = format!("Postern {}, slot b", env!("CARGO_PKG_VERSION"));
    assert_eq!(said.matches(&tried).count(), 3, "three tries of slot b:\n{said}");
    let console = Console::first_login(&mut machine).unwrap();
    let now = system(&console);
    assert_eq!((&now["last_update"]["outcome"], &now["last_update"]["to"]), (&"fell-back".into(), &"0.1.2".into()), "{now}");

    // Its network card has another name, so that nothing guards it: it runs, and gives up by itself.
    let renamed = Bundle::of(&artefact(&folder, ".update").unwrap(), &scratch.path().join("renamed"));
    let tree = scratch.path().join("boot-tree");
    run(Command::new("unsquashfs").args(["-quiet", "-no-progress", "-dest"]).arg(&tree).arg(renamed.at("boot.img")));
    let options = fs::read_to_string(tree.join("slot.cfg")).unwrap();
    assert!(options.contains("net.ifnames=0"));
    fs::write(tree.join("slot.cfg"), options.replace("net.ifnames=0", "net.ifnames=1")).unwrap();
    fs::remove_file(renamed.at("boot.img")).unwrap();
    run(Command::new("mksquashfs").arg(&tree).arg(renamed.at("boot.img")).args([
        "-quiet",
        "-no-progress",
        "-comp",
        "gzip",
        "-noD",
        "-noF",
    ]));
    written(&console, &renamed.packed("0.1.3"));
    console.call("POST", "/system/reboot", &[], "").unwrap();
    let why = machine.serial.expect("POSTERN FALLS BACK", BOOT + Duration::from_secs(200)).unwrap();
    println!("{why}");
    assert_eq!(Ready::wait(&mut machine).unwrap().get("slot"), "a");
    let console = Console::first_login(&mut machine).unwrap();
    let now = system(&console);
    assert_eq!((&now["last_update"]["outcome"], &now["last_update"]["to"]), (&"fell-back".into(), &"0.1.3".into()), "{now}");
    assert_eq!((&now["slots"][0]["wanted"], &now["slots"][1]["tries_left"]), (&true.into(), &0.into()), "{now}");
}

#[test]
fn the_power_is_cut_while_a_slot_is_written() {
    let (folder, _alone) = artefacts_or_skip!();
    let scratch = tempfile::tempdir().unwrap();
    let good = Bundle::of(&artefact(&folder, ".update").unwrap(), &scratch.path().join("good")).packed("0.1.1");
    let options = Options::disk(&artefact(&folder, ".qcow2").unwrap(), Firmware::Bios);
    let vm = scratch.path().join("vm");
    let (mut machine, _) = started(&options, &vm).unwrap();
    for stage in ["checking", "writing", "reading-back"] {
        let console = Console::first_login(&mut machine).unwrap();
        upload(&console, &good, "").unwrap();
        let (began, mut last) = (Instant::now(), Value::Null);
        while last["stage"] != stage && began.elapsed() < LIMIT {
            last = system(&console)["update"].clone();
            assert_ne!(last["state"], "failed", "{last}");
            if last["state"] == "ready" {
                break;
            }
        }
        println!("the power is cut at {last}");
        machine.cut_power().unwrap();
        machine = Machine::resume(&options, &vm).unwrap();
        let ready = Ready::wait(&mut machine).unwrap();
        // When it was quicker than we looked the new slot starts; else nothing of it counts.
        if last["state"] == "ready" {
            assert_eq!(ready.get("slot"), "b");
            return;
        }
        assert_eq!((ready.get("slot"), ready.get("data")), ("a", "kept"), "cut at {stage}");
    }
    let console = Console::first_login(&mut machine).unwrap();
    written(&console, &good);
    console.call("POST", "/system/reboot", &[], "").unwrap();
    assert_eq!(Ready::wait(&mut machine).unwrap().get("slot"), "b");
}
