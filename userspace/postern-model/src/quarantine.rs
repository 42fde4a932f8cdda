//! What became of a mail in quarantine.

use serde::{Deserialize, Serialize};

/// Rises only: two nodes that heard different commands while they were apart agree on the one that lost nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QuarantineState {
    #[default]
    Held = 0,
    Deleted = 1,
    Released = 2,
}
