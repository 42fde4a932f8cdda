//! The document itself: made, opened, read, written.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use automerge::transaction::{CommitOptions, Transactable};
use automerge::{ActorId, Automerge, AutomergeError, ChangeHash, ObjId, ObjType, ROOT, ReadDoc};
use postern_model::node::NodeId;
use postern_model::time::Timestamp;
use serde_json::Value;

use crate::flat::{self, Flat};
use crate::path;
use crate::plan::{self, Plan, PlanError};
use crate::scalar;
use crate::shape::Schema;

/// Form of the document. A later one that an older node cannot write beside has a higher number.
pub const FORMAT: u64 = 1;

/// Largest saved document, in octets. 10,000 edits take some hundred thousand.
pub const MAX_SAVED: usize = 64 << 20;

/// A cluster: 16 random octets, drawn once when it is founded.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterId(pub [u8; 16]);

/// A version of the document: the hash of one change and of everything that it was made upon.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VersionId(pub [u8; 32]);

macro_rules! in_hex {
    ($type:ident) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
            }
        }
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().take(4).try_for_each(|b| write!(f, "{b:02x}"))
            }
        }
    };
}
in_hex!(ClusterId);
in_hex!(VersionId);

/// Text that is no version: 64 hexadecimal digits.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a version has 64 hexadecimal digits")]
pub struct VersionIdError;

impl FromStr for VersionId {
    type Err = VersionIdError;
    fn from_str(text: &str) -> Result<Self, VersionIdError> {
        text.parse::<ChangeHash>().map(|hash| Self(hash.0)).map_err(|_| VersionIdError)
    }
}

impl From<ChangeHash> for VersionId {
    fn from(hash: ChangeHash) -> Self {
        Self(hash.0)
    }
}

pub(crate) fn hashes(versions: &[VersionId]) -> Vec<ChangeHash> {
    versions.iter().map(|v| ChangeHash(v.0)).collect()
}

/// Who writes: a node, in one of its lives.
///
/// `life` has to be new (random) whenever the document is opened. Changes of one writer are numbered, and a node that was
/// restored from a backup would give a number twice: its peers refuse the second change for ever. A life without a change costs
/// nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Writer {
    pub node: NodeId,
    pub life: u64,
}

impl Writer {
    pub(crate) fn actor(self) -> ActorId {
        let mut octets = self.node.0.to_vec();
        octets.extend(self.life.to_be_bytes());
        ActorId::from(octets)
    }

    /// The node of an actor; what is too short is filled up with zeros.
    pub(crate) fn node_of(actor: &ActorId) -> NodeId {
        let mut id = [0; 16];
        id.iter_mut().zip(actor.to_bytes()).for_each(|(to, from)| *to = *from);
        NodeId(id)
    }
}

/// Who changes something, when, and what for.
#[derive(Clone, Copy, Debug)]
pub struct By<'a> {
    /// The login name, or what else did it: `cli:root`, `join`.
    pub author: &'a str,
    pub at: Timestamp,
    pub message: &'a str,
}

/// A change that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// `None`: everything was already so, and nothing was written.
    pub version: Option<VersionId>,
    /// Settings or facts that it wrote.
    pub edits: usize,
    /// What an undo left alone, as it was changed since.
    pub untouched: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{0} octets, a document has at most {MAX_SAVED}")]
    TooLarge(usize),
    #[error("the octets are no document, or not all of one: {0}")]
    Damaged(String),
    #[error("the document is of form {0}, this version writes form {FORMAT}: update this node first")]
    Newer(u64),
    #[error("the document is no configuration of a cluster: {0}")]
    NotOurs(&'static str),
    #[error("the document is of cluster {found}, not of {expected}")]
    Foreign { expected: ClusterId, found: ClusterId },
}

#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error("there is no version {0} here")]
    NoVersion(VersionId),
    #[error("the document cannot be written: {0}")]
    Engine(String),
}

impl WriteError {
    pub(crate) fn engine(error: &AutomergeError) -> Self {
        Self::Engine(error.to_string())
    }
}

/// The maps of the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Area {
    Cluster,
    Settings,
    Members,
    Removed,
    Admins,
}

impl Area {
    pub(crate) const ALL: [(Self, &'static str); 5] = [
        (Self::Cluster, "cluster"),
        (Self::Settings, "settings"),
        (Self::Members, "members"),
        (Self::Removed, "removed"),
        (Self::Admins, "admins"),
    ];
}

/// The configuration document of one cluster, as this node has it.
#[derive(Clone)]
pub struct Document {
    pub(crate) doc: Automerge,
    pub(crate) cluster: ClusterId,
    /// The change that everything stands upon. Two documents are of one cluster when it is the same.
    pub(crate) root: VersionId,
    pub(crate) areas: BTreeMap<Area, ObjId>,
    pub(crate) schema: Arc<Schema>,
    /// Octets received since the last time that nothing waited for an earlier change.
    pub(crate) waiting: usize,
    saved: Vec<ChangeHash>,
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document").field("cluster", &self.cluster).field("versions", &self.heads()).finish_non_exhaustive()
    }
}

impl Document {
    /// Founds a cluster. Done once; every other node begins with what this one saved.
    pub fn create(cluster: ClusterId, name: &str, writer: Writer, by: By<'_>) -> Result<Self, WriteError> {
        let mut doc = Automerge::new().with_actor(writer.actor());
        let options = commit_options(by, 0);
        doc.transact_with::<_, _, AutomergeError, _>(
            |()| options,
            |tx| {
                for (area, at) in Area::ALL {
                    let map = tx.put_object(ROOT, at, ObjType::Map)?;
                    if area == Area::Cluster {
                        tx.put(&map, "id", cluster.to_string())?;
                        tx.put(&map, "name", name)?;
                        tx.put(&map, "format", FORMAT)?;
                    }
                }
                Ok(())
            },
        )
        .map_err(|failure| WriteError::engine(&failure.error))?;
        Self::of(doc).map_err(|e| WriteError::Engine(e.to_string()))
    }

    /// Reads a saved document. `expected`: the cluster it has to be of, if that is known.
    pub fn open(saved: &[u8], expected: Option<ClusterId>, writer: Writer) -> Result<Self, OpenError> {
        if saved.len() > MAX_SAVED {
            return Err(OpenError::TooLarge(saved.len()));
        }
        let load = || Automerge::load(saved).map_err(|e| e.to_string());
        let doc = crate::sync::guarded(load).and_then(|d| d).map_err(OpenError::Damaged)?;
        let mut document = Self::of(doc.with_actor(writer.actor()))?;
        match expected {
            Some(expected) if expected != document.cluster => Err(OpenError::Foreign { expected, found: document.cluster }),
            _ => {
                document.saved = document.doc.get_heads();
                Ok(document)
            }
        }
    }

    /// The settings that the node's build knows, where that are not all of [`Schema::settings`].
    #[must_use]
    pub fn with_schema(mut self, schema: Arc<Schema>) -> Self {
        self.schema = schema;
        self
    }

    /// The document that an automerge document is, if it is one.
    pub(crate) fn of(doc: Automerge) -> Result<Self, OpenError> {
        let mut areas = BTreeMap::new();
        for (area, at) in Area::ALL {
            let found = doc.get_all(ROOT, at).map_err(|e| OpenError::Damaged(e.to_string()))?;
            match found.as_slice() {
                [(value, id)] if value.is_object() => areas.insert(area, id.clone()),
                _ => return Err(OpenError::NotOurs("it has not exactly one map of each kind")),
            };
        }
        let roots: Vec<ChangeHash> = doc.get_changes_meta(&[]).iter().filter(|c| c.deps.is_empty()).map(|c| c.hash).collect();
        let &[root] = roots.as_slice() else { return Err(OpenError::NotOurs("it has not exactly one beginning")) };
        let mut document =
            Self { doc, cluster: ClusterId([0; 16]), root: root.into(), areas, schema: Schema::settings(), waiting: 0, saved: Vec::new() };
        let format = document.fact(Area::Cluster, "format").as_u64().unwrap_or(0);
        if format > FORMAT {
            return Err(OpenError::Newer(format));
        }
        // Only what the first change says: a later one must not be able to make it another cluster.
        let first = document.stored_at(Area::Cluster, Some(&[root]));
        // 16 octets in hexadecimal digits, as a node's id is.
        let id: Option<NodeId> = first.get("id").and_then(Value::as_str).and_then(|text| text.parse().ok());
        document.cluster = ClusterId(id.ok_or(OpenError::NotOurs("it names no cluster"))?.0);
        Ok(document)
    }

    pub fn cluster(&self) -> ClusterId {
        self.cluster
    }

    pub fn name(&self) -> String {
        self.fact(Area::Cluster, "name").as_str().unwrap_or_default().to_owned()
    }

    /// The versions that nothing stands upon yet: one, or several after edits on both sides of a cut.
    pub fn heads(&self) -> Vec<VersionId> {
        self.doc.get_heads().into_iter().map(VersionId::from).collect()
    }

    /// The whole document, compressed.
    pub fn save(&mut self) -> Vec<u8> {
        self.saved = self.doc.get_heads();
        self.doc.save()
    }

    /// What came since the last save; put behind it, it opens as one document.
    pub fn save_incremental(&mut self) -> Vec<u8> {
        let since = std::mem::replace(&mut self.saved, self.doc.get_heads());
        self.doc.save_after(&since)
    }

    /// The shared settings, as far as this version knows them, complete with defaults.
    pub fn settings(&self) -> Value {
        flat::unflatten(self.schema.shape(), &self.seen(&self.stored(Area::Settings)))
    }

    /// The settings that a plan would lead to.
    pub fn preview(&self, plan: &Plan) -> Value {
        let mut stored = self.stored(Area::Settings);
        stored.extend(plan.puts.clone());
        flat::unflatten(self.schema.shape(), &self.seen(&stored))
    }

    /// Works out what has to be written so that the shared settings become `new`; what `new` leaves out stays as it is.
    pub fn plan(&self, new: &Value) -> Result<Plan, PlanError> {
        let stored = self.stored(Area::Settings);
        plan::change(&self.schema, &stored, &self.seen(&stored), new)
    }

    /// Writes a plan.
    pub fn carry_out(&mut self, plan: Plan, by: By<'_>) -> Result<Change, WriteError> {
        let edits = plan.puts.len();
        let puts = plan::with_surroundings(&plan.puts, &self.seen(&self.stored(Area::Settings)));
        let version = self.write(Area::Settings, &puts, edits, by)?;
        Ok(Change { version, edits, untouched: plan.untouched })
    }

    /// Brings the shared settings to `new` with as few edits as that takes.
    pub fn change(&mut self, new: &Value, by: By<'_>) -> Result<Change, WriteError> {
        let plan = self.plan(new)?;
        self.carry_out(plan, by)
    }

    pub(crate) fn write(&mut self, area: Area, puts: &Flat, edits: usize, by: By<'_>) -> Result<Option<VersionId>, WriteError> {
        if puts.is_empty() {
            return Ok(None);
        }
        let map = self.map(area).clone();
        let options = commit_options(by, edits);
        let done = self.doc.transact_with::<_, _, AutomergeError, _>(
            |()| options,
            |tx| {
                puts.iter().try_for_each(|(key, value)| {
                    // The engine writes nothing where a value stays as it is; here that is said on purpose.
                    if tx.get(&map, key.as_str())?.is_some_and(|(now, _)| now.as_scalar().map(scalar::from_owned).as_ref() == Some(value)) {
                        tx.delete(&map, key.as_str())?;
                    }
                    tx.put(&map, key.as_str(), scalar::to_scalar(value))
                })
            },
        );
        Ok(done.map_err(|failure| WriteError::engine(&failure.error))?.hash.map(VersionId::from))
    }

    pub(crate) fn map(&self, area: Area) -> &ObjId {
        // Every area is there (`of`); the root is a map as well, with nothing of that name in it.
        self.areas.get(&area).unwrap_or(&ROOT)
    }

    /// What this version makes of stored settings: laid over the defaults, without what it does not know.
    pub(crate) fn seen(&self, stored: &Flat) -> Flat {
        let mut all = self.schema.defaults().clone();
        all.extend(stored.iter().filter(|(key, _)| self.schema.shape().at(key).is_some()).map(|(k, v)| (k.clone(), v.clone())));
        flat::visible(&all)
    }

    /// Shared settings that stand here and that this version does not know: a later one set them. They stay as they are.
    pub fn unknown_settings(&self) -> Vec<String> {
        let stored = self.stored(Area::Settings);
        let unknown = stored.iter().filter(|(key, value)| !value.is_null() && self.schema.shape().at(key).is_none());
        unknown.map(|(key, _)| crate::path::shown(key)).collect()
    }

    pub(crate) fn stored(&self, area: Area) -> Flat {
        self.stored_at(area, None)
    }

    /// All keys of an area with their values, as they are. Of conflicting values the engine's choice, the same on every node;
    /// but an element that one side took out and another edited stays.
    pub(crate) fn stored_at(&self, area: Area, heads: Option<&[ChangeHash]>) -> Flat {
        let map = self.map(area);
        let items = match heads {
            None => self.doc.map_range(map, ..),
            Some(heads) => self.doc.map_range_at(map, .., heads),
        };
        items
            .map(|item| {
                let mut value = scalar::from_ref(&item.value);
                if value.is_null() && item.conflict && path::is_member(&item.key) {
                    value = self.values(area, &item.key, heads).into_iter().map(|(v, _)| v).find(|v| !v.is_null()).unwrap_or(value);
                }
                (item.key.into_owned(), value)
            })
            .collect()
    }

    /// All values of a key that no later edit has replaced, in the engine's order, with the operation that wrote each.
    pub(crate) fn values(&self, area: Area, key: &str, heads: Option<&[ChangeHash]>) -> Vec<(Value, ObjId)> {
        let found = match heads {
            None => self.doc.get_all(self.map(area), key),
            Some(heads) => self.doc.get_all_at(self.map(area), key, heads),
        };
        let value = |v: &automerge::Value<'_>| v.as_scalar().map_or(Value::Null, scalar::from_owned);
        found.unwrap_or_default().iter().map(|(v, id)| (value(v), id.clone())).collect()
    }

    pub(crate) fn fact(&self, area: Area, key: &str) -> Value {
        self.values(area, key, None).pop().map_or(Value::Null, |(v, _)| v)
    }
}

fn commit_options(by: By<'_>, edits: usize) -> CommitOptions {
    CommitOptions::default().with_time(by.at.0).with_message(crate::history::note(by, edits))
}
