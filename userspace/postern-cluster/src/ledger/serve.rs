//! Answering peers that want rows. Nothing is kept of a delta between its pages: the peer says where it goes on.

use super::bounds::{PAGE_OCTETS, PAGE_ROWS, WAITING_WANTS};
use super::machine::Ledger;
use super::message::{Cause, Delta, Message, Want};
use super::oddity::Oddity;
use super::origin::NodeId;
use super::output::{More, Output, Page};
use super::peers::Share;

/// A page the store is reading for a peer.
#[derive(Debug)]
pub(super) struct Reading {
    peer: NodeId,
    want: Want,
}

impl Ledger {
    pub(super) fn on_want(&mut self, from: NodeId, items: Vec<Want>) {
        let Some(peer) = self.peers.get_mut(&from) else { return };
        let mut dropped = 0;
        for want in items {
            if peer.waiting.len() >= WAITING_WANTS {
                dropped += 1;
            } else if !peer.waiting.contains(&want) {
                peer.waiting.push_back(want);
            }
        }
        (0..dropped).for_each(|_| self.counters.count(Oddity::Busy));
        self.serve(from);
    }

    /// Reads as many pages as the peer's outbox has room for.
    pub(super) fn serve(&mut self, to: NodeId) {
        while let Some(peer) = self.peers.get_mut(&to) {
            // One largest row may lie above a page.
            let expected = peer.outbox_octets + (peer.reading + 1) * (PAGE_OCTETS + PAGE_OCTETS / 4);
            if expected > Share::Page.octets() {
                return;
            }
            let Some(want) = peer.waiting.pop_front() else { return };
            // What we wrote on top of a backup is kept to ourselves. The peer's list of lives is asked for in the same way,
            // with a number beyond all rows.
            if want.origin == self.own && self.doubt.is_some() {
                continue;
            }
            peer.reading += 1;
            let id = self.new_id();
            self.reads.insert(id, Reading { peer: to, want });
            self.output(Output::Read { id, origin: want.origin, after: want.after, rows: PAGE_ROWS, octets: PAGE_OCTETS });
        }
    }

    pub(super) fn on_read(&mut self, id: u64, page: Option<Page>) {
        let Some(Reading { peer, want }) = self.reads.remove(&id) else { return };
        // The peer may have come and gone since: a link made anew counts from zero.
        if let Some(to) = self.peers.get_mut(&peer) {
            to.reading = to.reading.saturating_sub(1);
        }
        if let Some(page) = page {
            let head = (page.more == More::Nothing).then_some(page.head);
            let Want { ask, origin, after } = want;
            let delta = Delta { cause: Cause::Answer(ask), origin, after, rows: page.rows, head, history: page.history };
            self.post(peer, Share::Page, &Message::Delta(delta));
        }
        self.serve(peer);
    }
}
