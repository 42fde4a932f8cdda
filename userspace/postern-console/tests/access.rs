//! Who gets in: logins, tokens, CSRF, the rate limit, and that no route was forgotten.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod rig;

use std::time::SystemTime;

use postern_model::time::Timestamp;
use rig::{PASSWORD, Rig, ask};
use serde_json::{Value, json};

#[tokio::test]
async fn every_route_of_the_document_needs_a_caller() {
    let rig = Rig::new().await;
    let document: Value = serde_json::from_str(&postern_console::openapi()).unwrap();
    let open = ["/healthz", "/readyz"];
    let mut seen = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            let method: &'static str = match method.as_str() {
                "get" => "GET",
                "put" => "PUT",
                "post" => "POST",
                "patch" => "PATCH",
                "delete" => "DELETE",
                _ => continue,
            };
            // /metrics is for this machine too, and the test stands on it: it has a test of its own.
            if open.contains(&path.as_str())
                || path == "/metrics"
                || (method == "POST" && ["/api/v1/session", "/api/v1/user/session", "/api/v1/user/links"].contains(&path.as_str()))
            {
                continue;
            }
            seen += 1;
            let filled =
                path.replace("{mail}", "01jd7z0000000000000000000a").replace("{id}", "1").replace("{name}", "x").replace("{kind}", "spam");
            let reply = ask(method, &filled).json(json!({})).https(&rig).await;
            reply.problem(401);
            for (name, value) in
                [("authorization", "Bearer nothing"), ("cookie", "__Host-postern=nothing"), ("authorization", "Basic eDp5")]
            {
                ask(method, &filled).json(json!({})).header(name, value).https(&rig).await.problem(401);
            }
        }
    }
    assert!(seen >= 40, "{seen} operations");
}

#[tokio::test]
async fn health_needs_no_login_and_says_little() {
    let rig = Rig::new().await;
    assert_eq!(ask("GET", "/healthz").https(&rig).await.text(), "ok\n");
    assert_eq!(ask("GET", "/readyz").https(&rig).await.status, 200);
    rig.state.ready.store(false, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(ask("GET", "/readyz").https(&rig).await.status, 503);
}

#[tokio::test]
async fn a_login_sets_a_guarded_cookie_and_ends_with_logout() {
    let rig = Rig::new().await;
    rig.login().await;
    let reply = ask("POST", "/api/v1/session").json(json!({ "name": "erika", "password": PASSWORD })).https(&rig).await;
    let cookie = reply.header("set-cookie").to_owned();
    for part in ["__Host-postern=", "Path=/", "Secure", "HttpOnly", "SameSite=Strict"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!reply.text().contains(cookie.split(['=', ';']).nth(1).unwrap()), "the secret of the cookie stands in the body");
    let login = rig.login_as("erika", PASSWORD).await;
    let session = ask("GET", "/api/v1/session").header("cookie", &login.cookie).https(&rig).await.ok();
    assert_eq!((&session["name"], &session["csrf"]), (&json!("erika"), &json!(login.csrf)));
    assert_eq!(ask("DELETE", "/api/v1/session").login(&login).https(&rig).await.status, 204);
    ask("GET", "/api/v1/status").login(&login).https(&rig).await.problem(401);
}

#[tokio::test]
async fn a_login_ends_when_nobody_uses_it_for_an_hour_and_an_open_page_is_no_use() {
    const MINUTE: i64 = 60_000;
    let rig = Rig::new().await;
    rig.login().await;
    let sessions = rig.state.database.sessions();
    let begun = async |cookie: &str, minutes: i64| {
        let at = Timestamp(Timestamp::from_system(SystemTime::now()).0 - minutes * MINUTE);
        sessions.begin(blake3::hash(cookie.as_bytes()).as_bytes(), "erika", "csrf", "192.0.2.1", at).await.unwrap();
        at
    };
    begun("old", 61).await;
    let used = begun("young", 59).await;
    let with = |path: &str, cookie: &str| ask("GET", path).header("cookie", format!("__Host-postern={cookie}"));
    let used_last = async || {
        let digest = *blake3::hash(b"young").as_bytes();
        sessions.look(&digest, Timestamp(0)).await.unwrap().unwrap().used
    };

    let ended = with("/api/v1/status", "old").https(&rig).await.problem(401);
    assert_eq!(ended["detail"], "the login has ended");
    with("/api/v1/status", "young").header("x-postern-unattended", "yes").https(&rig).await.ok();
    let live = with("/api/v1/live", "young").header("accept", "text/event-stream").https_begun(&rig).await;
    assert_eq!(live.status(), 200);
    assert_eq!(used_last().await, used.0);
    with("/api/v1/status", "young").https(&rig).await.ok();
    assert!(used_last().await > used.0 + 58 * MINUTE);
}

#[tokio::test]
async fn a_cookie_alone_changes_nothing() {
    let rig = Rig::new().await;
    let login = rig.login().await;
    let add = || {
        ask("POST", "/api/v1/admins").json(json!({ "name": "mallory", "password": "long enough by far" })).header("cookie", &login.cookie)
    };
    add().https(&rig).await.problem(403);
    add().header("x-postern-csrf", "wrong").https(&rig).await.problem(403);
    let foreign = add().header("x-postern-csrf", &login.csrf).header("sec-fetch-site", "cross-site");
    foreign.https(&rig).await.problem(403);
    let form = ask("POST", "/api/v1/admins").raw("application/x-www-form-urlencoded", "name=mallory").login(&login);
    form.https(&rig).await.problem(415);
    let all = ask("GET", "/api/v1/admins").login(&login).https(&rig).await.ok();
    assert_eq!(all["admins"].as_array().unwrap().len(), 1);
    assert_eq!(add().header("x-postern-csrf", &login.csrf).header("sec-fetch-site", "same-origin").https(&rig).await.status, 201);
}

#[tokio::test]
async fn guessing_waits_even_with_the_right_password_at_last() {
    let rig = Rig::with_settings("[console]\nlogin_tries = 3\n").await;
    rig.login().await;
    let attempt = |password: &str| ask("POST", "/api/v1/session").json(json!({ "name": "erika", "password": password }));
    let unknown = ask("POST", "/api/v1/session").json(json!({ "name": "nobody", "password": "x" })).https(&rig).await.problem(401);
    let wrong = attempt("wrong").https(&rig).await.problem(401);
    assert_eq!(unknown, wrong, "the answer tells whether a name exists");
    attempt("wrong").https(&rig).await.problem(401);
    let refused = attempt(PASSWORD).https(&rig).await;
    refused.problem(429);
    assert!((1..=61).contains(&refused.header("retry-after").parse::<u64>().unwrap()));
    let trail = ask("GET", "/api/v1/audit?action=login.failed").unix(&rig).await.ok();
    assert_eq!(trail["entries"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn the_first_admin_gets_a_password_once() {
    let rig = Rig::new().await;
    let password = rig.state.bootstrap_admin().await.unwrap().unwrap();
    assert!(rig.state.bootstrap_admin().await.unwrap().is_none());
    let login = rig.login_as("admin", &password).await;
    let me = ask("GET", "/api/v1/session").login(&login).https(&rig).await.ok();
    assert_eq!(me["one_time_password"], true);
    let other = rig.login_as("admin", &password).await;
    let change = |old: &str, new: &str| ask("PUT", "/api/v1/session/password").json(json!({ "old": old, "new": new })).login(&login);
    change(&password, "short").https(&rig).await.problem(422);
    change("wrong", "long enough by far").https(&rig).await.problem(403);
    assert_eq!(change(&password, "long enough by far").https(&rig).await.status, 204);
    let me = ask("GET", "/api/v1/session").login(&login).https(&rig).await.ok();
    assert_eq!(me["one_time_password"], false);
    ask("GET", "/api/v1/session").login(&other).https(&rig).await.problem(401);
    ask("POST", "/api/v1/session").json(json!({ "name": "admin", "password": password })).https(&rig).await.problem(401);
}

#[tokio::test]
async fn tokens_do_what_their_scope_says() {
    let rig = Rig::new().await;
    let login = rig.login().await;
    let make = async |scope: &str| {
        let reply =
            ask("POST", "/api/v1/tokens").json(json!({ "name": "t", "scope": scope, "lifetime": "1h" })).login(&login).https(&rig).await;
        reply.ok()["token"].as_str().unwrap().to_owned()
    };
    let (full, read, metrics) = (make("full").await, make("read").await, make("metrics").await);
    let with = |method, path: &str, token: &str| ask(method, path).json(json!({})).header("authorization", format!("Bearer {token}"));
    with("GET", "/api/v1/status", &read).https(&rig).await.ok();
    with("POST", "/api/v1/settings/reload", &read).https(&rig).await.problem(403);
    with("POST", "/api/v1/settings/reload", &full).https(&rig).await.ok();
    with("GET", "/api/v1/status", &metrics).https(&rig).await.problem(403);
    assert_eq!(with("GET", "/metrics", &metrics).https(&rig).await.status, 200);
    ask("POST", "/api/v1/tokens").json(json!({ "name": "t", "scope": "root" })).login(&login).https(&rig).await.problem(422);
    let list = ask("GET", "/api/v1/tokens").login(&login).https(&rig).await;
    assert!(!list.text().contains(&full) && list.json()["tokens"].as_array().unwrap().len() == 3);
    let id = list.json()["tokens"][0]["id"].as_i64().unwrap();
    assert_eq!(ask("DELETE", format!("/api/v1/tokens/{id}")).login(&login).https(&rig).await.status, 204);
    with("GET", "/api/v1/status", &full).https(&rig).await.problem(401);
}

#[tokio::test]
async fn the_last_admin_and_oneself_stay() {
    let rig = Rig::new().await;
    let login = rig.login().await;
    ask("DELETE", "/api/v1/admins/erika").unix(&rig).await.problem(409);
    let made = ask("POST", "/api/v1/admins").json(json!({ "name": "otto" })).unix(&rig).await.ok();
    assert!(made["password"].as_str().unwrap().len() >= 32);
    ask("DELETE", "/api/v1/admins/erika").login(&login).https(&rig).await.problem(409);
    ask("POST", "/api/v1/admins").json(json!({ "name": "Otto <b>" })).unix(&rig).await.problem(422);
    assert_eq!(ask("DELETE", "/api/v1/admins/erika").unix(&rig).await.status, 204);
    ask("GET", "/api/v1/status").login(&login).https(&rig).await.problem(401);
    ask("DELETE", "/api/v1/admins/nobody").unix(&rig).await.problem(404);
}

#[tokio::test]
async fn the_socket_is_for_its_group_and_an_old_one_is_replaced() {
    use std::os::unix::fs::PermissionsExt;
    let rig = Rig::new().await;
    let mode = std::fs::metadata(&rig.socket).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o660);
    let me = ask("GET", "/api/v1/session").unix(&rig).await.ok();
    assert!(me["name"] == "root" || me["name"].as_str().unwrap().starts_with("unix:"), "{me}");
    drop(postern_console::listen::bind_unix(&rig.socket).unwrap());
    let file = rig.dir.path().join("file");
    std::fs::write(&file, "precious").unwrap();
    assert!(postern_console::listen::bind_unix(&file).is_err());
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
}
