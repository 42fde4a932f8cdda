//! The API of a node over its unix socket, without a process for each call: for programs that measure.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::Value;

/// No call of a test takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Debug)]
pub struct Api {
    socket: PathBuf,
}

impl Api {
    /// Of the node with this data directory.
    pub fn of(data: &Path) -> Self {
        Self { socket: data.join("run/node.sock") }
    }

    /// # Errors
    /// When it is not reached, or refuses; the error holds its words.
    pub fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.call("GET", path, None)
    }

    /// # Errors
    /// As [`Self::get`].
    pub fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.call("POST", path, Some(body))
    }

    /// # Errors
    /// As [`Self::get`].
    pub fn put(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.call("PUT", path, Some(body))
    }

    /// # Errors
    /// As [`Self::get`].
    pub fn delete(&self, path: &str) -> anyhow::Result<Value> {
        self.call("DELETE", path, None)
    }

    /// Changes one setting, as `postern settings set` does.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn set(&self, path: &str, value: Value) -> anyhow::Result<Value> {
        self.call("PATCH", "/settings", Some(&serde_json::json!({ "path": path, "value": value })))
    }

    /// One setting in force; `/` divides its path.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn setting(&self, pointer: &str) -> anyhow::Result<Value> {
        Ok(self.get("/settings")?["settings"].pointer(pointer).cloned().unwrap_or_default())
    }

    fn call(&self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let mut stream = UnixStream::connect(&self.socket).with_context(|| self.socket.display().to_string())?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let body = body.map(Value::to_string).unwrap_or_default();
        // 1.0: the answer ends with the connection, and comes in one piece.
        let head = format!(
            "{method} /api/v1{path} HTTP/1.0\r\nHost: postern\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all((head + &body).as_bytes())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).with_context(|| format!("{method} {path}"))?;
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) = answer.split_once("\r\n\r\n").context("no HTTP answer")?;
        if !head.split(' ').nth(1).is_some_and(|status| status.starts_with('2')) {
            bail!("{method} {path}: {} {body}", head.lines().next().unwrap_or_default());
        }
        if body.trim().is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(body).with_context(|| format!("{method} {path}: {body}"))
    }
}
