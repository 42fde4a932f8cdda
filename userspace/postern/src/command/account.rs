//! `postern admin`, `postern token`, `postern audit`.

use clap::{Args, Subcommand};
use postern_model::role::Role;
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
        #[command(flatten)]
        rights: RightsArguments,
    },
    /// Give somebody another role; tokens of that login are removed
    Role {
        name: String,
        #[command(flatten)]
        rights: RightsArguments,
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
    /// Remove the authenticator of somebody who lost it and the recovery codes
    ResetTotp {
        name: String,
    },
    /// Open logins of this node
    Sessions,
    /// End one of them
    EndSession {
        id: String,
    },
}

#[derive(Args, Debug)]
pub struct RightsArguments {
    /// admin, operator, helpdesk, auditor
    #[arg(long, default_value_t = Role::Admin)]
    role: Role,
    /// It sees only mails to recipients at these domains: example.org,example.net
    #[arg(long, value_delimiter = ',', value_name = "DOMAINS")]
    domains: Option<Vec<String>>,
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
        #[command(flatten)]
        rights: RightsArguments,
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
                        string(&a["role"]),
                        domains(a),
                        if a["totp"] == true { "yes".into() } else { "no".into() },
                        when(&a["created"]),
                        if a["one_time_password"] == true { "made by the node, to be changed".into() } else { String::new() },
                    ]
                };
                output::table(
                    &["NAME", "ROLE", "DOMAINS", "TOTP", "SINCE", "PASSWORD"],
                    &list(&answer, "admins").iter().map(row).collect::<Vec<_>>(),
                );
                return Ok(());
            }
            answer
        }
        AdminVerb::Add { name, password_stdin, rights } => {
            let password = password(password_stdin)?;
            let new = json!({ "name": name, "password": password, "role": rights.role, "domains": rights.domains });
            node.post("/admins", new).await?
        }
        AdminVerb::Role { name, rights } => {
            node.put(&format!("/admins/{}/role", escape(&name)), json!({ "role": rights.role, "domains": rights.domains })).await?
        }
        AdminVerb::Password { name, password_stdin } => {
            let password = password(password_stdin)?;
            node.put(&format!("/admins/{}/password", escape(&name)), json!({ "password": password })).await?
        }
        AdminVerb::ResetTotp { name } => {
            node.delete(&format!("/admins/{}/totp", escape(&name))).await?;
            json!({ "reset": name })
        }
        AdminVerb::Sessions => {
            let answer = node.get("/sessions").await?;
            if !node.json {
                let row =
                    |s: &Value| vec![string(&s["id"]), string(&s["name"]), string(&s["address"]), when(&s["created"]), when(&s["used"])];
                output::table(
                    &["SESSION", "NAME", "FROM", "SINCE", "LAST USED"],
                    &list(&answer, "sessions").iter().map(row).collect::<Vec<_>>(),
                );
                return Ok(());
            }
            answer
        }
        AdminVerb::EndSession { id } => {
            node.delete(&format!("/sessions/{}", escape(&id))).await?;
            json!({ "ended": id })
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

/// What a login or token is limited to.
fn domains(of: &Value) -> String {
    of["domains"].as_array().map_or_else(|| "all".to_owned(), |d| d.iter().map(string).collect::<Vec<_>>().join(","))
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
                let what = ["id", "name", "scope", "role"].map(|fact| string(&t[fact]));
                [what.as_slice(), &[domains(t), string(&t["admin"]), when(&t["used"]), when(&t["expires"])]].concat()
            };
            output::table(
                &["TOKEN", "NAME", "SCOPE", "ROLE", "DOMAINS", "ADMIN", "LAST USED", "EXPIRES"],
                &list(&answer, "tokens").iter().map(row).collect::<Vec<_>>(),
            );
        }
        TokenVerb::Add { name, scope, rights, lifetime } => {
            let new = json!({ "name": name, "scope": scope, "role": rights.role, "domains": rights.domains, "lifetime": lifetime });
            let answer = node.post("/tokens", new).await?;
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
