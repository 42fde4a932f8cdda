//! Documents of a few nodes, and the link between them.
#![allow(dead_code, clippy::unwrap_used, reason = "each test uses its part")]

use postern_document::{By, ClusterId, Document, Received, SyncSession, Writer};
use postern_model::node::{NodeId, NodeKey};
use postern_model::time::Timestamp;
use serde_json::Value;

pub const CLUSTER: ClusterId = ClusterId([7; 16]);
pub const NOW: Timestamp = Timestamp(1_800_000_000_000);

pub fn writer(node: u8) -> Writer {
    Writer { node: NodeId([node; 16]), life: 1 }
}

pub fn key(node: u8) -> NodeKey {
    NodeKey([node; 32])
}

pub fn by(author: &str) -> By<'_> {
    By { author, at: NOW, message: "" }
}

/// Documents of nodes 1 to `n` that know of nothing but the beginning.
pub fn cluster(n: u8) -> Vec<Document> {
    let mut first = Document::create(CLUSTER, "test", writer(1), by("founder")).unwrap();
    let saved = first.save();
    let others = (2..=n).map(|node| Document::open(&saved, Some(CLUSTER), writer(node)).unwrap());
    std::iter::once(first).chain(others).collect()
}

/// Changes one setting, as the console does: the whole settings with one place in them changed.
pub fn set(document: &mut Document, pointer: &str, value: impl Into<Value>, author: &str) -> postern_document::Change {
    let mut settings = document.settings();
    *settings.pointer_mut(pointer).unwrap() = value.into();
    document.change(&settings, by(author)).unwrap()
}

pub fn edit(document: &mut Document, author: &str, edit: impl FnOnce(&mut Value)) -> postern_document::Change {
    let mut settings = document.settings();
    edit(&mut settings);
    document.change(&settings, by(author)).unwrap()
}

/// Exchanges messages until both are silent.
pub fn sync(a: &mut Document, b: &mut Document) -> Vec<Vec<u8>> {
    let (mut to_b, mut to_a) = (SyncSession::new(), SyncSession::new());
    let mut seen = Vec::new();
    for _ in 0..50 {
        let there = to_b.generate(a);
        if let Some(message) = &there {
            to_a.receive(b, message).unwrap();
        }
        let back = to_a.generate(b);
        if let Some(message) = &back {
            to_b.receive(a, message).unwrap();
        }
        if there.is_none() && back.is_none() {
            assert_eq!(a.heads(), b.heads());
            assert!(to_b.in_step(a) && to_a.in_step(b));
            return seen;
        }
        seen.extend(there.into_iter().chain(back));
    }
    panic!("the two do not come to rest");
}

pub fn sync_all(documents: &mut [Document]) {
    for _ in 0..2 {
        for i in 1..documents.len() {
            let (a, b) = documents.split_at_mut(i);
            sync(&mut a[0], &mut b[0]);
        }
    }
}

pub fn receive(document: &mut Document, session: &mut SyncSession, octets: &[u8]) -> Result<Received, postern_document::ReceiveError> {
    session.receive(document, octets)
}
