//! `postern os seed`, and what the appliance's units do with a seed: the machine's part before the network is there, the node's
//! part once the node answers. What a seed says is `postern_os::seed`'s.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use hyper::Method;
use postern_os::apply;
use postern_os::consoles::say;
use postern_os::plan::Plan;
use postern_os::role::{DATA, MACHINE, SEED_LOOKED, SEED_PENDING, SEED_RESULT};
use postern_os::seed::network::Card;
use postern_os::seed::outcome::{Outcome, Progress};
use postern_os::seed::pending::{self, NodePart, Step};
use postern_os::seed::{Seed, volume};
use postern_os::setup;
use postern_os::systemd::systemctl;
use serde_json::Value;

use super::client::{CommandError, Node};
use super::os::failed;
use super::output;

const AGAIN: Duration = Duration::from_secs(5);
/// A token of a cluster is good for an hour unless it was made for longer; what a day of trying did not do, a person must.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);

/// `NAME=MAC`.
pub fn card(text: &str) -> Result<Card, String> {
    let (name, mac) = text.split_once('=').ok_or("write it as in eth0=52:54:00:12:34:56")?;
    Ok(Card { name: name.into(), mac: mac.to_ascii_lowercase() })
}

/// Shows what a seed would do; for whoever writes one.
pub fn check(path: &Path, given: Vec<Card>) -> Result<(), CommandError> {
    let files = if path.is_dir() { volume::folder(path) } else { volume::single(path) };
    let cards = if given.is_empty() { volume::cards(Path::new("/sys/class/net")) } else { given };
    match files.and_then(|files| Seed::read(&files, &cards)).map_err(failed)? {
        Some(seed) => output::text(&output::plain(&seed.summary().map_err(failed)?, true)),
        None => output::text("nobody filled it in: the console menu would ask"),
    }
    Ok(())
}

/// Before the network, on a machine that was never set up. A seed that is refused is no failed unit: the console menu asks.
pub fn take() -> Result<(), CommandError> {
    if Path::new(MACHINE).exists() {
        return Ok(());
    }
    let taken = look_and_take();
    std::fs::write(SEED_LOOKED, "").map_err(CommandError::Local)?;
    taken
}

fn look_and_take() -> Result<(), CommandError> {
    std::fs::create_dir_all(DATA).map_err(CommandError::Local)?;
    // A seed that was cut off before the machine was named: it is read anew.
    NodePart::default().keep(Path::new(SEED_PENDING)).map_err(failed)?;
    let cards = volume::cards(Path::new("/sys/class/net"));
    let refused = |source: String, why: String| {
        say(&format!("POSTERN SEED REFUSED {}", output::plain(&format!("{source}: {why}"), false)));
        say("Nothing of it is in force: mend it and restart, or answer the console menu.");
        Outcome::refused(source, why).keep(Path::new(SEED_RESULT)).map_err(failed)
    };
    let (source, seed) = match volume::find(&cards) {
        Ok(Some(found)) => found,
        Ok(None) => return Ok(()),
        Err(refusal) => return refused(refusal.source_words, refusal.why.to_string()),
    };
    let plan = Plan::new(&seed.machine);
    // It looks whether there is such a time zone before it writes anything.
    if let Err(why) = apply::files(&plan, Path::new("/")) {
        return refused(source, why.to_string());
    }
    let outcome = Outcome::taken(source, seed.instance.clone(), seed.remarks.clone(), &seed.node);
    seed.node.keep(Path::new(SEED_PENDING)).map_err(failed)?;
    outcome.keep(Path::new(SEED_RESULT)).map_err(failed)?;
    // The last one: from here on the machine was set up.
    apply::keep(Path::new(MACHINE), &setup::rendered(&seed.machine).map_err(failed)?).map_err(failed)?;
    apply::hostname(&plan).map_err(failed)?;
    rename_cards(&seed, &cards);
    // It starts meanwhile, under the name that the machine had.
    if plan.hostname.is_some()
        && let Err(why) = systemctl(&["--no-block", "try-restart", apply::NODE])
    {
        say(&format!("{why}: it greets by the machine's old name until it restarts"));
    }
    say(&format!("POSTERN SEED TAKEN {}", output::plain(&outcome.source, false)));
    for remark in &outcome.remarks {
        say(&output::plain(remark, false));
    }
    Ok(())
}

/// udev gave the cards their names already; it looks again. What it cannot do now (two cards that change names) it does at the
/// next boot, so this is said and is no reason to refuse a seed that was taken.
fn rename_cards(seed: &Seed, cards: &[Card]) {
    let is_renamed = |i: &&postern_os::machine::Interface| cards.iter().any(|c| Some(&c.mac) == i.mac.as_ref() && c.name != i.name);
    if !seed.machine.interfaces.iter().any(|i| is_renamed(&i)) {
        return;
    }
    let steps: [&[&str]; 3] =
        [&["control", "--reload"], &["trigger", "--action=add", "--subsystem-match=net"], &["settle", "--timeout=30"]];
    for arguments in steps {
        let done = Command::new("udevadm").args(arguments).status().is_ok_and(|s| s.success());
        if !done {
            say(&format!("udevadm {} failed: new names of cards come with the next boot", arguments.join(" ")));
            return;
        }
    }
}

/// Tells the node its part, one step after the other, until it took all of it.
pub async fn finish(node: &Node) -> Result<(), CommandError> {
    let Some(mut part) = NodePart::open(Path::new(SEED_PENDING)).map_err(failed)? else { return Ok(()) };
    let mut outcome = Outcome::open(Path::new(SEED_RESULT)).unwrap_or_default();
    let began = Instant::now();
    while let Some(step) = part.next() {
        let progress = match carry_out(node, &part, step).await {
            Ok(()) => {
                part.done(step);
                part.keep(Path::new(SEED_PENDING)).map_err(failed)?;
                Progress::Done
            }
            Err(CommandError::NotRunning { .. }) => Progress::Waiting,
            Err(why) => Progress::Refused(output::plain(&why.to_string(), false)),
        };
        let is_done = progress == Progress::Done;
        let words = match &progress {
            Progress::Refused(why) => format!("POSTERN SEED {step}: {why} (tried again)"),
            _ => format!("POSTERN SEED {step}: done"),
        };
        if outcome.note(step, progress) && outcome.node.iter().any(|s| s.step == step && s.progress != Progress::Waiting) {
            say(&words);
        }
        outcome.keep(Path::new(SEED_RESULT)).map_err(failed)?;
        if is_done {
            continue;
        }
        if began.elapsed() > PATIENCE {
            return give_up(&part, outcome);
        }
        tokio::time::sleep(AGAIN).await;
    }
    Ok(())
}

/// Secrets do not wait for ever.
fn give_up(part: &NodePart, mut outcome: Outcome) -> Result<(), CommandError> {
    let mut left = part.clone();
    while let Some(step) = left.next() {
        let last = outcome.node.iter().find(|s| s.step == step).map(|s| s.progress.clone());
        let why = if let Some(Progress::Refused(why)) = last { why } else { "its turn did not come".into() };
        outcome.note(step, Progress::GivenUp(why));
        left.done(step);
    }
    NodePart::default().keep(Path::new(SEED_PENDING)).map_err(failed)?;
    outcome.keep(Path::new(SEED_RESULT)).map_err(failed)?;
    say("POSTERN SEED given up: do the rest in the console (postern os status says what)");
    Ok(())
}

async fn carry_out(node: &Node, part: &NodePart, step: Step) -> Result<(), CommandError> {
    let settings = if step == Step::Domains { node.get("/settings").await?["settings"].clone() } else { Value::Null };
    let cluster = if step == Step::JoinCluster { node.get("/cluster").await? } else { Value::Null };
    for request in part.requests(step, &settings, &cluster) {
        let method = match request.method {
            pending::Method::Put => Method::PUT,
            pending::Method::Patch => Method::PATCH,
            pending::Method::Post => Method::POST,
        };
        node.send(method, request.path, Some(("application/json", request.body.to_string().into())), &[]).await?;
    }
    Ok(())
}
