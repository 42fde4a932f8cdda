//! `postern alerts`: what is wrong now, and what was.

use clap::{Args, Subcommand};
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
    /// What is wrong now, on any node; also without a verb
    List,
    /// What is over, the last first
    Past {
        #[arg(long, default_value_t = 50)]
        limit: usize,
        /// `next` of the page before
        #[arg(long)]
        before: Option<i64>,
    },
    /// Say that somebody looks after it: it is not told again until it is over
    Acknowledge { id: String },
    /// Send a mail to each recipient and a notice to each webhook, to try it
    Test,
}

pub async fn run(node: &Node, arguments: Arguments) -> Result<(), CommandError> {
    match arguments.verb.unwrap_or(Verb::List) {
        Verb::List => active(node, &node.get("/alerts").await?),
        Verb::Past { limit, before } => {
            let asked = query(&[("limit", Some(limit.to_string())), ("before", before.map(|b| b.to_string()))]);
            past(node, &node.get(&format!("/alerts/past{asked}")).await?);
        }
        Verb::Acknowledge { id } => {
            node.post(&format!("/alerts/{}/acknowledge", escape(&id)), Value::Null).await?;
            done(node, &json!({ "acknowledged": id }));
        }
        Verb::Test => {
            node.post("/alerts/test", Value::Null).await?;
            done(node, &json!({ "sent": "test" }));
        }
    }
    Ok(())
}

fn done(node: &Node, what: &Value) {
    if node.json {
        output::json(what);
    }
}

fn active(node: &Node, answer: &Value) {
    if node.json {
        return output::json(answer);
    }
    let row = |a: &Value| {
        let acknowledged = string(&a["acknowledged"]["by"]);
        vec![string(&a["id"]), string(&a["condition"]), about(a), when(&a["raised"]), acknowledged, string(&a["detail"])]
    };
    output::table(
        &["ID", "CONDITION", "ABOUT", "SINCE", "ACKNOWLEDGED", "FOUND"],
        &list(answer, "alerts").iter().map(row).collect::<Vec<_>>(),
    );
    let channels = &answer["channels"];
    let troubles = list(channels, "webhooks").iter().filter(|w| !w["trouble"].is_null());
    let troubles = troubles.map(|w| format!("webhook {}: {}", string(&w["name"]), string(&w["trouble"])));
    let mail = channels["mail_trouble"].as_str().map(|why| format!("mail: {why}"));
    mail.into_iter().chain(troubles).for_each(|line| output::text(&output::plain(&line, false)));
}

fn past(node: &Node, answer: &Value) {
    if node.json {
        return output::json(answer);
    }
    let row = |a: &Value| vec![string(&a["condition"]), about(a), when(&a["raised"]), when(&a["ended"]), string(&a["detail"])];
    output::table(&["CONDITION", "ABOUT", "FROM", "UNTIL", "FOUND"], &list(answer, "alerts").iter().map(row).collect::<Vec<_>>());
}

fn about(alert: &Value) -> String {
    [string(&alert["node"]), string(&alert["subject"])].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}
