//! `postern quarantine`: mails held back by the filter.

use clap::Subcommand;
use postern_model::time::Span;
use serde_json::{Value, json};

use super::client::{CommandError, Node, escape, query};
use super::journey::{ago, show_attachment, summary};
use super::output::{self, list, octets, score, string, when};

#[derive(Subcommand, Debug)]
pub enum Verb {
    /// Mails, newest first
    List {
        /// held, released, deleted, all
        #[arg(long, default_value = "held")]
        state: String,
        /// Anywhere in sender, recipients, From or subject
        #[arg(long)]
        text: Option<String>,
        #[arg(long)]
        recipient: Option<String>,
        /// As in score-quarantine
        #[arg(long)]
        reason: Option<String>,
        /// Not older than this, as in 2d
        #[arg(long, value_name = "SPAN")]
        since: Option<Span>,
        #[arg(long, default_value_t = 50)]
        limit: usize,
        /// `next` of the page before
        #[arg(long)]
        before: Option<String>,
    },
    /// One mail: header, parts and text
    Show { mail: String },
    /// Take its attachments apart again, whatever was seen of them before
    Open { mail: String },
    /// Deliver it
    Release {
        #[arg(required = true)]
        mails: Vec<String>,
        /// And teach the classifier that it is no spam
        #[arg(long)]
        learn: bool,
    },
    /// Delete it for good
    Delete {
        #[arg(required = true)]
        mails: Vec<String>,
        /// And teach the classifier that it is spam
        #[arg(long)]
        learn: bool,
    },
}

pub async fn run(node: &Node, verb: Verb) -> Result<(), CommandError> {
    match verb {
        Verb::List { state, text, recipient, reason, since, limit, before } => {
            let asked = query(&[
                ("state", Some(state)),
                ("text", text),
                ("recipient", recipient),
                ("reason", reason),
                ("from", ago(since)),
                ("limit", Some(limit.to_string())),
                ("before", before),
            ]);
            let answer = node.get(&format!("/quarantine{asked}")).await?;
            if node.json {
                output::json(&answer);
                return Ok(());
            }
            let row = |m: &Value| {
                vec![
                    when(&m["at"]),
                    string(&m["mail"]),
                    string(&m["state"]),
                    score(&m["score"]),
                    string(&m["reason"]),
                    string(&m["sender"]),
                    string(&m["recipients"]),
                    string(&m["subject"]),
                ]
            };
            let headings = ["TIME", "MAIL", "STATE", "SCORE", "REASON", "FROM", "TO", "SUBJECT"];
            output::table(&headings, &list(&answer, "mails").iter().map(row).collect::<Vec<_>>());
            if let Some(next) = answer["next"].as_str() {
                output::remark(&format!("There are more: --before {next}"));
            }
            Ok(())
        }
        Verb::Show { mail } => show(node, &mail).await,
        Verb::Open { mail } => open(node, &mail).await,
        Verb::Release { mails, learn } => each(node, mails, "released", learn).await,
        Verb::Delete { mails, learn } => each(node, mails, "deleted", learn).await,
    }
}

async fn show(node: &Node, mail: &str) -> Result<(), CommandError> {
    let answer = node.get(&format!("/quarantine/{}", escape(mail))).await?;
    if node.json {
        output::json(&answer);
        return Ok(());
    }
    summary(&answer["mail"]);
    output::facts(&[("state", string(&answer["mail"]["state"])), ("kept until", when(&answer["mail"]["expires"]))]);
    output::text("");
    for h in list(&answer, "headers") {
        output::text(&output::plain(&format!("{}: {}", string(&h["name"]), string(&h["value"])), false));
    }
    output::text("");
    let row = |p: &Value| {
        vec![string(&p["number"]), string(&p["content_type"]), string(&p["true_type"]), octets(&p["size"]), string(&p["filename"])]
    };
    output::table(&["PART", "DECLARED", "LOOKS LIKE", "SIZE", "NAME"], &list(&answer, "parts").iter().map(row).collect::<Vec<_>>());
    output::text("");
    output::text(&output::plain(answer["text"].as_str().unwrap_or_default(), true));
    Ok(())
}

async fn open(node: &Node, mail: &str) -> Result<(), CommandError> {
    let answer = node.post(&format!("/quarantine/{}/open", escape(mail)), json!({})).await?;
    if node.json {
        output::json(&answer);
        return Ok(());
    }
    let attachments = list(&answer, "attachments");
    attachments.iter().for_each(show_attachment);
    let others = list(&answer, "left_out").iter().chain(list(&answer, "unanswered"));
    others.for_each(|why| output::text(&output::plain(&format!("not taken apart: {}", string(why)), false)));
    if attachments.is_empty() && list(&answer, "left_out").is_empty() {
        output::text("It has no attachment that is taken apart.");
    }
    Ok(())
}

/// One after the other; the first that fails ends it, and what was done before stays done.
async fn each(node: &Node, mails: Vec<String>, what: &str, learn: bool) -> Result<(), CommandError> {
    let mut done = Vec::new();
    let also = query(&[("learn", learn.then(|| "true".to_owned()))]);
    for mail in mails {
        let path = format!("/quarantine/{}", escape(&mail));
        if what == "released" {
            node.post(&format!("{path}/release{also}"), json!({})).await?;
        } else {
            node.delete(&format!("{path}{also}")).await?;
        }
        if !node.json {
            output::text(&format!("{mail} {what}"));
        }
        done.push(mail);
    }
    if node.json {
        output::json(&json!({ what: done }));
    }
    Ok(())
}
