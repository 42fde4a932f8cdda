//! An update comes in, uploaded or fetched from an address, up to the order to the role `os`; its file is gone afterwards.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod rig;

use std::fs;
use std::path::Path;

use postern_model::os::OsRequest;
use rig::os::{os, until};
use rig::{Rig, ask};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const BUNDLE: &[u8] = b"a bundle";

/// A web server: the head and body of each path; a path that is not there is answered 404.
async fn web(pages: &'static [(&'static str, &'static str, &'static [u8])]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 4096];
            let read = stream.read(&mut request).await.unwrap();
            let request = String::from_utf8_lossy(&request[..read]).into_owned();
            let page = pages.iter().find(|(path, ..)| request.starts_with(&format!("GET {path} ")));
            let (head, body) = page.map_or(("404 Not Found\r\nContent-Length: 0", &b""[..]), |(_, head, body)| (*head, *body));
            let _ = stream.write_all(format!("HTTP/1.1 {head}\r\nConnection: close\r\n\r\n").as_bytes()).await;
            let _ = stream.write_all(body).await;
        }
    });
    format!("http://{address}")
}

fn is_empty(home: &Path) -> bool {
    fs::read_dir(home.join("data/updates")).is_ok_and(|mut files| files.next().is_none())
}

async fn fetched(rig: &Rig, body: Value) -> Value {
    let begun = ask("POST", "/api/v1/system/update/fetch").json(body).unix(rig).await;
    assert_eq!(begun.status, 202, "{}", begun.text());
    until(rig, "/api/v1/system/update/fetch", |v| v["stage"] != "fetching").await
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_fetched_from_an_address() {
    let home = tempfile::tempdir().unwrap();
    let rig = Rig::at_home(home.path()).await;
    let server = web(&[
        ("/good.update", "200 OK\r\nContent-Length: 8", BUNDLE),
        ("/moved.update", "302 Found\r\nLocation: /good.update\r\nContent-Length: 0", b""),
        ("/cut.update", "200 OK\r\nContent-Length: 9", BUNDLE),
        ("/large.update", "200 OK\r\nContent-Length: 536870913", BUNDLE),
    ])
    .await;
    let at = |name: &str| json!({ "url": format!("{server}/{name}") });
    ask("POST", "/api/v1/system/update/fetch").json(at("good.update")).unix(&rig).await.problem(503);

    let orders = os(&home.path().join("run/os.sock"));
    for name in ["good.update", "moved.update"] {
        let view = fetched(&rig, at(name)).await;
        assert_eq!((&view["stage"], &view["octets"], &view["total"]), (&json!("taken"), &json!(8), &json!(8)), "{view}");
        let taken = orders.lock().pop().unwrap();
        assert_eq!(taken.file.as_deref(), Some(BUNDLE), "{taken:?}");
        assert!(matches!(taken.order, OsRequest::Update { allow_older: false, restart: false, .. }), "{taken:?}");
        assert!(is_empty(home.path()), "the file is gone when it was taken");
    }
    let wanted = json!({ "url": format!("{server}/good.update"), "order": { "for": "this", "allow_older": true, "restart": true } });
    assert_eq!(fetched(&rig, wanted).await["stage"], "taken");
    let taken = orders.lock().pop().unwrap();
    assert!(matches!(taken.order, OsRequest::Update { allow_older: true, restart: true, .. }), "{taken:?}");

    for (name, why) in [("none.update", "answered 404"), ("cut.update", "end of file"), ("large.update", "more than 512 MiB")] {
        let view = fetched(&rig, at(name)).await;
        assert!(view["stage"] == "failed" && view["why"].as_str().unwrap().contains(why), "{name}: {view}");
        assert!(is_empty(home.path()), "{name}");
    }
    let all = json!({ "url": format!("{server}/good.update"), "order": { "for": "all" } });
    let view = fetched(&rig, all).await;
    assert!(view["why"].as_str().unwrap().contains("in no cluster"), "{view}");
    assert!(orders.lock().is_empty());

    for (url, why) in [("ftp://127.0.0.1/x", "ftp:"), ("postern.update", "relative URL"), ("file:///etc/shadow", "file:")] {
        let problem = ask("POST", "/api/v1/system/update/fetch").json(json!({ "url": url })).unix(&rig).await.problem(422);
        assert!(problem["detail"].as_str().unwrap().contains(why), "{problem}");
    }
    let secret = json!({ "url": format!("{}/good.update", server.replace("http://", "http://me:secret@")) });
    assert!(!fetched(&rig, secret).await.to_string().contains("secret"));
    let trail = ask("GET", "/api/v1/audit?action=system.update.fetch").unix(&rig).await.text();
    assert!(trail.contains("good.update") && !trail.contains("secret"), "{trail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_gone_when_it_was_taken_or_refused() {
    let home = tempfile::tempdir().unwrap();
    let rig = Rig::at_home(home.path()).await;
    let orders = os(&home.path().join("run/os.sock"));
    let upload = || ask("POST", "/api/v1/system/update").raw("application/octet-stream", BUNDLE);
    assert_eq!(upload().unix(&rig).await.status, 202);
    assert_eq!(orders.lock().pop().unwrap().file.as_deref(), Some(BUNDLE));
    assert!(is_empty(home.path()));
    ask("POST", "/api/v1/cluster/update").raw("application/octet-stream", BUNDLE).unix(&rig).await.problem(409);
    assert!(is_empty(home.path()));
}
