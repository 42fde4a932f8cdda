//! `postern settings`: look, change, check, go back.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use hyper::Method;
use postern_console::settings_file;
use serde_json::{Value, json};

use super::client::{CommandError, Node, query};
use super::output::{self, list, string, when};

#[derive(Subcommand, Debug)]
pub enum Verb {
    /// The file in force, with masked secrets; with --json all settings with their defaults
    Show,
    /// One setting, as in `smtp.limits.max_recipients`
    Get { path: String },
    /// Change one setting; lists and tables as JSON
    Set {
        path: String,
        #[arg(allow_hyphen_values = true)]
        value: String,
        /// Why, for the history
        #[arg(long, short, default_value = "")]
        message: String,
    },
    /// Go back to the default
    Unset {
        path: String,
        #[arg(long, short, default_value = "")]
        message: String,
    },
    /// Put a whole file in force
    Apply {
        /// `-` for standard input
        file: PathBuf,
        #[arg(long, short, default_value = "")]
        message: String,
    },
    /// Say what is wrong with a file (needs no node)
    Check {
        /// `-` for standard input
        file: PathBuf,
    },
    /// The reference of all settings in Markdown (needs no node)
    Reference,
    /// Versions, newest first
    History {
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// What changed since a version
    Diff { version: i64 },
    /// Go back to a version
    Undo { version: i64 },
    /// Read the file again after it was changed by hand
    Reload,
}

impl Verb {
    pub fn is_local(&self) -> bool {
        matches!(self, Self::Check { .. } | Self::Reference)
    }
}

/// Verbs that need no node.
pub fn local(verb: Verb, as_json: bool) -> Result<(), CommandError> {
    let Verb::Check { file } = verb else {
        output::text(&postern_model::settings::reference::markdown());
        return Ok(());
    };
    let problems = settings_file::check(&read(&file)?).err().map(|e| e.0).unwrap_or_default();
    if as_json {
        output::json(&json!({ "good": problems.is_empty(), "problems": problems }));
    } else {
        for p in &problems {
            output::text(&output::plain(&p.to_string(), true));
        }
    }
    match problems.len() {
        0 => {
            if !as_json {
                output::text(&format!("{} is good", file.display()));
            }
            Ok(())
        }
        n => {
            Err(CommandError::Refused(json!({ "title": format!("{} cannot be used", file.display()), "detail": format!("{n} problems") })))
        }
    }
}

fn read(file: &Path) -> Result<String, CommandError> {
    let read = || {
        if file.as_os_str() != "-" {
            return std::fs::read_to_string(file);
        }
        let mut text = String::new();
        std::io::stdin().take(settings_file::MAX_TEXT as u64 + 1).read_to_string(&mut text)?;
        Ok(text)
    };
    read().map_err(|e| CommandError::Local(std::io::Error::new(e.kind(), format!("cannot read {}: {e}", file.display()))))
}

pub async fn run(node: &Node, verb: Verb) -> Result<(), CommandError> {
    match verb {
        Verb::Show => {
            let answer = node.get("/settings").await?;
            if node.json {
                output::json(&answer)
            } else {
                output::text(answer["text"].as_str().unwrap_or_default())
            }
            Ok(())
        }
        Verb::Get { path } => {
            let answer = node.get("/settings").await?;
            let found = lookup(&answer["settings"], &path);
            let Some(found) = found else { return Err(CommandError::Usage(format!("there is no setting {path}"))) };
            match found {
                Value::String(s) if !node.json => output::text(s),
                other => output::json(other),
            }
            Ok(())
        }
        Verb::Set { path, value, message } => {
            let value = serde_json::from_str(&value).unwrap_or(Value::String(value));
            change(node, json!({ "path": path, "value": value, "message": message })).await
        }
        Verb::Unset { path, message } => change(node, json!({ "path": path, "message": message })).await,
        Verb::Apply { file, message } => {
            let text = read(&file)?;
            let digest = string(&node.get("/settings").await?["digest"]);
            let path = format!("/settings{}", query(&[("message", Some(message).filter(|m| !m.is_empty()))]));
            let body = Some(("application/toml", text.into()));
            changed(node, &node.send(Method::PUT, &path, body, &[("if-match", &digest)]).await?);
            Ok(())
        }
        Verb::History { limit } => {
            let answer = node.get(&format!("/settings/history?limit={limit}")).await?;
            if node.json {
                output::json(&answer);
                return Ok(());
            }
            let row = |v: &Value| vec![string(&v["id"]), when(&v["at"]), string(&v["author"]), string(&v["message"])];
            output::table(&["VERSION", "TIME", "AUTHOR", "MESSAGE"], &list(&answer, "versions").iter().map(row).collect::<Vec<_>>());
            Ok(())
        }
        Verb::Diff { version } => {
            let answer = node.get(&format!("/settings/history/{version}/diff")).await?;
            if node.json {
                output::json(&answer)
            } else {
                output::text(&output::plain(answer["diff"].as_str().unwrap_or_default(), true))
            }
            Ok(())
        }
        Verb::Undo { version } => {
            changed(node, &node.post("/settings/undo", json!({ "to": version })).await?);
            Ok(())
        }
        Verb::Reload => {
            changed(node, &node.post("/settings/reload", json!({})).await?);
            Ok(())
        }
        Verb::Check { .. } | Verb::Reference => local(verb, node.json),
    }
}

async fn change(node: &Node, body: Value) -> Result<(), CommandError> {
    let body = Some(("application/json", body.to_string().into()));
    changed(node, &node.send(Method::PATCH, "/settings", body, &[]).await?);
    Ok(())
}

pub(super) fn changed(node: &Node, answer: &Value) {
    if node.json {
        output::json(answer);
        return;
    }
    if answer["changed"] != true {
        output::text("nothing changed: it was like that already");
        return;
    }
    output::text("in force");
    let later = list(answer, "restart_needed");
    if !later.is_empty() {
        output::text(&format!("works after a restart of the node: {}", later.iter().map(string).collect::<Vec<_>>().join(", ")));
    }
}

/// `a.b[0].c` in a JSON tree.
fn lookup<'v>(tree: &'v Value, path: &str) -> Option<&'v Value> {
    let mut at = tree;
    for step in path.split('.') {
        let (key, indices) = step.split_once('[').map_or((step, ""), |(k, i)| (k, i));
        at = at.get(key)?;
        for index in indices.split('[').filter(|i| !i.is_empty()) {
            at = at.get(index.strip_suffix(']')?.parse::<usize>().ok()?)?;
        }
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_through_tables_and_lists() {
        let tree = json!({ "a": { "b": [{ "c": 1 }, { "c": [2, 3] }] } });
        assert_eq!(lookup(&tree, "a.b[0].c"), Some(&json!(1)));
        assert_eq!(lookup(&tree, "a.b[1].c[1]"), Some(&json!(3)));
        assert_eq!(lookup(&tree, "a.x"), None);
        assert_eq!(lookup(&tree, "a.b[9]"), None);
    }
}
