//! Somebody who receives mail behind the gateway: logs in by the link that came by mail, over the node's unix socket.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::{Value, json};

use crate::backend::Backend;
use crate::gateway::wait_until;

const LIMIT: Duration = Duration::from_secs(30);

pub struct User {
    socket: PathBuf,
    cookie: String,
    csrf: String,
}

impl User {
    /// Asks for a link, and follows it when it has come to the mail server.
    ///
    /// # Errors
    /// When no letter comes, or its link is refused.
    pub fn log_in(data: &Path, mail_server: &Backend, address: &str) -> anyhow::Result<Self> {
        let mut user = Self { socket: data.join("run/node.sock"), cookie: String::new(), csrf: String::new() };
        let letters = || -> Vec<String> {
            let unfolded = |data: &str| data.replace("=\r\n", "").replace("=3D", "=");
            mail_server
                .mails()
                .iter()
                .filter(|m| m.to.iter().any(|to| to == address))
                .map(|m| unfolded(&m.data))
                .filter(|d| d.contains("#/own/"))
                .collect()
        };
        let before = letters().len();
        user.ask("POST", "/user/links", &json!({ "address": address }))?;
        wait_until("the letter with the link", LIMIT, || letters().len() > before)?;
        let letter = letters().pop().context("no letter")?;
        let link: String = letter.split("#/own/").nth(1).unwrap_or_default().chars().take_while(char::is_ascii_alphanumeric).collect();
        let (header, session) = user.ask("POST", "/user/session", &json!({ "link": link }))?;
        let cookie = header.lines().find_map(|l| l.strip_prefix("set-cookie: ")).context("no cookie")?;
        cookie.split(';').next().unwrap_or_default().clone_into(&mut user.cookie);
        session["csrf"].as_str().context("no CSRF token")?.clone_into(&mut user.csrf);
        Ok(user)
    }

    /// # Errors
    /// When it is refused; the error holds why.
    pub fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.ask("GET", path, &Value::Null).map(|(_, body)| body)
    }

    /// `choice`: `allow` or `block`.
    ///
    /// # Errors
    /// When it is refused; the error holds why.
    pub fn choose(&self, sender: &str, choice: &str) -> anyhow::Result<()> {
        self.ask("PUT", &format!("/user/senders/{sender}"), &json!({ "choice": choice })).map(drop)
    }

    /// # Errors
    /// When it is refused; the error holds why.
    pub fn take_back(&self, sender: &str) -> anyhow::Result<()> {
        self.ask("DELETE", &format!("/user/senders/{sender}"), &Value::Null).map(drop)
    }

    /// The answer's header, in lower case names, and its body.
    fn ask(&self, method: &str, path: &str, body: &Value) -> anyhow::Result<(String, Value)> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut stream = UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(LIMIT))?;
        write!(
            stream,
            "{method} /api/v1{path} HTTP/1.1\r\nhost: node\r\nconnection: close\r\ncookie: {}\r\nx-postern-csrf: {}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.cookie,
            self.csrf,
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (header, body) = answer.split_once("\r\n\r\n").context("an answer without a header")?;
        if !header.starts_with("HTTP/1.1 2") {
            bail!("{method} {path}: {answer}");
        }
        Ok((header.to_owned(), serde_json::from_str(body).unwrap_or_default()))
    }
}
