//! `postern cluster update`: hands a bundle to the node, and says how far all of them are.

use std::time::Duration;

use serde_json::{Value, json};

use super::client::{CommandError, Node};
use super::fetch;
use super::os::failed;
use super::output::{self, list, string};

const LOOK: Duration = Duration::from_secs(1);

pub async fn run(node: &Node, bundle: Option<&str>, allow_older: bool) -> Result<(), CommandError> {
    let Some(bundle) = bundle else {
        let view = node.get("/cluster/update").await?;
        if node.json {
            output::json(&view);
        } else {
            words(&view).iter().for_each(|line| output::text(line));
        }
        return Ok(());
    };
    if fetch::is_address(bundle) {
        fetch::run(node, bundle, json!({ "for": "all", "allow_older": allow_older })).await?;
    } else {
        let octets = std::fs::read(bundle).map_err(|e| failed(format!("{bundle}: {e}")))?;
        let path = format!("/cluster/update?allow_older={allow_older}");
        node.send(hyper::Method::POST, &path, Some(("application/octet-stream", octets.into())), &[]).await?;
    }
    let mut said = Vec::new();
    loop {
        // The node that was asked restarts last: then there is nobody left to ask.
        let Ok(view) = node.get("/cluster/update").await else {
            output::text("this node restarts into its update");
            return Ok(());
        };
        let now = words(&view);
        now.iter().filter(|line| !said.contains(*line)).for_each(|line| output::text(line));
        said = now;
        match string(&view["state"]).as_str() {
            "running" => tokio::time::sleep(LOOK).await,
            "failed" => return Err(failed(string(&view["why"]))),
            _ => return Ok(()),
        }
    }
}

fn words(view: &Value) -> Vec<String> {
    let mut lines: Vec<String> =
        list(view, "nodes").iter().map(|n| format!("{}: {}", string(&n["name"]), string(&n["step"]).replace('-', " "))).collect();
    match string(&view["state"]).as_str() {
        "none" => lines.push("no update of all nodes was led by this one since it started".into()),
        "failed" => lines.push(format!("stopped: {}", string(&view["why"]))),
        "done" => lines.push("all nodes are updated".into()),
        _ => {}
    }
    lines
}
