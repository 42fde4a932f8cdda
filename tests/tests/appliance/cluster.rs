//! Two machines become a cluster by one token that is typed on the serial line; what one cannot deliver the other does; an update goes
//! from machine to machine.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use postern_image::machine::seed::{lan_address, nocloud};
use postern_image::machine::{Firmware, Lan, Machine, Options};
use postern_tests::appliance::{Console, Ready, artefact, started};
use postern_tests::artefacts_or_skip;
use postern_tests::backend::Backend;
use postern_tests::gateway::wait_until;
use postern_tests::smtp::{plain_mail, send};
use serde_json::Value;

use super::updates::Bundle;
use super::{LIMIT, PASSWORD, choose, free_address, here, settings};

/// Two guests that share a host: taking, writing and reading back a bundle, a drain, a boot, two good minutes.
const UPDATE: Duration = Duration::from_secs(30 * 60);

fn node(image: &Path, scratch: &Path, host: u8, lan: u16) -> Machine {
    let user_data = format!("#cloud-config\nfqdn: mx{host}.example.org\npostern: {{admin: {{password: {PASSWORD}}}}}\n");
    let folder = scratch.join(format!("mx{host}"));
    std::fs::create_dir_all(&folder).unwrap();
    let seed = nocloud(&folder, "seed", &user_data, &lan_address(host)).unwrap();
    let options = Options { seed: Some(seed), lan: Some(Lan { port: lan, host }), ..Options::disk(image, Firmware::Bios) };
    started(&options, &folder).unwrap().0
}

/// Two machines of one cluster, and a login at each: the first made it on its serial line, the second joined there by the token.
struct Pair {
    machines: [Machine; 2],
    consoles: [Console; 2],
}

impl Pair {
    fn start(image: &Path, scratch: &Path) -> Self {
        // Of the multicast group that is their cable.
        let lan = free_address().port();
        let [mut first, mut second] = [1, 2].map(|host| node(image, scratch, host, lan));
        choose(&mut first, "7", "Create a cluster");
        first.serial.expect("Name of the cluster:", LIMIT).unwrap();
        first.serial.type_line("example").unwrap();
        let token = first.serial.expect("postern1-", LIMIT).unwrap().trim().to_owned();
        choose(&mut second, "8", "Join a cluster");
        second.serial.expect("The token that another node printed:", LIMIT).unwrap();
        second.serial.type_line(&token).unwrap();
        second.serial.expect("Done.", LIMIT).unwrap();
        let machines = [first, second];
        let consoles = machines.each_ref().map(|machine| Console::log_in(machine, PASSWORD).unwrap());
        let pair = Self { machines, consoles };
        wait_until("both see both", LIMIT, || pair.consoles.iter().all(|c| connected(c) == 1)).unwrap();
        pair
    }

    /// These settings at the first one, and so at the second.
    fn put_settings(&self, backend: SocketAddr) {
        self.consoles[0].put_settings(&settings(backend.port())).unwrap();
        let port = |c: &Console| c.call("GET", "/settings", &[], "").unwrap()["settings"]["domains"][0]["backends"][0]["port"].clone();
        wait_until("the setting on the second node", LIMIT, || port(&self.consoles[1]) == backend.port()).unwrap();
    }
}

fn connected(console: &Console) -> usize {
    let members = console.call("GET", "/cluster", &[], "").unwrap();
    members["members"].as_array().unwrap().iter().filter(|m| m["this"] == false && m["connected"] == true).count()
}

/// A mail of the one that is lost is delivered by the other.
#[test]
fn two_machines_and_one_token() {
    let (folder, _alone) = artefacts_or_skip!();
    let scratch = tempfile::tempdir().unwrap();
    let pair = Pair::start(&artefact(&folder, ".qcow2").unwrap(), scratch.path());
    let nobody = free_address();
    pair.put_settings(nobody);
    let Pair { machines: [first, second], consoles } = pair;
    let reply = send(here(first.port(25)), "a@sender.example", &["b@here.example"], &plain_mail("of the lost one")).unwrap();
    assert!(reply.starts_with("250"), "{reply}");
    first.cut_power().unwrap();
    let sink = Backend::smtp(nobody).unwrap();
    consoles[1].call("DELETE", "/cluster/members/mx1.example.org", &[], "").unwrap();
    wait_until("the mail, from its copy", LIMIT, || sink.mails().iter().any(|m| m.data.contains("of the lost one"))).unwrap();
    drop(second);
}

/// Mails to whichever machine takes them, one after the other, until it is told to end; the subjects of those that got their 250.
fn senders(ports: [u16; 2]) -> (Sender<()>, JoinHandle<Vec<String>>) {
    let (stop, stopped) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        let mut accepted = Vec::new();
        for (n, port) in ports.into_iter().cycle().enumerate() {
            // The pace of the mails, and the end of them.
            if stopped.recv_timeout(Duration::from_secs(1)) != Err(RecvTimeoutError::Timeout) {
                break;
            }
            let subject = format!("meanwhile-{n}-end");
            let reply = send(here(port), "a@sender.example", &["b@here.example"], &plain_mail(&subject));
            if reply.is_ok_and(|r| r.starts_with("250")) {
                accepted.push(subject);
            }
        }
        accepted
    });
    (stop, thread)
}

/// One after the other is drained, restarts into the new system and is called good there, the one that leads last; mail goes on meanwhile.
#[test]
fn an_update_goes_from_machine_to_machine() {
    let (folder, _alone) = artefacts_or_skip!();
    let scratch = tempfile::tempdir().unwrap();
    let bundle = Bundle::of(&artefact(&folder, ".update").unwrap(), &scratch.path().join("good")).packed("0.1.1");
    let mut pair = Pair::start(&artefact(&folder, ".qcow2").unwrap(), scratch.path());
    let backend = free_address();
    let sink = Backend::smtp(backend).unwrap();
    pair.put_settings(backend);
    let (stop, sender) = senders(pair.machines.each_ref().map(|m| m.port(25)));

    let body = format!("@{}", bundle.display());
    pair.consoles[0].call("POST", "/cluster/update", &["content-type: application/octet-stream"], &body).unwrap();
    let steps = |console: &Console| console.call("GET", "/cluster/update", &[], "").unwrap();
    let mut seen = Vec::new();
    let second_is_updated = wait_until("the second one's new system to be good", UPDATE, || {
        let now = steps(&pair.consoles[0]);
        if seen.last() != Some(&now) {
            println!("{now}");
            seen.push(now.clone());
        }
        assert_ne!(now["state"], "failed", "{now}");
        now["nodes"][0]["step"] == "updated"
    });
    second_is_updated.unwrap();
    // It never was the turn of both.
    let is_idle = |step: &Value| ["waiting", "updated"].contains(&step.as_str().unwrap_or_default());
    assert!(seen.iter().all(|now| is_idle(&now["nodes"][0]["step"]) || is_idle(&now["nodes"][1]["step"])), "{seen:?}");
    assert_eq!(Ready::wait(&mut pair.machines[1]).unwrap().get("slot"), "b");
    assert_eq!(Ready::wait(&mut pair.machines[0]).unwrap().get("slot"), "b");
    let first = Console::log_in(&pair.machines[0], PASSWORD).unwrap();
    let outcome = || first.call("GET", "/system", &[], "").unwrap()["last_update"].clone();
    wait_until("the first one's new system to be good", UPDATE, || outcome()["outcome"] == "good").unwrap();
    assert_eq!(outcome()["to"], "0.1.1");
    wait_until("both together again", LIMIT, || connected(&first) == 1).unwrap();

    stop.send(()).unwrap();
    let accepted = sender.join().unwrap();
    println!("{} mails had their 250 meanwhile", accepted.len());
    assert!(accepted.len() > 20, "only {} mails were taken during the update", accepted.len());
    let all_came = wait_until("every accepted mail", LIMIT, || sink.lacks(&accepted).is_empty());
    all_came.unwrap_or_else(|e| panic!("{e}: lost {:?}", sink.lacks(&accepted)));
}
