//! What a long history costs: printed, and bounded widely enough for any machine.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod nodes;

use std::time::Instant;

use nodes::{CLUSTER, NOW, cluster, edit, set, sync, writer};
use postern_document::{By, Document};
use postern_model::time::Timestamp;
use serde_json::json;

#[test]
fn a_history_of_edits_stays_small() {
    let edits: u32 = std::env::var("EDITS").ok().and_then(|n| n.parse().ok()).unwrap_or(300);
    let mut all = cluster(2);
    let mut doc = all.remove(0);
    edit(&mut doc, "ada", |s| s["filter"]["people"] = json!((0..200).map(|n| format!("Person {n}")).collect::<Vec<_>>()));
    let began = Instant::now();
    for n in 0..edits {
        // At any time of a year, as people do.
        let at = Timestamp(NOW.0 + i64::from(n) * 3_153_000 + i64::from(n.wrapping_mul(2_654_435_761) >> 12));
        let author = if n % 3 == 0 { "ada@example.org" } else { "bob@example.org" };
        let mut settings = doc.settings();
        match n % 4 {
            0 => settings["smtp"]["limits"]["max_hops"] = (30 + n).into(),
            1 => settings["filter"]["max_parts"] = (100 + n).into(),
            2 => settings["filter"]["block_senders"] = json!([format!("{:x}@bad.example", n.wrapping_mul(2_654_435_761))]),
            _ => settings["filter"]["weights"]["A"] = f64::from(n).into(),
        }
        doc.change(&settings, By { author, at, message: "over the console" }).unwrap();
    }
    let per_edit = began.elapsed() / edits;
    let saved = doc.save();
    let began = Instant::now();
    let read = Document::open(&saved, Some(CLUSTER), writer(1)).unwrap();
    let load = began.elapsed();
    let began = Instant::now();
    let settings = read.settings();
    let view = began.elapsed();
    let began = Instant::now();
    assert_eq!(read.history(None, 50, NOW).len(), 50);
    let page = began.elapsed();
    let began = Instant::now();
    let mut other = all.remove(0);
    let messages = sync(&mut doc, &mut other);
    let join = began.elapsed();
    set(&mut doc, "/delivery/mx_port", 2525, "ada");
    let began = Instant::now();
    let small: usize = sync(&mut doc, &mut other).iter().map(Vec::len).sum();
    let one = began.elapsed();
    println!(
        "{edits} edits: saved {} octets, {} an edit; load {load:?}, settings {view:?}, page of history {page:?}, edit {per_edit:?}; \
         to a new node {} octets in {join:?}; one edit in a new session {small} octets in {one:?}",
        saved.len(),
        saved.len() / edits as usize,
        messages.iter().map(Vec::len).sum::<usize>(),
    );
    assert_eq!(other.settings()["filter"], settings["filter"]);
    assert!(saved.len() < 20_000 + 100 * edits as usize, "{}", saved.len());
}
