//! Runs every file of `tests/backends/`: the backend's part as in `backend.rs`; before it `! key value` lines set the
//! scene; `= …` lines say what must come of it: `= 1 gone` or `= 1 STATUS: REPLY` for the first mail (one line for each
//! recipient that is not done), `= connections N`, `= taken N`.

use std::path::Path;

use postern_model::envelope::Direction;
use postern_model::settings::delivery::{Protocol, TlsPolicy};
use postern_model::time::Span;
use postern_mta::queue::Filter;

use super::backend::Backend;
use super::node::{Node, backend, domain, settings, until};

async fn run(path: &Path) {
    let script = std::fs::read_to_string(path).unwrap();
    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
    let peer = Backend::play(&script).await;
    let (mut protocol, mut tls, mut direction) = (Protocol::Smtp, TlsPolicy::Opportunistic, Direction::Outbound);
    let (mut to, mut from, mut mails) = (vec!["c@here.example"], "a@inside.example", 1);
    let mut scene = settings(Vec::new());
    for line in script.lines() {
        let Some((key, value)) = line.strip_prefix("! ").and_then(|l| l.split_once(' ')) else { continue };
        let span = || value.parse::<Span>().unwrap();
        match key {
            "protocol" => protocol = if value == "lmtp" { Protocol::Lmtp } else { Protocol::Smtp },
            "tls" => {
                tls = match value {
                    "off" => TlsPolicy::Off,
                    "required" => TlsPolicy::Required,
                    "verified" => TlsPolicy::Verified,
                    _ => TlsPolicy::Opportunistic,
                }
            }
            "direction" => direction = if value == "inbound" { Direction::Inbound } else { Direction::Outbound },
            "to" => to = value.split(',').collect(),
            "from" => from = if value == "<>" { "" } else { value },
            "mails" => mails = value.parse().unwrap(),
            "retry" => {
                scene.delivery.retry_first = span();
                scene.delivery.retry_max = span();
            }
            "reply_timeout" => scene.delivery.reply_timeout = span(),
            "per_connection" => scene.delivery.max_mails_per_connection = value.parse().unwrap(),
            "per_mail" => scene.delivery.max_recipients_per_mail = value.parse().unwrap(),
            other => panic!("{name}: unknown key {other}"),
        }
    }
    scene.domains = vec![domain("here.example", vec![backend(peer.port, protocol, tls)])];
    // Notifications find no host: they wait, and are not what these scripts are about.
    scene.delivery.smarthosts = vec![postern_model::settings::delivery::Backend { host: "/nowhere".into(), ..backend(0, protocol, tls) }];
    let node = Node::start(scene);
    let mut ids = Vec::new();
    for _ in 0..mails {
        let id = node.accept(direction, from, &to).await;
        // One after the other, so that connections are counted in order.
        until("the first attempt is over", || async {
            let rows = node.queue.list(&Filter::id(id), None, 1);
            rows.first().is_none_or(|r| r.status != postern_mta::queue::Status::Active && r.recipients.iter().any(|x| x.attempts > 0))
        })
        .await;
        ids.push(id);
    }
    let expected: Vec<&str> = script.lines().filter_map(|l| l.strip_prefix("= ")).collect();
    assert!(!expected.is_empty(), "{name} expects nothing");
    let found = || {
        let mut found = Vec::new();
        for (i, id) in ids.iter().enumerate() {
            match node.queue.list(&Filter::id(*id), None, 1).first() {
                None => found.push(format!("{} gone", i + 1)),
                Some(row) => found.extend(
                    row.recipients
                        .iter()
                        .filter(|r| r.status == postern_model::queue::RecipientStatus::Pending)
                        .map(|r| format!("{} {}: {}", i + 1, row.status.name(), r.last.as_ref().map_or("", |l| &l.reply))),
                ),
            }
        }
        let seen = peer.seen.lock();
        if expected.iter().any(|e| e.starts_with("connections")) {
            found.push(format!("connections {}", seen.connections));
        }
        found.push(format!("taken {}", seen.mails.len()));
        found
    };
    let begun = std::time::Instant::now();
    while found() != expected {
        assert!(begun.elapsed().as_secs() < 20, "{name}: {:#?}\ninstead of {expected:#?}\n{:#?}", found(), peer.seen.lock().commands);
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    assert!(peer.seen.lock().surprises.is_empty(), "{name}: {:?}", peer.seen.lock().surprises);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backends_of_all_kinds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/backends");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 18, "scripts are missing");
    let mut running = tokio::task::JoinSet::new();
    for file in files {
        running.spawn(async move { run(&file).await });
    }
    while let Some(done) = running.join_next().await {
        done.unwrap();
    }
}
