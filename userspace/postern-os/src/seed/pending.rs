//! The node's part of a seed: kept on disk until the node took it, one step after the other. A step that is done is taken out, and
//! its secrets with it; one that was cut off is done again, which changes nothing.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::secret_file;

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Password {
    Plain(String),
    Hash(String),
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(…)")
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Setting {
    pub keys: Vec<String>,
    pub value: Value,
}

impl Setting {
    /// As the API takes it: `filter.brands."a.b"`.
    pub fn path(&self) -> String {
        self.keys.iter().map(|k| toml_edit::Key::new(k.as_str()).display_repr().into_owned()).collect::<Vec<_>>().join(".")
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodePart {
    pub admin: Option<Password>,
    pub settings: Vec<Setting>,
    pub domains: Vec<Value>,
    pub cluster_token: Option<String>,
}

/// In their order: joining comes last, as it takes the cluster's settings over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    AdminPassword,
    Settings,
    Domains,
    JoinCluster,
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Step::AdminPassword => "password of the admin",
            Step::Settings => "settings",
            Step::Domains => "domains",
            Step::JoinCluster => "join the cluster",
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Put,
    Patch,
    Post,
}

/// One request to the node's API.
#[derive(Clone, PartialEq)]
pub struct Request {
    pub method: Method,
    pub path: &'static str,
    pub body: Value,
}

#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}")]
pub struct KeepError {
    path: String,
    #[source]
    source: std::io::Error,
}

impl NodePart {
    pub fn next(&self) -> Option<Step> {
        let steps = [
            (self.admin.is_some(), Step::AdminPassword),
            (!self.settings.is_empty(), Step::Settings),
            (!self.domains.is_empty(), Step::Domains),
            (self.cluster_token.is_some(), Step::JoinCluster),
        ];
        steps.into_iter().find_map(|(is_open, step)| is_open.then_some(step))
    }

    /// What a step asks of the node. `settings` are those in force, `cluster` is the node's answer about its cluster.
    pub fn requests(&self, step: Step, settings: &Value, cluster: &Value) -> Vec<Request> {
        let patch = |path: String, value: &Value| Request {
            method: Method::Patch,
            path: "/settings",
            body: json!({ "path": path, "value": value, "message": "first boot" }),
        };
        match step {
            Step::AdminPassword => {
                let body = match &self.admin {
                    Some(Password::Plain(text)) => json!({ "password": text }),
                    Some(Password::Hash(text)) => json!({ "password_hash": text }),
                    None => return Vec::new(),
                };
                vec![Request { method: Method::Put, path: "/admins/admin/password", body }]
            }
            Step::Settings => self.settings.iter().map(|s| patch(s.path(), &s.value)).collect(),
            Step::Domains => vec![patch("domains".into(), &self.domains_after(&settings["domains"]))],
            // A join that was answered and not noted down.
            Step::JoinCluster if cluster["member"] == true => Vec::new(),
            Step::JoinCluster => {
                vec![Request { method: Method::Post, path: "/cluster/join", body: json!({ "token": self.cluster_token }) }]
            }
        }
    }

    /// Those that are there already, with ours in the place of their namesakes.
    fn domains_after(&self, present: &Value) -> Value {
        let mut all = present.as_array().cloned().unwrap_or_default();
        all.retain(|there| !self.domains.iter().any(|ours| ours["name"] == there["name"]));
        all.extend(self.domains.iter().cloned());
        Value::Array(all)
    }

    pub fn done(&mut self, step: Step) {
        match step {
            Step::AdminPassword => self.admin = None,
            Step::Settings => self.settings.clear(),
            Step::Domains => self.domains.clear(),
            Step::JoinCluster => self.cluster_token = None,
        }
    }

    /// For people; without secrets.
    pub fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        match &self.admin {
            Some(Password::Plain(_)) => words.push("set the password of the admin".to_owned()),
            Some(Password::Hash(_)) => words.push("set the password of the admin by its hash".to_owned()),
            None => {}
        }
        for setting in &self.settings {
            let is_secret = setting.keys.iter().any(|k| k.contains("password") || k.contains("secret"));
            let has_secret = setting.value.to_string().contains("password");
            let value = if is_secret || has_secret { "(not shown)".to_owned() } else { setting.value.to_string() };
            words.push(format!("set {} = {value}", setting.path()));
        }
        for domain in &self.domains {
            let hosts = domain["backends"].as_array().into_iter().flatten().map(|b| {
                let port = b["port"].as_u64().map_or_else(String::new, |p| format!(" port {p}"));
                format!("{}{port}", b["host"].as_str().unwrap_or("?"))
            });
            words.push(format!("take mail for {} to {}", domain["name"].as_str().unwrap_or("?"), hosts.collect::<Vec<_>>().join(", ")));
        }
        if self.cluster_token.is_some() {
            words.push("join the cluster that the token is of".to_owned());
        }
        words
    }

    /// What waits, if anything does.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn open(path: &Path) -> Result<Option<Self>, KeepError> {
        let failed = |source| KeepError { path: path.display().to_string(), source };
        match fs::read(path) {
            Ok(octets) => serde_json::from_slice(&octets).map(Some).map_err(|e| failed(e.into())),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(failed(e)),
        }
    }

    /// Keeps it, for root alone; nothing left to do takes the file away.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn keep(&self, path: &Path) -> Result<(), KeepError> {
        let kept = if self.next().is_some() {
            serde_json::to_vec(self).map_err(Into::into).and_then(|octets| secret_file::put(path, &octets))
        } else {
            secret_file::remove(path)
        };
        kept.map_err(|source| KeepError { path: path.display().to_string(), source })
    }
}
