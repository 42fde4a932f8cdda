//! `postern status`, `postern symbols`.

use clap::Subcommand;
use serde_json::Value;

use super::client::{CommandError, Node};
use super::output::{self, list, octets, string, when};

#[derive(Subcommand, Debug)]
pub enum SymbolVerb {
    /// All symbols with their weights
    List {
        /// Only of this group, as in `impersonation`
        #[arg(long)]
        group: Option<String>,
        /// Only those whose name or description holds this text
        #[arg(long)]
        text: Option<String>,
    },
    /// The reference in Markdown (needs no node)
    Reference,
}

pub async fn status(node: &Node) -> Result<(), CommandError> {
    let s = node.get("/status").await?;
    if node.json {
        output::json(&s);
        return Ok(());
    }
    let count = |name: &str| list(&s, "counters").iter().find(|c| c["name"] == name).map_or(0, |c| c["count"].as_u64().unwrap_or(0));
    let actions = ["accept", "tag", "hold", "quarantine", "defer", "reject", "discard"];
    let mails = actions.iter().map(|a| (a, count(&format!("action:{a}")))).filter(|(_, n)| *n > 0);
    let mails: Vec<String> = mails.map(|(a, n)| format!("{a} {n}")).collect();
    let q = &s["queue"];
    output::facts(&[
        ("host", string(&s["hostname"])),
        ("version", string(&s["version"])),
        ("running since", when(&s["since"])),
        ("takes mail", if s["ready"] == true && s["spool_trouble"].is_null() { "yes".into() } else { "NO".into() }),
        ("spool trouble", string(&s["spool_trouble"])),
        ("backup failed", string(&s["backup_trouble"])),
        ("mails judged", if mails.is_empty() { "none yet".into() } else { mails.join(", ") }),
        (
            "queue",
            format!(
                "{} mails, {} held, {} connections, {} destinations unreachable",
                q["mails"], q["held"], q["connections"], q["unreachable"]
            ),
        ),
        ("deliveries", format!("{} done, {} deferred, {} failed", q["delivered"], q["deferred"], q["failed"])),
        ("quarantine", format!("{} mails", s["quarantined"])),
        ("learned", format!("{} mails of spam, {} of ham", s["learned"]["spam"], s["learned"]["ham"])),
        ("spool", format!("{} mails, {} in {} segments", s["spool"]["mails"], octets(&s["spool"]["octets"]), s["spool"]["segments"])),
        ("edge", if s["edge"] == true { "connected".into() } else { "not in use".into() }),
        ("lost notes", if s["lost_notes"] == 0 { String::new() } else { string(&s["lost_notes"]) }),
    ]);
    Ok(())
}

pub async fn symbols(node: &Node, verb: SymbolVerb) -> Result<(), CommandError> {
    let SymbolVerb::List { group, text } = verb else { return Ok(()) };
    let mut answer = node.get("/symbols").await?;
    let text = text.map(|t| t.to_lowercase());
    let fits = |s: &Value| {
        group.as_deref().is_none_or(|g| s["group"] == g)
            && text.as_deref().is_none_or(|t| [&s["name"], &s["description"]].iter().any(|v| string(v).to_lowercase().contains(t)))
    };
    if let Some(symbols) = answer["symbols"].as_array_mut() {
        symbols.retain(fits);
    }
    if node.json {
        output::json(&answer);
        return Ok(());
    }
    let weight = |s: &Value| {
        if s["weight"] == s["default_weight"] { string(&s["weight"]) } else { format!("{} (default {})", s["weight"], s["default_weight"]) }
    };
    let row = |s: &Value| vec![string(&s["name"]), string(&s["group"]), weight(s), string(&s["description"])];
    output::table(&["SYMBOL", "GROUP", "WEIGHT", "MEANING"], &list(&answer, "symbols").iter().map(row).collect::<Vec<_>>());
    Ok(())
}
