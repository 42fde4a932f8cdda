//! `postern edge`: the network card's guard.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use postern_model::time::Span;
use serde_json::{Value, json};

use super::client::{CommandError, Node, query};
use super::output::{self, list, octets, string, when};

#[derive(Args, Debug)]
pub struct Arguments {
    #[command(subcommand)]
    pub verb: Option<Verb>,
    /// Settings file, for the role
    #[arg(long, value_name = "FILE")]
    pub settings: Option<PathBuf>,
}

#[derive(Subcommand, Debug)]
pub enum Verb {
    /// Interfaces, counters, feeds
    Status,
    /// Bans in force, newest first
    Bans {
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Ban an address or a network
    Ban {
        network: String,
        /// As in 1d
        #[arg(long = "for", value_name = "SPAN")]
        duration: Option<Span>,
        /// For people
        #[arg(long, default_value = "")]
        why: String,
    },
    /// Lift a ban
    Unban { network: String },
    /// Samples of dropped packets
    Samples {
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// What would happen to a packet from an address, and why
    Trace { address: String },
    /// Read the feeds again
    ReloadFeeds,
}

pub async fn run(node: &Node, arguments: Arguments) -> Result<(), CommandError> {
    let Some(verb) = arguments.verb else {
        return Err(CommandError::Usage("which verb? status, bans, ban, unban, samples, trace or reload-feeds".into()));
    };
    let answer = match &verb {
        Verb::Status => node.get("/edge").await?,
        Verb::Bans { limit } => node.get(&format!("/edge/bans?limit={limit}")).await?,
        Verb::Ban { network, duration, why } => {
            node.post("/edge/bans", json!({ "network": network, "duration": duration, "evidence": why })).await?;
            json!({ "banned": network })
        }
        Verb::Unban { network } => {
            node.delete(&format!("/edge/bans{}", query(&[("network", Some(network.clone()))]))).await?;
            json!({ "unbanned": network })
        }
        Verb::Samples { limit } => node.get(&format!("/edge/samples?limit={limit}")).await?,
        Verb::Trace { address } => node.get(&format!("/edge/trace{}", query(&[("address", Some(address.clone()))]))).await?,
        Verb::ReloadFeeds => {
            node.post("/edge/feeds/reload", json!({})).await?;
            json!({ "reloaded": true })
        }
    };
    if node.json {
        output::json(&answer);
        return Ok(());
    }
    match verb {
        Verb::Status => status(&answer),
        Verb::Bans { .. } => {
            let row = |b: &Value| {
                vec![
                    string(&b["network"]),
                    string(&b["reason"]),
                    when(&b["from"]),
                    when(&b["until"]),
                    string(&b["count"]),
                    string(&b["by"]),
                    string(&b["evidence"]),
                ]
            };
            output::table(
                &["NETWORK", "REASON", "FROM", "UNTIL", "TIMES", "BY", "DID"],
                &list(&answer, "bans").iter().map(row).collect::<Vec<_>>(),
            );
        }
        Verb::Samples { .. } => {
            let row =
                |s: &Value| vec![when(&s["at"]), string(&s["source"]), string(&s["port"]), string(&s["reason"]), string(&s["length"])];
            output::table(&["TIME", "FROM", "PORT", "REASON", "LENGTH"], &list(&answer, "samples").iter().map(row).collect::<Vec<_>>());
        }
        Verb::Trace { .. } => {
            output::text(&format!("{} ({})", string(&answer["action"]), string(&answer["reason"])));
            for step in list(&answer, "steps") {
                output::text(&format!("  {}", string(step)));
            }
        }
        Verb::Ban { network, .. } => output::text(&format!("{network} is banned")),
        Verb::Unban { network } => output::text(&format!("{network} is not banned any more")),
        Verb::ReloadFeeds => output::text("the feeds are read again"),
    }
    Ok(())
}

fn status(s: &Value) {
    let interfaces: Vec<String> =
        list(s, "interfaces").iter().map(|i| format!("{} ({})", string(&i["name"]), string(&i["mode"]))).collect();
    output::facts(&[
        ("version", string(&s["version"])),
        ("running since", when(&s["since"])),
        ("interfaces", if interfaces.is_empty() { "none is guarded".into() } else { interfaces.join(", ") }),
        ("bans", string(&s["bans"])),
        ("allowed networks", string(&s["allowed"])),
    ]);
    let row = |c: &Value| vec![string(&c["name"]), string(&c["packets"]), octets(&c["octets"])];
    output::text("");
    output::table(&["COUNTER", "PACKETS", "OCTETS"], &list(s, "counters").iter().map(row).collect::<Vec<_>>());
    if !list(s, "feeds").is_empty() {
        let row = |f: &Value| vec![string(&f["name"]), string(&f["entries"]), when(&f["loaded"]), string(&f["error"])];
        output::text("");
        output::table(&["FEED", "ENTRIES", "LOADED", "TROUBLE"], &list(s, "feeds").iter().map(row).collect::<Vec<_>>());
    }
}
