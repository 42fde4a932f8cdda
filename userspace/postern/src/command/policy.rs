//! `postern policy`: the operator's rules: look, check, explain, try, go back.

use std::io::Read;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueEnum};
use hyper::Method;
use postern_console::settings_file;
use postern_filter::registry;
use postern_model::settings::{self, Problem, SettingsError};
use serde_json::{Value, json};

use super::client::{CommandError, Node, query};
use super::output::{self, list, score, string, when};
use super::settings::changed;

/// A mail that is explained: what the API takes.
const MAX_MAIL: u64 = 64 << 20;

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Way {
    /// From the Internet
    Inbound,
    /// From our own servers
    Outbound,
}

#[derive(Subcommand, Debug)]
pub enum Verb {
    /// The rules and lists in force, in their order
    Show,
    /// Say what is wrong with the rules in a settings file, or in one that has [policy] alone (needs no node)
    Check {
        /// `-` for standard input
        file: PathBuf,
    },
    /// Put the rules and lists of a file in force; the rest of the settings stays
    Apply {
        /// `-` for standard input
        file: PathBuf,
        #[arg(long, short, default_value = "")]
        message: String,
    },
    /// Say what the rules in force would make of a mail, and why each did or did not match
    Explain {
        /// The mail; `-` for standard input
        file: PathBuf,
        /// Envelope sender [default: Return-Path of the mail]
        #[arg(long)]
        from: Option<String>,
        /// Envelope recipient; may stand more than once
        #[arg(long, required = true)]
        to: Vec<String>,
        /// The client's address
        #[arg(long)]
        client: Option<IpAddr>,
        #[arg(long)]
        helo: Option<String>,
        #[arg(long, value_enum, default_value = "inbound")]
        direction: Way,
    },
    /// Try the rules of a file on the mails of the last days: which would have fared otherwise?
    WhatIf {
        /// `-` for standard input
        file: PathBuf,
        /// 1 to 30
        #[arg(long, default_value_t = 7)]
        days: u32,
    },
    /// Versions in which rules or lists changed, newest first
    History {
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// What changed in rules and lists since a version
    Diff { version: i64 },
    /// Go back to the rules and lists of a version
    Undo { version: i64 },
}

impl Verb {
    pub fn is_local(&self) -> bool {
        matches!(self, Self::Check { .. })
    }
}

/// Verbs that need no node.
pub fn local(verb: &Verb, as_json: bool) -> Result<(), CommandError> {
    let Verb::Check { file } = verb else { return Ok(()) };
    let problems = rules_of(file)?.err().unwrap_or_default();
    if as_json {
        output::json(&json!({ "good": problems.is_empty(), "problems": problems }));
    } else {
        problems.iter().for_each(|p| output::text(&output::plain(&p.to_string(), true)));
    }
    if problems.is_empty() {
        if !as_json {
            output::text(&format!("{} is good", file.display()));
        }
        return Ok(());
    }
    Err(refused(file, &problems))
}

fn refused(file: &Path, problems: &[Problem]) -> CommandError {
    let detail = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    CommandError::Refused(json!({ "title": format!("the rules in {} cannot be used", file.display()), "detail": detail }))
}

/// The rules of a settings file, as the API takes them; or what is wrong with them.
fn rules_of(file: &Path) -> Result<Result<Value, Vec<Problem>>, CommandError> {
    let octets = read(file, settings_file::MAX_TEXT as u64)?;
    let text = String::from_utf8_lossy(&octets);
    let read = settings::parse(&text).map_err(|SettingsError(p)| p);
    let read = read.and_then(|s| registry::policy(&s.policy).map(|_| s.policy));
    Ok(read.map(|policy| serde_json::to_value(policy).unwrap_or_default()))
}

fn good_rules_of(file: &Path) -> Result<Value, CommandError> {
    rules_of(file)?.map_err(|problems| refused(file, &problems))
}

fn read(file: &Path, most: u64) -> Result<Vec<u8>, CommandError> {
    let read = || {
        let mut octets = Vec::new();
        let source: Box<dyn Read> = if file.as_os_str() == "-" { Box::new(std::io::stdin()) } else { Box::new(std::fs::File::open(file)?) };
        source.take(most + 1).read_to_end(&mut octets)?;
        Ok(octets)
    };
    read().map_err(|e: std::io::Error| CommandError::Local(std::io::Error::new(e.kind(), format!("cannot read {}: {e}", file.display()))))
}

pub async fn run(node: &Node, verb: Verb) -> Result<(), CommandError> {
    match verb {
        Verb::Show => show(node, &node.get("/policy").await?),
        Verb::Apply { file, message } => {
            let policy = good_rules_of(&file)?;
            let digest = string(&node.get("/policy").await?["digest"]);
            let body = json!({ "policy": policy, "message": message }).to_string().into();
            changed(node, &node.send(Method::PUT, "/policy", Some(("application/json", body)), &[("if-match", &digest)]).await?);
        }
        Verb::Explain { file, from, to, client, helo, direction } => {
            let mail = read(&file, MAX_MAIL)?;
            let path = query(&[
                ("recipients", Some(to.join(","))),
                ("mail_from", from),
                ("client", client.map(|c| c.to_string())),
                ("helo", helo),
                ("direction", Some(if matches!(direction, Way::Inbound) { "inbound" } else { "outbound" }.to_owned())),
            ]);
            let answer = node.send(Method::POST, &format!("/policy/explain{path}"), Some(("message/rfc822", mail.into())), &[]).await?;
            explain(node, &answer);
        }
        Verb::WhatIf { file, days } => {
            let body = json!({ "policy": good_rules_of(&file)?, "days": days });
            what_if(node, &node.post("/policy/what-if", body).await?);
        }
        Verb::History { limit } => {
            let answer = node.get(&format!("/policy/history?limit={limit}")).await?;
            if node.json {
                output::json(&answer);
                return Ok(());
            }
            let row = |v: &Value| vec![string(&v["id"]), when(&v["at"]), string(&v["author"]), string(&v["message"])];
            output::table(&["VERSION", "TIME", "AUTHOR", "MESSAGE"], &list(&answer, "versions").iter().map(row).collect::<Vec<_>>());
        }
        Verb::Diff { version } => {
            let answer = node.get(&format!("/policy/history/{version}/diff")).await?;
            if node.json { output::json(&answer) } else { output::text(&output::plain(answer["diff"].as_str().unwrap_or_default(), true)) }
        }
        Verb::Undo { version } => changed(node, &node.post("/policy/undo", json!({ "to": version })).await?),
        Verb::Check { .. } => return local(&verb, node.json),
    }
    Ok(())
}

fn line(text: &str) {
    output::text(&output::plain(text, true));
}

fn show(node: &Node, answer: &Value) {
    if node.json {
        output::json(answer);
        return;
    }
    let policy = &answer["policy"];
    let row = |(n, rule): (usize, &Value)| {
        let does = parts(&rule["action"], "");
        let asks = [parts(&rule["who"], ""), parts(&rule["what"], ""), parts(&rule["when"], "")].concat();
        let unless = parts(&rule["unless"], "unless ");
        let asks = [asks, unless].concat().join("; ");
        let state = if rule["enabled"] == false { "off" } else { "on" };
        vec![(n + 1).to_string(), state.to_owned(), string(&rule["name"]), asks, does.join("; ")]
    };
    let rules: Vec<_> = list(policy, "rules").iter().enumerate().map(row).collect();
    output::table(&["NO", "STATE", "RULE", "IF", "THEN"], &rules);
    let row = |l: &Value| vec![string(&l["name"]), string(&l["role"]), list(l, "entries").len().to_string(), string(&l["comment"])];
    let lists: Vec<_> = list(policy, "lists").iter().map(row).collect();
    if !lists.is_empty() {
        output::text("");
        output::table(&["LIST", "ROLE", "ENTRIES", "COMMENT"], &lists);
    }
}

/// What is set in a part of a rule, as `senders = a, b`.
fn parts(value: &Value, before: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (name, value) in value.as_object().into_iter().flatten() {
        match value {
            Value::Null | Value::Bool(false) => {}
            Value::Array(all) if all.is_empty() => {}
            Value::Array(all) => found.push(format!("{before}{name} = {}", all.iter().map(string).collect::<Vec<_>>().join(", "))),
            Value::Object(_) => found.extend(parts(value, before)),
            other => found.push(format!("{before}{name} = {}", string(other))),
        }
    }
    found
}

fn explain(node: &Node, answer: &Value) {
    if node.json {
        output::json(answer);
        return;
    }
    let verdict = &answer["verdict"];
    line(&format!("the filter: {} ({}), score {}", string(&verdict["action"]), string(&verdict["reason"]), score(&verdict["score"])));
    for decision in list(answer, "decisions") {
        line(&format!("\n{}: {} ({})", string(&decision["recipient"]), string(&decision["action"]), string(&decision["reason"])));
        for tried in list(decision, "tried") {
            line(&format!("  {:<12} {}", string(&tried["outcome"]), string(&tried["rule"])));
            for c in list(tried, "conditions") {
                line(&format!("               {:<11} {}: {}", string(&c["outcome"]), string(&c["field"]), string(&c["evidence"])));
            }
            for effect in list(tried, "effects") {
                line(&format!("               -> {}", string(effect)));
            }
        }
    }
    line(&format!("\n{}", string(&answer["outcome"])));
}

fn what_if(node: &Node, answer: &Value) {
    if node.json {
        output::json(answer);
        return;
    }
    let cut = if answer["is_cut"] == true { " (there were more; the oldest were left out)" } else { "" };
    line(&format!("{} mails of this node since {}{cut}", string(&answer["mails"]), when(&answer["since"])));
    line(&format!("{} recipients would fare otherwise", string(&answer["changed"])));
    for m in list(answer, "moves") {
        line(&format!("  {:>6}  {} -> {}", string(&m["count"]), string(&m["before"]), string(&m["after"])));
    }
    let row = |c: &Value| {
        let after = &c["after"];
        let rules = list(after, "rules").iter().map(string).collect::<Vec<_>>().join(", ");
        let moved = format!("{} -> {}", string(&c["before"]["action"]), string(&after["action"]));
        vec![string(&c["mail"]), when(&c["at"]), string(&c["recipient"]), moved, rules]
    };
    let rows: Vec<_> = list(answer, "list").iter().map(row).collect();
    if !rows.is_empty() {
        output::text("");
        output::table(&["MAIL", "TIME", "RECIPIENT", "CHANGE", "RULES"], &rows);
    }
    let unknown = list(answer, "not_judged");
    if !unknown.is_empty() && answer["in_doubt"] != 0 {
        line(&format!("\nof {} recipients nothing is said, because rules ask for what no journey keeps:", string(&answer["in_doubt"])));
        for n in unknown {
            line(&format!("  {}: {} ({})", string(&n["rule"]), string(&n["field"]), string(&n["why"])));
        }
    }
}
