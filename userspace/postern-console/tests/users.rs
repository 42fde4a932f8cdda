//! People who receive mail: links that are good once, and nothing but the own quarantine.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod held;
mod rig;

use std::time::Duration;

use held::quarantined;
use postern_mail::message::Limits;
use postern_model::id::MailId;
use postern_model::reason::Reason;
use postern_mta::queue::Filter;
use postern_store::database::quarantine::{QuarantineEntry, QuarantineState};
use rig::{Login, Reply, Rig, ask};
use serde_json::json;

const SETTINGS: &str = "[users]\nenabled = true\nurl = \"https://mail.example.org:8443\"\nlanguage = \"de\"\n[[domains]]\nname = \"example.org\"\nbackends = [{ host = \"192.0.2.9\" }]\n[[domains]]\nname = \"*\"\nbackends = [{ host = \"192.0.2.9\" }]\n";

/// Letters in the queue: to whom, and what they say.
fn letters(rig: &Rig) -> Vec<(String, String)> {
    let read = |row: postern_mta::queue::Row| {
        let stored = rig.state.spool.read(row.id).unwrap();
        let message = postern_mail::read(stored.bytes(), &Limits::default());
        assert!(message.headers.iter().any(|h| h.name.eq_ignore_ascii_case("auto-submitted")));
        (row.recipients[0].address.to_string(), message.text)
    };
    rig.state.queue.list(&Filter::default(), None, 100).into_iter().map(read).collect()
}

async fn ask_link(rig: &Rig, address: &str) -> Reply {
    ask("POST", "/api/v1/user/links").json(json!({ "address": address })).https(rig).await
}

/// Waits for so many letters; the link in the last that came for an address.
async fn link(rig: &Rig, address: &str, letters_by_then: usize) -> String {
    let waiting = async {
        loop {
            let all = letters(rig);
            if all.len() >= letters_by_then {
                return all;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let all = tokio::time::timeout(Duration::from_secs(30), waiting).await.expect("a letter in time");
    let (_, text) = all.into_iter().rfind(|(to, _)| to == address).unwrap();
    let begin = text.find("https://mail.example.org:8443/ui/#/own/").unwrap_or_else(|| panic!("{text}"));
    text[begin..].split_whitespace().next().unwrap().rsplit('/').next().unwrap().trim_end_matches(['"', '>', ')']).to_owned()
}

async fn follow(rig: &Rig, link: &str) -> Reply {
    ask("POST", "/api/v1/user/session").json(json!({ "link": link })).https(rig).await
}

async fn user(rig: &Rig, address: &str) -> Login {
    assert_eq!(ask_link(rig, address).await.status, 202);
    let reply = follow(rig, &link(rig, address, 1).await).await;
    let csrf = reply.ok()["csrf"].as_str().unwrap().to_owned();
    let cookie = reply.header("set-cookie").to_owned();
    for part in ["__Host-postern-user=", "Secure", "HttpOnly", "SameSite=Strict"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    Login { cookie: cookie.split(';').next().unwrap().to_owned(), csrf }
}

#[tokio::test]
async fn a_link_comes_by_mail_and_is_good_once() {
    let rig = Rig::with_settings(SETTINGS).await;
    let known = ask_link(&rig, "Anna@example.org").await;
    let secret = link(&rig, "Anna@example.org", 1).await;
    // A scanner that fetches the page has changed nothing: the secret is in the fragment, and the page asks nothing by itself.
    assert_eq!(ask("GET", "/ui/").https(&rig).await.status, 200);
    let foreign = ask_link(&rig, "somebody@elsewhere.example").await;
    assert_eq!((known.status, known.body.clone()), (foreign.status, foreign.body.clone()), "the answer tells who exists");
    ask_link(&rig, "no address").await.problem(422);

    follow(&rig, "guessed").await.problem(401);
    assert_eq!(follow(&rig, &secret).await.ok()["address"], "Anna@example.org");
    let again = follow(&rig, &secret).await.problem(401);
    assert_eq!(again["detail"], "this link was used already, or its time is over");
    assert_eq!(letters(&rig).len(), 1, "a letter to a stranger");
    let trail = ask("GET", "/api/v1/audit?action=user.").unix(&rig).await.ok();
    assert_eq!((&trail["entries"][0]["who"], &trail["entries"][0]["action"]), (&json!("Anna@example.org"), &json!("user.login")));
}

#[tokio::test]
async fn links_are_not_sent_without_end() {
    let rig = Rig::with_settings(SETTINGS).await;
    for n in 0..10 {
        assert_eq!(ask_link(&rig, "anna@example.org").await.status, 202, "{n}");
    }
    ask_link(&rig, "otto@example.org").await.problem(429);
    let elsewhere = ask("POST", "/api/v1/user/links").json(json!({ "address": "otto@example.org" })).https_from(&rig, "127.0.0.2").await;
    assert_eq!(elsewhere.status, 202);
    link(&rig, "otto@example.org", 4).await;
    assert_eq!(letters(&rig).iter().filter(|(to, _)| to == "anna@example.org").count(), 3);
}

#[tokio::test]
async fn users_decide_about_their_own_mail_and_see_no_other() {
    let rig = Rig::with_settings(SETTINGS).await;
    let own = quarantined(&rig, 1, &["anna@example.org"]).await;
    let second = quarantined(&rig, 2, &["Anna@example.org"]).await;
    let other = quarantined(&rig, 3, &["otto@example.org"]).await;
    let shared = quarantined(&rig, 4, &["anna@example.org", "otto@example.org"]).await;
    let virus = quarantined(&rig, 5, &["anna@example.org"]).await;
    let entry = rig.state.database.quarantine().one(virus).await.unwrap().unwrap();
    let virus = MailId::new(entry.at, 6);
    rig.state.database.quarantine().add(&QuarantineEntry { mail: virus, reason: Reason::Virus, ..entry }).await.unwrap();
    let anna = user(&rig, "anna@example.org").await;
    let asked = async |method, path: String| ask(method, format!("/api/v1/user{path}")).login(&anna).https(&rig).await;

    let list = asked("GET", "/quarantine".into()).await.ok();
    let mails = list["mails"].as_array().unwrap().clone();
    assert_eq!(mails.len(), 5, "{list}");
    let may = |id: MailId| {
        let mail = mails.iter().find(|m| m["mail"] == id.to_string()).unwrap();
        (mail["may_release"] == true, mail["may_delete"] == true)
    };
    assert_eq!((may(own), may(shared), may(virus)), ((true, true), (false, false), (false, true)));
    let seen = asked("GET", format!("/quarantine/{own}")).await.ok();
    assert!(seen["text"].as_str().unwrap().contains("Hello") && !seen["text"].as_str().unwrap().contains("alert"), "{seen}");
    for (method, end) in [("GET", ""), ("POST", "/release"), ("DELETE", "")] {
        asked(method, format!("/quarantine/{other}{end}")).await.problem(404);
    }
    asked("POST", format!("/quarantine/{shared}/release")).await.problem(403);
    asked("DELETE", format!("/quarantine/{shared}")).await.problem(403);
    let withheld = asked("POST", format!("/quarantine/{virus}/release")).await.problem(403);
    assert_eq!(withheld["detail"], "mail held back for the reason virus is not released here");
    // Without the CSRF token the cookie alone does nothing.
    let bare = ask("POST", format!("/api/v1/user/quarantine/{own}/release")).header("cookie", &anna.cookie).https(&rig).await;
    bare.problem(403);

    assert_eq!(asked("POST", format!("/quarantine/{own}/release")).await.status, 204);
    assert_eq!(asked("DELETE", format!("/quarantine/{second}")).await.status, 204);
    let state = async |id| rig.state.database.quarantine().one(id).await.unwrap().unwrap().state;
    assert_eq!([state(own).await, state(second).await], [QuarantineState::Released, QuarantineState::Deleted]);
    assert_eq!([state(other).await, state(shared).await], [QuarantineState::Held, QuarantineState::Held]);
    asked("POST", format!("/quarantine/{own}/release")).await.problem(404);

    // What is an admin's is not there for a user, and the other way round.
    for path in ["/api/v1/quarantine", "/api/v1/session", "/api/v1/status"] {
        ask("GET", path).login(&anna).https(&rig).await.problem(401);
    }
    let erika = rig.login().await;
    ask("GET", "/api/v1/user/quarantine").login(&erika).https(&rig).await.problem(401);
    assert_eq!(asked("DELETE", "/session".into()).await.status, 204);
    asked("GET", "/quarantine".into()).await.problem(401);
}

#[tokio::test]
async fn without_the_setting_there_is_nothing_for_users() {
    let rig = Rig::new().await;
    ask_link(&rig, "anna@example.org").await.problem(404);
    follow(&rig, "x").await.problem(404);
}
