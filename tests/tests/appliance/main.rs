//! The appliance as people get it, under QEMU: booted by each firmware, mail through it, power cut, a damaged root; [`attachments`], [`updates`], [`cluster`],
//! [`certificate`], [`ova`], [`pages`], [`restore`].
//!
//! Run by `./just test-image`; without an image each test says that it was skipped.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod attachments;
mod certificate;
mod cluster;
mod ova;
mod pages;
mod restore;
mod updates;

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::process::Command;
use std::time::{Duration, Instant};

use postern_image::machine::seed::nocloud;
use postern_image::machine::{Firmware, Machine, Medium, Options};
use postern_image::{esp, recipe};
use postern_tests::appliance::{BOOT, Console, artefact, started};
use postern_tests::artefacts_or_skip;
use postern_tests::backend::Backend;
use postern_tests::gateway::wait_until;
use postern_tests::smtp::{Smtp, plain_mail, send};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(120);
/// Of the admin, where a seed sets one.
const PASSWORD: &str = "correct horse battery";

/// Every domain to a backend on this host, which QEMU's user network shows as 10.0.2.2; nothing that asks the Internet.
fn settings(backend: u16) -> String {
    format!(
        "[edge]\ninterfaces = [\"eth0\"]\n[dns]\nenabled = false\n[greylist]\nenabled = false\n[smtp]\nrefuse_unknown_sender_domain = false\n\
         [delivery]\nretry_first = \"2s\"\nretry_max = \"2s\"\n[filter.thresholds]\ntag = 90.0\nquarantine = 95.0\nreject = 99.0\n\
         [[domains]]\nname = \"*\"\nbackends = [{{ host = \"10.0.2.2\", port = {backend} }}]\n"
    )
}

/// Logs in at the menu of the serial line, and chooses this item.
fn choose(machine: &mut Machine, number: &str, item: &str) {
    machine.serial.rewind();
    machine.serial.expect("Password of the admin:", LIMIT).unwrap();
    machine.serial.type_line(PASSWORD).unwrap();
    machine.serial.expect(&format!("{number}. {item}"), LIMIT).unwrap();
    machine.serial.type_line(number).unwrap();
}

/// Where nobody listens yet.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn here(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// What port 25 of the guest says within some seconds; empty: nothing.
fn greeting(machine: &Machine) -> String {
    let Ok(stream) = TcpStream::connect(here(machine.port(25))) else { return String::new() };
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut line = String::new();
    let _ = BufReader::new(stream).read_line(&mut line);
    line
}

fn greets(machine: &Machine) -> bool {
    greeting(machine).starts_with("220 ")
}

#[test]
fn bios_wizard_mail_ban_and_power_cut() {
    let (folder, _alone) = artefacts_or_skip!();
    let scratch = tempfile::tempdir().unwrap();
    let options = Options::disk(&artefact(&folder, ".qcow2").unwrap(), Firmware::Bios);
    let (machine, first) = started(&options, scratch.path()).unwrap();
    assert_eq!(["slot", "data", "firmware", "cycles"].map(|n| first.get(n).to_owned()), ["a", "made", "bios", "0"]);
    assert_eq!(first.get("xdp"), "eth0:native");

    // The power is cut at once, when little of the first boot is on the disk for sure: it comes up as it was, with its guard.
    machine.cut_power().unwrap();
    let (mut machine, again) = started(&options, scratch.path()).unwrap();
    assert_eq!(["data", "xdp", "machine"].map(|n| again.get(n)), ["kept", "eth0:native", first.get("machine")]);

    // The six questions on the serial line; a wrong answer is explained and asked again.
    let answers = [
        ("Press Enter to set this machine up", ""),
        ("1 of 6", "mx1"),
        ("fully qualified", "mx1.example.org"),
        ("2 of 6", "192.0.2.10"),
        ("dhcp, or an address", ""),
        ("3 of 6", ""),
        ("4 of 6", "Europe/Berlin"),
        ("5 of 6", "correct horse battery"),
        ("6 of 6", "elsewhere.example 10.0.2.2:2525"),
        ("Name: mx1.example.org", "yes"),
    ];
    // The menu may have come before the machine was ready.
    machine.serial.rewind();
    for (expected, typed) in answers {
        machine.serial.expect(expected, LIMIT).unwrap();
        machine.serial.type_line(typed).unwrap();
    }
    machine.serial.expect("Done.", LIMIT).unwrap();
    wait_until("a greeting by the new name", LIMIT, || greeting(&machine).starts_with("220 mx1.example.org ")).unwrap();
    let console = Console::log_in(&machine, "correct horse battery").unwrap();
    let settings_now = console.call("GET", "/settings", &[], "").unwrap();
    assert_eq!(settings_now["settings"]["domains"][0]["name"], "elsewhere.example");

    // From now on the menu wants the password.
    machine.serial.expect("Password of the admin:", LIMIT).unwrap();
    machine.serial.type_line("wrong").unwrap();
    machine.serial.expect("That is not it", LIMIT).unwrap();
    machine.serial.expect("Password of the admin:", LIMIT).unwrap();
    machine.serial.type_line("correct horse battery").unwrap();
    machine.serial.expect("17. Power off", LIMIT).unwrap();
    machine.serial.type_line("99").unwrap();
    machine.serial.expect("Type a number from 1 to 17", LIMIT).unwrap();
    machine.serial.type_line("1").unwrap();
    machine.serial.expect("health", LIMIT).unwrap();

    // A mail from this host through the guest to a backend on this host.
    let backend = free_address();
    console.put_settings(&settings(backend.port())).unwrap();
    let sink = Backend::smtp(backend).unwrap();
    let reply = send(here(machine.port(25)), "a@sender.example", &["b@here.example"], &plain_mail("through the appliance")).unwrap();
    assert!(reply.starts_with("250"), "{reply}");
    wait_until("the mail at the backend", LIMIT, || sink.mails().iter().any(|m| m.data.contains("through the appliance"))).unwrap();

    // Who is banned gets no answer at all, from the network card on; when it ends, he does.
    assert!(greets(&machine));
    console.call("POST", "/edge/bans", &[], &json!({ "network": "10.0.2.2", "duration": "30s", "evidence": "test" }).to_string()).unwrap();
    wait_until("the ban", LIMIT, || !greets(&machine)).unwrap();
    wait_until("the end of the ban", LIMIT, || greets(&machine)).unwrap();
    let edge = console.call("GET", "/edge", &[], "").unwrap();
    let is_ban = |c: &&serde_json::Value| c["name"].as_str().is_some_and(|n| n.contains("ban")) && c["drops"] == true;
    let dropped: u64 = edge["counters"].as_array().unwrap().iter().filter(is_ban).filter_map(|c| c["packets"].as_u64()).sum();
    assert!(dropped > 0, "XDP counted no drops: {}", edge["counters"]);

    // The power is cut while mails are being spooled and nobody takes them: what got its 250 is delivered after the next boot.
    let silent = free_address();
    console.put_settings(&settings(silent.port())).unwrap();
    let (port, began) = (machine.port(25), Instant::now());
    let sender = std::thread::spawn(move || {
        let mut accepted = Vec::new();
        let Ok(mut smtp) = Smtp::connect_soon(here(port)) else { return accepted };
        let _ = smtp.say("EHLO client.example");
        for n in 0.. {
            let subject = format!("cut-{n}-end");
            match smtp.mail("a@sender.example", &["b@here.example"], &plain_mail(&subject)) {
                Ok(reply) if reply.starts_with("250") => accepted.push(subject),
                _ => break,
            }
        }
        accepted
    });
    wait_until("some spooling", LIMIT, || began.elapsed() > Duration::from_secs(8)).unwrap();
    machine.cut_power().unwrap();
    let accepted = sender.join().unwrap();
    println!("{} mails had their 250 when the power was cut", accepted.len());
    assert!(accepted.len() > 5, "only {} mails before the cut", accepted.len());

    let sink = Backend::smtp(silent).unwrap();
    let (machine, second) = started(&options, scratch.path()).unwrap();
    assert_eq!((second.get("data"), second.get("machine")), ("kept", first.get("machine")));
    assert!(!machine.serial.text().contains("First login"), "the password was set: none is shown");
    let all_came = wait_until("every accepted mail", LIMIT, || sink.lacks(&accepted).is_empty());
    all_came.unwrap_or_else(|e| panic!("{e}: lost {:?}", sink.lacks(&accepted)));
    drop(machine);
}

/// Nobody types anything: the card gets its new name and is guarded by it, the password and the domain are in force when it is ready.
/// A seed with a mistake is refused in words, and the wizard asks.
#[test]
fn a_seed_answers_every_question() {
    let (folder, _alone) = artefacts_or_skip!();
    let (scratch, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let image = artefact(&folder, ".qcow2").unwrap();
    let user_data = "#cloud-config\nfqdn: mx1.example.org\ntimezone: Europe/Berlin\npostern:\n  admin: {password: correct horse battery}\n  \
                     domains: [{name: seeded.example, backends: [\"10.0.2.2:2525\"]}]\n  settings: {greylist.enabled: false}\n";
    // The address that QEMU gives its first card.
    let network = "version: 2\nethernets:\n  card: {match: {macaddress: \"52:54:00:12:34:56\"}, set-name: outside, dhcp4: true}\n";
    let iso = nocloud(scratch.path(), "good", user_data, network).unwrap();
    let mut options = Options { seed: Some(iso), ..Options::disk(&image, Firmware::Bios) };
    let (machine, ready) = started(&options, scratch.path()).unwrap();
    assert_eq!(["data", "xdp", "cycles"].map(|n| ready.get(n).to_owned()), ["made", "outside:native", "0"]);
    let said = machine.serial.text();
    assert!(said.contains("POSTERN SEED TAKEN NoCloud volume on /dev/sr0"), "{said}");
    assert!(!said.contains("Press Enter to set this machine up") && !said.contains("First login"), "{said}");
    assert!(greeting(&machine).starts_with("220 mx1.example.org "), "{}", greeting(&machine));
    let console = Console::log_in(&machine, "correct horse battery").unwrap();
    let settings = console.call("GET", "/settings", &[], "").unwrap();
    assert_eq!(settings["settings"]["domains"][0]["name"], "seeded.example");
    assert_eq!(
        (&settings["settings"]["greylist"]["enabled"], &settings["settings"]["edge"]["interfaces"]),
        (&json!(false), &json!(["outside"]))
    );
    machine.cut_power().unwrap();

    // It was set up: another seed in the drive is not looked at any more.
    options.seed = Some(nocloud(scratch.path(), "second", "#cloud-config\nfqdn: mx2.example.org\n", "").unwrap());
    let (machine, again) = started(&options, scratch.path()).unwrap();
    assert_eq!((again.get("data"), again.get("xdp")), ("kept", "outside:native"));
    assert!(!machine.serial.text().contains("POSTERN SEED"), "{}", machine.serial.text());
    drop(machine);

    options.seed = Some(nocloud(other.path(), "bad", "#cloud-config\nfqnd: mx1.example.org\n", "").unwrap());
    let mut machine = Machine::start(&options, other.path()).unwrap();
    machine.serial.expect("POSTERN SEED REFUSED NoCloud volume on /dev/sr0: user-data: fqnd: this is not known here", BOOT).unwrap();
    machine.serial.expect("Press Enter to set this machine up", BOOT).unwrap();
    drop(machine);
}

#[test]
fn uefi_is_another_machine_and_a_factory_reset_makes_a_third() {
    let (folder, _alone) = artefacts_or_skip!();
    let (scratch, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let image = artefact(&folder, ".qcow2").unwrap();
    let options = Options::disk(&image, Firmware::Uefi);
    let (mut machine, first) = started(&options, scratch.path()).unwrap();
    assert_eq!(["slot", "data", "firmware", "cycles"].map(|n| first.get(n).to_owned()), ["a", "made", "uefi", "0"]);
    let first_password = machine.serial.expect("First login", BOOT).unwrap();
    machine.cut_power().unwrap();

    // From the boot menu, and yes.
    let mut machine = Machine::resume(&options, scratch.path()).unwrap();
    machine.serial.see("Factory reset", BOOT).unwrap();
    machine.serial.press("f").unwrap();
    machine.serial.see("make the data partition anew", BOOT).unwrap();
    machine.serial.press("y").unwrap();
    let reset = postern_tests::appliance::Ready::wait(&mut machine).unwrap();
    assert_eq!(reset.get("data"), "made");
    assert_ne!(reset.get("machine"), first.get("machine"));
    assert_ne!(machine.serial.expect("First login", BOOT).unwrap(), first_password);
    drop(machine);

    let (machine, secure) = started(&Options::disk(&image, Firmware::SecureBoot), other.path()).unwrap();
    assert_eq!(["slot", "data", "firmware", "cycles"].map(|n| secure.get(n).to_owned()), ["a", "made", "secure-boot", "0"]);
    assert!(secure.get("machine") != first.get("machine") && secure.get("machine") != reset.get("machine"));
    drop(machine);
}

#[test]
fn the_iso_runs_from_its_medium() {
    let (folder, _alone) = artefacts_or_skip!();
    let scratch = tempfile::tempdir().unwrap();
    let iso = artefact(&folder, ".iso").unwrap();
    for firmware in [Firmware::Bios, Firmware::SecureBoot] {
        let options = Options { medium: Medium::Cd(iso.clone()), ..Options::disk(&iso, firmware) };
        let (machine, ready) = started(&options, &scratch.path().join(format!("{firmware:?}"))).unwrap();
        assert_eq!((ready.get("slot"), ready.get("data")), ("live", "volatile"));
        drop(machine);
    }
}

/// A root whose blocks do not match their hashes is not run: the machine restarts, and after three tries the other slot is taken.
#[test]
fn a_damaged_root_leads_to_the_other_slot() {
    let (folder, _alone) = artefacts_or_skip!();
    let scratch = tempfile::tempdir().unwrap();
    let raw = scratch.path().join("two-slots.raw");
    let made =
        Command::new("qemu-img").args(["convert", "-O", "raw"]).arg(artefact(&folder, ".qcow2").unwrap()).arg(&raw).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    {
        let disk = File::options().read(true).write(true).open(&raw).unwrap();
        let [(_, boot_a, root_a), (_, boot_b, root_b)] = recipe::SLOTS;
        let mut some = vec![0; 1 << 20];
        for (from, to, mebibytes) in [(boot_a, boot_b, recipe::BOOT_MIB), (root_a, root_b, recipe::ROOT_MIB)] {
            for at in (0..mebibytes).map(|m| m << 20) {
                disk.read_exact_at(&mut some, from * 512 + at).unwrap();
                disk.write_all_at(&some, to * 512 + at).unwrap();
            }
        }
        // One octet in every 64 KiB of slot a, behind the superblock.
        for at in (1..(64 << 20) / 65536).map(|n| n * 65536) {
            disk.write_all_at(b"!", root_a * 512 + at).unwrap();
        }
    }
    let environment = "# GRUB Environment Block\nslot=a\na_tries=3\nb_tries=3\n";
    esp::overwrite(&raw, recipe::ESP_AT * 512, recipe::ESP_MIB, "grub/grubenv", format!("{environment:#<1024}").as_bytes()).unwrap();
    let qcow2 = scratch.path().join("two-slots.qcow2");
    let made = Command::new("qemu-img").args(["convert", "-O", "qcow2"]).args([&raw, &qcow2]).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    fs::remove_file(&raw).unwrap();

    let (machine, ready) = started(&Options::disk(&qcow2, Firmware::Bios), &scratch.path().join("vm")).unwrap();
    assert_eq!(ready.get("slot"), "b");
    let said = machine.serial.text();
    let tried = format!("Postern {}, slot a", env!("CARGO_PKG_VERSION"));
    assert_eq!(said.matches(&tried).count(), 3, "three tries of slot a:\n{said}");
    assert!(said.contains("Slot a did not start"));
}
