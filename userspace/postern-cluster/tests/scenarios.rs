//! Single faults, one at a time.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use postern_cluster::ledger::bounds::OUTBOX_OCTETS;
use postern_cluster::ledger::fact::{CellKey, Health};
use postern_cluster::ledger::fact::{Counts, Fact, GreylistPass, QuarantineAction, QuarantineState};
use postern_cluster::ledger::kind::{Kind, KindSet};
use postern_cluster::ledger::members::Standing;
use postern_cluster::ledger::merge::Merged;
use postern_cluster::ledger::message::{Cause, Delta, Message};
use postern_cluster::ledger::oddity::Oddity;
use postern_cluster::ledger::origin::{Head, History, Life, NodeId, Origin};
use postern_cluster::ledger::row::{Bucket, Row};
use postern_cluster::sim::laws;
use postern_cluster::sim::storm::calm;
use postern_cluster::sim::workload::{KEEP, write_some};
use postern_cluster::sim::world::World;
use postern_model::id::MailId;

fn merged(world: &World, node: usize) -> Merged {
    let mut merged = Merged::default();
    for (origin, applied) in &world.nodes[node].applied {
        applied.values().for_each(|a| merged.absorb(*origin, a.at, &a.fact));
    }
    merged
}

fn cut(world: &mut World, a: usize, b: usize) {
    world.network.cuts.extend([(a, b), (b, a)]);
}

fn action(world: &World, node: usize, mail: MailId, state: QuarantineState) -> Fact {
    Fact::QuarantineAction((mail, state), QuarantineAction { at: world.wall(node), by: "alice".into() })
}

fn pass(world: &World, client: u8) -> Fact {
    Fact::GreylistPass([client; 16], GreylistPass { passed: world.wall(0) })
}

fn count(world: &World, node: usize, oddity: Oddity) -> u64 {
    world.nodes[node].ledger.as_ref().unwrap().counters().get(oddity)
}

fn head(world: &World, node: usize, origin: Origin) -> u64 {
    world.nodes[node].ledger.as_ref().unwrap().head(origin).seq
}

fn own(world: &World, node: usize) -> Origin {
    world.nodes[node].ledger.as_ref().unwrap().own()
}

#[test]
fn a_row_is_everywhere_within_50_ms_and_the_way() {
    let mut world = World::new(1, 3);
    world.run(Duration::from_secs(1));
    world.write(0, pass(&world, 1), KEEP).unwrap();
    // 50 ms of waiting for others, at most 20 ms on the way, at most 5 ms in the store.
    world.run(Duration::from_millis(80));
    for n in 0..3 {
        assert!(merged(&world, n).greylist_passed(&[1; 16]).is_some(), "node {n}");
    }
}

#[test]
fn a_partition_cannot_undo_a_release() {
    let mail = MailId::from_bytes([9; 16]);
    let mut world = World::new(2, 3);
    (0..2).for_each(|n| cut(&mut world, n, 2));
    world.write(0, action(&world, 0, mail, QuarantineState::Released), KEEP).unwrap();
    world.run(Duration::from_secs(30));
    world.write(2, action(&world, 2, mail, QuarantineState::Deleted), KEEP).unwrap();
    // The same node deletes what it released: that is another row.
    world.write(0, action(&world, 0, mail, QuarantineState::Deleted), KEEP).unwrap();
    world.run(Duration::from_secs(1));
    assert_eq!(merged(&world, 2).quarantine_state(mail), QuarantineState::Deleted);
    calm(&mut world).unwrap();
    for n in 0..3 {
        assert_eq!(merged(&world, n).quarantine_state(mail), QuarantineState::Released, "node {n}");
    }
}

#[test]
fn everything_twice_changes_nothing() {
    let mut world = World::new(3, 3);
    world.network.doubled = 1000;
    (0..3).for_each(|n| write_some(&mut world, n, 300));
    world.run(Duration::from_secs(30));
    laws::check(&world).unwrap();
    let octets: Vec<u8> = {
        let (origin, rows) = (own(&world, 0), world.nodes[0].store.rows().filter(|(o, _)| *o == own(&world, 0)));
        let page = world.nodes[0].store.read(origin, 0, 10_000, 1 << 30);
        let rows = rows.map(|(_, r)| r.clone()).collect();
        Message::Delta(Delta { cause: Cause::Push, origin, after: 0, rows, head: Some(page.head), history: page.history }).encode()
    };
    let before: Vec<Row> = world.nodes[1].store.rows().map(|(_, r)| r.clone()).collect();
    (0..3).for_each(|_| world.inject(0, 1, &octets));
    world.run(Duration::from_secs(1));
    assert_eq!(before, world.nodes[1].store.rows().map(|(_, r)| r.clone()).collect::<Vec<_>>());
    laws::check(&world).unwrap();
}

#[test]
fn a_slow_peer_fetches_later_and_memory_stays_bounded() {
    let mut world = World::new(4, 3);
    world.run(Duration::from_secs(1));
    world.network.rate = Some(10_000);
    for _ in 0..40 {
        write_some(&mut world, 0, 1000);
        world.run(Duration::from_millis(250));
    }
    assert!(count(&world, 0, Oddity::OutboxFull) > 0, "the outbox was never full: nothing was tested");
    assert!(world.network.most_waiting <= OUTBOX_OCTETS);
    calm(&mut world).unwrap();
}

#[test]
fn a_crash_in_the_middle_of_a_long_delta_leaves_nothing_half_done() {
    let mut world = World::new(5, 2);
    cut(&mut world, 0, 1);
    for _ in 0..20 {
        write_some(&mut world, 0, 2000);
        world.run(Duration::from_millis(200));
    }
    world.network.cuts.clear();
    world.network.rate = Some(200_000);
    let mut staged = 0;
    for _ in 0..400 {
        world.run(Duration::from_millis(50));
        staged = staged.max(world.nodes[1].store.staged());
        if staged > 2000 {
            break;
        }
    }
    assert!(staged > 2000, "no long delta was seen, but {staged} staged rows");
    assert_eq!(head(&world, 1, own(&world, 0)), 0, "nothing is claimed before the delta is complete");
    world.crash(1);
    world.start(1);
    assert_eq!(world.nodes[1].store.staged(), 0);
    calm(&mut world).unwrap();
}

#[test]
fn a_node_restored_from_a_backup_takes_a_new_incarnation_and_loses_nothing_that_others_have() {
    let mut world = World::new(6, 3);
    write_some(&mut world, 0, 100);
    world.run(Duration::from_secs(6));
    world.nodes[0].backup = Some(world.nodes[0].store.clone());
    // Node 1 hears what was written after the backup, node 2 does not.
    cut(&mut world, 0, 2);
    cut(&mut world, 1, 2);
    write_some(&mut world, 0, 50);
    world.run(Duration::from_secs(6));
    let old = own(&world, 0);
    assert_eq!((head(&world, 1, old), head(&world, 2, old)), (150, 100));
    // Restored, it meets node 2 first and writes more than it lost, under the same numbers.
    world.network.cuts.clear();
    cut(&mut world, 0, 1);
    cut(&mut world, 1, 2);
    world.restore(0);
    write_some(&mut world, 0, 120);
    world.run(Duration::from_secs(6));
    assert_eq!(own(&world, 0), old, "nobody it met could know");
    assert_eq!(head(&world, 2, old), 220);
    // Node 2 passes nothing wrong on to node 1, nor the other way.
    world.network.cuts.remove(&(1, 2));
    world.network.cuts.remove(&(2, 1));
    world.run(Duration::from_secs(12));
    assert_eq!((head(&world, 1, old), head(&world, 2, old)), (150, 220));
    assert!(count(&world, 1, Oddity::ForkedOrigin) > 0);
    calm(&mut world).unwrap();
    assert_ne!(own(&world, 0), old);
    assert_eq!(world.nodes[0].overtaken, 1);
    for n in 0..3 {
        assert_eq!((head(&world, n, old), head(&world, n, own(&world, 0))), (150, 221), "node {n}: 120 rows and the word on the void life");
    }
}

#[test]
fn a_count_is_neither_doubled_nor_lost_by_a_restore() {
    let mut world = World::new(7, 2);
    let add = |world: &mut World, good: u64| {
        let key = CellKey { subject: [1; 16], day: 20_000, life: world.nodes[0].ledger.as_ref().unwrap().life() };
        world.write(0, Fact::TokenCount(key, Counts { good, bad: 0 }), KEEP).unwrap();
        world.run(Duration::from_secs(6));
    };
    add(&mut world, 10);
    world.nodes[0].backup = Some(world.nodes[0].store.clone());
    add(&mut world, 15);
    cut(&mut world, 0, 1);
    world.restore(0);
    add(&mut world, 4);
    calm(&mut world).unwrap();
    for n in 0..2 {
        assert_eq!(merged(&world, n).token_count(([1; 16], 20_000)).good, 19, "node {n}");
    }
}

#[test]
fn what_is_over_is_gone_everywhere_and_a_late_peer_brings_nothing_back() {
    let mut world = World::new(8, 3);
    world.nodes[2].clock = -600_000;
    world.write(0, pass(&world, 1), Duration::from_secs(3600)).unwrap();
    world.write(0, pass(&world, 2), KEEP).unwrap();
    world.run(Duration::from_secs(6));
    (0..2).for_each(|n| cut(&mut world, n, 2));
    // Node 2 is down while the hour passes, and starts with what it had.
    world.crash(2);
    world.run(Duration::from_secs(2 * 3600 + 120));
    assert_eq!(world.nodes[0].store.rows().count(), 1);
    assert_eq!(world.nodes[2].store.rows().count(), 2);
    world.saved.clear(); // nothing asks for what is over
    calm(&mut world).unwrap();
    world.run(Duration::from_secs(120));
    for n in 0..3 {
        assert_eq!(world.nodes[n].store.rows().count(), 1, "node {n}");
    }
}

#[test]
fn an_expired_row_in_a_delta_is_dropped_and_the_delta_is_complete() {
    let mut world = World::new(9, 2);
    world.nodes[0].clock = -600_000;
    cut(&mut world, 0, 1);
    // By node 1's clock the hour ends ten minutes before it does by node 0's.
    let to_next_hour = 3_600_000 - world.wall(1).0.rem_euclid(3_600_000);
    world.write(0, pass(&world, 1), Duration::ZERO).unwrap();
    world.write(0, pass(&world, 2), KEEP).unwrap();
    let to_next_hour = Duration::from_millis(u64::try_from(to_next_hour).unwrap());
    world.run(to_next_hour + Duration::from_secs(60));
    world.network.cuts.clear();
    world.run(Duration::from_secs(12));
    assert_eq!(world.nodes[0].store.rows().count(), 2, "still there by its own clock");
    assert_eq!(world.nodes[1].store.rows().count(), 1);
    assert_eq!(head(&world, 1, own(&world, 0)), 2);
    assert!(count(&world, 1, Oddity::Expired) > 0);
}

#[test]
fn a_clock_an_hour_ahead_is_waited_for_and_its_rows_come_when_their_time_has_come() {
    let mut world = World::new(10, 2);
    world.nodes[0].clock = 3_600_000;
    world.write(0, pass(&world, 1), KEEP).unwrap();
    world.run(Duration::from_secs(300));
    assert_eq!(head(&world, 1, own(&world, 0)), 0);
    let refused = count(&world, 1, Oddity::FutureDated);
    assert!((1..=6).contains(&refused), "{refused}: asked again once a minute, not at each check");
    world.run(Duration::from_secs(46 * 60));
    assert_eq!(head(&world, 1, own(&world, 0)), 1);
}

#[test]
fn a_removed_node_is_not_heard_and_what_others_had_of_it_stays() {
    let mut world = World::new(11, 3);
    cut(&mut world, 0, 2);
    cut(&mut world, 1, 2);
    write_some(&mut world, 0, 50);
    world.run(Duration::from_secs(6));
    let (removed, id) = (own(&world, 0), world.nodes[0].id);
    for n in 1..3 {
        world.nodes[n].members.set(id, Standing::Removed);
        let members = world.nodes[n].members.clone();
        world.nodes[n].ledger.as_mut().unwrap().set_members(members);
    }
    world.network.cuts.clear();
    write_some(&mut world, 0, 50);
    world.run(Duration::from_secs(12));
    assert!(count(&world, 1, Oddity::NotAMember) > 0);
    assert_eq!((head(&world, 1, removed), head(&world, 2, removed)), (50, 50), "node 2 has it from node 1");
}

#[test]
fn rows_of_an_unknown_node_wait_for_the_member_list() {
    let mut world = World::new(12, 3);
    let stranger = world.nodes[2].id;
    let known = world.nodes[0].members.clone();
    world.crash(1);
    world.nodes[1].members = [world.nodes[0].id, world.nodes[1].id].into_iter().collect();
    world.start(1);
    write_some(&mut world, 2, 10);
    world.run(Duration::from_secs(12));
    let of_stranger = own(&world, 2);
    assert_eq!(of_stranger.node, stranger);
    assert_eq!((head(&world, 0, of_stranger), head(&world, 1, of_stranger)), (10, 0));
    assert!(count(&world, 1, Oddity::UnknownOrigin) > 0);
    world.nodes[1].members = known.clone();
    world.nodes[1].ledger.as_mut().unwrap().set_members(known);
    calm(&mut world).unwrap();
}

#[test]
fn an_unknown_kind_is_kept_passed_on_and_understood_after_the_upgrade() {
    let mut world = World::new(13, 3);
    // Node 1, of an earlier version, stands between the two others.
    world.crash(1);
    world.nodes[1].kinds = KindSet::ALL.without(Kind::Health);
    world.start(1);
    cut(&mut world, 0, 2);
    let at = world.wall(0);
    let health = Fact::Health((), Health { at, version: "2".into(), since: at, queued: 3, free: 4, trouble: vec![] });
    world.write(0, health, KEEP).unwrap();
    world.run(Duration::from_secs(12));
    let id = world.nodes[0].id;
    assert_eq!(merged(&world, 2).health(id).unwrap().queued, 3);
    assert_eq!(merged(&world, 1).health(id), None);
    assert!(count(&world, 1, Oddity::UnknownKind) > 0);
    world.crash(1);
    world.nodes[1].kinds = KindSet::ALL;
    world.start(1);
    assert_eq!(merged(&world, 1).health(id).unwrap().queued, 3);
}

#[test]
fn a_full_disk_on_one_node_does_not_hold_the_others() {
    let mut world = World::new(14, 3);
    world.nodes[1].store_fails = true;
    write_some(&mut world, 0, 100);
    write_some(&mut world, 1, 100);
    world.run(Duration::from_secs(12));
    let (a, b) = (own(&world, 0), own(&world, 1));
    assert_eq!((head(&world, 2, a), head(&world, 1, a), head(&world, 2, b)), (100, 0, 0));
    calm(&mut world).unwrap();
    assert_eq!(head(&world, 1, a), 100);
}

/// A push of node 0 to node 1 as a faulty build would make it.
fn push(world: &mut World, change: impl FnOnce(&mut Delta)) {
    let origin = own(world, 0);
    let at = world.wall(0);
    let (key, value) = pass(world, 7).encode().unwrap();
    let row = Row { seq: 5, kind: 4, key: key.into(), value: value.into(), at, bucket: Bucket::ending(at, KEEP), extra: vec![].into() };
    let mut history = History::default();
    history.begin(Life(77), 1);
    let head = Some(Head { seq: 5, life: Life(77) });
    let mut delta = Delta { cause: Cause::Push, origin, after: 0, rows: vec![row], head, history };
    change(&mut delta);
    world.inject(0, 1, &Message::Delta(delta).encode());
}

#[test]
fn what_a_faulty_peer_sends_is_refused_under_its_name() {
    type Change = fn(&mut Delta);
    let table: &[(Oddity, Change)] = &[
        (Oddity::IllTyped, |d| d.rows[0].value = vec![0xff; 3].into()),
        (Oddity::IllTyped, |d| d.rows[0].key = vec![1; 15].into()),
        (Oddity::Oversized, |d| d.rows[0].key = vec![1; 17].into()),
        (Oddity::Oversized, |d| d.rows[0].value = vec![0; 17].into()),
        (Oddity::Oversized, |d| d.rows[0].extra = vec![0; 5000].into()),
        (Oddity::Oversized, |d| {
            d.rows[0].kind = 999;
            d.rows[0].value = vec![0; 70_000].into();
        }),
        (Oddity::Outlives, |d| d.rows[0].bucket = Bucket(u32::MAX)),
        (Oddity::FutureDated, |d| {
            d.rows[0].at = d.rows[0].at + Duration::from_secs(16 * 60);
        }),
        (Oddity::Expired, |d| d.rows[0].bucket = Bucket(1)),
        (Oddity::UnknownKind, |d| d.rows[0].kind = 999),
        (Oddity::ForeignPush, |d| d.origin.node = NodeId([1; 16])),
        (Oddity::ImpossibleHead, |d| d.head = None),
        (Oddity::ImpossibleHead, |d| d.head = Some(Head { seq: u64::MAX, life: Life(77) })),
        (Oddity::ImpossibleHead, |d| d.history = History::default()),
        (Oddity::OutOfOrder, |d| d.rows.push(d.rows[0].clone())),
        (Oddity::OutOfOrder, |d| d.rows[0].seq = 6),
        (Oddity::Gap, |d| d.after = 3),
        (Oddity::Unasked, |d| d.cause = Cause::Answer(1)),
    ];
    for (oddity, change) in table {
        let mut world = World::new(15, 2);
        push(&mut world, change);
        assert_eq!(count(&world, 1, *oddity), 1, "{oddity}");
        world.run(Duration::from_secs(1));
        let kept = usize::from(*oddity == Oddity::UnknownKind);
        assert_eq!(world.nodes[1].store.rows().count(), kept, "{oddity}");
    }
    let mut world = World::new(15, 2);
    push(&mut world, |_| {});
    world.run(Duration::from_secs(1));
    assert_eq!(world.nodes[1].store.rows().count(), 1, "the push itself is sound");
}

#[test]
fn the_sixty_fifth_incarnation_of_a_node_is_not_taken() {
    let mut world = World::new(16, 2);
    for incarnation in 0..70 {
        push(&mut world, |d| d.origin.incarnation = incarnation);
        world.run(Duration::from_millis(20));
    }
    assert!(count(&world, 1, Oddity::TooManyOrigins) >= 5);
}

#[test]
fn nobody_writes_under_our_name() {
    let mut world = World::new(17, 2);
    let victim = own(&world, 1);
    push(&mut world, |d| d.origin = victim);
    assert_eq!(count(&world, 1, Oddity::ForeignPush), 1);
    world.run(Duration::from_secs(12));
    assert_eq!(world.nodes[1].store.rows().count(), 0);
}
