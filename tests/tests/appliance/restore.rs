//! A machine is lost; a fresh one takes its place by a backup from an object store on this host: settings, admins and quarantine are back.

#[expect(dead_code, reason = "its log is for the tests of the crate that it belongs to")]
#[path = "../../../userspace/postern-backup/tests/world/s3.rs"]
mod s3;

use std::path::Path;

use postern_image::machine::seed::nocloud;
use postern_image::machine::{Firmware, Machine, Options};
use postern_tests::appliance::{BOOT, Console, Ready, artefact, started};
use postern_tests::artefacts_or_skip;
use postern_tests::gateway::wait_until;
use postern_tests::smtp::{plain_mail, send};
use serde_json::{Value, json};

use super::{LIMIT, here};

const PASSPHRASE: &str = "a long enough phrase";

/// Takes every mail into its quarantine; backups go to the store, which QEMU's user network shows as 10.0.2.2.
fn settings(store: u16) -> String {
    format!(
        "[edge]\ninterfaces = [\"eth0\"]\n[dns]\nenabled = false\n[greylist]\nenabled = false\n[smtp]\nrefuse_unknown_sender_domain = false\n\
         [filter.thresholds]\ntag = -200.0\nquarantine = -100.0\nreject = 99.0\n[[domains]]\nname = \"kept.example\"\nbackends = [{{ host = \"10.0.2.2\" }}]\n\
         [backup]\ntarget = \"s3\"\nquarantine = \"included\"\npassphrase = \"{PASSPHRASE}\"\n[backup.s3]\nendpoint = \"http://10.0.2.2:{store}\"\n\
         region = \"here\"\nbucket = \"bucket\"\nprefix = \"postern\"\naccess_key = \"{}\"\nsecret = \"{}\"\n",
        s3::ACCESS_KEY,
        s3::SECRET
    )
}

fn fresh(image: &Path, folder: &Path, name: &str, password: &str) -> (Machine, Console) {
    let at = folder.join(name);
    std::fs::create_dir_all(&at).unwrap();
    let user_data = format!("#cloud-config\nfqdn: {name}.example.org\npostern: {{admin: {{password: {password}}}}}\n");
    let seed = nocloud(&at, "seed", &user_data, "").unwrap();
    let options = Options { seed: Some(seed), ..Options::disk(image, Firmware::Bios) };
    let (machine, _) = started(&options, &at).unwrap();
    let console = Console::log_in(&machine, password).unwrap();
    (machine, console)
}

fn held(console: &Console) -> Vec<Value> {
    console.call("GET", "/quarantine", &[], "").unwrap_or_default()["mails"].as_array().cloned().unwrap_or_default()
}

#[test]
fn a_fresh_machine_takes_the_place_of_a_lost_one() {
    let (folder, _alone) = artefacts_or_skip!();
    let image = artefact(&folder, ".qcow2").unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let store = s3::Store::default();
    let port = runtime.block_on(store.serve()).port();

    let (lost, console) = fresh(&image, scratch.path(), "lost", "the lost one's password");
    console.put_settings(&settings(port)).unwrap();
    let reply = send(here(lost.port(25)), "a@sender.example", &["b@kept.example"], &plain_mail("held before the loss")).unwrap();
    assert!(reply.starts_with("250"), "{reply}");
    wait_until("the mail in the quarantine", LIMIT, || held(&console).len() == 1).unwrap();
    console.call("POST", "/backups", &[], "").unwrap();
    let status = || console.call("GET", "/backups/status", &[], "").unwrap_or_default();
    wait_until("the backup", LIMIT, || status()["made"]["name"].is_string() || status()["trouble"].is_object()).unwrap();
    let made = status();
    let name = made["made"]["name"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
    drop(lost);

    let (mut machine, console) = fresh(&image, scratch.path(), "fresh", "the fresh one's password");
    console.put_settings(&settings(port)).unwrap();
    assert!(held(&console).is_empty());
    let restore = |passphrase: &str| json!({ "backup": name, "passphrase": passphrase }).to_string();
    let view = || console.call("GET", "/system/restore", &[], "").unwrap_or_default();
    console.call("POST", "/system/restore", &[], &restore("another phrase, a wrong one")).unwrap();
    wait_until("the refusal", LIMIT, || view()["stage"] == "failed").unwrap();
    assert!(view()["why"].as_str().unwrap().contains("is not the one this backup was locked with"), "{}", view());

    console.call("POST", "/system/restore", &[], &restore(PASSPHRASE)).unwrap();
    let said = machine.serial.expect("POSTERN RESTORE", BOOT).unwrap();
    let ready = Ready::wait(&mut machine).unwrap();
    assert_eq!(ready.get("cycles"), "0");
    let console = Console::log_in(&machine, "the lost one's password").unwrap();
    let system = console.call("GET", "/system", &[], "").unwrap();
    println!("{said} / {}", system["last_restore"]);
    assert!(system["trouble"].is_null() && system["last_restore"].as_str().is_some_and(|w| w.contains(&name)), "{system}");
    let settings = console.call("GET", "/settings", &[], "").unwrap();
    assert_eq!(settings["settings"]["domains"][0]["name"], "kept.example");
    let mails = held(&console);
    assert_eq!(mails.len(), 1);
    let mail = console.call("GET", &format!("/quarantine/{}", mails[0]["mail"].as_str().unwrap()), &[], "").unwrap();
    assert!(mail.to_string().contains("held before the loss"), "{mail}");
    drop(machine);
}
