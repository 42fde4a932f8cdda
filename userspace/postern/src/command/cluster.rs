//! `postern cluster`, `postern node drain|resume|status`.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use postern_model::time::Span;
use serde_json::{Value, json};

use super::client::{CommandError, Node, escape, query};
use super::output::{self, list, octets, string, when};

/// How long `postern node drain --wait` waits at most.
const DRAIN: Duration = Duration::from_secs(600);
const LOOK: Duration = Duration::from_millis(500);

#[derive(Subcommand, Debug)]
pub enum Verb {
    /// Make a cluster of this node; others join it
    Init {
        /// For people
        #[arg(long, default_value = "")]
        name: String,
    },
    /// Print a token with which one new node may join
    Invite {
        /// How long it may be used, as in 30m or 2d
        #[arg(long)]
        lifetime: Option<Span>,
    },
    /// Tokens made here that may still be used
    Invitations,
    /// Take a token back, by its id
    Revoke { id: String },
    /// Join the cluster that a token is from
    Join {
        /// Left out: read from standard input, so that it stands in no shell history
        token: Option<String>,
    },
    /// The members, and how they are
    Members,
    /// The cluster at a glance
    Status,
    /// Remove a node for ever; its open mails are delivered by those who hold copies
    Remove {
        /// Name, id, or the first eight digits of it
        node: String,
    },
    /// Update all nodes with one bundle, one after the other, each drained before; this one comes last
    Update {
        /// A `postern-VERSION.update`, or the address (https://…) that this node fetches it from; left out: how far the last one is
        bundle: Option<String>,
        /// Also when its version is older than this node's
        #[arg(long)]
        allow_older: bool,
    },
    /// Forget the cluster on this node; it could join one again as a new node
    Leave,
    /// Changes of the shared settings, whichever node they were made on
    History {
        #[arg(long, default_value_t = 50)]
        limit: usize,
        /// Versions before this one
        #[arg(long)]
        before: Option<String>,
    },
    /// What differs between two versions of the shared settings
    Diff {
        from: String,
        /// The present state unless given
        to: Option<String>,
    },
    /// Take the change of one version back, and nothing else
    Undo { version: String },
    /// Settings that were set on two nodes at the same time
    Conflicts,
}

#[derive(Args, Debug)]
pub struct NodeArguments {
    #[command(subcommand)]
    pub verb: Option<NodeVerb>,
    /// The settings file, for the role
    #[arg(long, value_name = "FILE", default_value = crate::SETTINGS)]
    pub settings: PathBuf,
}

#[derive(Subcommand, Debug)]
pub enum NodeVerb {
    /// Take no more mail, let sessions end, hand the queue to peers
    Drain {
        /// Come back when it is safe to power off
        #[arg(long)]
        wait: bool,
    },
    /// Take mail again
    Resume,
    /// Serving, draining or drained
    Status,
}

pub async fn run(node: &Node, verb: Verb) -> Result<(), CommandError> {
    let answer = match verb {
        Verb::Init { name } => node.post("/cluster", json!({ "name": name })).await?,
        Verb::Invite { lifetime } => {
            let made = node.post("/cluster/invitations", json!({ "lifetime": lifetime })).await?;
            if !node.json {
                output::text(&string(&made["token"]));
                output::remark(&format!("Good for one node until {}: postern cluster join TOKEN", when(&made["expires"])));
                return Ok(());
            }
            made
        }
        Verb::Invitations => {
            let answer = node.get("/cluster/invitations").await?;
            if !node.json {
                let row = |i: &Value| vec![string(&i["id"]), when(&i["issued"]), when(&i["expires"])];
                output::table(&["ID", "MADE", "UNTIL"], &list(&answer, "invitations").iter().map(row).collect::<Vec<_>>());
                return Ok(());
            }
            answer
        }
        Verb::Revoke { id } => {
            node.delete(&format!("/cluster/invitations/{}", escape(&id))).await?;
            json!({ "revoked": id })
        }
        Verb::Join { token } => {
            let token = match token {
                Some(token) => token,
                None => std::io::read_to_string(std::io::stdin()).map_err(CommandError::Local)?,
            };
            node.post("/cluster/join", json!({ "token": token.trim() })).await?
        }
        Verb::Remove { node: name } => {
            node.delete(&format!("/cluster/members/{}", escape(&name))).await?;
            json!({ "removed": name })
        }
        Verb::Update { bundle, allow_older } => return super::rolling::run(node, bundle.as_deref(), allow_older).await,
        Verb::Leave => node.post("/cluster/leave", Value::Null).await?,
        Verb::Members | Verb::Status => {
            let answer = node.get("/cluster").await?;
            if !node.json {
                match verb {
                    Verb::Members => members(&answer),
                    _ => status(&answer),
                }
                return Ok(());
            }
            answer
        }
        Verb::History { limit, before } => {
            let answer = node.get(&format!("/cluster/history{}", query(&[("limit", Some(limit.to_string())), ("before", before)]))).await?;
            if !node.json {
                let short = |v: &Value| string(v).chars().take(12).collect::<String>();
                let row = |v: &Value| {
                    vec![
                        short(&v["hash"]),
                        when(&v["at"]),
                        string(&v["author"]),
                        short(&v["node"]).chars().take(8).collect(),
                        string(&v["message"]),
                    ]
                };
                let rows: Vec<_> = list(&answer, "versions").iter().map(row).collect();
                output::table(&["VERSION", "AT", "BY", "ON", "WHY"], &rows);
                return Ok(());
            }
            answer
        }
        Verb::Diff { from, to } => {
            let answer = node.get(&format!("/cluster/diff{}", query(&[("from", Some(from)), ("to", to)]))).await?;
            if !node.json {
                let row = |d: &Value| vec![string(&d["path"]), shown(&d["before"]), shown(&d["after"])];
                let rows: Vec<_> = list(&answer, "differences").iter().map(row).collect();
                output::table(&["SETTING", "BEFORE", "AFTER"], &rows);
                return Ok(());
            }
            answer
        }
        Verb::Undo { version } => {
            let answer = node.post("/cluster/undo", json!({ "version": version })).await?;
            if !node.json {
                let left = list(&answer, "left");
                output::text(if left.is_empty() { "done" } else { "done, but for settings that were changed since:" });
                left.iter().for_each(|path| output::text(&string(path)));
                return Ok(());
            }
            answer
        }
        Verb::Conflicts => {
            let answer = node.get("/cluster/conflicts").await?;
            if !node.json {
                let rows: Vec<_> = list(&answer, "conflicts")
                    .iter()
                    .flat_map(|c| {
                        list(c, "values").iter().enumerate().map(move |(i, v)| {
                            let state = if i == 0 { "in force" } else { "" };
                            vec![string(&c["path"]), state.into(), when(&v["at"]), string(&v["author"]), shown(&v["value"])]
                        })
                    })
                    .collect();
                output::table(&["SETTING", "", "AT", "BY", "VALUE"], &rows);
                return Ok(());
            }
            answer
        }
    };
    if node.json {
        output::json(&answer)
    } else {
        output::text("done")
    }
    Ok(())
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "(default)".into(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn members(cluster: &Value) {
    if cluster["member"] != true {
        return output::text("This node is in no cluster.");
    }
    let row = |m: &Value| {
        let link = match (&m["this"], &m["connected"]) {
            (Value::Bool(true), _) => "this node".to_owned(),
            (_, Value::Bool(true)) => m["round_trip_ms"].as_f64().map_or_else(|| "up".to_owned(), |ms| format!("up, {ms:.1} ms")),
            _ => format!("DOWN {}", string(&m["trouble"])),
        };
        vec![
            string(&m["name"]),
            string(&m["id"]).chars().take(8).collect(),
            link,
            string(&m["duty"]),
            string(&m["queued"]),
            octets(&m["free"]),
            string(&m["version"]),
            list(m, "problems").iter().map(string).collect::<Vec<_>>().join(", "),
        ]
    };
    let rows: Vec<_> = list(cluster, "members").iter().map(row).collect();
    output::table(&["NAME", "ID", "LINK", "DUTY", "QUEUED", "FREE", "VERSION", "TROUBLE"], &rows);
}

fn status(cluster: &Value) {
    if cluster["member"] != true {
        return output::text("This node is in no cluster.");
    }
    let all = list(cluster, "members");
    let up = all.iter().filter(|m| m["connected"] == true || m["this"] == true).count();
    let c = &cluster["copies"];
    let counts = |field: &str, of: &Value| {
        list(of, field).iter().map(|n| format!("{} {}", string(&n["name"]), n["count"])).collect::<Vec<_>>().join(", ")
    };
    output::facts(&[
        ("cluster", string(&cluster["name"])),
        ("id", string(&cluster["id"])),
        ("members", format!("{} of {} reached", up, all.len())),
        ("removed", list(cluster, "removed").iter().map(|r| string(&r["name"])).collect::<Vec<_>>().join(", ")),
        ("settings of a later version", list(cluster, "unknown_settings").iter().map(string).collect::<Vec<_>>().join(", ")),
        ("conflicts", if cluster["conflicts"] == 0 { String::new() } else { string(&cluster["conflicts"]) }),
        (
            "SETTINGS REFUSED",
            list(&cluster["refused"], "problems")
                .iter()
                .map(|p| format!("{}: {}", string(&p["path"]), string(&p["message"])))
                .collect::<Vec<_>>()
                .join("; "),
        ),
        ("mails with a copy", string(&c["shadowed"])),
        ("mails without", string(&c["unshadowed"])),
        ("put off", if c["deferred"] == 0 { String::new() } else { string(&c["deferred"]) }),
        ("lacking a copy now", if c["lacking"] == 0 { String::new() } else { string(&c["lacking"]) }),
        ("held for others", string(&c["held"])),
        ("taken over", if c["taken_over"] == 0 { String::new() } else { string(&c["taken_over"]) }),
        ("given away", if c["given_away"] == 0 { String::new() } else { string(&c["given_away"]) }),
        ("rows", format!("{} of {} writers", cluster["ledger"]["rows"], cluster["ledger"]["origins"])),
        ("odd messages", counts("oddities", &cluster["ledger"])),
        ("refused at the port", counts("refusals", cluster)),
    ]);
}

pub async fn duty(node: &Node, arguments: NodeArguments) -> Result<(), CommandError> {
    let Some(verb) = arguments.verb else {
        return Err(CommandError::Usage("which verb? drain, resume or status".into()));
    };
    let mut answer = match verb {
        NodeVerb::Status => node.get("/node/duty").await?,
        NodeVerb::Resume => node.post("/node/resume", Value::Null).await?,
        NodeVerb::Drain { .. } => node.post("/node/drain", Value::Null).await?,
    };
    if matches!(verb, NodeVerb::Drain { wait: true }) {
        let until = Instant::now() + DRAIN;
        while answer["duty"] == "draining" && Instant::now() < until {
            tokio::time::sleep(LOOK).await;
            answer = node.get("/node/duty").await?;
        }
    }
    if node.json {
        output::json(&answer);
    } else {
        let safe = if answer["safe_to_power_off"] == true { "yes" } else { "no" };
        output::facts(&[
            ("duty", string(&answer["duty"])),
            ("sessions", string(&answer["sessions"])),
            ("queued", string(&answer["queued"])),
            ("safe to power off", if answer["duty"] == "serving" { String::new() } else { safe.into() }),
            ("waits for", list(&answer, "waits_for").iter().map(string).collect::<Vec<_>>().join(", ")),
        ]);
    }
    if matches!(verb, NodeVerb::Drain { wait: true }) && answer["duty"] == "draining" {
        return Err(CommandError::Usage(format!("still draining after {} seconds", DRAIN.as_secs())));
    }
    Ok(())
}
