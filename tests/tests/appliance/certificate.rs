//! A certificate that is ordered by the menu of the serial line, from a real authority that looks at port 80 of the machine.

use std::net::SocketAddr;

use postern_image::machine::seed::nocloud;
use postern_image::machine::{Firmware, Options};
use postern_tests::appliance::{Console, artefact, started};
use postern_tests::artefacts_or_skip;
use postern_tests::certificate::shown;
use postern_tests::gateway::wait_until;
use postern_tests::network::{alone, lacking};
use postern_tests::nsd::Nsd;
use postern_tests::pebble::{GUEST_DIRECTORY, Pebble};
use serde_json::json;

use super::{LIMIT, PASSWORD, choose, here};

const NAME_SERVER: &str = "127.0.0.1:53";

#[test]
fn a_certificate_is_ordered_on_the_serial_line() {
    let (folder, _alone) = artefacts_or_skip!();
    if let Some(why) = lacking(&["pebble", "nsd", "openssl", "xorriso"]) {
        println!("skipped: {why}");
        return;
    }
    alone().unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let name_server: SocketAddr = NAME_SERVER.parse().unwrap();
    let _nsd = Nsd::start(&scratch.path().join("nsd"), name_server.ip(), &[("example.org", "mx1 A 127.0.0.1\n")]).unwrap();

    let seed = format!("#cloud-config\nfqdn: mx1.example.org\npostern: {{admin: {{password: {PASSWORD}}}}}\n");
    let mut options = Options::disk(&artefact(&folder, ".qcow2").unwrap(), Firmware::Bios);
    options.forwarded.push(80);
    options.seed = Some(nocloud(scratch.path(), "seed", &seed, "").unwrap());
    let (mut machine, _) = started(&options, &scratch.path().join("vm")).unwrap();
    let pebble = Pebble::for_guest(&scratch.path().join("pebble"), name_server, machine.port(80)).unwrap();
    let console = Console::log_in(&machine, PASSWORD).unwrap();
    for (path, value) in [("acme.directory", GUEST_DIRECTORY), ("acme.roots", &pebble.root)] {
        console.call("PATCH", "/settings", &[], &json!({ "path": path, "value": value }).to_string()).unwrap();
    }

    choose(&mut machine, "9", "Certificate");
    // Who does not agree gets none.
    let dialogue = [
        ("4. Order and renew it by itself", "4"),
        ("A mail address for the authority", ""),
        ("Type YES", "no"),
        ("nothing was changed", "9"),
        ("4. Order and renew it by itself", "4"),
        ("A mail address for the authority", "erika@example.org"),
        ("Type YES", "YES"),
    ];
    for (expected, typed) in dialogue {
        machine.serial.expect(expected, LIMIT).unwrap();
        machine.serial.type_line(typed).unwrap();
    }
    machine.serial.expect("It is being ordered", LIMIT).unwrap();

    let now = || console.call("GET", "/node/certificate", &[], "").unwrap();
    wait_until("the certificate", LIMIT, || now()["source"] == "installed").unwrap_or_else(|e| panic!("{e}: {}", now()));
    assert_eq!(now()["names"], json!(["mx1.example.org"]));
    for (port, starttls) in [(25, &["-starttls", "smtp"][..]), (8443, &[])] {
        let address = here(machine.port(port)).to_string();
        wait_until(&address, LIMIT, || shown(&address, starttls).contains("issuer=CN = Pebble")).unwrap();
    }
    machine.serial.type_line("9").unwrap();
    machine.serial.expect("mx1.example.org by CN=Pebble", LIMIT).unwrap();
}
