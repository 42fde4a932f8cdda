//! Schemathesis against a running node: requests made from the API's own description, right ones and wrong ones. None may end in a
//! server's error (5xx), and none may end the node.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::process::Command;

use postern_tests::cluster::api::Api;
use postern_tests::gateway::{Gateway, binary};
use postern_tests::network::{alone, lacking};
use serde_json::json;

/// How long requests are made, in seconds. Longer by hand: `SECONDS=600 ./just test --test schemathesis`.
const SECONDS: &str = "60";
/// An answer without an end: server-sent events.
const ENDLESS: &str = "/api/v1/live";
/// They would take away the token that they come with, and the login that it is of.
const OWN: [&str; 2] = ["/api/v1/tokens/{id}", "/api/v1/admins/{name}"];
/// Bodies that are no JSON, as Python writes them.
const HOOKS: &str = "import schemathesis\n\n@schemathesis.serializer(\"message/rfc822\", \"application/toml\")\ndef text(context, value):\n    return str(value).encode(\"utf-8\", \"replace\")\n";
/// 502 to 504 are said by right: the machine's own role, the edge, peers and addresses elsewhere are not there.
const CONFIGURATION: &str = "[checks.not_a_server_error]\nexpected-statuses = [\"2xx\", \"3xx\", \"4xx\", \"502\", \"503\", \"504\"]\n";

#[test]
fn no_request_is_a_servers_error() {
    if let Some(why) = lacking(&["schemathesis"]) {
        println!("skipped: {why}");
        return;
    }
    alone().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let settings = "[smtp]\nlisten = [\"127.0.0.1:2525\"]\ntrusted_listen = []\n[console]\nlisten = [\"127.0.0.1:8443\"]\n[dns]\nenabled = false\n\
                    [[domains]]\nname = \"example.net\"\nbackends = [{ host = \"127.0.0.1\", port = 2524, tls = \"off\" }]\n";
    let node = Gateway::node(&binary(), dir.path(), settings).unwrap();
    let api = Api::of(dir.path());
    let description = dir.path().join("openapi.json");
    let text = Command::new(binary()).arg("openapi").output().unwrap().stdout;
    std::fs::write(&description, text).unwrap();
    std::fs::write(dir.path().join("schemathesis.toml"), CONFIGURATION).unwrap();
    std::fs::write(dir.path().join("hooks.py"), HOOKS).unwrap();
    let token = api.post("/tokens", &json!({"name": "schemathesis", "scope": "full"})).unwrap()["token"].as_str().unwrap().to_owned();

    let output = Command::new("schemathesis")
        .arg("run")
        .arg(&description)
        .args(["--url", "https://127.0.0.1:8443", "--tls-verify", "false", "--request-timeout", "30"])
        .args(["--header", &format!("Authorization: Bearer {token}")])
        .args(["--checks", "not_a_server_error", "--continue-on-failure", "--seed", "1", "--no-color"])
        .args(["--max-time", &std::env::var("SECONDS").unwrap_or_else(|_| SECONDS.into())])
        .args(["--exclude-path", ENDLESS, "--exclude-path", OWN[0], "--exclude-path", OWN[1]])
        .env("SCHEMATHESIS_HOOKS", "hooks")
        .env("PYTHONPATH", dir.path())
        .current_dir(dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tokens = api.get("/tokens").unwrap_or_else(|e| panic!("the node is gone: {e}\n{}", node.log()));
    assert!(
        tokens["tokens"].as_array().unwrap().iter().any(|t| t["name"] == "schemathesis"),
        "the token was lost on the way: most was not tried"
    );
}
