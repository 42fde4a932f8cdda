//! HTTP over the node's unix socket.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;

/// Longest answer that is taken.
const MAX_ANSWER: usize = 64 << 20;
const PATIENCE: Duration = Duration::from_secs(90);

#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error("the node does not answer at {socket}: {source}")]
    NotRunning {
        socket: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{}", problem_text(.0))]
    Refused(Value),
    #[error("the node's answer was cut short or is not understood: {0}")]
    Answer(String),
    /// What was begun did not succeed.
    #[error("{0}")]
    Failed(String),
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    Local(#[source] io::Error),
}

impl CommandError {
    pub fn code(&self) -> u8 {
        match self {
            Self::NotRunning { .. } => 3,
            Self::Usage(_) => 2,
            _ => 1,
        }
    }

    /// What to do about it.
    pub fn advice(&self) -> Option<String> {
        match self {
            Self::NotRunning { source, socket } => Some(match source.kind() {
                io::ErrorKind::PermissionDenied => {
                    format!("You may not use {}: call this as root, or as a member of its group.", socket.display())
                }
                io::ErrorKind::NotFound => {
                    "Is the node running? `systemctl status postern-node` says so; `postern run` starts one here. Another socket: --socket PATH.".to_owned()
                }
                _ => "Is the node running? `systemctl status postern-node` says so; its log says why not.".to_owned(),
            }),
            Self::Refused(problem) => problem["advice"].as_str().map(str::to_owned),
            _ => None,
        }
    }
}

fn problem_text(problem: &Value) -> String {
    let detail = problem["detail"].as_str().unwrap_or_default();
    match problem["title"].as_str() {
        Some(title) if !detail.is_empty() => format!("{title}: {detail}"),
        Some(title) => title.to_owned(),
        None => detail.to_owned(),
    }
}

pub struct Node {
    pub socket: PathBuf,
    pub json: bool,
}

impl Node {
    pub async fn get(&self, path: &str) -> Result<Value, CommandError> {
        self.send(Method::GET, path, None, &[]).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Result<Value, CommandError> {
        self.send(Method::POST, path, Some(("application/json", body.to_string().into())), &[]).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Result<Value, CommandError> {
        self.send(Method::PUT, path, Some(("application/json", body.to_string().into())), &[]).await
    }

    pub async fn delete(&self, path: &str) -> Result<Value, CommandError> {
        self.send(Method::DELETE, path, None, &[]).await
    }

    /// The answer's JSON; null when there is none.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, Bytes)>,
        headers: &[(&str, &str)],
    ) -> Result<Value, CommandError> {
        match tokio::time::timeout(PATIENCE, self.exchange(method, path, body, headers)).await {
            Ok(answer) => answer,
            Err(_) => Err(CommandError::Answer(format!("no answer within {} seconds", PATIENCE.as_secs()))),
        }
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, Bytes)>,
        headers: &[(&str, &str)],
    ) -> Result<Value, CommandError> {
        let broken = |e: hyper::Error| CommandError::Answer(e.to_string());
        let stream =
            UnixStream::connect(&self.socket).await.map_err(|source| CommandError::NotRunning { socket: self.socket.clone(), source })?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        tokio::spawn(connection);
        let mut request = Request::builder().method(method).uri(format!("/api/v1{path}")).header("host", "postern");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let octets = body.map_or_else(Bytes::new, |(kind, octets)| {
            if let Some(headers) = request.headers_mut()
                && let Ok(kind) = kind.parse()
            {
                headers.insert("content-type", kind);
            }
            octets
        });
        let request = request.body(Full::new(octets)).map_err(|e| CommandError::Usage(e.to_string()))?;
        let response = sender.send_request(request).await.map_err(broken)?;
        let status = response.status();
        let answer = Limited::new(response.into_body(), MAX_ANSWER).collect().await.map_err(|e| CommandError::Answer(e.to_string()))?;
        let octets = answer.to_bytes();
        if octets.is_empty() && status.is_success() {
            return Ok(Value::Null);
        }
        let value: Value = serde_json::from_slice(&octets).map_err(|e| CommandError::Answer(format!("{status}: {e}")))?;
        if status.is_success() { Ok(value) } else { Err(refused(status, value)) }
    }
}

fn refused(status: StatusCode, problem: Value) -> CommandError {
    if problem.is_object() { CommandError::Refused(problem) } else { CommandError::Answer(status.to_string()) }
}

/// `?a=b&c=d` of what is given; empty when nothing is.
pub fn query(pairs: &[(&str, Option<String>)]) -> String {
    let mut out = String::new();
    for (name, value) in pairs {
        if let Some(value) = value {
            out.push(if out.is_empty() { '?' } else { '&' });
            out.push_str(name);
            out.push('=');
            out.push_str(&escape(value));
        }
    }
    out
}

/// Percent-encoding of everything that is not unreserved (RFC 3986 §2.3).
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for b in text.bytes() {
        if b.is_ascii_alphanumeric() || b"-._~".contains(&b) {
            out.push(char::from(b));
        } else {
            out.push_str(&format!("%{b:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_escaped() {
        let pairs = [("a", Some("x&y=ü".to_owned())), ("b", None), ("c", Some("../z".to_owned()))];
        assert_eq!(query(&pairs), "?a=x%26y%3D%C3%BC&c=..%2Fz");
    }
}
