//! The guided tour of a cluster: each step is done, looked at, and said.

use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use super::load::Load;
use super::nodes::Cluster;
use crate::gateway::wait_until;

const SOON: Duration = Duration::from_secs(10);
/// A link that is silent is given up after four seconds; a node that comes back is dialed again at most some seconds later.
const LINKS: Duration = Duration::from_secs(30);
/// What the tour changes, and how it is written with slashes.
const SETTING: (&str, &str) = ("smtp.limits.max_recipients", "/smtp/limits/max_recipients");
const OTHER: (&str, &str) = ("filter.thresholds.quarantine", "/filter/thresholds/quarantine");

/// Goes through the tour with three nodes that are united; `say` is given each line.
///
/// # Errors
/// When something is not as the tour says; the error names the step.
pub fn guide(cluster: &mut Cluster, say: &mut dyn FnMut(&str)) -> anyhow::Result<()> {
    let load = Load::start(cluster.client(), cluster.doors(), 2, Duration::from_millis(100), 2048)?;
    say("Some mails a second come in, spread over all nodes.");
    change_on_one(cluster, say).context("a change on one node")?;
    cut_and_heal(cluster, say).context("a cut, and changes on both sides")?;
    conflict(cluster, say).context("a conflict")?;
    kill_one(cluster, &load, say).context("a node is killed")?;
    let account = load.stop();
    wait_until("all mails at the mail server", LINKS, || account.arrived(&cluster.backend.mails()) == account.taken.len())?;
    let outcome = account.settle(&cluster.backend.mails());
    say(&format!(
        "{} mails were answered with 250. Lost: {}. Delivered twice: {}.",
        outcome.taken,
        outcome.lost.len(),
        outcome.twice.len()
    ));
    Ok(())
}

fn change_on_one(cluster: &Cluster, say: &mut dyn FnMut(&str)) -> anyhow::Result<()> {
    say(&format!("1. On node 0: postern settings set {} 321", SETTING.0));
    cluster.api(0).set(SETTING.0, json!(321))?;
    for node in 1..cluster.nodes.len() {
        let took = shows(cluster, node, SETTING.1, &json!(321))?;
        say(&format!("   Node {node} has it, {} ms later.", took.as_millis()));
    }
    Ok(())
}

fn cut_and_heal(cluster: &Cluster, say: &mut dyn FnMut(&str)) -> anyhow::Result<()> {
    say("2. Node 0 is cut off from the others.");
    let others: Vec<usize> = (1..cluster.nodes.len()).collect();
    others.iter().for_each(|n| cluster.network.cut(0, *n));
    wait_until("the cut to be noticed", LINKS, || others.iter().all(|n| !cluster.sees(0, *n) && !cluster.sees(*n, 0)))?;
    say("   All say so. Both sides take mail, and both sides can be changed:");
    cluster.api(0).set(SETTING.0, json!(400))?;
    say(&format!("   On node 0:  {} = 400", SETTING.0));
    cluster.api(1).set("greylist.delay", json!("7m"))?;
    say("   On node 1:  greylist.delay = 7m");
    ensure!(cluster.api(1).setting(SETTING.1)? == json!(321), "node 1 cannot know of the change yet");
    cluster.network.heal();
    say("   The cut is over.");
    for node in 0..cluster.nodes.len() {
        shows(cluster, node, SETTING.1, &json!(400))?;
        shows(cluster, node, "/greylist/delay", &json!("7m"))?;
    }
    say("   All nodes have both changes.");
    wait_until("connections again", LINKS, || others.iter().all(|n| cluster.sees(0, *n) && cluster.sees(*n, 0)))?;
    Ok(())
}

fn conflict(cluster: &Cluster, say: &mut dyn FnMut(&str)) -> anyhow::Result<()> {
    say(&format!("3. Another cut, and the same setting on both sides: {} is 7 on node 0 and 9 on node 1.", OTHER.0));
    let others: Vec<usize> = (1..cluster.nodes.len()).collect();
    others.iter().for_each(|n| cluster.network.cut(0, *n));
    // Nobody needs to have noticed the cut: the changes do not know of each other.
    cluster.api(0).set(OTHER.0, json!(7.0))?;
    cluster.api(1).set(OTHER.0, json!(9.0))?;
    cluster.network.heal();
    let one = |node: usize| cluster.api(node).setting(OTHER.1).unwrap_or_default();
    wait_until("conflicts on all nodes", LINKS, || (0..cluster.nodes.len()).all(|n| !conflicts(cluster, n).is_empty()))?;
    wait_until("the same value on all nodes", LINKS, || (1..cluster.nodes.len()).all(|n| one(n) == one(0)))?;
    for conflict in conflicts(cluster, 0) {
        let values: Vec<String> = conflict["values"].as_array().into_iter().flatten().map(|v| v["value"].to_string()).collect();
        say(&format!(
            "   `postern cluster conflicts` on every node: {}: {}",
            conflict["path"].as_str().unwrap_or("?"),
            values.join(" or ")
        ));
    }
    say(&format!("   The same one is in force everywhere: {}. Setting it once more ends the conflict:", one(0)));
    cluster.api(2 % cluster.nodes.len()).set(OTHER.0, json!(8.5))?;
    wait_until("no conflicts any more", LINKS, || {
        (0..cluster.nodes.len()).all(|n| conflicts(cluster, n).is_empty() && one(n) == json!(8.5))
    })?;
    say("   8.5 on all nodes, and no conflict.");
    Ok(())
}

fn kill_one(cluster: &mut Cluster, load: &Load, say: &mut dyn FnMut(&str)) -> anyhow::Result<()> {
    let victim = cluster.nodes.len() - 1;
    say(&format!("4. kill -9 of node {victim}."));
    let before = load.account().taken.len();
    cluster.kill(victim)?;
    wait_until("the death to be noticed", LINKS, || !cluster.sees(0, victim))?;
    wait_until("mail to go on", LINKS, || load.account().taken.len() > before + 20)?;
    say(&format!("   The others say that it is gone, and took {} mails since.", load.account().taken.len() - before));
    cluster.start(victim)?;
    wait_until("it to be back", LINKS, || cluster.sees(0, victim) && cluster.sees(victim, 0))?;
    say("   Started again: it is connected, and delivers what it had taken.");
    Ok(())
}

/// What `postern cluster conflicts` shows on a node.
pub fn conflicts(cluster: &Cluster, node: usize) -> Vec<Value> {
    let answer = cluster.api(node).get("/cluster/conflicts").unwrap_or_default();
    answer["conflicts"].as_array().cloned().unwrap_or_default()
}

/// Waits until a node shows a setting, and says how long that took.
fn shows(cluster: &Cluster, node: usize, pointer: &str, value: &Value) -> anyhow::Result<Duration> {
    let api = cluster.api(node);
    wait_until(&format!("{pointer} = {value} on node {node}"), SOON, || api.setting(pointer).is_ok_and(|v| v == *value))
}
