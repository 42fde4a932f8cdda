//! `postern <noun> <verb>` as people call it: the real binary against a real node's socket.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../../postern-console/tests/rig/mod.rs"]
mod rig;

use std::path::Path;
use std::process::{Command, Output};

use rig::Rig;
use serde_json::{Value, json};

fn postern(socket: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_postern")).args(arguments).arg("--socket").arg(socket).env_remove("POSTERN_SOCKET").output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Runs it beside the node, which lives on this test's runtime.
async fn call(rig: &Rig, arguments: &[&str]) -> Output {
    let (socket, arguments): (_, Vec<String>) = (rig.socket.clone(), arguments.iter().map(|a| (*a).to_owned()).collect());
    tokio::task::spawn_blocking(move || postern(&socket, &arguments.iter().map(String::as_str).collect::<Vec<_>>())).await.unwrap()
}

async fn good(rig: &Rig, arguments: &[&str]) -> String {
    let output = call(rig, arguments).await;
    assert!(output.status.success(), "{arguments:?}: {}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

async fn json(rig: &Rig, arguments: &[&str]) -> Value {
    let text = good(rig, &[arguments, &["--json"]].concat()).await;
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{arguments:?}: {e}: {text}"))
}

#[test]
fn without_a_node_it_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let output = postern(&dir.path().join("node.sock"), &["status"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(said(&output).contains("node.sock") && said(&output).contains("postern run"), "{}", said(&output));
    let output = postern(&dir.path().join("node.sock"), &["queue", "explode"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn some_verbs_need_no_node() {
    let dir = tempfile::tempdir().unwrap();
    let nowhere = dir.path().join("node.sock");
    let reference = postern(&nowhere, &["settings", "reference"]);
    assert!(said(&reference).starts_with("# Settings") && said(&reference).contains("max_recipients"));
    for shell in ["bash", "zsh", "fish"] {
        let script = postern(&nowhere, &["completion", shell]);
        assert!(script.status.success() && said(&script).contains("quarantine"), "{shell}");
    }
    let document: Value = serde_json::from_slice(&postern(&nowhere, &["openapi"]).stdout).unwrap();
    assert_eq!(document["info"]["title"], "Postern");
    let file = dir.path().join("postern.toml");
    std::fs::write(&file, "[smtp.limits]\nmax_recipients = 5\nmax_errors = 0\n").unwrap();
    let bad = postern(&nowhere, &["settings", "check", file.to_str().unwrap()]);
    assert_eq!(bad.status.code(), Some(1));
    assert!(said(&bad).contains("smtp.limits.max_recipients: 5 is too small") && said(&bad).contains("max_errors"), "{}", said(&bad));
    std::fs::write(&file, "[smtp.limits]\nmax_recipients = 500\n").unwrap();
    assert!(postern(&nowhere, &["settings", "check", file.to_str().unwrap()]).status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_noun_answers_people_and_programs() {
    let rig = Rig::new().await;
    for (arguments, field) in [
        (&["status"][..], "version"),
        (&["queue", "list"], "mails"),
        (&["queue", "retry"], "changed"),
        (&["quarantine", "list", "--state", "all"], "mails"),
        (&["journey", "search", "--sender", "a@b.example", "--since", "2h"], "journeys"),
        (&["settings", "show"], "digest"),
        (&["settings", "history"], "versions"),
        (&["symbols", "list"], "symbols"),
        (&["admin", "list"], "admins"),
        (&["token", "list"], "tokens"),
        (&["audit"], "entries"),
    ] {
        assert!(!json(&rig, arguments).await[field].is_null(), "{arguments:?}");
        good(&rig, arguments).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_have_an_exit_code_and_advice() {
    let rig = Rig::new().await;
    for arguments in [
        &["journey", "show", "../../etc/passwd"][..],
        &["quarantine", "release", "01jd7z0000000000000000000a"],
        &["queue", "delete"],
        &["settings", "set", "smtp.limits.max_recipients", "5"],
        &["settings", "diff", "99"],
        &["edge", "status"],
        &["admin", "remove", "nobody"],
    ] {
        let output = call(&rig, arguments).await;
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", said(&output));
        assert!(output.stdout.is_empty() && said(&output).starts_with("postern: "), "{arguments:?}: {}", said(&output));
        let output = call(&rig, &[arguments, &["--json"]].concat()).await;
        let problem: Value = serde_json::from_slice(&output.stderr).unwrap();
        assert!(problem["status"].is_number(), "{arguments:?}: {problem}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_set_shown_and_undone() {
    let rig = Rig::new().await;
    assert_eq!(good(&rig, &["settings", "get", "smtp.limits.max_recipients"]).await, "1000\n");
    assert_eq!(good(&rig, &["settings", "set", "smtp.limits.max_recipients", "200", "-m", "less"]).await, "in force\n");
    assert_eq!(good(&rig, &["settings", "set", "smtp.tarpit", "1s"]).await, "in force\n");
    assert!(good(&rig, &["settings", "set", "smtp.listen", "[\"[::1]:2525\"]"]).await.contains("restart"));
    assert_eq!(json(&rig, &["settings", "get", "smtp"]).await["limits"]["max_recipients"], 200);
    let versions = json(&rig, &["settings", "history"]).await;
    assert_eq!(versions["versions"][2]["message"], "less");
    let first = versions["versions"][3]["id"].to_string();
    assert!(good(&rig, &["settings", "diff", &first]).await.contains("+max_recipients = 200"));
    good(&rig, &["settings", "undo", &first]).await;
    assert_eq!(good(&rig, &["settings", "get", "smtp.limits.max_recipients"]).await, "1000\n");
    let file = rig.dir.path().join("new.toml");
    std::fs::write(&file, "[log]\nlevel = \"debug\"\n").unwrap();
    good(&rig, &["settings", "apply", file.to_str().unwrap(), "-m", "from a file"]).await;
    assert_eq!(good(&rig, &["settings", "get", "log.level"]).await, "debug\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn admins_and_tokens_are_made_and_removed() {
    let rig = Rig::new().await;
    let made = json(&rig, &["admin", "add", "otto"]).await;
    rig.login_as("otto", made["password"].as_str().unwrap()).await;
    let token = good(&rig, &["token", "add", "backup", "--scope", "read", "--lifetime", "1d"]).await;
    assert!(token.starts_with("postern-"));
    assert_eq!(json(&rig, &["token", "list"]).await["tokens"][0]["name"], "backup");
    good(&rig, &["token", "remove", "1"]).await;
    good(&rig, &["admin", "add", "erika"]).await;
    good(&rig, &["admin", "remove", "otto"]).await;
    let trail = good(&rig, &["audit", "--action", "admin."]).await;
    assert!(trail.contains("admin.remove") && trail.contains("otto"), "{trail}");
    let entries = json(&rig, &["audit"]).await;
    assert_eq!(entries["entries"][0]["action"], json!("admin.remove"));
}

#[tokio::test]
async fn a_login_gets_a_role_and_domains_and_an_open_one_is_ended() {
    let rig = Rig::new().await;
    good(&rig, &["admin", "add", "hanna", "--role", "helpdesk", "--domains", "example.org,example.net"]).await;
    let row = async || json(&rig, &["admin", "list"]).await["admins"][0].clone();
    assert_eq!((&row().await["role"], &row().await["domains"]), (&json!("helpdesk"), &json!(["example.net", "example.org"])));
    assert!(good(&rig, &["admin", "list"]).await.contains("example.net,example.org"));
    good(&rig, &["admin", "role", "hanna", "--role", "auditor"]).await;
    assert_eq!((&row().await["role"], &row().await["domains"]), (&json!("auditor"), &Value::Null));
    let refused = call(&rig, &["admin", "role", "hanna", "--role", "boss"]).await;
    assert!(!refused.status.success() && said(&refused).contains("write admin, operator, helpdesk or auditor"), "{}", said(&refused));
    good(&rig, &["token", "add", "watch", "--role", "auditor", "--domains", "example.org"]).await;
    assert_eq!(json(&rig, &["token", "list"]).await["tokens"][0]["role"], "auditor");

    rig.login().await;
    let open = json(&rig, &["admin", "sessions"]).await["sessions"][0].clone();
    assert_eq!(open["name"], "erika");
    good(&rig, &["admin", "end-session", open["id"].as_str().unwrap()]).await;
    assert!(json(&rig, &["admin", "sessions"]).await["sessions"].as_array().unwrap().is_empty());
    let none = call(&rig, &["admin", "reset-totp", "hanna"]).await;
    assert!(said(&none).contains("there is no login `hanna` with an authenticator"), "{}", said(&none));
}
