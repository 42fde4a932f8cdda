//! A digest of a user whose node's turn it is comes from another when that node is gone, and from no second one when it is back.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use postern_model::id::MailId;
use postern_model::node::NodeId;
use postern_model::reason::Reason;
use postern_model::score::Score;
use postern_model::time::Timestamp;
use postern_store::database::Database;
use postern_store::database::quarantine::{QuarantineEntry, QuarantineState};
use postern_tests::cluster::nodes::{Cluster, Options};
use postern_tests::gateway::wait_until;
use postern_tests::report::{a_minute_ago, time_of_day};

use crate::world::*;

const SETTINGS: &str = "[sandbox]\nenabled = false\n[users]\nenabled = true\nurl = \"https://mail.backend.example\"\ndigest_at = []\n";
const USERS: usize = 24;
const HOUR: i64 = 3_600_000;
/// A node whose turn is the third waits for 20 minutes: two turns of ten (`TURN_MS` of digests).
const THIRD_TURN: u64 = 20;

/// What a node knows of mails that lie with another: one for each user, from three hours ago.
fn known(data: &Path, holder: NodeId) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let database = Database::open(&data.join("postern.db")).await.unwrap();
        let at = Timestamp(Timestamp::from_system(std::time::SystemTime::now()).0 - 3 * HOUR);
        for user in 0..USERS {
            let entry = QuarantineEntry {
                mail: MailId::new(at, user as u128),
                at,
                sender: "shop@load.example".into(),
                recipients: vec![format!("user{user}@backend.example")],
                from_header: None,
                subject: Some("An offer".into()),
                score: Score::new(9.0),
                reason: Reason::ScoreQuarantine,
                size: 1000,
                expires: Timestamp(at.0 + 1000 * HOUR),
                state: QuarantineState::Held,
                state_by: None,
                state_at: None,
                holder: Some(holder),
            };
            database.quarantine().add(&entry).await.unwrap();
        }
        database.close().await;
    });
}

#[test]
fn a_user_whose_node_is_gone_has_the_digest_of_another_and_of_no_second_one() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut cluster) = cluster(folder.path(), 3, Options { settings: SETTINGS.to_owned(), ..Options::default() }) else { return };
    let backend = cluster.network.hosts.last().unwrap().address.to_string();
    let domain = serde_json::json!([{ "name": "backend.example", "backends": [{ "host": backend, "port": 25, "tls": "off" }] }]);
    set(&cluster, 0, "domains", &domain.to_string());
    let members = cluster.ask(0, &["cluster", "members"]).unwrap();
    let node2 = members["members"].as_array().unwrap().iter().find(|m| m["name"] == "node2.example").unwrap();
    let gone: NodeId = node2["id"].as_str().unwrap().parse().unwrap();
    // Within the minute the survivor's third turn begins; the two before it have been for long.
    let (_, minute) = a_minute_ago();
    let time = time_of_day((minute + 2 + 1440 - THIRD_TURN) % 1440);
    set(&cluster, 0, "users.digest_at", &format!("[\"{time}\"]"));
    everywhere(&cluster, "the time of digests", "/users/digest_at/0", time);
    (0..3).for_each(|n| cluster.stop(n).unwrap());
    for node in [0, 1] {
        known(&cluster.nodes[node].data, gone);
    }

    let digests = |cluster: &Cluster| {
        let mut of = BTreeMap::<String, usize>::new();
        for mail in cluster.backend.mails().iter().filter(|m| m.data.contains("Subject: Held back for you")) {
            mail.to.iter().for_each(|to| *of.entry(to.clone()).or_default() += 1);
        }
        of
    };
    cluster.start(0).unwrap();
    wait_until("the digests whose turn has come", LIMIT * 3, || !digests(&cluster).is_empty()).unwrap();
    wait_until("everybody's digest", Duration::from_secs(150), || digests(&cluster).len() == USERS).unwrap();
    said("node0 alone has told the users of the two that are gone, too");

    cluster.start(1).unwrap();
    wait_until("the other is back", LIMIT, || cluster.ask(1, &["status"]).is_ok_and(|s| s["ready"] == true)).unwrap();
    let up = || cluster.ask(1, &["status"]).ok().and_then(|s| s["uptime_seconds"].as_u64()).unwrap_or(0);
    wait_until("two looks of it", LIMIT * 4, || up() > 45).unwrap();
    let told = digests(&cluster);
    assert!(told.len() == USERS && told.values().all(|n| *n == 1), "{told:?}");
    said("node1 is back and has told nobody again");
}
