//! `postern admin`, `postern token`, `postern audit`.

use clap::{Args, Subcommand};
use postern_model::time::Span;
use serde_json::{Value, json};

use super::client::{CommandError, Node, escape, query};
use super::output::{self, list, string, when};

#[derive(Subcommand, Debug)]
pub enum AdminVerb {
    List,
    /// Add one; the password is made and printed unless it comes on standard input
    Add {
        name: String,
        /// Read the password from standard input
        #[arg(long)]
        password_stdin: bool,
    },
    /// Set a password; all logins of that admin end
    Password {
        name: String,
        #[arg(long)]
        password_stdin: bool,
    },
    /// Remove one, with all logins and tokens
    Remove {
        name: String,
    },
}

#[derive(Subcommand, Debug)]
pub enum TokenVerb {
    List,
    /// Make one; it is printed once
    Add {
        /// What it is for
        name: String,
        /// full, read, metrics
        #[arg(long, default_value = "read")]
        scope: String,
        /// As in 90d; without it the token is good until removed
        #[arg(long)]
        lifetime: Option<Span>,
    },
    Remove {
        id: i64,
    },
}

#[derive(Args, Debug)]
pub struct AuditArguments {
    #[command(subcommand)]
    verb: Option<AuditVerb>,
    #[arg(long)]
    who: Option<String>,
    /// As in quarantine.release, or `quarantine.` for all of these
    #[arg(long)]
    action: Option<String>,
    #[arg(long)]
    subject: Option<String>,
    #[arg(long, default_value_t = 50)]
    limit: usize,
    /// `next` of the page before
    #[arg(long)]
    before: Option<i64>,
}

#[derive(Subcommand, Debug)]
pub enum AuditVerb {
    /// The trail, newest first
    List,
}

pub async fn admin(node: &Node, verb: AdminVerb) -> Result<(), CommandError> {
    let answer = match verb {
        AdminVerb::List => {
            let answer = node.get("/admins").await?;
            if !node.json {
                let row = |a: &Value| {
                    vec![
                        string(&a["name"]),
                        when(&a["created"]),
                        if a["one_time_password"] == true { "made by the node, to be changed".into() } else { String::new() },
                    ]
                };
                output::table(&["NAME", "SINCE", "PASSWORD"], &list(&answer, "admins").iter().map(row).collect::<Vec<_>>());
                return Ok(());
            }
            answer
        }
        AdminVerb::Add { name, password_stdin } => {
            let password = password(password_stdin)?;
            node.post("/admins", json!({ "name": name, "password": password })).await?
        }
        AdminVerb::Password { name, password_stdin } => {
            let password = password(password_stdin)?;
            node.put(&format!("/admins/{}/password", escape(&name)), json!({ "password": password })).await?
        }
        AdminVerb::Remove { name } => {
            node.delete(&format!("/admins/{}", escape(&name))).await?;
            json!({ "removed": name })
        }
    };
    if node.json {
        output::json(&answer);
    } else if let Some(made) = answer["password"].as_str() {
        output::facts(&[("name", string(&answer["name"])), ("password", made.to_owned())]);
        output::remark("It is not shown again; change it after the first login.");
    } else {
        output::text("done");
    }
    Ok(())
}

fn password(from_stdin: bool) -> Result<Option<String>, CommandError> {
    if !from_stdin {
        return Ok(None);
    }
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).map_err(CommandError::Local)?;
    Ok(Some(line.trim_end_matches(['\r', '\n']).to_owned()))
}

pub async fn token(node: &Node, verb: TokenVerb) -> Result<(), CommandError> {
    match verb {
        TokenVerb::List => {
            let answer = node.get("/tokens").await?;
            if node.json {
                output::json(&answer);
                return Ok(());
            }
            let row = |t: &Value| {
                vec![string(&t["id"]), string(&t["name"]), string(&t["scope"]), string(&t["admin"]), when(&t["used"]), when(&t["expires"])]
            };
            output::table(
                &["TOKEN", "NAME", "SCOPE", "ADMIN", "LAST USED", "EXPIRES"],
                &list(&answer, "tokens").iter().map(row).collect::<Vec<_>>(),
            );
        }
        TokenVerb::Add { name, scope, lifetime } => {
            let answer = node.post("/tokens", json!({ "name": name, "scope": scope, "lifetime": lifetime })).await?;
            if node.json { output::json(&answer) } else { output::text(&string(&answer["token"])) }
        }
        TokenVerb::Remove { id } => {
            node.delete(&format!("/tokens/{id}")).await?;
            if node.json { output::json(&json!({ "removed": id })) } else { output::text("done") }
        }
    }
    Ok(())
}

pub async fn audit(node: &Node, asked: AuditArguments) -> Result<(), CommandError> {
    let asked = query(&[
        ("who", asked.who),
        ("action", asked.action),
        ("subject", asked.subject),
        ("limit", Some(asked.limit.to_string())),
        ("before", asked.before.map(|b| b.to_string())),
    ]);
    let answer = node.get(&format!("/audit{asked}")).await?;
    if node.json {
        output::json(&answer);
        return Ok(());
    }
    let row = |e: &Value| vec![when(&e["at"]), string(&e["who"]), string(&e["address"]), string(&e["action"]), string(&e["subject"])];
    output::table(&["TIME", "WHO", "FROM", "DID", "WHAT"], &list(&answer, "entries").iter().map(row).collect::<Vec<_>>());
    Ok(())
}
