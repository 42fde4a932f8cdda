//! Rows as a cluster writes them, drawn from a seed: new keys and keys that are written over and over.

use std::time::Duration;

use postern_model::id::MailId;
use postern_model::score::Score;
use postern_model::time::Timestamp;
use rand::Rng;

use super::world::World;
use crate::ledger::fact::{
    Ban, CellKey, Counts, Danger, Fact, GreylistPass, Health, QuarantineAction, QuarantineEntry, QuarantineState, SandboxReport,
    SandboxVerdict, Sightings, UserLocation,
};
use crate::ledger::origin::Life;

/// Longer than any run.
pub const KEEP: Duration = Duration::from_secs(20 * 3600);

/// Writes some rows on a node that is up; what it does not take is not counted as written.
pub fn write_some(world: &mut World, node: usize, rows: usize) {
    for _ in 0..rows {
        let Some(life) = world.nodes[node].ledger.as_ref().map(|l| l.life()) else { return };
        let fact = draw(world, node, life);
        if !world.nodes[node].kinds.contains(fact.kind()) {
            continue; // a build writes what it knows
        }
        // A full backlog is the node's own word; nothing was promised.
        let _ = world.write(node, fact, KEEP);
    }
}

fn draw(world: &mut World, node: usize, life: Life) -> Fact {
    let at = world.wall(node);
    // Rises, as a counter does; never twice the same, so that the laws can tell one write from another.
    world.drawn += 1;
    let count = u64::from(world.drawn);
    let rng = &mut world.rng;
    let subject = [rng.random_range(0..12u8); 16];
    let cell = CellKey { subject, day: 20_000, life };
    // Few mails, so that several nodes act on the same one.
    let mail = MailId::new(Timestamp(1_790_000_000_000), rng.random_range(0..40));
    match rng.random_range(0..12) {
        0 => Fact::QuarantineEntry(MailId::new(at, rng.random()), entry(at, rng.random_range(0..300))),
        1 => Fact::QuarantineAction((mail, QuarantineState::Released), QuarantineAction { at, by: format!("admin {count}") }),
        2 => Fact::QuarantineAction((mail, QuarantineState::Deleted), QuarantineAction { at, by: format!("admin {count}") }),
        3 => {
            let length = if rng.random_range(0..4) == 0 { 0 } else { rng.random_range(1..600) };
            Fact::Ban(std::net::IpAddr::from([192, 0, 2, subject[0]]).into(), ban(at, length, count))
        }
        4 => Fact::GreylistPass(subject, GreylistPass { passed: Timestamp(1_790_000_000_000 + i64::from(world.drawn)) }),
        5 => Fact::Reputation(cell, Counts { good: count, bad: 0 }),
        6 => Fact::TokenCount(cell, Counts { good: 0, bad: count }),
        7 => Fact::OutbreakFingerprint(cell, Sightings { first: at, last: at, count }),
        8 => Fact::SandboxVerdict(
            [subject[0]; 32],
            SandboxVerdict { danger: Danger::Suspicious, at, engine: format!("{count}"), name: None },
        ),
        10 => Fact::SandboxReport([subject[0]; 32], SandboxReport { at, report: format!("{{\"parts\":[{count}]}}").into_bytes().into() }),
        9 => Fact::UserLocation(format!("user{}@example.org", subject[0]), UserLocation { seen: at, place: format!("{count}") }),
        _ => Fact::Health((), Health { at, version: "1".into(), since: at, queued: count, free: 1, trouble: Vec::new() }),
    }
}

fn entry(at: Timestamp, text: usize) -> QuarantineEntry {
    QuarantineEntry {
        at,
        sender: "sender@example.net".into(),
        recipients: vec!["user@example.org".into()],
        from_header: Some("Sender <sender@example.net>".into()),
        subject: Some("s".repeat(text)),
        score: Score::new(7.5),
        reason: "score-quarantine".into(),
        size: 4321,
        expires: at + KEEP,
    }
}

fn ban(from: Timestamp, seconds: u64, count: u64) -> Ban {
    Ban {
        from,
        until: from + Duration::from_secs(seconds),
        reason: "pregreet".into(),
        count: 1,
        by: "node".into(),
        evidence: format!("{count}"),
    }
}
