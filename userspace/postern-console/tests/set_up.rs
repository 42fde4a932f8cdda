//! The first boot's questions by the API: each answer that cannot be used is told with its question, good ones are in force once.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod rig;

use postern_model::os::OsRequest;
use rig::os::os;
use rig::{Rig, ask};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn questions_are_answered_once() {
    if postern_os::seed::volume::cards(std::path::Path::new("/sys/class/net")).is_empty() {
        return println!("skipped: this machine has no network card to set up");
    }
    let home = tempfile::tempdir().unwrap();
    let rig = Rig::at_home(home.path()).await;
    let login = rig.login().await;
    let wanted = || async { ask("GET", "/api/v1/session").login(&login).https(&rig).await.ok()["not_set_up"].clone() };
    let set_up = |body: Value| ask("POST", "/api/v1/system/set-up").json(body).login(&login);
    assert_eq!(wanted().await, false, "no appliance");
    set_up(json!({ "hostname": "mx1.example.org" })).https(&rig).await.problem(503);

    let orders = os(&home.path().join("run/os.sock"));
    assert_eq!(wanted().await, true);
    for (body, path, words) in [
        (json!({ "hostname": "" }), "hostname", "needs an answer"),
        (json!({ "hostname": "mx 1" }), "hostname", "fully qualified"),
        (json!({ "hostname": "mx1.example.org", "network": "192.0.2.10" }), "network", "Write dhcp, or"),
        (json!({ "hostname": "mx1.example.org", "network": "192.0.2.10/24 192.0.2.1" }), "name_servers", "Without DHCP"),
        (json!({ "hostname": "mx1.example.org", "time_zone": "../../etc" }), "time_zone", "Europe/Berlin"),
        (json!({ "hostname": "mx1.example.org", "domain": "example.org" }), "domain", "Write the domain"),
    ] {
        let problem = set_up(body).https(&rig).await.problem(422);
        assert_eq!(problem["errors"][0]["path"], path, "{problem}");
        assert!(problem["errors"][0]["message"].as_str().unwrap().contains(words), "{problem}");
    }
    assert!(orders.lock().is_empty(), "nothing is done before all answers are good");

    let good = json!({
        "hostname": "MX1.example.org", "network": "192.0.2.10/24 192.0.2.1", "name_servers": "192.0.2.53", "time_zone": "Europe/Berlin",
        "domain": "example.org 192.0.2.25:2525"
    });
    assert_eq!(set_up(good.clone()).https(&rig).await.status, 204);
    let order = orders.lock().pop().unwrap().order;
    let OsRequest::PutMachine { text } = order else { panic!("{order:?}") };
    for line in ["hostname = \"mx1.example.org\"", "addresses = [\"192.0.2.10/24\"]", "time_zone = \"Europe/Berlin\""] {
        assert!(text.contains(line), "{text}");
    }
    let settings = ask("GET", "/api/v1/settings").unix(&rig).await.ok();
    let backend = &settings["settings"]["domains"][0]["backends"][0];
    assert_eq!((&backend["host"], &backend["port"]), (&json!("192.0.2.25"), &json!(2525)), "{settings}");
    assert_eq!(wanted().await, false);
    set_up(good).https(&rig).await.problem(409);
}
