//! Peers: what waits for each, and the comparison of vectors every five seconds.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::bounds::{ANSWER_AGAIN, CHECK_EVERY, FAN_OUT, FULL_MESH, ORIGINS, OUTBOX_OCTETS};
use super::machine::{Ledger, Now};
use super::message::{Digest, Message, Turn, Want};
use super::oddity::Oddity;
use super::origin::{Head, NodeId, Origin};

/// A connected peer.
#[derive(Debug, Default)]
pub(super) struct Peer {
    outbox: VecDeque<Arc<[u8]>>,
    pub(super) outbox_octets: usize,
    next_check: Duration,
    /// To be asked in one message when the input is worked off.
    pub(super) asks: Vec<Want>,
    /// What it asked for and did not get yet.
    pub(super) waiting: VecDeque<Want>,
    /// Pages for it that the store is reading.
    pub(super) reading: usize,
    /// Own rows up to here are known to be with it.
    covers: u64,
    /// What it was last told to be in sync at, and its checks of that since.
    agreed: Option<Digest>,
    unanswered: u32,
}

/// How much of a peer's outbox a message may fill: what can be had again later leaves room for what asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Share {
    Push,
    Page,
    Control,
}

impl Share {
    pub(super) fn octets(self) -> usize {
        match self {
            Self::Push => OUTBOX_OCTETS / 2,
            Self::Page => OUTBOX_OCTETS / 4 * 3,
            Self::Control => OUTBOX_OCTETS,
        }
    }
}

impl Ledger {
    /// A link to a member stands. What waited for an earlier one is forgotten.
    pub fn connected(&mut self, now: Now, peer: NodeId) {
        if !self.members.may_speak(peer) || peer == self.node {
            return self.counters.count(Oddity::NotAMember);
        }
        self.disconnected(peer);
        if self.peers.is_empty() {
            self.next_round = now.steady;
        }
        self.peers.insert(peer, Peer { next_check: now.steady, ..Peer::default() });
    }

    pub fn disconnected(&mut self, peer: NodeId) {
        self.peers.remove(&peer);
        self.give_up_pulls_from(peer);
    }

    /// The next message for a peer. Call it when its stream takes one.
    pub fn poll_message(&mut self, peer: NodeId) -> Option<Arc<[u8]>> {
        let waiting = self.peers.get_mut(&peer)?;
        let message = waiting.outbox.pop_front()?;
        waiting.outbox_octets -= message.len();
        self.serve(peer);
        Some(message)
    }

    /// Peers a message waits for.
    pub fn waiting(&self) -> impl Iterator<Item = NodeId> {
        self.peers.iter().filter(|(_, p)| !p.outbox.is_empty()).map(|(n, _)| *n)
    }

    /// Octets that wait for a peer.
    pub fn outbox(&self, peer: NodeId) -> usize {
        self.peers.get(&peer).map_or(0, |p| p.outbox_octets)
    }

    /// Own rows up to this number are known to be with a peer: what a node that drains waits for.
    pub fn covered(&self, peer: NodeId) -> u64 {
        self.peers.get(&peer).map_or(0, |p| p.covers)
    }

    pub(super) fn post(&mut self, peer: NodeId, share: Share, message: &Message) {
        self.post_octets(peer, share, message.encode().into());
    }

    pub(super) fn post_octets(&mut self, peer: NodeId, share: Share, octets: Arc<[u8]>) {
        let Some(to) = self.peers.get_mut(&peer) else { return };
        if to.outbox_octets + octets.len() > share.octets() {
            return self.counters.count(Oddity::OutboxFull);
        }
        to.outbox_octets += octets.len();
        to.outbox.push_back(octets);
    }

    pub(super) fn send_asks(&mut self) {
        let asked: Vec<(NodeId, Vec<Want>)> =
            self.peers.iter_mut().filter(|(_, p)| !p.asks.is_empty()).map(|(n, p)| (*n, std::mem::take(&mut p.asks))).collect();
        for (peer, items) in asked {
            self.post(peer, Share::Control, &Message::Want { items });
        }
    }

    /// In a small cluster each pair compares, begun by the lower of both; in a large one each node with a few peers in turn.
    pub(super) fn check_peers(&mut self, now: Now) {
        let due: Vec<NodeId> = if self.is_full_mesh() {
            let node = self.node;
            let due = self.peers.iter_mut().filter(|(n, p)| node < **n && p.next_check <= now.steady);
            due.map(|(n, p)| {
                p.next_check = now.steady + CHECK_EVERY;
                *n
            })
            .collect()
        } else if self.next_round <= now.steady {
            self.next_round = now.steady + CHECK_EVERY;
            self.some_peers()
        } else {
            return;
        };
        if !due.is_empty() {
            let check = Message::Check { digest: self.digest() };
            due.into_iter().for_each(|peer| self.post(peer, Share::Control, &check));
        }
    }

    pub(super) fn checks_due(&self) -> Option<Duration> {
        if self.is_full_mesh() {
            self.peers.iter().filter(|(n, _)| self.node < **n).map(|(_, p)| p.next_check).min()
        } else {
            (!self.peers.is_empty()).then_some(self.next_round)
        }
    }

    /// Compare with everybody now.
    pub(super) fn hurry_checks(&mut self, now: Now) {
        self.next_round = now.steady;
        self.peers.values_mut().for_each(|p| p.next_check = now.steady);
    }

    pub(super) fn is_full_mesh(&self) -> bool {
        self.members.count() <= FULL_MESH
    }

    /// The next few peers in turn.
    pub(super) fn some_peers(&mut self) -> Vec<NodeId> {
        let all: Vec<NodeId> = self.peers.keys().copied().collect();
        let taken = all.len().min(FAN_OUT);
        let from = self.ring;
        self.ring = self.ring.wrapping_add(taken);
        (0..taken).map(|i| all[from.wrapping_add(i) % all.len()]).collect()
    }

    pub(super) fn on_check(&mut self, from: NodeId, digest: Digest) {
        if digest != self.digest() {
            return self.post_vector(from, Turn::Yours);
        }
        self.on_in_sync(from);
        // Told once, it knows: while nothing changes, silence says the same.
        let Some(peer) = self.peers.get_mut(&from) else { return };
        if peer.agreed == Some(digest) && peer.unanswered < ANSWER_AGAIN {
            peer.unanswered += 1;
            return;
        }
        (peer.agreed, peer.unanswered) = (Some(digest), 0);
        self.post(from, Share::Control, &Message::InSync);
    }

    pub(super) fn on_in_sync(&mut self, from: NodeId) {
        let own = self.head(self.own).seq;
        if let Some(peer) = self.peers.get_mut(&from) {
            peer.covers = own;
        }
    }

    pub(super) fn on_vector(&mut self, now: Now, from: NodeId, want: Turn, heads: Vec<(Origin, Head)>) {
        if heads.len() > ORIGINS {
            return self.counters.count(Oddity::ImpossibleHead);
        }
        for (origin, head) in heads {
            if !head.is_possible() {
                self.counters.count(Oddity::ImpossibleHead);
            } else if origin == self.own {
                if self.compare_own(now, from, head)
                    && let Some(peer) = self.peers.get_mut(&from)
                {
                    peer.covers = head.seq;
                }
            } else if head.seq > self.head(origin).seq {
                self.want(now, origin, from, head);
            }
        }
        if want == Turn::Yours {
            self.post_vector(from, Turn::Done);
        }
    }

    fn post_vector(&mut self, to: NodeId, want: Turn) {
        let heads = self.vector().collect();
        self.post(to, Share::Control, &Message::Vector { want, heads });
    }
}
