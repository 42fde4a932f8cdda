//! The role `os`, played.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use postern_model::os::{OsReply, OsRequest, OsStatus};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixListener;

use super::{Rig, ask};

const LIMIT: Duration = Duration::from_secs(60);

/// An order, and what was in the file that it names.
#[derive(Debug)]
pub struct Taken {
    pub order: OsRequest,
    pub file: Option<Vec<u8>>,
}

/// It takes every order and keeps it; a check of an update says `1.1.0`, and the machine was never set up.
pub fn os(socket: &Path) -> Arc<Mutex<Vec<Taken>>> {
    let orders = Arc::new(Mutex::new(Vec::new()));
    let (listener, kept) = (UnixListener::bind(socket).unwrap(), Arc::clone(&orders));
    tokio::spawn(async move {
        let mut machine = String::new();
        while let Ok((stream, _)) = listener.accept().await {
            let (from, mut to) = stream.into_split();
            let Ok(Some(line)) = BufReader::new(from).lines().next_line().await else { continue };
            let reply = match serde_json::from_str(&line).unwrap() {
                OsRequest::Status => OsReply::Status { status: Box::new(OsStatus::default()) },
                OsRequest::CheckUpdate { .. } => OsReply::Text { text: "1.1.0".into() },
                OsRequest::Machine => OsReply::Text { text: machine.clone() },
                order => {
                    let file = match &order {
                        OsRequest::Update { bundle, .. } => std::fs::read(bundle).ok(),
                        _ => None,
                    };
                    let reply = match &order {
                        OsRequest::PutMachine { text } => {
                            machine.clone_from(text);
                            OsReply::Changed { files: vec!["/etc/hostname".into()] }
                        }
                        _ => OsReply::Done,
                    };
                    kept.lock().push(Taken { order, file });
                    reply
                }
            };
            let mut line = serde_json::to_vec(&reply).unwrap();
            line.push(b'\n');
            to.write_all(&line).await.unwrap();
        }
    });
    orders
}

/// Asks until it is so.
pub async fn until(rig: &Rig, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let looking = async {
        loop {
            let seen = ask("GET", path).unix(rig).await.ok();
            if is_so(&seen) {
                return seen;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LIMIT, looking).await.expect("in time")
}
