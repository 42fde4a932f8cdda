//! Who wrote a row, and how far a node has what an origin wrote. The types are the store's, which keeps them as they are.

pub use postern_model::node::NodeId;
pub use postern_store::ledger::origin::{Head, History, Life, LifeStart, Origin};
