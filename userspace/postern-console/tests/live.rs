//! The stream of what changes: events, its bound, and that it ends with its login.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod rig;

use http_body_util::BodyExt;
use hyper::Response;
use hyper::body::Incoming;
use postern_console::STREAMS;
use rig::{Login, Rig, ask};
use serde_json::Value;

async fn follow(rig: &Rig, login: &Login) -> Response<Incoming> {
    ask("GET", "/api/v1/live").login(login).https_begun(rig).await
}

/// The next event; none: the stream has ended.
async fn event(stream: &mut Response<Incoming>) -> Option<(String, Value)> {
    loop {
        let frame = stream.body_mut().frame().await?.unwrap();
        let text = String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap();
        let (Some((_, name)), Some((_, data))) = (text.split_once("event: "), text.split_once("data: ")) else { continue };
        return Some((name.lines().next().unwrap().to_owned(), serde_json::from_str(data.trim()).unwrap()));
    }
}

#[tokio::test]
async fn the_status_comes_at_once_and_the_stream_ends_with_its_login() {
    let rig = Rig::new().await;
    let login = rig.login().await;
    ask("GET", "/api/v1/live").https(&rig).await.problem(401);
    let mut stream = follow(&rig, &login).await;
    assert_eq!((stream.status().as_u16(), stream.headers()["content-type"].to_str().unwrap()), (200, "text/event-stream"));
    assert_eq!(stream.headers()["cache-control"], "no-store");
    let (name, status) = event(&mut stream).await.unwrap();
    assert_eq!((name.as_str(), &status["ready"]), ("status", &Value::Bool(true)));

    assert_eq!(ask("DELETE", "/api/v1/session").login(&login).https(&rig).await.status, 204);
    while event(&mut stream).await.is_some() {}
}

#[tokio::test]
async fn more_pages_than_places_are_told_and_a_closed_page_gives_its_place_back() {
    let rig = Rig::new().await;
    let login = rig.login().await;
    let mut streams = Vec::new();
    for _ in 0..STREAMS {
        let stream = follow(&rig, &login).await;
        assert_eq!(stream.status(), 200);
        streams.push(stream);
    }
    let full = ask("GET", "/api/v1/live").login(&login).https(&rig).await.problem(503);
    assert!(full["advice"].as_str().unwrap().contains("/api/v1/status"), "{full}");
    streams.clear();
    // The node notices a closed connection when it next writes.
    let until = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while follow(&rig, &login).await.status() != 200 {
        assert!(std::time::Instant::now() < until, "no place came back");
        tokio::task::yield_now().await;
    }
}
