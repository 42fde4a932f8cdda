//! `postern journey`: search mails, and what happened to one.

use clap::{Args, Subcommand};
use postern_model::sandbox::Opened;
use postern_model::time::{Span, Timestamp};
use serde_json::Value;

use super::client::{CommandError, Node, escape, query};
use super::output::{self, list, octets, score, string, when};
use super::sandbox_report;

#[derive(Subcommand, Debug)]
pub enum Verb {
    /// Search mails; everything given must hold
    #[command(alias = "list")]
    Search(Box<Search>),
    /// One mail with all that happened to it
    Show {
        /// Mail id
        mail: String,
    },
}

#[derive(Args, Debug)]
pub struct Search {
    /// Address, local part, domain, or words of the display name
    #[arg(long)]
    sender: Option<String>,
    /// Address, local part or domain
    #[arg(long)]
    recipient: Option<String>,
    /// Whole words of the subject
    #[arg(long)]
    subject: Option<String>,
    #[arg(long)]
    message_id: Option<String>,
    /// Mail id
    #[arg(long)]
    mail: Option<String>,
    /// The client's address
    #[arg(long)]
    client: Option<String>,
    /// accept, tag, hold, quarantine, defer, reject, discard
    #[arg(long)]
    action: Option<String>,
    /// As in score-reject
    #[arg(long)]
    reason: Option<String>,
    /// inbound, outbound
    #[arg(long)]
    direction: Option<String>,
    /// Not older than this, as in 2h
    #[arg(long, value_name = "SPAN")]
    since: Option<Span>,
    /// Older than this, as in 1d
    #[arg(long, value_name = "SPAN")]
    until: Option<Span>,
    #[arg(long, default_value_t = 50)]
    limit: usize,
    /// `next` of the page before
    #[arg(long)]
    before: Option<String>,
}

/// A moment so long ago, in milliseconds since 1970.
pub fn ago(span: Option<Span>) -> Option<String> {
    let now = Timestamp::from_system(std::time::SystemTime::now());
    span.map(|s| now.0.saturating_sub(i64::try_from(s.0.as_millis()).unwrap_or(i64::MAX)).to_string())
}

pub async fn run(node: &Node, verb: Verb) -> Result<(), CommandError> {
    match verb {
        Verb::Search(s) => {
            let asked = query(&[
                ("sender", s.sender),
                ("recipient", s.recipient),
                ("subject", s.subject),
                ("message_id", s.message_id),
                ("mail", s.mail),
                ("client", s.client),
                ("action", s.action),
                ("reason", s.reason),
                ("direction", s.direction),
                ("from", ago(s.since)),
                ("to", ago(s.until)),
                ("limit", Some(s.limit.to_string())),
                ("before", s.before),
            ]);
            let answer = node.get(&format!("/journeys{asked}")).await?;
            if node.json {
                output::json(&answer);
                return Ok(());
            }
            let row = |j: &Value| {
                let sender = string(&j["sender"]);
                vec![
                    when(&j["at"]),
                    string(&j["mail"]),
                    string(&j["node"]),
                    string(&j["action"]),
                    score(&j["score"]),
                    string(&j["reason"]),
                    if sender.is_empty() { "<>".into() } else { sender },
                    string(&j["recipients"]),
                    string(&j["subject"]),
                ]
            };
            let headings = ["TIME", "MAIL", "NODE", "ACTION", "SCORE", "REASON", "FROM", "TO", "SUBJECT"];
            output::table(&headings, &list(&answer, "journeys").iter().map(row).collect::<Vec<_>>());
            silent(&answer);
            if !answer["next"].is_null() {
                output::remark(&format!("There are more: --before {}", answer["next"]));
            }
        }
        Verb::Show { mail } => {
            let answer = node.get(&format!("/journeys/{}", escape(&mail))).await?;
            if node.json {
                output::json(&answer);
                return Ok(());
            }
            summary(&answer["summary"]);
            for step in list(&answer, "steps") {
                show_step(step);
            }
            silent(&answer);
        }
    }
    Ok(())
}

/// A search over a cluster is whole only when all nodes answered.
fn silent(answer: &Value) {
    let names: Vec<String> = list(answer, "silent").iter().map(string).collect();
    if !names.is_empty() {
        output::text(&format!("Did not answer, so their mails are not here: {}", names.join(", ")));
    }
}

pub fn summary(j: &Value) {
    if j.is_null() {
        return;
    }
    output::facts(&[
        ("mail", string(&j["mail"])),
        ("time", when(&j["at"])),
        ("from", string(&j["sender"])),
        ("header from", string(&j["from_header"])),
        ("to", string(&j["recipients"])),
        ("subject", string(&j["subject"])),
        ("message-id", string(&j["message_id"])),
        ("client", string(&j["client"])),
        ("size", octets(&j["size"])),
        ("action", string(&j["action"])),
        ("reason", string(&j["reason"])),
        ("score", score(&j["score"])),
    ]);
}

fn show_step(step: &Value) {
    let Some(fields) = step.as_object() else { return };
    let rest: Vec<String> = fields
        .iter()
        .filter(|(k, v)| !matches!(k.as_str(), "at" | "event" | "verdict" | "attachments") && !v.is_null())
        .map(|(k, v)| format!("{k}={}", string(v)))
        .collect();
    output::text(&output::plain(&format!("{}  {}  {}", when(&step["at"]), string(&step["event"]), rest.join(" ")), false));
    for attachment in list(step, "attachments") {
        show_attachment(attachment);
    }
    let verdict = &step["verdict"];
    if verdict.is_object() {
        output::text(&format!("    {} ({}), score {}", string(&verdict["action"]), string(&verdict["reason"]), score(&verdict["score"])));
        for hit in list(verdict, "hits") {
            let line = format!("    {:>7}  {:<34} {}", score(&hit["score"]), string(&hit["symbol"]), string(&hit["evidence"]));
            output::text(&output::plain(&line, false));
        }
    }
}

pub fn show_attachment(attachment: &Value) {
    // Another version's report may have words that are not known here.
    let Ok(opened) = serde_json::from_value::<Opened>(attachment.clone()) else {
        return output::text("    an attachment, as another version of this program describes it (--json shows it)");
    };
    sandbox_report::print(&opened.report);
    if opened.left_out > 0 {
        output::text(&format!("{} more parts, findings and events are not kept", opened.left_out));
    }
    output::text("");
}
