//! Backups by the API: who may, what is said, what is written down; and the appliance's restore up to the order to the role `os`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod rig;

use std::path::Path;

use postern_model::os::{OsRequest, Unlock};
use rig::os::{os, until};
use rig::{Rig, ask};
use serde_json::{Value, json};

const PASSPHRASE: &str = "correct horse";

/// A rig whose node has a data folder with one key in it, and a folder for backups.
async fn rig(home: &Path) -> Rig {
    std::fs::create_dir(home.join("target")).unwrap();
    let rig = Rig::at_home(home).await;
    std::fs::write(home.join("data/dkim.pem"), "a key").unwrap();
    rig
}

async fn set(rig: &Rig, path: &str, value: Value) {
    ask("PATCH", "/api/v1/settings").json(json!({ "path": path, "value": value })).unix(rig).await.ok();
}

async fn aim(rig: &Rig, home: &Path) {
    let folder = home.join("target");
    set(rig, "backup", json!({ "target": "directory", "passphrase": PASSPHRASE, "directory": { "path": folder } })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_is_made_when_somebody_asks_who_may() {
    let home = tempfile::tempdir().unwrap();
    let rig = rig(home.path()).await;
    let login = rig.login().await;
    let status = ask("GET", "/api/v1/backups/status").login(&login).https(&rig).await.ok();
    assert_eq!((&status["schedule"], &status["target"], &status["running"]), (&json!("off"), &json!("none"), &Value::Null));
    for method in ["GET", "POST"] {
        let problem = ask(method, "/api/v1/backups").login(&login).https(&rig).await.problem(409);
        assert!(problem["detail"].as_str().unwrap().contains("backup.target"), "{problem}");
    }

    aim(&rig, home.path()).await;
    let made = ask("POST", "/api/v1/tokens").json(json!({ "name": "t", "scope": "read" })).login(&login).https(&rig).await.ok();
    let bearer = format!("Bearer {}", made["token"].as_str().unwrap());
    ask("GET", "/api/v1/backups/status").header("authorization", &bearer).https(&rig).await.ok();
    ask("POST", "/api/v1/backups").header("authorization", &bearer).https(&rig).await.problem(403);
    assert_eq!(ask("GET", "/api/v1/backups").unix(&rig).await.ok()["backups"], json!([]));

    let begun = ask("POST", "/api/v1/backups").login(&login).https(&rig).await;
    assert!(begun.status == 202 && begun.json()["running"].is_i64(), "{}", begun.text());
    let done = until(&rig, "/api/v1/backups/status", |s| s["running"].is_null()).await;
    assert!(done["trouble"].is_null() && done["made"]["members"].as_u64() > Some(0), "{done}");
    let listed = ask("GET", "/api/v1/backups").unix(&rig).await.ok();
    assert_eq!(listed["backups"][0]["name"], done["made"]["name"]);
    let trail = ask("GET", "/api/v1/audit?action=backup.create").unix(&rig).await;
    assert!(trail.text().contains("erika") && !trail.text().contains(PASSPHRASE), "{}", trail.text());
    assert!(ask("GET", "/metrics").unix(&rig).await.text().contains("postern_backup_failing 0"));

    std::fs::remove_dir_all(home.path().join("target")).unwrap();
    ask("POST", "/api/v1/backups").login(&login).https(&rig).await.ok();
    let failed = until(&rig, "/api/v1/backups/status", |s| s["running"].is_null()).await;
    assert!(failed["trouble"]["why"].as_str().unwrap().contains("target"), "{failed}");
    assert_eq!(ask("GET", "/api/v1/status").unix(&rig).await.ok()["backup_trouble"], failed["trouble"]["why"]);
    assert!(ask("GET", "/metrics").unix(&rig).await.text().contains("postern_backup_failing 1"));
    ask("GET", "/api/v1/backups").unix(&rig).await.problem(503);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_appliance_is_restored_by_a_backup_that_was_looked_through() {
    let home = tempfile::tempdir().unwrap();
    let rig = rig(home.path()).await;
    aim(&rig, home.path()).await;
    ask("POST", "/api/v1/backups").unix(&rig).await.ok();
    let done = until(&rig, "/api/v1/backups/status", |s| s["running"].is_null()).await;
    let name = done["made"]["name"].as_str().unwrap_or_else(|| panic!("{done}")).to_owned();
    let restore = |body: Value| ask("POST", "/api/v1/system/restore").json(body);
    restore(json!({ "backup": name, "passphrase": PASSPHRASE })).unix(&rig).await.problem(503);

    let orders = os(&home.path().join("run/os.sock"));
    for (body, word) in [
        (json!({ "backup": "../etc/passwd", "passphrase": "x" }), "no name of a backup"),
        (json!({ "backup": name }), "either"),
        (json!({ "backup": name, "passphrase": "x", "identity": "y" }), "either"),
        (json!({ "backup": name, "identity": "AGE-SECRET-KEY-1NONE" }), "AGE-SECRET-KEY-1"),
    ] {
        let problem = restore(body).unix(&rig).await.problem(422);
        assert!(problem["detail"].as_str().unwrap().contains(word), "{problem}");
    }
    let gone = name.replace("-2", "-1");
    for (backup, passphrase, why) in
        [(&name, "wrong", "is not the one this backup was locked with"), (&gone, PASSPHRASE, "there is no backup")]
    {
        restore(json!({ "backup": backup, "passphrase": passphrase })).unix(&rig).await.ok();
        let view = until(&rig, "/api/v1/system/restore", |v| v["stage"] != "fetching").await;
        assert!(view["stage"] == "failed" && view["why"].as_str().unwrap().contains(why), "{view}");
        assert!(!home.path().join("data/restore").exists() && orders.lock().is_empty());
    }

    restore(json!({ "backup": name, "passphrase": PASSPHRASE })).unix(&rig).await.ok();
    let view = until(&rig, "/api/v1/system/restore", |v| v["stage"] != "fetching").await;
    assert!(view["stage"] == "restarting" && view["octets"] == done["made"]["size"], "{view}");
    let fetched = home.path().join("data/restore").join(&name);
    let order = OsRequest::Restore { backup: fetched.clone(), unlock: Unlock::Passphrase(PASSPHRASE.into()) };
    let taken: Vec<OsRequest> = orders.lock().drain(..).map(|t| t.order).collect();
    assert_eq!(taken, [order]);
    assert_eq!(std::fs::read(&fetched).unwrap(), std::fs::read(home.path().join("target").join(&name)).unwrap());
    restore(json!({ "backup": name, "passphrase": PASSPHRASE })).unix(&rig).await.problem(409);
    let trail = ask("GET", "/api/v1/audit?action=system.restore").unix(&rig).await.text();
    assert!(trail.contains(&name) && !trail.contains(PASSPHRASE), "{trail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_verified_by_its_key_and_the_key_is_nowhere_after() {
    let home = tempfile::tempdir().unwrap();
    let rig = rig(home.path()).await;
    let verify = |body: Value| ask("POST", "/api/v1/backups/verify").json(body);
    let idle = ask("GET", "/api/v1/backups/verify").unix(&rig).await.ok();
    assert_eq!((&idle["stage"], &idle["contents"]), (&json!("none"), &Value::Null));
    let status = ask("GET", "/api/v1/backups/status").unix(&rig).await.ok();
    assert_eq!((&status["lock"], &status["place"]), (&json!("none"), &json!("")));
    verify(json!({ "backup": "../../etc/passwd", "passphrase": "x" })).unix(&rig).await.problem(422);

    aim(&rig, home.path()).await;
    ask("POST", "/api/v1/backups").unix(&rig).await.ok();
    let done = until(&rig, "/api/v1/backups/status", |s| s["running"].is_null()).await;
    let name = done["made"]["name"].as_str().unwrap_or_else(|| panic!("{done}")).to_owned();
    assert_eq!((&done["lock"], &done["place"]), (&json!("passphrase"), &json!(home.path().join("target"))));
    let ended = async || until(&rig, "/api/v1/backups/verify", |s| s["stage"] != "reading").await;

    verify(json!({ "backup": name, "passphrase": "x", "identity": "y" })).unix(&rig).await.problem(422);
    verify(json!({ "backup": name, "identity": "AGE-SECRET-KEY-1" })).unix(&rig).await.problem(422);
    assert_eq!(verify(json!({ "backup": name })).unix(&rig).await.status, 202);
    let good = ended().await;
    assert_eq!((&good["stage"], &good["backup"], &good["files"]), (&json!("good"), &json!(name), &done["made"]["members"]), "{good}");
    assert!(good["contents"]["left_out"].is_array() && good["contents"]["octets"].as_u64() > Some(0), "{good}");

    assert_eq!(verify(json!({ "backup": name, "passphrase": "another secret" })).unix(&rig).await.status, 202);
    let bad = ended().await;
    assert!(bad["stage"] == "bad" && bad["why"].as_str().unwrap().contains("passphrase is not the one"), "{bad}");

    // A bit that fell over is found, wherever it is.
    let file = home.path().join("target").join(&name);
    let mut octets = std::fs::read(&file).unwrap();
    let middle = octets.len() / 2;
    octets[middle] ^= 1;
    std::fs::write(&file, octets).unwrap();
    verify(json!({ "backup": name })).unix(&rig).await.ok();
    let damaged = ended().await;
    assert!(damaged["stage"] == "bad" && damaged["why"].as_str().unwrap().contains("damaged"), "{damaged}");

    let trail = ask("GET", "/api/v1/audit?action=backup.verify").unix(&rig).await;
    assert!(trail.json()["entries"].as_array().unwrap().len() == 3 && !trail.text().contains("another secret"), "{}", trail.text());
    let login = {
        ask("POST", "/api/v1/admins").json(json!({ "name": "alf", "password": rig::PASSWORD, "role": "auditor" })).unix(&rig).await.ok();
        rig.login_as("alf", rig::PASSWORD).await
    };
    ask("GET", "/api/v1/backups/verify").login(&login).https(&rig).await.ok();
    verify(json!({ "backup": name })).login(&login).https(&rig).await.problem(403);
}
