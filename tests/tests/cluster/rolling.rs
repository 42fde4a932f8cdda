//! An update of all nodes, one after the other. Nodes, mail and cluster are real; the machines under them are played: what the role `os`
//! of an appliance would answer, and a restart of the node where the machine would restart.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use postern_tests::cluster::load::Load;
use postern_tests::cluster::nodes::{Cluster, Options};
use postern_tests::gateway::wait_until;
use serde_json::{Value, json};

use crate::world::*;

/// More than two pieces in which a bundle travels.
const BUNDLE: usize = 20 << 20;

/// What a machine knows that outlives its node.
#[derive(Clone, Debug)]
struct Machine {
    version: String,
    update: Value,
    last_update: Value,
    /// Octets of the bundle that it was told to write.
    taken: usize,
}

struct Machines {
    all: Vec<Arc<Mutex<Machine>>>,
    restarts: Receiver<usize>,
}

impl Machines {
    fn start(cluster: &Cluster) -> Self {
        let (wants, restarts) = channel();
        let machine = Machine { version: "1.0.0".into(), update: json!({ "state": "none" }), last_update: Value::Null, taken: 0 };
        let all: Vec<_> = cluster.nodes.iter().map(|_| Arc::new(Mutex::new(machine.clone()))).collect();
        for (number, node) in cluster.nodes.iter().enumerate() {
            let listener = UnixListener::bind(node.data.join("run/os.sock")).unwrap();
            let (machine, wants) = (Arc::clone(&all[number]), wants.clone());
            std::thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    let mut line = String::new();
                    if BufReader::new(&stream).read_line(&mut line).is_ok() {
                        let reply = answer(&mut machine.lock().unwrap(), &serde_json::from_str(&line).unwrap(), number, &wants);
                        let _ = (&stream).write_all(format!("{reply}\n").as_bytes());
                    }
                }
            });
        }
        Self { all, restarts }
    }

    /// Restarts whoever is to restart, until `is_over`; `falls_back` names the machine whose new system is no good.
    fn restart(&self, cluster: &mut Cluster, falls_back: Option<usize>, mut is_over: impl FnMut(&Cluster) -> bool) -> Vec<usize> {
        let mut order = Vec::new();
        wait_until("the end of the rolling update", LIMIT * 6, || {
            while let Ok(node) = self.restarts.try_recv() {
                order.push(node);
                let others = (0..3).filter(|n| *n != node && cluster.nodes[*n].process.is_some()).count();
                assert_eq!(others, 2, "node {node} restarts while another is away");
                cluster.stop(node).unwrap();
                let mut machine = self.all[node].lock().unwrap();
                let to = machine.last_update["to"].as_str().unwrap().to_owned();
                if falls_back == Some(node) {
                    machine.last_update["outcome"] = "fell-back".into();
                    machine.last_update["why"] = "eth0 is not guarded".into();
                } else {
                    machine.version.clone_from(&to);
                    machine.last_update["outcome"] = "good".into();
                }
                machine.update = json!({ "state": "none" });
                drop(machine);
                cluster.start(node).unwrap();
            }
            is_over(cluster)
        })
        .unwrap();
        order
    }

    fn versions(&self) -> Vec<String> {
        self.all.iter().map(|m| m.lock().unwrap().version.clone()).collect()
    }
}

fn answer(machine: &mut Machine, request: &Value, number: usize, wants: &Sender<usize>) -> Value {
    let version = |path: &Value| {
        let bundle = fs::read(Path::new(path.as_str().unwrap())).unwrap();
        (String::from_utf8_lossy(&bundle[..5]).into_owned(), bundle.len())
    };
    match request["do"].as_str().unwrap() {
        "status" => {
            let status = json!({
                "version": machine.version, "medium": "a", "data": "kept", "firmware": "uefi", "slots": [], "trouble": null,
                "guarded": ["eth0 native"], "update": machine.update, "last_update": machine.last_update
            });
            json!({ "reply": "status", "status": status })
        }
        "check-update" => match version(&request["bundle"]).0.as_str() {
            "0.9.0" => json!({ "reply": "refused", "why": "the update has version 0.9.0, which is older than this one, 1.0.0" }),
            good => json!({ "reply": "text", "text": good }),
        },
        "update" => {
            let (to, taken) = version(&request["bundle"]);
            machine.taken = taken;
            machine.update = json!({ "state": "ready", "version": to });
            machine.last_update = json!({ "from": machine.version, "to": to, "slot": "b", "outcome": "trial" });
            json!({ "reply": "done" })
        }
        "reboot" => {
            wants.send(number).unwrap();
            json!({ "reply": "done" })
        }
        other => panic!("{other}"),
    }
}

fn bundle(folder: &Path, version: &str) -> PathBuf {
    let path = folder.join(format!("{version}.update"));
    let mut octets = version.as_bytes().to_vec();
    octets.resize(BUNDLE, b'x');
    fs::write(&path, octets).unwrap();
    path
}

/// `postern cluster update FILE`, as a person starts it.
fn begin(cluster: &Cluster, bundle: &Path) -> std::process::Child {
    let socket = cluster.nodes[0].data.join("run/node.sock");
    let mut command = std::process::Command::new(cluster.binary());
    command.args(["cluster", "update"]).arg(bundle).arg("--socket").arg(socket);
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap()
}

fn steps(cluster: &Cluster) -> HashMap<String, String> {
    let view = cluster.api(0).get("/cluster/update").unwrap_or_default();
    let nodes = view["nodes"].as_array().cloned().unwrap_or_default();
    nodes.iter().map(|n| (n["name"].as_str().unwrap().to_owned(), n["step"].as_str().unwrap().to_owned())).collect()
}

#[test]
fn all_nodes_are_updated_one_after_the_other_under_load() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut cluster) = cluster(folder.path(), 3, Options::default()) else { return };
    let machines = Machines::start(&cluster);

    let older = begin(&cluster, &bundle(folder.path(), "0.9.0")).wait_with_output().unwrap();
    let words = String::from_utf8_lossy(&older.stderr).into_owned();
    assert!(!older.status.success() && words.contains("older than this one"), "{words}");

    let load = Load::start(cluster.client(), cluster.doors(), 6, std::time::Duration::from_millis(20), 2048).unwrap();
    flows(&load, 20);
    let mut update = begin(&cluster, &bundle(folder.path(), "1.1.0"));
    let order = machines.restart(&mut cluster, None, |_| machines.versions().iter().all(|v| v == "1.1.0"));
    said(&format!("restarted in the order {order:?}"));
    assert_eq!(order, [1, 2, 0], "who leads comes last");
    assert!(machines.all.iter().all(|m| m.lock().unwrap().taken == BUNDLE), "each took the whole bundle");
    assert!(update.wait().unwrap().success());
    let unanswered = load.account().unanswered.len();
    let _logs = Logs(&cluster);
    settle(&cluster, load, &[]);
    assert_eq!(unanswered, 0, "an update broke a mail in the middle");
}

#[test]
fn it_stops_at_the_first_node_whose_new_system_is_no_good() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut cluster) = cluster(folder.path(), 3, Options::default()) else { return };
    let machines = Machines::start(&cluster);
    let update = begin(&cluster, &bundle(folder.path(), "1.1.0"));
    let order = machines.restart(&mut cluster, Some(1), |c| c.api(0).get("/cluster/update").is_ok_and(|v| v["state"] == "failed"));
    let view = cluster.api(0).get("/cluster/update").unwrap();
    assert_eq!(order, [1], "{view}");
    assert_eq!(view["why"], "node1.example: it went back by itself: eth0 is not guarded", "{view}");
    assert_eq!(machines.versions(), ["1.0.0", "1.0.0", "1.0.0"]);
    assert_eq!(steps(&cluster)["node2.example"], "waiting");
    let ended = update.wait_with_output().unwrap();
    assert!(!ended.status.success() && String::from_utf8_lossy(&ended.stderr).contains("eth0 is not guarded"));

    // Mended, and asked again: all of them.
    machines.all[1].lock().unwrap().last_update = Value::Null;
    wait_until("all to serve", LIMIT, || cluster.sees(0, 1) && cluster.sees(0, 2)).unwrap();
    let mut update = begin(&cluster, &bundle(folder.path(), "1.1.0"));
    machines.restart(&mut cluster, None, |_| machines.versions().iter().all(|v| v == "1.1.0"));
    assert!(update.wait().unwrap().success());
}

#[test]
fn without_machines_it_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let Some(cluster) = cluster(folder.path(), 2, Options::default()) else { return };
    let ended = begin(&cluster, &bundle(folder.path(), "1.1.0")).wait_with_output().unwrap();
    let words = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(!ended.status.success() && words.contains("this works on the appliance only"), "{words}");
}
