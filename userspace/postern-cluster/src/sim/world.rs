//! Nodes, their stores and the network between them, in one queue of events.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use postern_model::time::Timestamp;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::store::Store;
use crate::ledger::fact::Fact;
use crate::ledger::kind::{Kind, KindSet};
use crate::ledger::machine::{Ledger, Now, Setup};
use crate::ledger::members::Members;
use crate::ledger::origin::{Life, NodeId, Origin};
use crate::ledger::output::{Applied, Done, Output};
use crate::ledger::publish::WriteError;
use crate::ledger::row::Row;

/// The wall clock when a run begins: a fixed day, so that runs can be repeated.
const BEGIN: Timestamp = Timestamp(1_790_000_000_000);

pub struct World {
    pub seed: u64,
    pub rng: StdRng,
    pub now: Duration,
    pub nodes: Vec<Node>,
    pub network: Network,
    /// Every write that was durable once, by writer, kind and key: values in the order they were written.
    pub saved: BTreeMap<Slot, Vec<Written>>,
    /// Rows drawn so far.
    pub drawn: u32,
    events: BTreeMap<(Duration, u64), Event>,
    order: u64,
    places: HashMap<NodeId, usize>,
}

/// Who wrote, what kind, which key.
pub type Slot = (NodeId, u16, Vec<u8>);

#[derive(Clone, Debug)]
pub struct Written {
    pub value: Vec<u8>,
    /// Its disk was lost before anybody else had it.
    pub excused: bool,
}

pub struct Network {
    pub latency_ms: std::ops::Range<u64>,
    /// Of a thousand messages.
    pub lost: u32,
    pub doubled: u32,
    /// Octets a second of each link, if it has a limit.
    pub rate: Option<u64>,
    /// Sender and receiver.
    pub cuts: BTreeSet<(usize, usize)>,
    /// Largest outbox seen.
    pub most_waiting: usize,
    busy: BTreeMap<(usize, usize), Duration>,
}

pub struct Node {
    pub id: NodeId,
    /// Its wall clock's error, in milliseconds.
    pub clock: i64,
    pub kinds: KindSet,
    pub members: Members,
    /// `None`: it is down.
    pub ledger: Option<Ledger>,
    pub store: Store,
    pub backup: Option<Store>,
    /// What the application made of it, by origin and seq.
    pub applied: BTreeMap<Origin, BTreeMap<u64, Applied>>,
    /// How long a commit takes.
    pub commit_ms: std::ops::Range<u64>,
    pub store_fails: bool,
    pub sent: Traffic,
    pub overtaken: u64,
    /// The protocol it says it speaks.
    pub version: u8,
    writing: BTreeMap<u64, (Slot, Vec<u8>)>,
    epoch: u64,
    store_free: Duration,
    tick_at: Option<Duration>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    pub messages: u64,
    pub octets: u64,
}

enum Event {
    Deliver { from: usize, to: usize, octets: Arc<[u8]> },
    Store { node: usize, epoch: u64, work: Output },
    Tick { node: usize, epoch: u64 },
    LinkFree { from: usize, to: usize },
}

impl World {
    pub fn new(seed: u64, nodes: usize) -> Self {
        let mut world = Self {
            seed,
            rng: StdRng::seed_from_u64(seed),
            now: Duration::ZERO,
            nodes: Vec::new(),
            network: Network {
                latency_ms: 1..20,
                lost: 0,
                doubled: 0,
                rate: None,
                cuts: BTreeSet::new(),
                most_waiting: 0,
                busy: BTreeMap::new(),
            },
            saved: BTreeMap::new(),
            drawn: 0,
            events: BTreeMap::new(),
            order: 0,
            places: HashMap::new(),
        };
        let ids: Vec<NodeId> = (0..nodes).map(|_| NodeId(world.rng.random())).collect();
        world.places = ids.iter().enumerate().map(|(place, id)| (*id, place)).collect();
        let members: Members = ids.iter().copied().collect();
        world.nodes = ids.iter().map(|id| Node::new(*id, members.clone())).collect();
        (0..nodes).for_each(|n| world.start(n));
        world
    }

    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    pub fn wall(&self, node: usize) -> Timestamp {
        Timestamp((BEGIN + self.now).0 + self.nodes[node].clock)
    }

    pub fn clock(&self, node: usize) -> Now {
        Now { wall: self.wall(node), steady: self.now }
    }

    /// Starts a node that is down, with what its store holds.
    pub fn start(&mut self, node: usize) {
        if self.nodes[node].ledger.is_some() {
            return;
        }
        let now = self.clock(node);
        let (incarnation, life) = (self.rng.random(), Life(self.rng.random_range(1..u64::MAX)));
        let n = &mut self.nodes[node];
        let kept = n.store.open();
        let setup = Setup { node: n.id, incarnation, life, kinds: n.kinds, members: n.members.clone() };
        n.ledger = Some(Ledger::open(setup, kept, now));
        n.applied.clear();
        for (origin, row) in n.store.rows() {
            note(&mut n.applied, n.kinds, origin, row);
        }
        for other in 0..self.len() {
            self.connect(node, other);
        }
        self.drain(node);
    }

    /// Both sides of a pair see a new link.
    pub fn connect(&mut self, a: usize, b: usize) {
        if a == b || self.nodes[a].ledger.is_none() || self.nodes[b].ledger.is_none() {
            return;
        }
        for (x, y) in [(a, b), (b, a)] {
            let (now, peer) = (self.clock(x), self.nodes[y].id);
            if let Some(ledger) = &mut self.nodes[x].ledger {
                ledger.connected(now, peer);
            }
            self.drain(x);
        }
    }

    /// Both sides see that the link is gone.
    pub fn disconnect(&mut self, a: usize, b: usize) {
        for (x, y) in [(a, b), (b, a)] {
            let peer = self.nodes[y].id;
            if let Some(ledger) = &mut self.nodes[x].ledger {
                ledger.disconnected(peer);
            }
            self.drain(x);
        }
    }

    /// Loses a node's memory and its commits under way.
    pub fn crash(&mut self, node: usize) {
        let n = &mut self.nodes[node];
        n.ledger = None;
        n.epoch += 1;
        n.writing.clear();
        (n.tick_at, n.store_free) = (None, Duration::ZERO);
        for other in (0..self.len()).filter(|o| *o != node) {
            self.disconnect(node, other);
        }
    }

    /// Crashes a node and starts it with its backup. Durable writes that nobody else has are lost with its disk.
    pub fn restore(&mut self, node: usize) {
        let Some(backup) = self.nodes[node].backup.clone() else { return };
        self.crash(node);
        self.nodes[node].store = backup;
        super::laws::excuse_lost(self);
        self.start(node);
    }

    pub fn write(&mut self, node: usize, fact: Fact, keep: Duration) -> Result<u64, WriteError> {
        let now = self.clock(node);
        let n = &mut self.nodes[node];
        let Some(ledger) = &mut n.ledger else { return Err(WriteError::Backlog) };
        let octets = fact.encode().ok_or(WriteError::Unsound(fact.kind()))?;
        let slot = (n.id, fact.kind().number(), octets.0);
        let seq = ledger.write(now, fact, keep)?;
        n.writing.insert(seq, (slot, octets.1));
        self.drain(node);
        Ok(seq)
    }

    /// Lets a time pass.
    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(entry) = self.events.first_entry().filter(|e| e.key().0 <= end) {
            self.now = entry.key().0;
            let event = entry.remove();
            self.happen(event);
        }
        self.now = end;
    }

    /// Octets as they would come from a node, whatever they are.
    pub fn inject(&mut self, from: usize, to: usize, octets: &[u8]) {
        self.happen(Event::Deliver { from, to, octets: octets.into() });
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Deliver { from, to, octets } => {
                let (now, peer) = (self.clock(to), self.nodes[from].id);
                if let Some(ledger) = &mut self.nodes[to].ledger {
                    ledger.receive(now, peer, &octets);
                    self.drain(to);
                }
            }
            Event::Tick { node, epoch } => {
                let now = self.clock(node);
                let n = &mut self.nodes[node];
                if n.epoch == epoch && n.tick_at.is_some_and(|t| t <= now.steady) {
                    n.tick_at = None;
                    if let Some(ledger) = &mut n.ledger {
                        ledger.tick(now);
                    }
                    self.drain(node);
                }
            }
            Event::Store { node, epoch, work } => {
                let now = self.clock(node);
                let n = &mut self.nodes[node];
                let Some(ledger) = n.ledger.as_mut().filter(|_| n.epoch == epoch) else { return };
                let done = match work {
                    Output::Commit { id, .. } | Output::Read { id, .. } if n.store_fails => {
                        if matches!(work, Output::Read { .. }) {
                            Done::NotRead { id }
                        } else {
                            Done::Failed { id }
                        }
                    }
                    Output::Commit { id, steps } => {
                        n.store.carry_out(steps);
                        Done::Committed { id }
                    }
                    Output::Read { id, origin, after, rows, octets } => Done::Read { id, page: n.store.read(origin, after, rows, octets) },
                    _ => return,
                };
                ledger.done(now, done);
                self.drain(node);
            }
            Event::LinkFree { from, to } => {
                self.network.busy.remove(&(from, to));
                self.send(from, to);
            }
        }
    }

    fn at(&mut self, time: Duration, event: Event) {
        self.order += 1;
        self.events.insert((time, self.order), event);
    }

    /// Carries out what a node's core asks for.
    fn drain(&mut self, node: usize) {
        self.carry_out(node);
        let waiting: Vec<NodeId> = self.nodes[node].ledger.iter().flat_map(Ledger::waiting).collect();
        for peer in waiting {
            if let Some(to) = self.places.get(&peer).copied() {
                self.send(node, to);
            }
        }
        let Some(due) = self.nodes[node].ledger.as_ref().map(Ledger::due) else { return };
        let due = due.max(self.now + Duration::from_millis(1));
        if self.nodes[node].tick_at.is_none_or(|t| due < t) {
            self.nodes[node].tick_at = Some(due);
            let epoch = self.nodes[node].epoch;
            self.at(due, Event::Tick { node, epoch });
        }
    }

    fn carry_out(&mut self, node: usize) {
        while let Some(output) = self.nodes[node].ledger.as_mut().and_then(Ledger::poll) {
            let epoch = self.nodes[node].epoch;
            match output {
                Output::Commit { .. } => {
                    let took = Duration::from_millis(self.rng.random_range(self.nodes[node].commit_ms.clone()));
                    let at = self.nodes[node].store_free.max(self.now) + took;
                    self.nodes[node].store_free = at;
                    self.at(at, Event::Store { node, epoch, work: output });
                }
                Output::Read { .. } => {
                    let took = Duration::from_millis(self.rng.random_range(0..3));
                    self.at(self.now + took, Event::Store { node, epoch, work: output });
                }
                Output::Saved { seq } => self.saved(node, seq),
                Output::NotSaved { from, to } => self.nodes[node].writing.retain(|s, _| *s < from || *s > to),
                Output::Applied { origin, facts } => self.nodes[node].apply(origin, facts),
                Output::Adopted { origin, after } => self.nodes[node].read_again(origin, after),
                Output::Reread { origin } => {
                    self.nodes[node].applied.remove(&origin);
                    self.nodes[node].read_again(origin, 0);
                }
                Output::Overtaken { .. } => {
                    self.nodes[node].overtaken += 1;
                    let (now, incarnation) = (self.clock(node), self.rng.random());
                    if let Some(ledger) = &mut self.nodes[node].ledger {
                        ledger.re_origin(now, incarnation);
                    }
                }
            }
        }
    }

    fn send(&mut self, from: usize, to: usize) {
        let peer = self.nodes[to].id;
        let waiting = self.nodes[from].ledger.as_ref().map_or(0, |l| l.outbox(peer));
        self.network.most_waiting = self.network.most_waiting.max(waiting);
        while !self.network.busy.contains_key(&(from, to)) {
            let Some(octets) = self.nodes[from].ledger.as_mut().and_then(|l| l.poll_message(peer)) else { break };
            let octets = self.nodes[from].as_its_version(octets);
            self.nodes[from].sent.messages += 1;
            self.nodes[from].sent.octets += octets.len() as u64;
            if let Some(rate) = self.network.rate {
                let free = self.now + Duration::from_micros(octets.len() as u64 * 1_000_000 / rate);
                self.network.busy.insert((from, to), free);
                self.at(free, Event::LinkFree { from, to });
            }
            if self.network.cuts.contains(&(from, to)) || self.rng.random_range(0..1000) < self.network.lost {
                continue;
            }
            let copies = if self.rng.random_range(0..1000) < self.network.doubled { 2 } else { 1 };
            for _ in 0..copies {
                let after = Duration::from_millis(self.rng.random_range(self.network.latency_ms.clone()));
                let octets = Arc::clone(&octets);
                self.at(self.now + after, Event::Deliver { from, to, octets });
            }
        }
        // Room in the outbox makes reads possible.
        self.carry_out(from);
    }

    fn saved(&mut self, node: usize, seq: u64) {
        let later = self.nodes[node].writing.split_off(&(seq + 1));
        for (slot, value) in std::mem::replace(&mut self.nodes[node].writing, later).into_values() {
            self.saved.entry(slot).or_default().push(Written { value, excused: false });
        }
    }
}

impl Node {
    fn new(id: NodeId, members: Members) -> Self {
        Self {
            id,
            clock: 0,
            kinds: KindSet::ALL,
            members,
            ledger: None,
            store: Store::default(),
            backup: None,
            applied: BTreeMap::new(),
            commit_ms: 1..5,
            store_fails: false,
            sent: Traffic::default(),
            overtaken: 0,
            version: crate::ledger::message::VERSION,
            writing: BTreeMap::new(),
            epoch: 0,
            store_free: Duration::ZERO,
            tick_at: None,
        }
    }

    fn apply(&mut self, origin: Origin, facts: Vec<Applied>) {
        let of = self.applied.entry(origin).or_default();
        facts.into_iter().for_each(|a| drop(of.insert(a.seq, a)));
    }

    fn read_again(&mut self, origin: Origin, after: u64) {
        for row in self.store.rows_after(origin, after) {
            note(&mut self.applied, self.kinds, origin, row);
        }
    }

    /// A later version says so, and adds fields at the end.
    fn as_its_version(&self, octets: Arc<[u8]>) -> Arc<[u8]> {
        if self.version == crate::ledger::message::VERSION {
            return octets;
        }
        let mut changed = octets.to_vec();
        changed[0] = self.version;
        changed.extend(b"later");
        changed.into()
    }
}

fn note(applied: &mut BTreeMap<Origin, BTreeMap<u64, Applied>>, kinds: KindSet, origin: Origin, row: &Row) {
    let known = Kind::from_number(row.kind).filter(|k| kinds.contains(*k));
    if let Some(fact) = known.and_then(|k| Fact::decode(k, &row.key.0, &row.value.0)) {
        let one = Applied { seq: row.seq, at: row.at, bucket: row.bucket, fact };
        applied.entry(origin).or_default().insert(row.seq, one);
    }
}
