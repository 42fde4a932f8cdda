//! How often each symbol fires on spam and on ham: `cargo run --example hit_rates -- FOLDER`, where
//! FOLDER holds `index.tsv` (file, client address, HELO, envelope sender, recipient, label) and the mails.
//! Without network facts; "now" is the date of the newest Received line.
#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use postern_filter::facts::{Asked, Connection, Facts, History, Sandboxed};
use postern_filter::policy::Policy;
use postern_filter::view::View;
use postern_filter::{judge, registry, symbols};
use postern_mail::message::Limits;
use postern_model::address::{Address, ReversePath};
use postern_model::envelope::Direction;
use postern_model::settings::Settings;
use postern_model::time::Timestamp;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).ok_or("which folder?")?;
    let verbose = std::env::args().nth(2);
    let index = std::fs::read_to_string(Path::new(&folder).join("index.tsv"))?;
    let policy = Policy::new(&Settings::default());
    let mut rates: BTreeMap<&str, [usize; 2]> = BTreeMap::new();
    let mut scores: [Vec<f64>; 2] = [Vec::new(), Vec::new()];
    let mut spent = std::time::Duration::ZERO;
    for line in index.lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [file, ip, helo, mail_from, rcpt, label] = fields.as_slice() else { continue };
        let is_ham = usize::from(*label == "ham");
        let message = postern_mail::read(&std::fs::read(Path::new(&folder).join(file))?, &Limits::default());
        let now = message.received.iter().find_map(|r| r.date).or(message.date).unwrap_or_default();
        let facts = Facts {
            now: Timestamp::from_unix_seconds(now),
            direction: Direction::Inbound,
            connection: Connection { ip: ip.parse().ok(), helo: (*helo).to_owned(), esmtp: true, ..Connection::default() },
            mail_from: ReversePath::from(mail_from.parse::<Address>().ok()),
            recipients: vec![(*rcpt).to_owned()],
            own_domains: vec!["example.test".parse()?],
            message,
            authentication: Asked::No,
            lists: Vec::new(),
            bayes: None,
            antivirus: Asked::No,
            sandbox: Sandboxed::default(),
            history: History::default(),
        };
        let began = Instant::now();
        let verdict = judge(&facts, &policy);
        spent += began.elapsed();
        scores[is_ham].push(verdict.score.get());
        for f in symbols::run(&View::new(&facts, &policy)).iter() {
            rates.entry(f.symbol.name).or_default()[is_ham] += 1;
            if verbose.as_deref() == Some(f.symbol.name) {
                println!("{label} {file}: {}", f.evidence);
            }
        }
        let odd = (is_ham == 1 && verdict.score >= policy.thresholds.tag) || (is_ham == 0 && verdict.score.get() < 1.0);
        if odd && verbose.as_deref() == Some("odd") {
            let hits: Vec<String> = verdict.hits.iter().map(|h| format!("{}={}", h.symbol, h.score)).collect();
            println!("{label} {} {file}: {}", verdict.score, hits.join(" "));
        }
    }
    if verbose.is_some() {
        return Ok(());
    }
    let (spam, ham) = (scores[0].len().max(1), scores[1].len().max(1));
    println!("{spam} spam, {ham} ham, {:?} a judgement", spent / u32::try_from(spam + ham)?);
    println!("{:<32} {:>7} {:>7}", "symbol", "spam %", "ham %");
    let percent = |n: usize, of: usize| 100.0 * n as f64 / of as f64;
    for s in registry::all() {
        let [in_spam, in_ham] = rates.get(s.name).copied().unwrap_or_default();
        let (a, b) = (percent(in_spam, spam), percent(in_ham, ham));
        let mark = if (s.weight > 0.0 && b > a) || (s.weight < 0.0 && a > b) { "wrong way" } else { "" };
        println!("{:<32} {a:>7.2} {b:>7.2}  {:>5} {mark}", s.name, s.weight);
    }
    for threshold in [3.0, 4.0, 5.0, 6.0, 8.0, 15.0] {
        let above = |v: &Vec<f64>| v.iter().filter(|s| **s >= threshold).count();
        println!("at {threshold}: spam {:.1}%, ham {:.2}%", percent(above(&scores[0]), spam), percent(above(&scores[1]), ham));
    }
    Ok(())
}
