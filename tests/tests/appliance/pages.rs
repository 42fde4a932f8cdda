//! The console's pages in a browser, on the machine itself: the first boot's questions, update, roll-back, factory reset (web-ui/appliance.mjs).

use std::path::{Path, PathBuf};
use std::process::Command;

use postern_image::machine::{Firmware, Options};
use postern_tests::appliance::{BOOT, Ready, artefact, started};
use postern_tests::artefacts_or_skip;
use postern_tests::network::lacking;

use super::updates::{Bundle, forged};

const VERSION: &str = "0.1.1";

#[test]
fn a_browser_takes_it_from_the_first_login_to_the_factory_reset() {
    let (folder, _alone) = artefacts_or_skip!();
    let web_ui = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web-ui");
    let no_driver =
        (!web_ui.join("node_modules/playwright-core").exists()).then(|| "web-ui/build fetches what drives a browser".to_owned());
    if let Some(why) = lacking(&["chromium", "node"]).or(no_driver) {
        println!("skipped: {why}");
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let good = Bundle::of(&artefact(&folder, ".update").unwrap(), &scratch.path().join("good")).packed(VERSION);
    let forged = forged(&good, VERSION, scratch.path());
    let options = Options::disk(&artefact(&folder, ".qcow2").unwrap(), Firmware::Uefi);
    let (mut machine, first) = started(&options, &scratch.path().join("vm")).unwrap();
    let line = machine.serial.expect("First login", BOOT).unwrap();
    let pictures = std::env::var_os("OUT").map_or_else(|| scratch.path().join("pictures"), PathBuf::from);
    let ended = Command::new("node")
        .args(["--test", "--test-concurrency=1", "--test-reporter=spec", "appliance.mjs"])
        .current_dir(&web_ui)
        .env("BASE", format!("https://localhost:{}", machine.port(8443)))
        .env("PRINTED", line.rsplit(' ').next().unwrap_or_default())
        .env("VERSION", VERSION)
        .env("UPDATE", &good)
        .env("FORGED", &forged)
        .env("OUT", pictures)
        .status()
        .unwrap();
    assert!(ended.success(), "{ended}; the machine said:\n{}", machine.serial.text());

    let slots_of = |ready: &Ready| (ready.get("slot").to_owned(), ready.get("data").to_owned());
    let boots: Vec<_> = (0..3).map(|_| Ready::wait(&mut machine).unwrap()).collect();
    let expected = [("b", "kept"), ("a", "kept"), ("a", "made")].map(|(slot, data)| (slot.to_owned(), data.to_owned()));
    assert_eq!(boots.iter().map(slots_of).collect::<Vec<_>>(), expected);
    assert_ne!(boots[2].get("machine"), first.get("machine"), "after the reset it is another machine");
}
