//! Messages of a member to the replication core, each behind its length in two octets: what is understood reads the same when it is
//! written again, and a core that is given all of them stays within its bounds. A member's key is proven, so it is the worst
//! that can send these.

use std::time::Duration;

use postern_cluster::ledger::bounds::{MESSAGE_OCTETS, OUTBOX_OCTETS, PULLS, WANTED};
use postern_cluster::ledger::fact::{Fact, GreylistPass};
use postern_cluster::ledger::kind::{Kind, KindSet};
use postern_cluster::ledger::machine::{Ledger, Now, Setup};
use postern_cluster::ledger::message::Message;
use postern_cluster::ledger::origin::{Life, NodeId};
use postern_cluster::ledger::output::{Done, Kept, Output};
use postern_cluster::shadow::protocol;
use postern_model::time::Timestamp;

const ME: NodeId = NodeId([1; 16]);
const PEER: NodeId = NodeId([2; 16]);
const DAY: Duration = Duration::from_secs(86_400);

pub fn check(octets: &[u8]) {
    let setup = Setup {
        node: ME,
        incarnation: 7,
        life: Life(3),
        kinds: KindSet::ALL.without(Kind::Lesson),
        members: [ME, PEER].into_iter().collect(),
    };
    let mut now = Now { wall: Timestamp(1_764_000_000_000), steady: Duration::from_secs(1) };
    let mut ledger = Ledger::open(setup, Kept::default(), now);
    ledger.connected(now, PEER);
    for n in 0..3 {
        ledger.write(now, Fact::GreylistPass([n; 16], GreylistPass { passed: now.wall }), DAY).unwrap();
    }
    carry_out(&mut ledger, now);
    for message in messages(octets) {
        if let Ok(message) = Message::decode(message) {
            assert_eq!(Message::decode(&message.encode()).as_ref(), Ok(&message));
        }
        if let Ok(message) = protocol::Message::decode(message) {
            assert_eq!(protocol::Message::decode(&message.encode()), Ok(message));
        }
        now.steady += Duration::from_millis(700);
        ledger.receive(now, PEER, message);
        ledger.tick(now);
        carry_out(&mut ledger, now);
        assert!(ledger.outbox(PEER) <= OUTBOX_OCTETS);
        assert!(ledger.fetching() <= PULLS + WANTED);
        while let Some(answer) = ledger.poll_message(PEER) {
            assert!(answer.len() <= MESSAGE_OCTETS);
            Message::decode(&answer).unwrap();
        }
    }
}

/// A store that takes everything and reads nothing.
fn carry_out(ledger: &mut Ledger, now: Now) {
    while let Some(output) = ledger.poll() {
        match output {
            Output::Commit { id, .. } => ledger.done(now, Done::Committed { id }),
            Output::Read { id, .. } => ledger.done(now, Done::NotRead { id }),
            Output::Overtaken { .. } => ledger.re_origin(now, 8),
            _ => {}
        }
    }
}

fn messages(mut octets: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, rest) = octets.split_first_chunk::<2>()?;
        let (message, rest) = rest.split_at(usize::from(u16::from_le_bytes(*length)).min(rest.len()));
        octets = rest;
        Some(message)
    })
}
