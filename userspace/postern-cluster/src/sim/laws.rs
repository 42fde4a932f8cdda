//! What must hold after the network has healed.

use std::collections::{BTreeMap, HashMap};

use super::world::{Slot, World};
use crate::ledger::fact::{Fact, QuarantineState};
use crate::ledger::kind::Kind;
use crate::ledger::merge::Merged;
use crate::ledger::origin::{Head, Origin};
use crate::ledger::row::{Bucket, Row};

/// All laws at once.
///
/// # Errors
/// Which one is broken, and where.
pub fn check(world: &World) -> Result<(), String> {
    same_rows(world)?;
    same_view(world)?;
    nothing_saved_is_lost(world)?;
    released_stays_released(world)
}

/// What a node has of everything.
struct Content<'a> {
    node: usize,
    vector: BTreeMap<Origin, Head>,
    rows: BTreeMap<(Origin, u64), &'a Row>,
}

/// All nodes have the same vector and the same rows.
///
/// # Errors
/// The first difference.
pub fn same_rows(world: &World) -> Result<(), String> {
    let now = latest_bucket(world);
    let mut first: Option<Content> = None;
    for (n, node) in world.nodes.iter().enumerate() {
        let Some(ledger) = &node.ledger else { continue };
        let vector: BTreeMap<Origin, Head> = ledger.vector().collect();
        let rows = node.store.living(now);
        match &first {
            None => first = Some(Content { node: n, vector, rows }),
            Some(Content { node: f, vector: their_vector, rows: their_rows }) => {
                let differs = |o: &&Origin| vector.get(o) != their_vector.get(o);
                if let Some(origin) = vector.keys().chain(their_vector.keys()).find(differs) {
                    let (a, b) = (their_vector.get(origin), vector.get(origin));
                    return Err(format!("heads of {origin:?}: node {f} has {a:?}, node {n} has {b:?}"));
                }
                let differs = |k: &&(Origin, u64)| rows.get(k) != their_rows.get(k);
                if let Some(key) = rows.keys().chain(their_rows.keys()).find(differs) {
                    return Err(format!("row {key:?}: node {f} has {:?}, node {n} has {:?}", their_rows.get(key), rows.get(key)));
                }
            }
        }
        if node.store.staged() > 0 {
            return Err(format!("node {n} has {} staged rows left", node.store.staged()));
        }
    }
    Ok(())
}

/// All rows merge to the same, and what the applications were told merges to it too.
///
/// # Errors
/// Who sees something else.
pub fn same_view(world: &World) -> Result<(), String> {
    let now = latest_bucket(world);
    let mut first: Option<Merged> = None;
    for (n, node) in world.nodes.iter().enumerate().filter(|(_, node)| node.ledger.is_some()) {
        let (mut stored, mut known, mut told) = (Merged::default(), Merged::default(), Merged::default());
        for ((origin, _), row) in node.store.living(now) {
            let kind = Kind::from_number(row.kind);
            let Some(fact) = kind.and_then(|k| Fact::decode(k, &row.key.0, &row.value.0)) else { continue };
            stored.absorb(origin, row.at, &fact);
            if node.kinds.contains(fact.kind()) {
                known.absorb(origin, row.at, &fact);
            }
        }
        // Of the rows told, only what is still the newest of its key counts for its origin.
        for (origin, applied) in &node.applied {
            let mut newest = HashMap::new();
            for one in applied.values().filter(|a| !a.bucket.is_over(now)) {
                newest.insert((one.fact.kind(), one.fact.encode().map(|(key, _)| key)), one);
            }
            newest.values().for_each(|one| told.absorb(*origin, one.at, &one.fact));
        }
        if told != known {
            return Err(format!("node {n} told its application something else than it stores"));
        }
        if first.get_or_insert_with(|| stored.clone()) != &stored {
            return Err(format!("node {n} merges to something else"));
        }
    }
    Ok(())
}

/// Each node has the newest durable write of every writer, kind and key.
///
/// # Errors
/// What is lost, and where.
pub fn nothing_saved_is_lost(world: &World) -> Result<(), String> {
    for (n, node) in world.nodes.iter().enumerate().filter(|(_, node)| node.ledger.is_some()) {
        let held = held_by(world, n);
        for (slot, written) in &world.saved {
            let Some(newest) = written.iter().rposition(|w| !w.excused) else { continue };
            if held.get(slot).is_none_or(|h| *h < newest) {
                let name = Kind::from_number(slot.1).map_or("?", Kind::name);
                return Err(format!("node {n} lost a {name} of {:?}: has {:?} of {newest}", slot.0, held.get(slot)));
            }
        }
        if node.store_fails {
            return Err(format!("node {n} was not healed"));
        }
    }
    Ok(())
}

/// A mail that was released anywhere is released everywhere.
///
/// # Errors
/// Where it is not.
pub fn released_stays_released(world: &World) -> Result<(), String> {
    for (n, node) in world.nodes.iter().enumerate().filter(|(_, node)| node.ledger.is_some()) {
        let mut merged = Merged::default();
        for (origin, row) in node.store.rows() {
            if let Some(fact) = Kind::from_number(row.kind).and_then(|k| Fact::decode(k, &row.key.0, &row.value.0)) {
                merged.absorb(origin, row.at, &fact);
            }
        }
        for ((_, kind, key), written) in &world.saved {
            if *kind != Kind::QuarantineAction.number() || written.iter().all(|w| w.excused) {
                continue;
            }
            let Ok((mail, state)) = postcard::from_bytes::<(_, QuarantineState)>(key) else { continue };
            if merged.quarantine_state(mail) < state {
                return Err(format!("node {n} un-did {state:?} of {mail}"));
            }
        }
    }
    Ok(())
}

/// After a disk was replaced by its backup: durable writes that are on no disk any more are lost, and no law can ask for them.
pub fn excuse_lost(world: &mut World) {
    let mut held: HashMap<Slot, usize> = HashMap::new();
    for n in 0..world.len() {
        for (slot, index) in held_by(world, n) {
            let most = held.entry(slot).or_insert(index);
            *most = index.max(*most);
        }
    }
    for (slot, written) in &mut world.saved {
        let from = held.get(slot).map_or(0, |index| index + 1);
        written[from..].iter_mut().for_each(|w| w.excused = true);
    }
}

/// The newest write a node's store holds, by its place in [`World::saved`].
fn held_by(world: &World, node: usize) -> HashMap<Slot, usize> {
    let mut held = HashMap::new();
    for (origin, row) in world.nodes[node].store.rows() {
        let slot: Slot = (origin.node, row.kind, row.key.0.to_vec());
        let written = world.saved.get(&slot);
        if let Some(index) = written.and_then(|w| w.iter().rposition(|w| *w.value == *row.value.0)) {
            let most = held.entry(slot).or_insert(index);
            *most = index.max(*most);
        }
    }
    held
}

/// The hour of the clock that is furthest ahead.
fn latest_bucket(world: &World) -> Bucket {
    (0..world.len()).map(|n| Bucket::of(world.wall(n))).max().unwrap_or(Bucket(0))
}
