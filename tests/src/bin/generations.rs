//! A node of another generation than this build's, for the upgrade of a cluster: called `older` it speaks an older protocol, and knows
//! neither a setting nor a kind of rows; called by any other name it speaks one protocol more than this build.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use postern::Generation;
use postern_cluster::node::generation::{Kind, KindSet};
use postern_document::shape::Schema;

fn main() -> ExitCode {
    let name = std::env::args_os().next().map(PathBuf::from).unwrap_or_default();
    let current = Generation::current();
    let (first, last) = (*current.protocols.start(), *current.protocols.end());
    postern::main(if name.file_name().is_some_and(|name| name == "older") {
        Generation {
            protocols: first..=last,
            kinds: KindSet::ALL.without(Kind::QuarantineEntry).without(Kind::QuarantineAction),
            schema: Arc::new(Schema::without(&["greylist.min_score"])),
        }
    } else {
        Generation { protocols: first..=last + 1, ..current }
    })
}
