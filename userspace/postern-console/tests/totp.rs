//! Authenticators and open logins.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod rig;

use std::time::{SystemTime, UNIX_EPOCH};

use rig::{Login, PASSWORD, Reply, Rig, ask};
use serde_json::{Value, json};
use totp_rs::{Builder, Totp};

fn authenticator(secret: &str) -> Totp {
    let octets = data_encoding::BASE32_NOPAD.decode(secret.as_bytes()).unwrap();
    Builder::new().with_secret(octets).with_account_name("erika").build().unwrap()
}

/// The code of so many steps from now.
fn code(secret: &str, steps: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    authenticator(secret).generate(now + steps * 30).to_string()
}

async fn login(rig: &Rig, code: Value) -> Reply {
    ask("POST", "/api/v1/session").json(json!({ "name": "erika", "password": PASSWORD, "code": code })).https(rig).await
}

/// Sets one up with the code of now; the secret and the recovery codes.
async fn set_up(rig: &Rig, erika: &Login) -> (String, Vec<String>) {
    let offer = ask("POST", "/api/v1/session/totp/offer").login(erika).https(rig).await.ok();
    let secret = offer["secret"].as_str().unwrap().to_owned();
    assert!(offer["url"].as_str().unwrap().contains(&secret) && offer["qr_size"].as_i64().unwrap() > 20);
    let put = |code: String, password: &str| {
        ask("PUT", "/api/v1/session/totp").json(json!({ "secret": secret, "code": code, "password": password })).login(erika).https(rig)
    };
    put(code(&secret, 5), PASSWORD).await.problem(422);
    put(code(&secret, 0), "wrong").await.problem(403);
    let made = put(code(&secret, 0), PASSWORD).await.ok();
    let codes = made["recovery_codes"].as_array().unwrap().iter().map(|c| c.as_str().unwrap().to_owned()).collect();
    (secret, codes)
}

#[tokio::test]
async fn a_login_with_an_authenticator_needs_a_code_that_was_not_used() {
    let rig = Rig::new().await;
    let erika = rig.login().await;
    let other = rig.login().await;
    let (secret, recovery) = set_up(&rig, &erika).await;
    ask("GET", "/api/v1/session").login(&other).https(&rig).await.problem(401);
    ask("GET", "/api/v1/session").login(&erika).https(&rig).await.ok();

    assert_eq!(login(&rig, Value::Null).await.problem(401)["type"], "urn:postern:problem:code-needed");
    let unknown = ask("POST", "/api/v1/session").json(json!({ "name": "erika", "password": "wrong", "code": "000000" })).https(&rig).await;
    assert_eq!(unknown.problem(401)["type"], "urn:postern:problem:login-failed", "a wrong password is not told of the code");
    let next = code(&secret, 1);
    login(&rig, json!(next)).await.ok();
    let replayed = login(&rig, json!(next)).await.problem(401);
    assert_eq!(replayed["detail"], "the code is wrong, or was used already");

    let written = recovery[0].to_uppercase().replace('-', " ");
    login(&rig, json!(written)).await.ok();
    login(&rig, json!(recovery[0])).await.problem(401);
    let view = ask("GET", "/api/v1/session/totp").login(&erika).https(&rig).await.ok();
    assert_eq!(view, json!({ "active": true, "recovery_codes": 9 }));

    ask("POST", "/api/v1/session/totp/remove").json(json!({ "password": "wrong" })).login(&erika).https(&rig).await.problem(403);
    assert_eq!(
        ask("POST", "/api/v1/session/totp/remove").json(json!({ "password": PASSWORD })).login(&erika).https(&rig).await.status,
        204
    );
    login(&rig, Value::Null).await.ok();
}

#[tokio::test]
async fn wrong_codes_count_for_the_login_wherever_they_come_from() {
    let rig = Rig::with_settings("[console]\nlogin_tries = 3\n").await;
    let erika = rig.login().await;
    let (_, recovery) = set_up(&rig, &erika).await;
    for _ in 0..3 {
        login(&rig, json!("000 000")).await.problem(401);
    }
    // From this address nothing more is heard, and from another one no code of this login.
    assert_eq!(login(&rig, json!(recovery[0])).await.problem(429)["detail"], "too many failed logins from 127.0.0.1");
    let attempt = || ask("POST", "/api/v1/session").json(json!({ "name": "erika", "password": PASSWORD, "code": recovery[0] }));
    let refused = attempt().https_from(&rig, "127.0.0.2").await;
    assert_eq!(refused.problem(429)["detail"], "too many wrong codes for this login");
    assert!(refused.header("retry-after").parse::<u64>().unwrap() > 60);
    let trail = ask("GET", "/api/v1/audit?action=login.failed").unix(&rig).await.ok();
    assert_eq!(trail["entries"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn an_admin_resets_anothers_authenticator_and_it_does_not_come_back() {
    let rig = Rig::new().await;
    let erika = rig.login().await;
    set_up(&rig, &erika).await;
    let row = async || ask("GET", "/api/v1/admins").unix(&rig).await.ok()["admins"][0]["totp"].clone();
    assert_eq!(row().await, true);
    assert_eq!(ask("DELETE", "/api/v1/admins/erika/totp").unix(&rig).await.status, 204);
    ask("DELETE", "/api/v1/admins/erika/totp").unix(&rig).await.problem(404);
    assert_eq!(row().await, false);
    login(&rig, Value::Null).await.ok();
    // A login of that name that is made anew has none either.
    set_up(&rig, &erika).await;
    ask("POST", "/api/v1/admins").json(json!({ "name": "otto" })).unix(&rig).await.ok();
    assert_eq!(ask("DELETE", "/api/v1/admins/erika").unix(&rig).await.status, 204);
    rig.login().await;
    ask("POST", "/api/v1/session/totp/offer").unix(&rig).await.problem(403);
}

#[tokio::test]
async fn open_logins_are_listed_and_ended_one_by_one() {
    let rig = Rig::new().await;
    let (erika, second) = (rig.login().await, rig.login().await);
    let helper = json!({ "name": "hanna", "password": PASSWORD, "role": "helpdesk" });
    ask("POST", "/api/v1/admins").json(helper).unix(&rig).await.ok();
    let hanna = rig.login_as("hanna", PASSWORD).await;
    let listed =
        async |login: &Login| ask("GET", "/api/v1/sessions").login(login).https(&rig).await.ok()["sessions"].as_array().unwrap().clone();
    let all = listed(&erika).await;
    assert_eq!((all.len(), all.iter().filter(|s| s["this"] == true).count()), (3, 1));
    let own = listed(&hanna).await;
    assert_eq!((own.len(), &own[0]["name"], &own[0]["address"]), (1, &json!("hanna"), &json!("127.0.0.1")));
    let ended =
        async |by: &Login, id: &Value| ask("DELETE", format!("/api/v1/sessions/{}", id.as_str().unwrap())).login(by).https(&rig).await;
    let erikas = all.iter().find(|s| s["name"] == "erika" && s["this"] == false).unwrap();
    ended(&hanna, &erikas["id"]).await.problem(404);
    assert_eq!(ended(&erika, &erikas["id"]).await.status, 204);
    ask("GET", "/api/v1/session").login(&second).https(&rig).await.problem(401);
    ask("GET", "/api/v1/session").login(&hanna).https(&rig).await.ok();
    let trail = ask("GET", "/api/v1/audit?action=session.end").unix(&rig).await.ok();
    assert_eq!((&trail["entries"][0]["who"], &trail["entries"][0]["subject"]), (&json!("erika"), &json!("erika")));
}
