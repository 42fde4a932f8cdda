//! `postern reports`: what the gateway did in some days, and the reports that were sent.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use postern_model::settings::users::Language;
use postern_report::figures::Report;
use serde_json::{Value, json};

use super::client::{CommandError, Node, escape, query};
use super::output::{self, list, string, when};

#[derive(Args, Debug)]
pub struct Arguments {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// The schedule, and reports that were sent; also without a verb
    List,
    /// A report as text: one that was sent, or about some days up to now
    Show(Which),
    /// The same as a PDF
    Save {
        /// Where to
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
        #[command(flatten)]
        which: Which,
    },
    /// Send a report to the recipients of the settings
    Send {
        /// A day of UTC, as in 2026-11-20
        first: String,
        /// The last day, included; the first unless given
        last: Option<String>,
    },
}

#[derive(Args, Debug)]
struct Which {
    /// Of a report that was sent; without it and days: what the schedule is about
    #[arg(conflicts_with_all = ["first", "last"])]
    id: Option<String>,
    /// A day of UTC, as in 2026-11-20
    #[arg(long)]
    first: Option<String>,
    /// The last day, included; the first unless given
    #[arg(long, requires = "first")]
    last: Option<String>,
    #[arg(long, value_enum, default_value_t = Tongue::En)]
    language: Tongue,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum Tongue {
    En,
    De,
}

impl From<Tongue> for Language {
    fn from(tongue: Tongue) -> Self {
        match tongue {
            Tongue::En => Self::En,
            Tongue::De => Self::De,
        }
    }
}

impl Which {
    /// As the node says it, and as we understand it.
    async fn ask(&self, node: &Node) -> Result<(Value, Report), CommandError> {
        let answer = match &self.id {
            Some(id) => node.get(&format!("/reports/{}", escape(id))).await?,
            None => node.get(&format!("/reports/preview{}", query(&[("first", self.first.clone()), ("last", self.last.clone())]))).await?,
        };
        let report =
            serde_json::from_value(answer.clone()).map_err(|e| CommandError::Answer(format!("a report that is not understood: {e}")))?;
        Ok((answer, report))
    }
}

pub async fn run(node: &Node, arguments: Arguments) -> Result<(), CommandError> {
    match arguments.verb.unwrap_or(Verb::List) {
        Verb::List => kept(node, &node.get("/reports").await?),
        Verb::Show(which) => {
            let (answer, report) = which.ask(node).await?;
            if node.json {
                output::json(&answer);
            } else {
                let host = string(&node.get("/status").await?["hostname"]);
                output::text(&output::plain(&postern_report::text(&report, which.language.into(), &host), true));
            }
        }
        Verb::Save { to, which } => {
            let (_, report) = which.ask(node).await?;
            let host = string(&node.get("/status").await?["hostname"]);
            let pdf = postern_report::render(&report, which.language.into(), &host).pdf;
            std::fs::write(&to, &pdf).map_err(CommandError::Local)?;
            if node.json {
                output::json(&json!({ "file": to, "octets": pdf.len() }));
            }
        }
        Verb::Send { first, last } => {
            let last = last.unwrap_or_else(|| first.clone());
            let sent = node.post("/reports", json!({ "first": first, "last": last })).await?;
            if node.json {
                output::json(&sent);
            } else {
                output::text(&string(&sent["id"]));
            }
        }
    }
    Ok(())
}

fn kept(node: &Node, answer: &Value) {
    if node.json {
        return output::json(answer);
    }
    output::facts(&[
        ("schedule", string(&answer["schedule"])),
        ("next", when(&answer["next"])),
        ("recipients", string(&answer["recipients"])),
        ("domains", string(&answer["domains"])),
        ("trouble", string(&answer["trouble"])),
    ]);
    let row = |r: &Value| {
        let days = if r["first"] == r["last"] { string(&r["first"]) } else { format!("{} to {}", string(&r["first"]), string(&r["last"])) };
        vec![string(&r["id"]), when(&r["made"]), days, string(&r["schedule"]), string(&r["by"]), string(&r["mails"]), string(&r["silent"])]
    };
    let heads = ["ID", "MADE", "DAYS", "SCHEDULE", "BY", "MAILS", "MISSING NODES"];
    output::table(&heads, &list(answer, "reports").iter().map(row).collect::<Vec<_>>());
}
