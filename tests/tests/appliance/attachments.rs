//! Attachments on the appliance: opened in cells behind the unit's own walls, run where they are programs, and watched by the kernel.

use postern_image::machine::{Firmware, Options};
use postern_tests::appliance::{Console, artefact, started};
use postern_tests::artefacts_or_skip;
use postern_tests::backend::Backend;
use postern_tests::gateway::wait_until;
use postern_tests::smtp::{mail_with, send};
use serde_json::Value;

use super::{LIMIT, free_address, here, settings};

/// Software emulation: what a processor does in a second takes ten here.
const PATIENT: &str = "[sandbox]\ntimeout = \"2m\"\n";

/// Writes a dropper and asks the network for more.
const SETUP: &str = "#!/bin/sh\necho \"var s = new ActiveXObject('WScript.Shell'); s.Run('cmd.exe');\" > /tmp/next.js\n\
                     perl -e 'use IO::Socket::INET; IO::Socket::INET->new(\"198.51.100.7:80\")'\n";

#[test]
fn a_program_is_run_watched_and_what_it_writes_is_opened() {
    let (folder, _alone) = artefacts_or_skip!();
    let scratch = tempfile::tempdir().unwrap();
    let options = Options::disk(&artefact(&folder, ".qcow2").unwrap(), Firmware::Bios);
    let (mut machine, _) = started(&options, &scratch.path().join("vm")).unwrap();
    let console = Console::first_login(&mut machine).unwrap();
    let backend = free_address();
    console.put_settings(&(settings(backend.port()) + PATIENT)).unwrap();
    let sink = Backend::smtp(backend).unwrap();

    let mail = mail_with("Please install", "As agreed.", &[("setup.sh", "application/x-sh", SETUP.as_bytes())]);
    let reply = send(here(machine.port(25)), "a@sender.example", &["b@here.example"], &mail).unwrap();
    assert!(reply.starts_with("250"), "{reply}");
    wait_until("the mail at the backend", LIMIT, || !sink.mails().is_empty()).unwrap();

    let mut id = None;
    wait_until("it in the tracking", LIMIT, || {
        let found = console.call("GET", "/journeys?subject=Please+install", &[], "").unwrap();
        id = found["journeys"][0]["mail"].as_str().map(str::to_owned);
        id.is_some()
    })
    .unwrap();
    let id = id.unwrap();
    let journey = console.call("GET", &format!("/journeys/{id}"), &[], "").unwrap();
    let steps = journey["steps"].as_array().unwrap();
    let opened = steps.iter().find(|s| s["event"] == "taken-apart").unwrap_or_else(|| panic!("{journey:#}"));
    let report = &opened["attachments"][0]["report"];
    let all = |list: &str, field: &str| -> Vec<String> {
        report[list].as_array().unwrap().iter().filter_map(|one| one[field].as_str().map(str::to_owned)).collect()
    };
    let (parts, findings) = (all("parts", "name"), all("findings", "name"));
    assert_eq!(parts, ["setup.sh", "next.js"], "{report:#}");
    assert!(findings.iter().any(|name| name == "SCRIPT_STARTS"), "what the program wrote was run in its turn: {report:#}");
    let connected = |e: &Value| e["action"] == "connect" && e["text"].as_str().is_some_and(|t| t.contains("198.51.100.7"));
    assert!(report["timeline"].as_array().unwrap().iter().any(connected), "{report:#}");
    // All cells: of the attachment, of its program, of what that wrote.
    assert_eq!((&report["watch"]["without"], &report["watch"]["partly"]), (&Value::Null, &Value::Null), "{report:#}");
    assert!(report["watch"]["cells"].as_u64().is_some_and(|cells| cells >= 3), "{report:#}");
}
