//! An update that the node fetches from an address: says how far it is until the node has taken it.

use std::time::Duration;

use serde_json::{Value, json};

use super::client::{CommandError, Node};
use super::os::failed;
use super::output::{self, string};

const LOOK: Duration = Duration::from_secs(1);
const MIB: u64 = 1 << 20;

/// Whether this names something to fetch, and not a file.
pub fn is_address(text: &str) -> bool {
    text.starts_with("https://") || text.starts_with("http://")
}

/// `order` is what comes after: `{"for": "this"}`, `{"for": "all"}`.
///
/// # Errors
/// When the node refuses, cannot fetch it, or the bundle is refused.
pub async fn run(node: &Node, url: &str, order: Value) -> Result<(), CommandError> {
    node.post("/system/update/fetch", json!({ "url": url, "order": order })).await?;
    let mut said = String::new();
    loop {
        let view = node.get("/system/update/fetch").await?;
        match string(&view["stage"]).as_str() {
            "fetching" => {}
            "failed" => return Err(failed(string(&view["why"]))),
            _ => return Ok(()),
        }
        let now = words(&view);
        if now != said {
            output::text(&now);
            said = now;
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn words(view: &Value) -> String {
    let mib = |field: &str| view[field].as_u64().map(|octets| octets / MIB);
    match (mib("octets"), mib("total")) {
        (Some(there), Some(total)) => format!("fetching: {there} of {total} MiB"),
        (there, _) => format!("fetching: {} MiB", there.unwrap_or(0)),
    }
}
