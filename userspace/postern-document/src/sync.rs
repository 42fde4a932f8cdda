//! Bringing two nodes' documents together, message by message, over a link that keeps their order.
//!
//! A message names its cluster and the beginning of its document before anything of it is read. What it carries is laid upon a
//! copy of the document; the copy takes the document's place only when it is still a configuration of this cluster.
//!
//! Peers are members that the link has proved: the bounds stop a broken peer and a hijacked one's plain flood. A member that
//! forges compressed octets can still make a node use much memory for one message; it can also just change the settings.

use std::panic::{AssertUnwindSafe, catch_unwind};

use automerge::sync::{Message, State, SyncDoc};
use automerge::{ROOT, ReadDoc};

use crate::document::{Area, ClusterId, Document, MAX_SAVED, VersionId, hashes};

/// First octet of a message. A later form has a higher one.
const FORM: u8 = 1;
/// Form, cluster, the document's beginning.
const HEAD: usize = 1 + 16 + 32;
/// Largest message: a whole document at once, for a node that is new.
pub const MAX_MESSAGE: usize = MAX_SAVED + HEAD;
/// Versions that a message can name: heads, needs. A cluster of 100 nodes with edits on all sides of every cut has 100 heads.
pub const MAX_NAMED: usize = 4096;
/// Changes in one message, beside a whole document.
pub const MAX_CHANGES: usize = 100_000;
/// Operations of a document: a hundred times what 10,000 edits make.
pub const MAX_OPERATIONS: u64 = 2_000_000;

/// What was agreed with one peer over one connection. A new connection begins with a new one.
#[derive(Clone, Debug, Default)]
pub struct SyncSession {
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// There are versions that were not here before.
    News,
    Nothing,
}

/// Nothing of the message was taken. All but `Foreign` and `Form` say that the peer is broken: end the connection.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    #[error("{0} octets, a message has at most {MAX_MESSAGE}")]
    TooLarge(usize),
    #[error("the message is of form {0}, this version reads form {FORM}")]
    Form(u8),
    #[error("the message is of another cluster: {0}")]
    Foreign(ClusterId),
    #[error("the message is of a document with another beginning, founded under the same name of a cluster")]
    OtherBeginning,
    #[error("the octets are no message: {0}")]
    Malformed(String),
    #[error("the message has too many {0}")]
    TooMany(&'static str),
    #[error("the document would break: {0}")]
    Breaks(&'static str),
    #[error("the message cannot be laid upon the document: {0}")]
    Refused(String),
}

/// Runs the engine on octets of others. Broken octets it refuses by their checksums; of forged ones with right checksums one
/// in twenty made it panic (60,000 tries with one or two octets changed, automerge 0.12.0), which must not end the node. What
/// it worked on is thrown away.
pub(crate) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned()).or_else(|| panic.downcast_ref::<String>().cloned());
        format!("the engine gave up: {}", text.unwrap_or_default().chars().take(200).collect::<String>())
    })
}

impl SyncSession {
    pub fn new() -> Self {
        Self::default()
    }

    /// The next message to the peer. `None`: it has everything, or its answer has to come first.
    pub fn generate(&mut self, document: &Document) -> Option<Vec<u8>> {
        let mut state = self.state.clone();
        let message = guarded(|| document.doc.generate_sync_message(&mut state).map(Message::encode));
        // What the peer named cannot be answered: as if it had said nothing.
        let Ok(message) = message else {
            self.state = State::new();
            return None;
        };
        self.state = state;
        message.map(|inner| {
            let mut out = Vec::with_capacity(HEAD + inner.len());
            out.push(FORM);
            out.extend(document.cluster.0);
            out.extend(document.root.0);
            out.extend(inner);
            out
        })
    }

    /// Takes a message of the peer. After an error nothing has changed, neither here nor in the document.
    ///
    /// # Errors
    /// The message was refused as a whole.
    pub fn receive(&mut self, document: &mut Document, octets: &[u8]) -> Result<Received, ReceiveError> {
        let message = decode(document, octets)?;
        let before = document.doc.get_heads();
        let mut state = self.state.clone();
        let mut young = document.clone();
        let carried = !message.changes.is_empty();
        guarded(|| young.doc.receive_sync_message(&mut state, message))
            .map_err(ReceiveError::Refused)?
            .map_err(|e| ReceiveError::Refused(e.to_string()))?;
        if carried {
            // A change that waits for an earlier one is kept by the engine, out of anybody's sight.
            let waits = !guarded(|| young.doc.get_missing_deps(&[])).map_err(ReceiveError::Refused)?.is_empty();
            young.waiting = if waits { young.waiting + octets.len() } else { 0 };
            if young.waiting > MAX_MESSAGE {
                return Err(ReceiveError::TooMany("changes that wait for others"));
            }
        }
        let news = young.doc.get_heads() != before;
        if news {
            guarded(|| still_ours(document, &young)).map_err(ReceiveError::Refused)??;
        }
        *document = young;
        self.state = state;
        Ok(if news { Received::News } else { Received::Nothing })
    }

    /// Whether the peer has said that it has all that is here.
    pub fn in_step(&self, document: &Document) -> bool {
        self.state.their_heads.as_ref() == Some(&document.doc.get_heads())
    }
}

fn decode(document: &Document, octets: &[u8]) -> Result<Message, ReceiveError> {
    if octets.len() > MAX_MESSAGE {
        return Err(ReceiveError::TooLarge(octets.len()));
    }
    let short = || ReceiveError::Malformed("too short".into());
    let (form, rest) = octets.split_first().ok_or_else(short)?;
    if *form != FORM {
        return Err(ReceiveError::Form(*form));
    }
    let (cluster, rest) = rest.split_first_chunk::<16>().ok_or_else(short)?;
    let (root, inner) = rest.split_first_chunk::<32>().ok_or_else(short)?;
    if *cluster != document.cluster.0 {
        return Err(ReceiveError::Foreign(ClusterId(*cluster)));
    }
    if *root != document.root.0 {
        return Err(ReceiveError::OtherBeginning);
    }
    let message = guarded(|| Message::decode(inner).map_err(|e| e.to_string())).and_then(|m| m).map_err(ReceiveError::Malformed)?;
    let named = message.have.iter().map(|h| h.last_sync.len()).max().unwrap_or(0).max(message.heads.len()).max(message.need.len());
    if named > MAX_NAMED || message.have.len() > MAX_NAMED {
        return Err(ReceiveError::TooMany("versions"));
    }
    if message.changes.len() > MAX_CHANGES {
        return Err(ReceiveError::TooMany("changes"));
    }
    Ok(message)
}

/// What must hold of every state of the document.
fn still_ours(old: &Document, young: &Document) -> Result<(), ReceiveError> {
    if young.doc.stats().num_ops > MAX_OPERATIONS {
        return Err(ReceiveError::TooMany("operations"));
    }
    let news = young.doc.get_changes_meta(&hashes(&old.heads()));
    if news.iter().any(|c| c.deps.is_empty()) {
        return Err(ReceiveError::Breaks("a second beginning"));
    }
    for (area, at) in Area::ALL {
        match young.doc.get_all(ROOT, at).as_deref() {
            Ok([(_, id)]) if id == old.map(area) => {}
            _ => return Err(ReceiveError::Breaks("a map was replaced")),
        }
    }
    if !young.removed_keys().is_superset(&old.removed_keys()) {
        return Err(ReceiveError::Breaks("a removal was taken back"));
    }
    let format = |d: &Document| d.fact(Area::Cluster, "format").as_u64();
    if format(young) < format(old) {
        return Err(ReceiveError::Breaks("its form was set back"));
    }
    // One in eighty of those forged changes was taken, and what was saved with it could not be read again: it would have kept
    // every node from its next start. So a document is read back before it is believed.
    let saved = young.doc.save();
    match automerge::Automerge::load(&saved) {
        Ok(read) if saved.len() <= MAX_SAVED && read.get_heads() == young.doc.get_heads() => Ok(()),
        _ => Err(ReceiveError::Breaks("it could not be read after a restart")),
    }
}

impl Document {
    /// Takes all that another document of the same cluster has, as by an exchange of messages.
    ///
    /// # Errors
    /// It is of another cluster; or what it has would break this one. Nothing was taken.
    pub fn merge(&mut self, other: &Document) -> Result<Vec<VersionId>, ReceiveError> {
        if other.cluster != self.cluster {
            return Err(ReceiveError::Foreign(other.cluster));
        }
        if other.root != self.root {
            return Err(ReceiveError::OtherBeginning);
        }
        let mut young = self.clone();
        let changes = self.doc.get_changes_added(&other.doc);
        guarded(|| young.doc.apply_changes(changes)).map_err(ReceiveError::Refused)?.map_err(|e| ReceiveError::Refused(e.to_string()))?;
        still_ours(self, &young)?;
        *self = young;
        Ok(self.heads())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use automerge::transaction::Transactable;
    use automerge::{AutomergeError, ObjType};
    use postern_model::node::{NodeId, NodeKey};
    use postern_model::time::Timestamp;

    use super::*;
    use crate::document::{By, Writer};
    use crate::members::{Member, Standing};

    const BY: By<'static> = By { author: "ada", at: Timestamp(5), message: "" };

    fn pair() -> (Document, Document) {
        let writer = |node| Writer { node: NodeId([node; 16]), life: 0 };
        let mut doc = Document::create(ClusterId([7; 16]), "test", writer(1), BY).unwrap();
        for node in [1, 2, 3] {
            let key = NodeKey([node; 32]);
            let addresses = Vec::new();
            let member = Member { key, name: "n".into(), addresses, joined_at: BY.at, joined_by: "ada".into(), version: "1".into() };
            doc.put_member(&member, BY).unwrap();
        }
        doc.remove_member(NodeKey([3; 32]), BY).unwrap();
        let other = Document::open(&doc.save(), None, writer(2)).unwrap();
        (doc, other)
    }

    /// A member that does not keep to the rules of this crate writes what it likes.
    fn forged(
        document: &mut Document,
        forge: impl FnOnce(&mut automerge::transaction::Transaction<'_>, &Document) -> Result<(), AutomergeError>,
    ) {
        let view = document.clone();
        document.doc.transact(|tx| forge(tx, &view)).unwrap();
    }

    fn refusal(good: &mut Document, bad: &Document) -> Option<ReceiveError> {
        let (mut ours, mut theirs) = (SyncSession::new(), SyncSession::new());
        let mut bad = bad.clone();
        for _ in 0..6 {
            if let Some(message) = theirs.generate(&bad)
                && let Err(e) = ours.receive(good, &message)
            {
                return Some(e);
            }
            if let Some(message) = ours.generate(good) {
                theirs.receive(&mut bad, &message).unwrap();
            }
        }
        None
    }

    #[test]
    fn what_breaks_the_rules_is_refused_whole() {
        let removed = NodeKey([3; 32]);
        let (good, evil) = pair();
        type Forge = Box<dyn FnOnce(&mut automerge::transaction::Transaction<'_>, &Document) -> Result<(), AutomergeError>>;
        let forges: Vec<(&str, Forge)> = vec![
            ("a removal was taken back", Box::new(move |tx, d| tx.delete(d.map(Area::Removed), removed.to_string()))),
            ("a map was replaced", Box::new(|tx, _| tx.put_object(ROOT, "settings", ObjType::Map).map(drop))),
            ("a map was replaced", Box::new(|tx, _| tx.delete(ROOT, "admins"))),
            ("its form was set back", Box::new(|tx, d| tx.delete(d.map(Area::Cluster), "format"))),
        ];
        for (why, forge) in forges {
            let (mut ours, mut theirs) = (good.clone(), evil.clone());
            forged(&mut theirs, forge);
            assert!(matches!(refusal(&mut ours, &theirs), Some(ReceiveError::Breaks(text)) if text == why), "{why}");
            assert_eq!((ours.heads(), ours.standing(removed)), (good.heads(), Standing::Removed));
        }
    }

    #[test]
    fn values_of_forms_that_no_setting_has_read_as_nothing() {
        let (mut ours, mut theirs) = pair();
        forged(&mut theirs, |tx, d| {
            let settings = d.map(Area::Settings);
            tx.put_object(settings, "smtp/limits/max_hops", ObjType::List)?;
            tx.put(settings, "domains/[x]/[y]//", automerge::ScalarValue::Counter(5.into()))?;
            tx.put(settings, "", vec![0xff])?;
            tx.put(settings, "filter/people/[a]", "first")?;
            tx.put(settings, "filter/people/[b]", i64::MIN)?;
            tx.put(settings, "filter/people/[c]", u64::MAX)?;
            tx.put(d.map(Area::Members), "nobody/joined_at", "yesterday")?;
            tx.put(d.map(Area::Cluster), "id", "another")
        });
        assert!(refusal(&mut ours, &theirs).is_none());
        let settings = ours.settings();
        assert!(settings["smtp"]["limits"].get("max_hops").is_none(), "so the validator, not the engine, decides");
        assert_eq!(settings["filter"]["people"].as_array().unwrap().len(), 3);
        assert_eq!((ours.members().len(), ours.cluster()), (2, theirs.cluster()));
        let mut young = settings.clone();
        young["filter"]["people"] = serde_json::json!(["d", "c", "b", "a"]);
        young["smtp"]["limits"]["max_hops"] = 40.into();
        ours.change(&young, BY).unwrap();
        assert_eq!(ours.settings(), young, "and an edit mends it");
        let saved = ours.save();
        assert_eq!(Document::open(&saved, Some(theirs.cluster()), Writer { node: NodeId([1; 16]), life: 9 }).unwrap().settings(), young);
    }
}
