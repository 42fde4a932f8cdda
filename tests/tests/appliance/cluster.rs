//! Two machines become a cluster by one token that is typed on the serial line; a mail of the one that is lost is delivered by the other.

use std::net::TcpListener;

use postern_image::machine::seed::{lan_address, nocloud};
use postern_image::machine::{Firmware, Lan, Machine, Options};
use postern_tests::appliance::{Console, artefact, started};
use postern_tests::artefacts_or_skip;
use postern_tests::backend::Backend;
use postern_tests::gateway::wait_until;
use postern_tests::smtp::{plain_mail, send};

use super::{LIMIT, here, settings};

const PASSWORD: &str = "correct horse battery";

fn node(image: &std::path::Path, scratch: &std::path::Path, host: u8, lan: u16) -> Machine {
    let user_data = format!("#cloud-config\nfqdn: mx{host}.example.org\npostern: {{admin: {{password: {PASSWORD}}}}}\n");
    let folder = scratch.join(format!("mx{host}"));
    std::fs::create_dir_all(&folder).unwrap();
    let seed = nocloud(&folder, "seed", &user_data, &lan_address(host)).unwrap();
    let options = Options { seed: Some(seed), lan: Some(Lan { port: lan, host }), ..Options::disk(image, Firmware::Bios) };
    started(&options, &folder).unwrap().0
}

/// Logs in at the menu of the serial line, and chooses this item.
fn choose(machine: &mut Machine, number: &str, item: &str) {
    machine.serial.rewind();
    machine.serial.expect("Password of the admin:", LIMIT).unwrap();
    machine.serial.type_line(PASSWORD).unwrap();
    machine.serial.expect(&format!("{number}. {item}"), LIMIT).unwrap();
    machine.serial.type_line(number).unwrap();
}

#[test]
fn two_machines_and_one_token() {
    let (folder, _alone) = artefacts_or_skip!();
    let scratch = tempfile::tempdir().unwrap();
    let image = artefact(&folder, ".qcow2").unwrap();
    // Of the multicast group that is their cable.
    let lan = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut first = node(&image, scratch.path(), 1, lan);
    let mut second = node(&image, scratch.path(), 2, lan);

    choose(&mut first, "7", "Create a cluster");
    first.serial.expect("Name of the cluster:", LIMIT).unwrap();
    first.serial.type_line("example").unwrap();
    let token = first.serial.expect("postern1-", LIMIT).unwrap().trim().to_owned();
    choose(&mut second, "8", "Join a cluster");
    second.serial.expect("The token that another node printed:", LIMIT).unwrap();
    second.serial.type_line(&token).unwrap();
    second.serial.expect("Done.", LIMIT).unwrap();

    let consoles = [&first, &second].map(|machine| Console::log_in(machine, PASSWORD).unwrap());
    let connected = |console: &Console| {
        let members = console.call("GET", "/cluster", &[], "").unwrap();
        members["members"].as_array().unwrap().iter().filter(|m| m["this"] == false && m["connected"] == true).count()
    };
    wait_until("both see both", LIMIT, || consoles.iter().all(|c| connected(c) == 1)).unwrap();

    // A setting of one is the other's; a mail that the first one could not deliver yet is delivered by the second when the first is removed.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    consoles[0].put_settings(&settings(nobody.port())).unwrap();
    let domain = |c: &Console| c.call("GET", "/settings", &[], "").unwrap()["settings"]["domains"][0]["backends"][0]["port"].clone();
    wait_until("the setting on the second node", LIMIT, || domain(&consoles[1]) == nobody.port()).unwrap();
    let reply = send(here(first.port(25)), "a@sender.example", &["b@here.example"], &plain_mail("of the lost one")).unwrap();
    assert!(reply.starts_with("250"), "{reply}");
    first.cut_power().unwrap();
    let sink = Backend::smtp(nobody).unwrap();
    consoles[1].call("DELETE", "/cluster/members/mx1.example.org", &[], "").unwrap();
    wait_until("the mail, from its copy", LIMIT, || sink.mails().iter().any(|m| m.data.contains("of the lost one"))).unwrap();
    drop(second);
}
