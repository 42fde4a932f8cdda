//! `postern domains`: where mail goes, how that stands, and the mail servers tried.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::client::{CommandError, Node};
use super::output::{self, list, string, when};

#[derive(Args, Debug)]
pub struct Arguments {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Domains, their mail servers, and how these stand; also without a verb
    List,
    /// Connect to all mail servers of a domain now; nothing is sent
    Try {
        /// As it is listed; left out: the smarthosts
        domain: Option<String>,
        /// Ask whether they would take mail to this address
        #[arg(long, value_name = "ADDRESS")]
        recipient: Option<String>,
    },
}

pub async fn run(node: &Node, arguments: Arguments) -> Result<(), CommandError> {
    match arguments.verb.unwrap_or(Verb::List) {
        Verb::List => show(node, &node.get("/domains").await?),
        Verb::Try { domain, recipient } => {
            tried(node, &node.post("/domains/try", json!({ "domain": domain, "recipient": recipient })).await?);
        }
    }
    Ok(())
}

fn show(node: &Node, answer: &Value) {
    if node.json {
        return output::json(answer);
    }
    let row = |name: String, check: String, route: &Value| {
        let hops = list(route, "hops").iter().map(|h| string(&h["host"])).collect::<Vec<_>>().join(" ");
        let goes_to = route["trouble"].as_str().map_or(hops, str::to_owned);
        let failure = &route["last_failure"];
        let why = if failure.is_null() { String::new() } else { format!("{} {}", when(&failure["at"]), string(&failure["reply"])) };
        vec![name, check, goes_to, string(&route["waiting"]), string(&route["health"]), why]
    };
    let mut rows: Vec<Vec<String>> =
        list(answer, "domains").iter().map(|d| row(string(&d["name"]), string(&d["recipient_check"]), &d["route"])).collect();
    if !answer["smarthosts"].is_null() {
        rows.push(row("(smarthosts)".to_owned(), String::new(), &answer["smarthosts"]));
    }
    output::table(&["DOMAIN", "RECIPIENTS", "GOES TO", "WAITING", "STATE", "LAST FAILURE"], &rows);
}

fn tried(node: &Node, answer: &Value) {
    if node.json {
        return output::json(answer);
    }
    let row = |t: &Value| {
        let line = match (t["tls"].as_str(), t["is_trusted"].as_bool()) {
            (Some(tls), Some(true)) => format!("{tls}, checked"),
            (Some(tls), _) => tls.to_owned(),
            (None, _) => "in clear".to_owned(),
        };
        let said = t["trouble"].as_str().or(t["recipient"]["reply"].as_str()).unwrap_or("takes mail");
        vec![string(&t["host"]), line, format!("{} ms", string(&t["milliseconds"])), said.to_owned()]
    };
    output::table(&["HOST", "CONNECTION", "TOOK", "SAID"], &list(answer, "tried").iter().map(row).collect::<Vec<_>>());
}
