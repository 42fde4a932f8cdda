//! `postern edge allow`: the list in `edge.allow`, changed one network at a time.

use clap::Subcommand;
use hyper::Method;
use ipnet::IpNet;
use postern_edge::network;
use serde_json::{Value, json};

use crate::command::client::{CommandError, Node};
use crate::command::output;

#[derive(Subcommand, Debug)]
pub enum Change {
    /// Never drop or ban a network; its bans are lifted
    Add { network: String },
    /// Treat it like any other again
    Remove { network: String },
}

pub async fn run(node: &Node, change: Option<&Change>) -> Result<(), CommandError> {
    let answer = node.get("/settings").await?;
    let mut allowed: Vec<Value> = answer["settings"]["edge"]["allow"].as_array().cloned().unwrap_or_default();
    let Some(change) = change else {
        if node.json {
            output::json(&json!({ "allow": allowed }));
        } else if allowed.is_empty() {
            output::text("nobody is allowed whatever he does");
        } else {
            allowed.iter().filter_map(Value::as_str).for_each(output::text);
        }
        return Ok(());
    };
    let (wanted, is_added) = match change {
        Change::Add { network } => (network, true),
        Change::Remove { network } => (network, false),
    };
    let changed = parse(wanted)?;
    let text = changed.to_string();
    let stands = |v: &Value| v.as_str().and_then(|s| parse(s).ok()) == Some(changed);
    let message = match (is_added, allowed.iter().any(stands)) {
        (true, true) => return said(node, &format!("{text} is on the list already"), false),
        (false, false) => return Err(CommandError::Usage(format!("{text} is not on the list: `postern edge allow` shows it"))),
        (true, false) => {
            allowed.push(json!(text));
            format!("{text} is allowed")
        }
        (false, true) => {
            allowed.retain(|v| !stands(v));
            format!("{text} is not allowed any more")
        }
    };
    let body = json!({ "path": "edge.allow", "value": allowed, "message": message });
    // The list as it was read: a change that somebody made meanwhile is not overwritten.
    let digest = output::string(&answer["digest"]);
    node.send(Method::PATCH, "/settings", Some(("application/json", body.to_string().into())), &[("if-match", &digest)]).await?;
    said(node, &message, true)
}

fn said(node: &Node, message: &str, changed: bool) -> Result<(), CommandError> {
    if node.json {
        output::json(&json!({ "changed": changed, "message": message }));
    } else {
        output::text(message);
    }
    Ok(())
}

fn parse(text: &str) -> Result<IpNet, CommandError> {
    network::parse(text).ok_or_else(|| {
        CommandError::Usage(format!("`{text}` is neither an address nor a network: write 192.0.2.66, 192.0.2.0/24 or 2001:db8::/32"))
    })
}
