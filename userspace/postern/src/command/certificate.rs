//! `postern certificate`: what SMTP and the console show, and where it comes from.

use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;
use serde_json::{Value, json};

use super::client::{CommandError, Node};
use super::output::{self, string, when};

/// An authority looks and signs within seconds, seldom within minutes.
const PATIENCE: Duration = Duration::from_secs(300);
const LOOK: Duration = Duration::from_millis(500);

#[derive(Subcommand, Debug)]
pub enum Verb {
    /// What is shown now, and how ordering it by itself stands
    Show,
    /// Order one from the authority of [acme] now, and wait for it
    Renew,
    /// Print a request for an authority; its key stays on the node
    Request {
        /// Host names; none: the node's
        names: Vec<String>,
    },
    /// Put a chain in force, our own certificate first
    Install {
        /// PEM file
        chain: PathBuf,
        /// PEM file of its key; left out: that of the last request, or one in the chain's file
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
    },
    /// Back to the self-signed one
    Forget,
}

pub async fn run(node: &Node, verb: Verb) -> Result<(), CommandError> {
    match verb {
        Verb::Show => {
            show(node, &node.get("/node/certificate").await?);
            Ok(())
        }
        Verb::Renew => renew(node).await,
        Verb::Request { names } => {
            let made = node.post("/node/certificate/request", json!({ "names": names })).await?;
            if node.json {
                output::json(&made);
            } else {
                output::text(&string(&made["request"]));
            }
            Ok(())
        }
        Verb::Install { chain, key } => {
            let read = |path: PathBuf| std::fs::read_to_string(&path).map_err(|e| CommandError::Usage(format!("{}: {e}", path.display())));
            let body = json!({ "chain": read(chain)?, "key": key.map(read).transpose()? });
            show(node, &node.put("/node/certificate", body).await?);
            Ok(())
        }
        Verb::Forget => node.delete("/node/certificate").await.map(drop),
    }
}

fn show(node: &Node, now: &Value) {
    if node.json {
        output::json(now);
        return;
    }
    let automatic = &now["automatic"];
    output::facts(&[
        ("names", string(&now["names"])),
        ("source", string(&now["source"])),
        ("issuer", string(&now["issuer"])),
        ("from", when(&now["from"])),
        ("until", when(&now["until"])),
        ("fingerprint", string(&now["fingerprint"])),
        ("ordered from", string(&automatic["directory"])),
        ("being ordered since", when(&automatic["running"])),
        ("next order", when(&automatic["next"])),
        ("last try failed", when(&automatic["failed"])),
        ("because", string(&automatic["trouble"])),
    ]);
}

async fn renew(node: &Node) -> Result<(), CommandError> {
    let before = node.get("/node/certificate").await?;
    let mark = |now: &Value| (now["automatic"]["renewed"].as_i64(), now["automatic"]["failed"].as_i64());
    node.post("/node/certificate/renew", Value::Null).await?;
    let until = tokio::time::Instant::now() + PATIENCE;
    loop {
        tokio::time::sleep(LOOK).await;
        let now = node.get("/node/certificate").await?;
        if mark(&now) != mark(&before) && now["automatic"]["running"].is_null() {
            return match now["automatic"]["trouble"].as_str() {
                Some(why) => Err(CommandError::Failed(why.to_owned())),
                None => {
                    show(node, &now);
                    Ok(())
                }
            };
        }
        if tokio::time::Instant::now() > until {
            return Err(CommandError::Failed("nothing came of it within five minutes: `postern certificate show` says how it goes".into()));
        }
    }
}
