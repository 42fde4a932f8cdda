//! What a build speaks and understands: during an upgrade the members of a cluster are of two generations.

use std::ops::RangeInclusive;
use std::sync::Arc;

use postern_document::shape::Schema;
pub use postern_link::link::PROTOCOLS;

pub use crate::ledger::kind::{Kind, KindSet};

/// Handed to a node by its binary. There is one in the product, [`Generation::current`]; tests let nodes of several meet.
#[derive(Clone, Debug)]
pub struct Generation {
    /// Versions of the link's protocol.
    pub protocols: RangeInclusive<u16>,
    /// Kinds of rows of the ledger. Rows of others are kept, passed on, and mean nothing here.
    pub kinds: KindSet,
    /// The shared settings it knows. Others stay in the document and are not in force here.
    pub schema: Arc<Schema>,
}

impl Generation {
    pub fn current() -> Self {
        Self { protocols: PROTOCOLS, kinds: KindSet::ALL, schema: Schema::settings() }
    }
}
