//! `postern queue`: mails that are not delivered yet.

use clap::{Args, Subcommand};
use postern_model::time::Span;
use serde_json::{Value, json};

use super::client::{CommandError, Node, escape, query};
use super::output::{self, list, octets, string, when};

#[derive(Subcommand, Debug)]
pub enum Verb {
    /// Mails, oldest first
    List {
        #[command(flatten)]
        filter: Filter,
        #[arg(long, default_value_t = 100)]
        limit: usize,
        /// `next` of the page before
        #[arg(long)]
        after: Option<String>,
    },
    /// Why a mail is still here, and what is tried next
    Why {
        /// Mail id
        mail: String,
    },
    /// Try now; without a condition: all
    Retry(Chosen),
    /// Keep from being sent until released
    Hold(Chosen),
    /// Send what was held
    Release(Chosen),
    /// Send to another next hop
    Reroute {
        /// host:port or lmtp:host:port; `none`: by the routing table again
        #[arg(long)]
        to: String,
        #[command(flatten)]
        chosen: Chosen,
    },
    /// Send back to the senders as undeliverable
    Return(Chosen),
    /// Remove without telling anybody
    Delete(Chosen),
}

#[derive(Args, Debug)]
pub struct Filter {
    /// Part of the envelope sender; `<>` for notifications
    #[arg(long)]
    sender: Option<String>,
    /// Part of a recipient's address
    #[arg(long)]
    recipient: Option<String>,
    /// Domain of a recipient
    #[arg(long)]
    domain: Option<String>,
    /// As in 2h
    #[arg(long, value_name = "SPAN")]
    older_than: Option<Span>,
    #[arg(long, value_name = "SPAN")]
    younger_than: Option<Span>,
    /// active, ready, waiting, held
    #[arg(long)]
    status: Option<String>,
    /// Part of the last reply
    #[arg(long)]
    reply: Option<String>,
}

#[derive(Args, Debug)]
pub struct Chosen {
    /// Mail ids
    mails: Vec<String>,
    #[command(flatten)]
    filter: Filter,
    /// Every mail of the queue
    #[arg(long)]
    all: bool,
}

impl Chosen {
    fn body(&self) -> Value {
        let f = &self.filter;
        let mut filter = json!({
            "ids": self.mails, "sender": f.sender, "recipient": f.recipient, "domain": f.domain, "older_than": f.older_than,
            "younger_than": f.younger_than, "status": f.status, "reply": f.reply, "all": self.all,
        });
        if let Some(map) = filter.as_object_mut() {
            map.retain(|_, v| !v.is_null());
        }
        json!({ "filter": filter })
    }

    fn is_open(&self) -> bool {
        let f = &self.filter;
        self.mails.is_empty()
            && [&f.sender, &f.recipient, &f.domain, &f.status, &f.reply].iter().all(|o| o.is_none())
            && f.older_than.is_none()
            && f.younger_than.is_none()
    }
}

pub async fn run(node: &Node, verb: Verb) -> Result<(), CommandError> {
    let (what, body) = match verb {
        Verb::List { filter, limit, after } => return show_list(node, filter, limit, after).await,
        Verb::Why { mail } => return why(node, &mail).await,
        // Trying again harms nobody: it needs no condition.
        Verb::Retry(mut c) => {
            c.all |= c.is_open();
            ("retry", c.body())
        }
        Verb::Hold(c) => ("hold", c.body()),
        Verb::Release(c) => ("release", c.body()),
        Verb::Return(c) => ("return", c.body()),
        Verb::Delete(c) => ("delete", c.body()),
        Verb::Reroute { to, chosen } => {
            let mut body = chosen.body();
            body["to"] = if to == "none" { Value::Null } else { to.into() };
            ("reroute", body)
        }
    };
    let done = node.post(&format!("/queue/{what}"), body).await?;
    if node.json {
        output::json(&done);
        return Ok(());
    }
    let mut line = format!("{what}: {} mails", done["changed"]);
    if done["busy"] != 0 {
        line.push_str(&format!("; {} were being sent at that moment: try again", done["busy"]));
    }
    if done["unfit"] != 0 {
        line.push_str(&format!("; it cannot be done with {} of them", done["unfit"]));
    }
    output::text(&line);
    Ok(())
}

async fn show_list(node: &Node, f: Filter, limit: usize, after: Option<String>) -> Result<(), CommandError> {
    let asked = query(&[
        ("sender", f.sender),
        ("recipient", f.recipient),
        ("domain", f.domain),
        ("older_than", f.older_than.map(|s| s.to_string())),
        ("younger_than", f.younger_than.map(|s| s.to_string())),
        ("status", f.status),
        ("reply", f.reply),
        ("after", after),
        ("limit", Some(limit.to_string())),
    ]);
    let answer = node.get(&format!("/queue{asked}")).await?;
    if node.json {
        output::json(&answer);
        return Ok(());
    }
    let row = |m: &Value| {
        let recipients = list(m, "recipients");
        let last = recipients.iter().rev().find_map(|r| r["last"].as_object());
        vec![
            string(&m["id"]),
            if m["held_until"].is_null() { string(&m["status"]) } else { "held (sandbox)".into() },
            when(&m["accepted"]),
            octets(&m["size"]),
            if m["sender"] == "" { "<>".into() } else { string(&m["sender"]) },
            recipients.iter().map(|r| string(&r["address"])).collect::<Vec<_>>().join(", "),
            last.map_or_else(String::new, |l| {
                format!("{}: {}", l.get("host").map(string).unwrap_or_default(), l.get("reply").map(string).unwrap_or_default())
            }),
        ]
    };
    output::table(
        &["MAIL", "STATUS", "SINCE", "SIZE", "FROM", "TO", "LAST REPLY"],
        &list(&answer, "mails").iter().map(row).collect::<Vec<_>>(),
    );
    output::remark(&format!("{} mails", answer["total"]));
    if let Some(next) = answer["next"].as_str() {
        output::remark(&format!("There are more: --after {next}"));
    }
    Ok(())
}

async fn why(node: &Node, mail: &str) -> Result<(), CommandError> {
    let answer = node.get(&format!("/queue/{}", escape(mail))).await?;
    if node.json {
        output::json(&answer);
        return Ok(());
    }
    let m = &answer["mail"];
    output::facts(&[
        ("mail", string(&m["id"])),
        ("status", string(&m["status"])),
        ("since", when(&m["accepted"])),
        ("from", string(&m["sender"])),
        ("subject", string(&m["subject"])),
        ("reason", string(&m["reason"])),
        ("for the sandbox, until", if m["held_until"].is_null() { String::new() } else { when(&m["held_until"]) }),
        ("rerouted to", string(&m["reroute"])),
    ]);
    for r in list(m, "recipients") {
        let last =
            if r["last"].is_null() { String::new() } else { format!("  {}: {}", string(&r["last"]["host"]), string(&r["last"]["reply"])) };
        let next = if r["next_attempt"].is_null() { String::new() } else { format!("  next try {}", when(&r["next_attempt"])) };
        let line = format!("  {}  {}  {} attempts{next}{last}", string(&r["address"]), string(&r["status"]), r["attempts"]);
        output::text(&output::plain(&line, false));
    }
    for d in list(&answer, "destinations") {
        let probe = if d["next_probe"].is_null() { String::new() } else { format!(", tried again {}", when(&d["next_probe"])) };
        let trouble = if d["trouble"].is_null() { String::new() } else { format!(": {}", string(&d["trouble"]["reply"])) };
        let line = format!(
            "  by {}: {}{probe}{trouble}; {} in line, {} connections",
            string(&d["destination"]),
            string(&d["health"]),
            d["in_line"],
            d["connections"]
        );
        output::text(&output::plain(&line, false));
        for hop in list(d, "hosts") {
            let avoided = if hop["is_avoided"] == true { " (failed a short while ago)" } else { "" };
            output::text(&output::plain(&format!("    {} {}{avoided}", string(&hop["host"]), string(&hop["protocol"])), false));
        }
        if !d["routing_error"].is_null() {
            output::text(&output::plain(&format!("    {}", string(&d["routing_error"])), false));
        }
    }
    Ok(())
}
