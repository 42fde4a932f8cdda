//! Alerts by the API: what is wrong now, acknowledged, over; in metrics.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod rig;

use std::time::Duration;

use futures_util::FutureExt;
use postern_console::{Console, State, alerts};
use postern_model::alert::Condition;
use rig::{Rig, ask};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio_util::sync::CancellationToken;

const SETTINGS: &str = "[alerts]\nhold = \"0s\"\nclear = \"0s\"\noff = [\"backup-failed\"]\n[backup]\nschedule = \"6h\"\ntarget = \"directory\"\npassphrase = \"x\"\ndirectory = { path = \"/nowhere\" }\n";

/// Waits until `GET` of a path fits.
async fn until(rig: &Rig, path: &str, fits: impl Fn(&Value) -> bool) -> Value {
    let waiting = async {
        loop {
            let answer = ask("GET", path).unix(rig).await.ok();
            if fits(&answer) {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waiting).await.expect(path)
}

#[tokio::test]
async fn an_alert_goes_from_active_to_past() {
    let mut rig = Rig::with_settings(SETTINGS).await;
    let is_away = Arc::new(AtomicBool::new(true));
    let asked = Arc::clone(&is_away);
    let silent = move || {
        let why = asked.load(Ordering::Relaxed).then(|| (Condition::AntivirusAway, "clamd <b> does not answer".to_owned()));
        async move { why.into_iter().collect() }.boxed()
    };
    rig.serve_with(State { silent: Arc::new(silent), ..rig.state.clone() }, |console: &Console, stop: &CancellationToken| {
        tokio::spawn(alerts::keep(console.clone(), stop.clone()));
    });

    let page = until(&rig, "/api/v1/alerts", |p| p["alerts"][0]["told"].is_object()).await;
    // The backup fails, too: it is switched off.
    assert_eq!(page["alerts"].as_array().unwrap().len(), 1, "{page}");
    let alert = &page["alerts"][0];
    assert_eq!((&alert["condition"], &alert["node"]), (&"antivirus-away".into(), &"mx.example".into()));
    assert_eq!(alert["seen_by"], serde_json::json!(["mx.example"]));
    let metrics = ask("GET", "/metrics").unix(&rig).await.text();
    assert!(metrics.contains("postern_alerts{name=\"antivirus-away\"} 1"), "{metrics}");
    assert!(metrics.contains("postern_alerts{name=\"queue-old\"} 0"), "{metrics}");

    let path = format!("/api/v1/alerts/{}/acknowledge", alert["id"].as_str().unwrap());
    ask("POST", "/api/v1/alerts/none/acknowledge").unix(&rig).await.problem(404);
    assert_eq!(ask("POST", &path).unix(&rig).await.status, 204);
    ask("POST", &path).unix(&rig).await.problem(404);
    ask("POST", "/api/v1/alerts/test").unix(&rig).await.problem(409);

    is_away.store(false, Ordering::Relaxed);
    until(&rig, "/api/v1/alerts", |p| p["alerts"].as_array().unwrap().is_empty()).await;
    let past = until(&rig, "/api/v1/alerts/past?limit=1", |p| p["alerts"][0]["ended"].is_i64()).await;
    assert!(past["alerts"][0]["acknowledged"]["by"].is_string() && past["next"].is_i64(), "{past}");
    ask("GET", "/api/v1/alerts/past?before=x").unix(&rig).await.problem(400);
}
