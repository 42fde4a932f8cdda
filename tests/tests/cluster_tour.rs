//! The guided tour of a cluster (`./just cluster 3 --script`) with real nodes: what it says is what is there.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use postern_tests::cluster::nodes::{Cluster, Options};
use postern_tests::cluster::tour;
use postern_tests::gateway::binary;
use postern_tests::network::lacking;

#[test]
fn the_tour_shows_what_it_says() {
    if let Some(why) = lacking(&["ip", "nsenter", "unshare"]) {
        println!("skipped: {why}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::new(&binary(), folder.path(), 3, Options::default()).unwrap();
    cluster.start_all().unwrap();
    cluster.unite().unwrap();
    let mut said = Vec::new();
    let toured = tour::guide(&mut cluster, &mut |line| said.push(line.to_owned()));
    let said = said.join("\n");
    if let Err(error) = toured {
        let logs: Vec<String> = cluster.nodes.iter().map(|n| n.log()).collect();
        panic!("{error:#}\n{said}\n{}", logs.join("\n---\n"));
    }
    assert!(said.contains("Lost: 0."), "{said}");
    assert!(said.contains("7.0 or 9.0") || said.contains("9.0 or 7.0"), "{said}");
}
