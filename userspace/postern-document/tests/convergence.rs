//! Whatever is edited where, and in whatever order, twice or late it arrives: all nodes end with the same document, no edit of a
//! field that nobody else touched is lost, and who was removed is removed.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod nodes;

use std::collections::{BTreeMap, BTreeSet};

use nodes::{NOW, by, cluster, edit, key, receive};
use postern_document::{Document, Member, Standing, SyncSession};
use proptest::prelude::*;
use serde_json::{Value, json};

const FIELDS: &[&str] =
    &["/smtp/limits/max_hops", "/smtp/limits/max_errors", "/filter/max_parts", "/delivery/mx_port", "/console/login_tries"];

#[derive(Clone, Debug)]
enum Step {
    /// Node, field, value.
    Set(usize, usize, u16),
    Add(usize, u8),
    TakeOut(usize, u8),
    /// Moves the first element of the list to its end.
    Turn(usize),
    /// Node, domain, weight of its backend; adds the domain when it is not there.
    Domain(usize, u8, u8),
    DropDomain(usize, u8),
    Weight(usize, u8, u8),
    Join(usize, u8),
    Rename(usize, u8, u8),
    Remove(usize, u8),
    /// One message of a node to another is made and put on the way.
    Send(usize, usize),
    /// The oldest message on a way arrives, or an older one once more in a session of its own.
    Arrive(usize, usize),
    Again(usize, usize),
    /// The connection of two ends, and what is on its way with it.
    Cut(usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    let n = 0..5usize;
    prop_oneof![
        4 => (n.clone(), 0..FIELDS.len(), 100..60_000u16).prop_map(|(n, f, v)| Step::Set(n, f, v)),
        2 => (n.clone(), 0..6u8).prop_map(|(n, e)| Step::Add(n, e)),
        1 => (n.clone(), 0..6u8).prop_map(|(n, e)| Step::TakeOut(n, e)),
        1 => n.clone().prop_map(Step::Turn),
        2 => (n.clone(), 0..3u8, 1..9u8).prop_map(|(n, d, w)| Step::Domain(n, d, w)),
        1 => (n.clone(), 0..3u8).prop_map(|(n, d)| Step::DropDomain(n, d)),
        1 => (n.clone(), 0..3u8, 1..9u8).prop_map(|(n, k, w)| Step::Weight(n, k, w)),
        1 => (n.clone(), 1..4u8).prop_map(|(n, k)| Step::Join(n, k)),
        1 => (n.clone(), 1..4u8, any::<u8>()).prop_map(|(n, k, w)| Step::Rename(n, k, w)),
        1 => (n.clone(), 1..4u8).prop_map(|(n, k)| Step::Remove(n, k)),
        5 => (n.clone(), n.clone()).prop_map(|(a, b)| Step::Send(a, b)),
        5 => (n.clone(), n.clone()).prop_map(|(a, b)| Step::Arrive(a, b)),
        1 => (n.clone(), n.clone()).prop_map(|(a, b)| Step::Again(a, b)),
        1 => (n.clone(), n).prop_map(|(a, b)| Step::Cut(a, b)),
    ]
}

#[derive(Default)]
struct Net {
    sessions: BTreeMap<(usize, usize), SyncSession>,
    way: BTreeMap<(usize, usize), Vec<Vec<u8>>>,
    seen: BTreeMap<(usize, usize), Vec<u8>>,
}

impl Net {
    fn send(&mut self, all: &[Document], a: usize, b: usize) -> bool {
        let message = self.sessions.entry((a, b)).or_default().generate(&all[a]);
        let sent = message.is_some();
        self.way.entry((a, b)).or_default().extend(message);
        sent
    }

    fn arrive(&mut self, all: &mut [Document], a: usize, b: usize) {
        let way = self.way.entry((a, b)).or_default();
        if !way.is_empty() {
            let message = way.remove(0);
            receive(&mut all[b], self.sessions.entry((b, a)).or_default(), &message).unwrap();
            self.seen.insert((a, b), message);
        }
    }
}

fn run(nodes: usize, steps: &[Step]) {
    let mut all = cluster(u8::try_from(nodes).unwrap());
    let mut net = Net::default();
    let mut writes: BTreeMap<usize, Vec<u16>> = BTreeMap::new();
    let mut added: BTreeMap<u8, (bool, bool)> = BTreeMap::new();
    let mut removed = BTreeSet::new();
    for step in steps {
        match *step {
            Step::Set(n, field, value) => {
                edit(&mut all[n % nodes], "ada", |s| *s.pointer_mut(FIELDS[field]).unwrap() = value.into());
                writes.entry(field).or_default().push(value);
            }
            Step::Add(n, e) => {
                added.entry(e).or_default().0 = true;
                edit(&mut all[n % nodes], "ada", |s| {
                    let list = s["filter"]["people"].as_array_mut().unwrap();
                    if !list.contains(&json!(e.to_string())) {
                        list.insert(list.len() / 2, json!(e.to_string()));
                    }
                });
            }
            Step::TakeOut(n, e) => {
                added.entry(e).or_default().1 = true;
                edit(&mut all[n % nodes], "ada", |s| s["filter"]["people"].as_array_mut().unwrap().retain(|v| *v != json!(e.to_string())));
            }
            Step::Turn(n) => {
                edit(&mut all[n % nodes], "ada", |s| {
                    let list = s["filter"]["people"].as_array_mut().unwrap();
                    if !list.is_empty() {
                        list.rotate_left(1);
                    }
                });
            }
            Step::Domain(n, d, weight) => {
                edit(&mut all[n % nodes], "ada", |s| {
                    let list = s["domains"].as_array_mut().unwrap();
                    let name = format!("d{d}.example");
                    if !list.iter().any(|x| x["name"] == name.as_str()) {
                        list.push(json!({"name": name, "backends": [{"host": "mx", "weight": 1}], "recipients": []}));
                    }
                    let mine = list.iter_mut().find(|x| x["name"] == name.as_str()).unwrap();
                    mine["backends"][0]["weight"] = weight.into();
                });
            }
            Step::DropDomain(n, d) => {
                edit(&mut all[n % nodes], "ada", |s| {
                    s["domains"].as_array_mut().unwrap().retain(|x| x["name"] != format!("d{d}.example").as_str());
                });
            }
            Step::Weight(n, k, w) => {
                edit(&mut all[n % nodes], "ada", |s| s["filter"]["weights"][format!("S{k}")] = f64::from(w).into());
            }
            Step::Join(n, k) => {
                let member = Member {
                    key: key(k),
                    name: "n".into(),
                    addresses: vec![],
                    joined_at: NOW,
                    joined_by: "ada".into(),
                    version: "1".into(),
                };
                let _ = all[n % nodes].put_member(&member, by("ada"));
            }
            Step::Rename(n, k, name) => {
                let _ = all[n % nodes].rename(key(k), &name.to_string(), by("ada"));
            }
            Step::Remove(n, k) => {
                if all[n % nodes].remove_member(key(k), by("ada")).is_ok() {
                    removed.insert(key(k));
                }
            }
            Step::Send(a, b) if a % nodes != b % nodes => {
                net.send(&all, a % nodes, b % nodes);
            }
            Step::Arrive(a, b) if a % nodes != b % nodes => net.arrive(&mut all, a % nodes, b % nodes),
            Step::Again(a, b) => {
                if let Some(message) = net.seen.get(&(a % nodes, b % nodes)) {
                    receive(&mut all[b % nodes], &mut SyncSession::new(), message).unwrap();
                }
            }
            Step::Cut(a, b) => {
                for pair in [(a % nodes, b % nodes), (b % nodes, a % nodes)] {
                    net.sessions.remove(&pair);
                    net.way.remove(&pair);
                }
            }
            Step::Send(..) | Step::Arrive(..) => {}
        }
    }
    // The net is whole again; connections go on as they are.
    for _ in 0..100 {
        let mut quiet = true;
        for a in 0..nodes {
            for b in (0..nodes).filter(|b| *b != a) {
                quiet &= !net.send(&all, a, b) && net.way.entry((a, b)).or_default().is_empty();
                while !net.way[&(a, b)].is_empty() {
                    net.arrive(&mut all, a, b);
                }
            }
        }
        if quiet {
            break;
        }
    }
    let end: Value = all[0].settings();
    for doc in &all {
        assert_eq!(doc.heads(), all[0].heads());
        assert_eq!(doc.settings(), end);
        assert_eq!(doc.members(), all[0].members());
        assert_eq!(doc.conflicts(NOW), all[0].conflicts(NOW));
        assert_eq!(doc.history(None, 1000, NOW), all[0].history(None, 1000, NOW));
        assert!(removed.iter().all(|k| doc.standing(*k) == Standing::Removed && !doc.members().iter().any(|m| m.key == *k)));
    }
    for (field, values) in writes {
        let now = end.pointer(FIELDS[field]).unwrap();
        assert!(values.iter().any(|v| now == v), "{} was set to one of {values:?}, not to {now}", FIELDS[field]);
        if values.len() == 1 {
            assert_eq!(*now, values[0], "{}", FIELDS[field]);
        }
    }
    let people = end["filter"]["people"].as_array().unwrap();
    for (e, (put, taken)) in added {
        if put && !taken {
            assert!(people.contains(&json!(e.to_string())), "{e} was added and never taken out");
        }
    }
    let names: BTreeSet<String> = people.iter().map(ToString::to_string).collect();
    assert_eq!(names.len(), people.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn all_nodes_end_with_one_document(nodes in 2..=5usize, steps in proptest::collection::vec(step(), 1..60)) {
        run(nodes, &steps);
    }
}
