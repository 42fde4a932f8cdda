//! A line from the socket between node and edge, or node and sandbox: what is understood is the same when it is written and read again, and stays
//! one line.

use postern_model::control::{EdgeReply, EdgeRequest};
use postern_model::sandbox::{SandboxReply, SandboxRequest};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub fn check(line: &[u8]) {
    again::<EdgeRequest>(line);
    again::<EdgeReply>(line);
    again::<SandboxRequest>(line);
    again::<SandboxReply>(line);
}

fn again<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(line: &[u8]) {
    let Ok(message) = serde_json::from_slice::<T>(line) else { return };
    let written = serde_json::to_vec(&message).unwrap();
    assert!(!written.contains(&b'\n'), "{}", String::from_utf8_lossy(&written));
    assert_eq!(serde_json::from_slice::<T>(&written).unwrap(), message);
}
