//! `postern edge`: the network card's guard.

mod allow;
mod show;
mod top;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use postern_model::time::Span;
use serde_json::{Value, json};

use super::client::{CommandError, Node, query};
use super::output::{self, list, string, when};

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
    /// Interfaces, counters, feeds, steering
    Status,
    /// What is dropped, passed and steered at this moment, and which sources are dropped most; every two seconds until Ctrl-C
    Top {
        /// Between two looks
        #[arg(long, default_value = "2s", value_name = "SPAN")]
        every: Span,
        /// End after so many looks
        #[arg(long, value_name = "N")]
        looks: Option<u64>,
    },
    /// Who serves the virtual addresses, and how each node is reached
    Ring,
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
    /// Networks that are never dropped or banned: the list, or a change of it
    Allow {
        #[command(subcommand)]
        change: Option<allow::Change>,
    },
    /// Samples of dropped packets
    Samples {
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// What would happen to a packet from an address, and why; a new SMTP connection unless told otherwise
    Trace {
        address: String,
        /// Where it goes to: a virtual address
        #[arg(long, value_name = "ADDRESS")]
        to: Option<String>,
        #[arg(long)]
        port: Option<u16>,
        /// The port it comes from
        #[arg(long, value_name = "PORT")]
        source_port: Option<u16>,
        /// It belongs to a connection that is open already
        #[arg(long)]
        established: bool,
    },
    /// Feeds of bad networks with their size and age
    Feeds {
        /// Read (and fetch) all of them again first
        #[arg(long)]
        reload: bool,
    },
}

pub async fn run(node: &Node, arguments: Arguments) -> Result<(), CommandError> {
    let Some(verb) = arguments.verb else {
        return Err(CommandError::Usage("which verb? status, top, ring, bans, ban, unban, allow, feeds, samples or trace".into()));
    };
    let answer = match &verb {
        Verb::Top { every, looks } => return top::run(node, every.0, *looks).await,
        Verb::Allow { change } => return allow::run(node, change.as_ref()).await,
        Verb::Status => node.get("/edge").await?,
        Verb::Ring => node.get("/edge").await?["steering"].clone(),
        Verb::Feeds { reload } => {
            if *reload {
                node.post("/edge/feeds/reload", json!({})).await?;
            }
            let status = node.get("/edge").await?;
            json!({ "feeds": status["feeds"] })
        }
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
        Verb::Trace { address, to, port, source_port, established } => {
            let asked = query(&[
                ("address", Some(address.clone())),
                ("to", to.clone()),
                ("port", port.map(|p| p.to_string())),
                ("source_port", source_port.map(|p| p.to_string())),
                ("established", established.then(|| "true".to_owned())),
            ]);
            node.get(&format!("/edge/trace{asked}")).await?
        }
    };
    if node.json {
        output::json(&answer);
        return Ok(());
    }
    match verb {
        Verb::Status => show::status(&answer),
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
        Verb::Ring => show::ring(&answer),
        Verb::Feeds { .. } => show::feeds(&answer),
        Verb::Top { .. } | Verb::Allow { .. } => {}
    }
    Ok(())
}
