//! What administrators of a cluster do, and what comes of it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod nodes;

use std::sync::Arc;

use nodes::{CLUSTER, NOW, by, cluster, edit, key, set, sync, sync_all, writer};
use postern_document::shape::{Schema, Shape};
use postern_document::{Admin, Document, LastGood, Member, MemberError, OpenError, Standing, Verdict, WriteError, local};
use postern_model::role::Rights;
use postern_model::settings::{Problem, Settings, check};
use postern_model::time::Timestamp;
use serde_json::{Value, json};

fn domain(name: &str, host: &str) -> Value {
    json!({"name": name, "backends": [{"host": host, "port": null, "protocol": "smtp", "tls": "opportunistic", "priority": 0,
        "weight": 1, "username": null, "password": null}], "recipient_check": "none", "recipients": []})
}

#[test]
fn a_fresh_document_holds_the_defaults_and_any_settings_come_back_whole() {
    let mut doc = cluster(1).remove(0);
    let local = Settings::default();
    assert_eq!(local::merge(&doc.settings(), &local).unwrap(), Settings::default());
    let text = r#"
        domains = [
          { name = "b.example", backends = [{ host = "mx2", priority = 5 }, { host = "mx1", username = "u", password = "p" }, { host = "mx1" }] },
          { name = "a.example", backends = [{ host = "/run/lmtp", protocol = "lmtp" }], recipient_check = "table", recipients = ["x@a.example"] },
        ]
        [filter]
        people = ["Erika", "Zoe", "Adam"]
        [filter.weights]
        SPF_FAIL = 2.5
        [filter.brands]
        "Große/Bank~" = ["bank.example", "a.example"]
        Leer = []
        [edge]
        smtp_ports = [587, 25]
        feeds = [{ name = "drop", url = "https://feeds.example/drop" }]
        [dns_lists]
        lists = [{ zone = "zen.example", weight = 4.0, answers = ["127.0.0.2"] }]
    "#;
    let given = postern_model::settings::parse(text).unwrap();
    doc.change(&local::shared(&given), by("ada")).unwrap();
    assert_eq!(local::merge(&doc.settings(), &local).unwrap(), given);
    let saved = doc.save();
    let read = Document::open(&saved, Some(CLUSTER), writer(9)).unwrap();
    assert_eq!(read.settings(), doc.settings());
    doc.change(&local::shared(&Settings::default()), by("ada")).unwrap();
    assert_eq!(local::merge(&doc.settings(), &local).unwrap(), Settings::default());
    doc.change(&local::shared(&given), by("ada")).unwrap();
    assert_eq!(local::merge(&doc.settings(), &local).unwrap(), given);
}

#[test]
fn a_change_writes_only_what_changed() {
    let mut doc = cluster(1).remove(0);
    assert_eq!(set(&mut doc, "/smtp/limits/max_hops", 40, "ada").edits, 1);
    let idle = set(&mut doc, "/smtp/limits/max_hops", 40, "ada");
    assert_eq!((idle.version, idle.edits), (None, 0));
    edit(&mut doc, "ada", |s| s["filter"]["people"] = json!(["a", "b", "c", "d"]));
    assert_eq!(edit(&mut doc, "ada", |s| s["filter"]["people"] = json!(["d", "a", "b", "x", "c"])).edits, 2);
    assert_eq!(doc.settings()["filter"]["people"], json!(["d", "a", "b", "x", "c"]));
    assert_eq!(edit(&mut doc, "ada", |s| s["edge"]["smtp_ports"] = json!([25, 587, 2525])).edits, 3, "two defaults out, one in");
    assert!(matches!(doc.change(&json!({"smtp": {"wonder": 1}}), by("ada")), Err(WriteError::Plan(_))));
    assert!(matches!(doc.change(&json!({"node": {"data_dir": "/x"}}), by("ada")), Err(WriteError::Plan(_))), "local");
    assert!(matches!(doc.change(&json!({"delivery": {"subject_tag": "x".repeat(300_000)}}), by("ada")), Err(WriteError::Plan(_))));
}

#[test]
fn edits_of_different_fields_and_elements_on_two_sides_of_a_cut_all_survive() {
    let mut all = cluster(2);
    edit(&mut all[0], "ada", |s| s["domains"] = json!([domain("a.example", "mx1")]));
    sync_all(&mut all);
    edit(&mut all[0], "ada", |s| {
        s["domains"][0]["recipient_check"] = "callout".into();
        s["domains"][0]["backends"].as_array_mut().unwrap().push(domain("", "mx3")["backends"][0].clone());
        s["smtp"]["trusted_networks"] = json!(["10.0.0.0/8"]);
        s["filter"]["weights"]["A"] = 1.5.into();
        s["domains"].as_array_mut().unwrap().push(domain("new.example", "one"));
    });
    edit(&mut all[1], "bob", |s| {
        s["domains"][0]["backends"][0]["weight"] = 7.into();
        s["smtp"]["trusted_networks"] = json!(["192.0.2.0/24"]);
        s["filter"]["weights"]["B"] = 2.5.into();
        s["domains"].as_array_mut().unwrap().push(domain("New.Example", "two"));
    });
    sync_all(&mut all);
    let now = all[0].settings();
    assert_eq!(now, all[1].settings());
    assert_eq!(now["domains"][0]["recipient_check"], "callout");
    assert_eq!(now["domains"][0]["backends"][0]["weight"], 7);
    assert_eq!(now["domains"][0]["backends"][1]["host"], "mx3");
    assert_eq!(now["smtp"]["trusted_networks"].as_array().unwrap().len(), 2);
    assert_eq!(now["filter"]["weights"], json!({"A": 1.5, "B": 2.5}));
    assert_eq!(now["domains"].as_array().unwrap().len(), 2, "one domain, added twice");
    assert_eq!(now["domains"][1]["backends"].as_array().unwrap().len(), 2);
    let conflicts: Vec<String> = all[0].conflicts(NOW).into_iter().map(|c| c.path).collect();
    assert_eq!(conflicts, ["domains[new.example].name"], "written in two ways");
}

#[test]
fn a_field_that_two_set_at_once_is_a_conflict_until_it_is_set_again() {
    let mut all = cluster(3);
    set(&mut all[0], "/smtp/limits/max_hops", 40, "ada");
    set(&mut all[1], "/smtp/limits/max_hops", 60, "bob");
    set(&mut all[2], "/smtp/limits/max_hops", 40, "eve");
    sync_all(&mut all);
    for doc in &all {
        assert_eq!(doc.settings(), all[0].settings());
        let found = doc.conflicts(NOW);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].path, "smtp.limits.max_hops");
        let mut claims: Vec<(i64, String)> =
            found[0].values.iter().map(|c| (c.value.as_i64().unwrap(), c.version.as_ref().unwrap().author.clone())).collect();
        claims.sort();
        assert_eq!(claims, [(40, "ada".into()), (40, "eve".into()), (60, "bob".into())]);
        assert!(found[0].values.iter().any(|c| c.counts && c.value == doc.settings()["smtp"]["limits"]["max_hops"]));
    }
    let counts = all[0].settings()["smtp"]["limits"]["max_hops"].clone();
    let plan = all[0].plan_settle("smtp/limits/max_hops", &counts).unwrap();
    all[0].carry_out(plan, by("ada")).unwrap();
    sync_all(&mut all);
    assert!(all.iter().all(|d| d.conflicts(NOW).is_empty() && d.settings()["smtp"]["limits"]["max_hops"] == counts));
}

#[test]
fn an_element_taken_out_on_one_side_and_edited_on_the_other_stays_and_is_shown() {
    let mut all = cluster(2);
    edit(&mut all[0], "ada", |s| s["domains"] = json!([domain("a.example", "mx1"), domain("b.example", "mx1")]));
    sync_all(&mut all);
    edit(&mut all[0], "ada", |s| s["domains"] = json!([]));
    edit(&mut all[1], "bob", |s| s["domains"][0]["backends"][0]["weight"] = 7.into());
    sync_all(&mut all);
    for doc in &all {
        assert_eq!(doc.settings()["domains"].as_array().unwrap().len(), 1);
        assert_eq!(doc.settings()["domains"][0]["backends"][0]["weight"], 7);
        assert_eq!(doc.conflicts(NOW).iter().map(|c| c.path.as_str()).collect::<Vec<_>>(), ["domains[a.example]"]);
    }
    let plan = all[1].plan_settle("domains/[a.example]", &Value::Null).unwrap();
    all[1].carry_out(plan, by("bob")).unwrap();
    sync_all(&mut all);
    assert!(all.iter().all(|d| d.settings()["domains"] == json!([]) && d.conflicts(NOW).is_empty()));
    edit(&mut all[0], "ada", |s| s["domains"] = json!([domain("a.example", "mx9")]));
    assert_eq!(all[0].settings()["domains"][0]["backends"].as_array().unwrap().len(), 1, "nothing of its former life");
}

#[test]
fn history_says_who_when_and_what() {
    let mut all = cluster(2);
    set(&mut all[0], "/smtp/limits/max_hops", 40, "ada");
    let late = postern_document::By { author: "bob", at: Timestamp(NOW.0 * 2), message: "clock ahead" };
    let mut settings = all[1].settings();
    settings["filter"]["people"] = json!(["Erika"]);
    let made = all[1].change(&settings, late).unwrap().version.unwrap();
    sync_all(&mut all);
    edit(&mut all[0], "ada", |s| s["filter"]["people"] = json!(["Zoe", "Erika"]));
    sync_all(&mut all);
    let history = all[1].history(None, 100, NOW);
    assert_eq!(history, all[0].history(None, 100, NOW), "the same order everywhere");
    assert_eq!(history.len(), 4);
    assert_eq!((history[0].author.as_str(), history[0].parents.len()), ("ada", 2));
    let bobs = all[0].version(made, NOW).unwrap();
    assert_eq!((bobs.author.as_str(), bobs.message.as_str(), bobs.at, bobs.edits), ("bob", "clock ahead", NOW, 1));
    assert_eq!(bobs.node, writer(2).node);
    assert_eq!(all[0].history(Some(history[0].id), 2, NOW), history[1..3]);
    let differences = all[0].diff(&bobs.parents, &[made]).unwrap();
    assert_eq!(differences.len(), 1);
    assert_eq!(differences[0].path, "filter.people[Erika]");
    assert_eq!((&differences[0].before, &differences[0].after), (&None, &Some("Erika".into())));
    assert_eq!(all[0].at(&[made]).unwrap()["filter"]["people"], json!(["Erika"]));
    assert_eq!(all[0].at(&[made]).unwrap()["smtp"]["limits"]["max_hops"], 50);
    assert!(matches!(all[0].at(&[postern_document::VersionId([9; 32])]), Err(WriteError::NoVersion(_))));
    let beginning = history.last().unwrap();
    assert!(all[0].diff(&[], &[beginning.id]).unwrap().iter().any(|d| d.path == "cluster.name"));
}

#[test]
fn undo_takes_back_field_by_field_what_nobody_changed_since() {
    let mut doc = cluster(1).remove(0);
    edit(&mut doc, "ada", |s| s["domains"] = json!([domain("a.example", "mx1")]));
    let made = edit(&mut doc, "bob", |s| {
        s["smtp"]["limits"]["max_hops"] = 40.into();
        s["smtp"]["limits"]["max_recipients"] = 400.into();
        s["edge"]["smtp_ports"] = json!([25, 2525]);
        s["domains"] = json!([domain("b.example", "mx2")]);
    });
    set(&mut doc, "/smtp/limits/max_hops", 45, "ada");
    set(&mut doc, "/greylist/enabled", false, "ada");
    let undone = doc.undo(made.version.unwrap(), by("ada")).unwrap();
    assert_eq!(undone.untouched, ["smtp.limits.max_hops"]);
    let now = doc.settings();
    assert_eq!((&now["smtp"]["limits"]["max_hops"], &now["smtp"]["limits"]["max_recipients"]), (&json!(45), &json!(1000)));
    assert_eq!(now["edge"]["smtp_ports"], json!([25, 26, 465, 587]));
    assert_eq!(now["domains"].as_array().unwrap().len(), 1);
    assert_eq!((&now["domains"][0]["name"], &now["domains"][0]["backends"][0]["host"]), (&json!("a.example"), &json!("mx1")));
    assert_eq!(now["greylist"]["enabled"], false);
    let again = doc.undo(undone.version.unwrap(), by("ada")).unwrap();
    assert!(again.untouched.is_empty());
    assert_eq!(doc.settings()["domains"][0]["name"], "b.example", "an undo can be undone");
    assert_eq!(doc.undo(made.version.unwrap(), by("x")).unwrap().untouched, ["smtp.limits.max_hops"]);
}

fn validator(shared: &Value) -> Result<(), Vec<Problem>> {
    let settings = local::merge(shared, &Settings::default()).map_err(|e| e.0)?;
    let problems = check::check(&settings);
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

#[test]
fn two_good_edits_that_are_bad_together_do_not_come_into_force() {
    let mut all = cluster(2);
    let mut good: Vec<LastGood> = all.iter().map(|d| LastGood::new(d.settings(), d.heads())).collect();
    let plan = |d: &Document, pointer: &str, value: f64| {
        let mut s = d.settings();
        *s.pointer_mut(pointer).unwrap() = value.into();
        d.plan(&s).unwrap()
    };
    let raise = plan(&all[0], "/filter/thresholds/tag", 7.5);
    good[0].change(&mut all[0], raise, by("ada"), &validator).unwrap();
    let lower = plan(&all[1], "/filter/thresholds/quarantine", 6.0);
    good[1].change(&mut all[1], lower, by("bob"), &validator).unwrap();
    sync_all(&mut all);
    for ((state, doc), own) in good.iter_mut().zip(&all).zip(["/filter/thresholds/tag", "/filter/thresholds/quarantine"]) {
        let before = state.in_force().clone();
        assert_eq!(state.look(doc, &validator, NOW), Verdict::Refused);
        assert_eq!(state.in_force(), &before, "what was in force stays: its own edit {own}");
        let refused = state.refused().unwrap();
        assert_eq!(refused.problems[0].path, "filter.thresholds.tag");
        assert_eq!(refused.suspects.len(), 1);
        assert_eq!(doc.settings()["filter"]["thresholds"]["tag"], 7.5, "kept in the document");
    }
    assert_eq!(good[0].refused().unwrap().suspects[0].author, "bob");
    let worse = plan(&all[0], "/filter/thresholds/tag", 9.0);
    let heads = all[0].heads();
    assert!(good[0].change(&mut all[0], worse, by("ada"), &validator).is_err());
    assert_eq!(all[0].heads(), heads, "refused before it was made");
    let mend = plan(&all[0], "/filter/thresholds/tag", 5.5);
    good[0].change(&mut all[0], mend, by("ada"), &validator).unwrap();
    assert!(good[0].refused().is_none());
    sync_all(&mut all);
    assert_eq!(good[1].look(&all[1], &validator, NOW), Verdict::Applied);
    assert_eq!(good[0].in_force().settings, good[1].in_force().settings);
}

/// This version's settings with a setting more, as a later version has them.
fn later_version() -> Arc<Schema> {
    let mut json = schemars::schema_for!(Settings).to_value();
    json["$defs"]["SmtpLimits"]["properties"]["max_wonders"] = json!({"type": "integer"});
    json["$defs"]["DomainSettings"]["properties"]["colour"] = json!({"type": "string"});
    json["properties"]["wonders"] = json!({"type": "array", "items": {"type": "string"}});
    let mut defaults = local::shared(&Settings::default());
    defaults["smtp"]["limits"]["max_wonders"] = 3.into();
    defaults["wonders"] = json!(["one"]);
    Arc::new(Schema::new(Shape::of(&json, &local::is_local, local::NATURAL_KEYS), &defaults))
}

#[test]
fn an_older_node_keeps_settings_that_it_does_not_know() {
    let mut all = cluster(2);
    let mut new = all.pop().unwrap().with_schema(later_version());
    let mut old = all.pop().unwrap();
    edit(&mut new, "ada", |s| {
        s["smtp"]["limits"]["max_wonders"] = 5.into();
        s["wonders"] = json!(["one", "two"]);
        let mut domain = domain("a.example", "mx1");
        domain["colour"] = "green".into();
        s["domains"] = json!([domain]);
    });
    sync(&mut old, &mut new);
    assert_eq!(validator(&old.settings()), Ok(()), "nothing unknown is in the way");
    assert!(old.settings()["smtp"]["limits"].get("max_wonders").is_none());
    edit(&mut old, "bob", |s| {
        s["smtp"]["limits"]["max_hops"] = 44.into();
        s["domains"][0]["recipient_check"] = "callout".into();
    });
    sync(&mut old, &mut new);
    let now = new.settings();
    assert_eq!((&now["smtp"]["limits"]["max_wonders"], &now["smtp"]["limits"]["max_hops"]), (&json!(5), &json!(44)));
    assert_eq!((&now["wonders"], &now["domains"][0]["colour"]), (&json!(["one", "two"]), &json!("green")));
    let saved = old.save();
    let updated = Document::open(&saved, None, writer(1)).unwrap().with_schema(later_version());
    assert_eq!(updated.settings(), now, "the older node has passed it on");
    edit(&mut old, "bob", |s| s["domains"] = json!([]));
    edit(&mut old, "bob", |s| s["domains"] = json!([domain("a.example", "mx1")]));
    sync(&mut old, &mut new);
    assert!(new.settings()["domains"][0].get("colour").is_none(), "a new domain of that name, without what the old one had");
}

fn member(node: u8) -> Member {
    let addresses = vec![format!("192.0.2.{node}:7425").parse().unwrap(), "[2001:db8::1]:7425".parse().unwrap()];
    Member { key: key(node), name: format!("mx{node}"), addresses, joined_at: NOW, joined_by: "ada".into(), version: "1".into() }
}

#[test]
fn a_removal_is_for_ever_whatever_is_written_at_the_same_time() {
    let mut all = cluster(3);
    for node in 1..=3 {
        all[0].put_member(&member(node), by("ada")).unwrap();
    }
    sync_all(&mut all);
    assert_eq!(all[2].members(), [member(1), member(2), member(3)]);
    all[0].remove_member(key(3), by("ada")).unwrap();
    all[1].rename(key(3), "mx3-new", by("bob")).unwrap();
    all[1].readdress(key(2), &["198.51.100.2:7425".parse().unwrap()], by("bob")).unwrap();
    all[2].put_member(&Member { joined_at: Timestamp(1), ..member(3) }, by("eve")).unwrap();
    sync_all(&mut all);
    for doc in &mut all {
        assert_eq!(doc.standing(key(3)), Standing::Removed);
        assert_eq!(doc.members().iter().map(|m| m.key).collect::<Vec<_>>(), [key(1), key(2)]);
        assert_eq!(doc.members()[1].addresses.len(), 1);
        assert_eq!((doc.removed()[0].key, doc.removed()[0].by.as_str(), doc.removed()[0].at), (key(3), "ada", NOW));
        assert_eq!(doc.known_node(key(3)).unwrap().name, "mx3-new");
        assert!(matches!(doc.put_member(&member(3), by("eve")), Err(MemberError::Removed(_))));
        assert!(matches!(doc.rename(key(9), "x", by("eve")), Err(MemberError::Unknown(_))));
        assert_eq!(doc.standing(key(9)), Standing::Unknown);
    }
    let removal =
        all[0].history(None, 100, NOW).into_iter().find(|v| all[0].diff(&v.parents, &[v.id]).unwrap()[0].path.starts_with("removed"));
    assert!(!all[0].undo(removal.unwrap().id, by("ada")).unwrap().untouched.is_empty());
    assert_eq!(all[0].standing(key(3)), Standing::Removed);
}

#[test]
fn a_login_that_was_taken_away_anywhere_is_away() {
    let mut all = cluster(2);
    let admin = |login: &str, password: &str, disabled| Admin {
        login: login.into(),
        password: password.into(),
        disabled,
        rights: Rights::ALL,
        second_factor: None,
    };
    for login in ["ada", "bob/eve"] {
        all[0].put_admin(&admin(login, "$argon2$one", false), by("ada")).unwrap();
    }
    sync_all(&mut all);
    assert_eq!(all[1].admins(), [admin("ada", "$argon2$one", false), admin("bob/eve", "$argon2$one", false)]);
    all[0].remove_admin("ada", by("x")).unwrap();
    all[1].put_admin(&admin("ada", "$argon2$two", false), by("y")).unwrap();
    all[0].put_admin(&admin("bob/eve", "$argon2$two", false), by("x")).unwrap();
    all[1].put_admin(&admin("bob/eve", "$argon2$one", true), by("y")).unwrap();
    sync_all(&mut all);
    for doc in &all {
        assert_eq!(doc.admins(), [admin("bob/eve", "$argon2$two", true)]);
        let shown = format!("{:?}{:?}", doc.conflicts(NOW), doc.diff(&[], &doc.heads()).unwrap());
        assert!(!shown.contains("argon2"), "{shown}");
    }
    all[0].put_admin(&admin("ada", "$argon2$three", false), by("x")).unwrap();
    sync_all(&mut all);
    assert_eq!(all[1].admins()[0], admin("ada", "$argon2$three", false));
}

/// Whoever is told less on one node and more on another at the same time has the less of both.
#[test]
fn of_two_rights_given_at_once_the_lesser_counts_until_it_is_said_again() {
    let mut all = cluster(2);
    let ada = |role: &str, reach: &str| Admin {
        login: "ada".into(),
        password: "$argon2$one".into(),
        disabled: false,
        rights: Rights::read(role, reach),
        second_factor: None,
    };
    all[0].put_admin(&ada("admin", "*"), by("x")).unwrap();
    sync_all(&mut all);
    all[0].put_admin(&ada("helpdesk", "*"), by("x")).unwrap();
    all[1].put_admin(&ada("operator", "a.example b.example"), by("y")).unwrap();
    sync_all(&mut all);
    for doc in &all {
        assert_eq!(doc.admins(), [ada("helpdesk", "a.example b.example")]);
    }
    all[1].put_admin(&ada("operator", "*"), by("y")).unwrap();
    sync_all(&mut all);
    assert_eq!(all[0].admins(), [ada("operator", "*")]);
}

/// Two recovery codes used on two nodes at the same time are both used; a factor removed here and used there is still asked for.
#[test]
fn of_a_second_factor_what_was_used_anywhere_is_used() {
    let mut all = cluster(2);
    let ada = |factor: Option<&str>| Admin {
        login: "ada".into(),
        password: "$argon2$one".into(),
        disabled: false,
        rights: Rights::ALL,
        second_factor: factor.map(|f| f.parse().unwrap()),
    };
    all[0].put_admin(&ada(Some("SECRET a b c")), by("x")).unwrap();
    sync_all(&mut all);
    all[0].put_admin(&ada(Some("SECRET a c")), by("x")).unwrap();
    all[1].put_admin(&ada(Some("SECRET a b")), by("y")).unwrap();
    sync_all(&mut all);
    assert_eq!((all[0].admins(), all[1].admins()), (vec![ada(Some("SECRET a"))], vec![ada(Some("SECRET a"))]));
    all[0].put_admin(&ada(None), by("x")).unwrap();
    all[1].put_admin(&ada(Some("SECRET")), by("y")).unwrap();
    sync_all(&mut all);
    assert_eq!(all[0].admins(), [ada(Some("SECRET"))]);
    let shown = format!("{:?}{:?}{:?}", all[0].conflicts(NOW), all[0].diff(&[], &all[0].heads()).unwrap(), all[0].admins());
    assert!(!shown.contains("SECRET"), "{shown}");
    all[0].put_admin(&ada(None), by("x")).unwrap();
    sync_all(&mut all);
    assert_eq!(all[1].admins(), [ada(None)]);
}

#[test]
fn saved_piece_by_piece_it_reads_as_one() {
    let mut doc = cluster(1).remove(0);
    let mut file = doc.save();
    assert!(doc.save_incremental().is_empty());
    for hops in 30..40 {
        set(&mut doc, "/smtp/limits/max_hops", hops, "ada");
        file.extend(doc.save_incremental());
    }
    let read = Document::open(&file, Some(CLUSTER), writer(1)).unwrap();
    assert_eq!((read.heads(), read.name()), (doc.heads(), "test".to_owned()));
    assert!(matches!(Document::open(&file[..file.len() - 5], None, writer(1)), Err(OpenError::Damaged(_))));
    let other = postern_document::ClusterId([8; 16]);
    assert!(matches!(Document::open(&file, Some(other), writer(1)), Err(OpenError::Foreign { .. })));
    assert!(matches!(Document::open(b"", None, writer(1)), Err(OpenError::NotOurs(_))));
}

/// A node that comes back from a backup does not give the numbers of its lost changes twice.
#[test]
fn a_restored_node_goes_on_in_a_new_life() {
    let mut all = cluster(2);
    let backup = all[1].save();
    set(&mut all[1], "/smtp/limits/max_hops", 41, "bob");
    sync_all(&mut all);
    all[1] = Document::open(&backup, Some(CLUSTER), postern_document::Writer { life: 2, ..writer(2) }).unwrap();
    set(&mut all[1], "/smtp/limits/max_errors", 11, "bob");
    sync_all(&mut all);
    assert_eq!(all[0].settings()["smtp"]["limits"]["max_hops"], 41);
    assert_eq!(all[0].settings()["smtp"]["limits"]["max_errors"], 11);
}
