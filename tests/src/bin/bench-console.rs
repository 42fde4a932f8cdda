//! `just bench console`: a node with a million mails in its tracking and a hundred thousand in its quarantine, two peers, and how long
//! lists take at its API and pages in a browser.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Parser;
use postern_tests::bench::{console, namespace, report};
use postern_tests::cluster::api::Api;
use postern_tests::gateway::{Gateway, wait_until};
use serde_json::{Value, json};

#[derive(Parser)]
struct Options {
    #[arg(long)]
    postern: PathBuf,
    /// Folder for the JSON.
    #[arg(long)]
    out: PathBuf,
    #[arg(long, default_value_t = 1_000_000)]
    journeys: usize,
    #[arg(long, default_value_t = 100_000)]
    quarantined: usize,
    /// How often each list is asked for; each page is opened three times.
    #[arg(long, default_value_t = 40)]
    rounds: usize,
    /// A data directory that this recipe kept before: nothing is seeded.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Keeps the seeded data there, for `--data`.
    #[arg(long)]
    keep: Option<PathBuf>,
    /// Where `web-ui` lies; without it no page is opened.
    #[arg(long)]
    web_ui: Option<PathBuf>,
}

const NODES: usize = 3;
/// p95 of a list at the API, in milliseconds.
const LIST_BAR: f64 = 100.0;
/// Until a page can be used, in milliseconds.
const PAGE_BAR: f64 = 1_000.0;
const PASSWORD: &str = "a password for the benchmark";

/// The ports of a node.
struct Ports {
    smtp: u16,
    console: u16,
    link: u16,
}

fn ports(node: usize) -> Ports {
    let node = u16::try_from(node).unwrap_or_default();
    Ports { smtp: 2600 + node, console: 8443 + node, link: 7425 + node }
}

fn settings(node: usize, is_seeding: bool) -> String {
    let Ports { smtp, console, link } = ports(node);
    let rule = if is_seeding { "[[policy.rules]]\nname = \"All\"\nwhen = {}\naction.decide = \"quarantine\"\n" } else { "" };
    format!(
        "cluster_listen = [\"127.0.0.1:{link}\"]\ncluster_addresses = [\"127.0.0.1:{link}\"]\n\
         [smtp]\nlisten = [\"127.0.0.1:{smtp}\"]\ntrusted_listen = []\ngreeting_pause = \"0s\"\n\
         [smtp.limits]\nmax_connections_per_source = 1000\nconnections_per_minute = 10000000\n\
         [console]\nlisten = [\"127.0.0.1:{console}\"]\n[log]\nlevel = \"warn\"\n[dns]\nenabled = false\n[greylist]\nenabled = false\n\
         [[domains]]\nname = \"{}\"\nbackends = [{{ host = \"127.0.0.1\", port = 2701, tls = \"off\" }}]\n{rule}",
        console::RECIPIENT_DOMAIN
    )
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let scratch = tempfile::Builder::new().prefix("postern-bench").tempdir()?;
    namespace::enter(scratch.path())?;
    let folder = |node: usize| options.data.clone().filter(|_| node == 0).unwrap_or_else(|| scratch.path().join(format!("node{node}")));
    if options.data.is_none() {
        seed(&options, &folder(0))?;
        if let Some(keep) = &options.keep {
            ensure!(
                Command::new("cp").args(["-a", "--no-target-directory"]).arg(folder(0)).arg(keep).status()?.success(),
                "copy the seeded data"
            );
        }
    }
    let nodes: Vec<Gateway> =
        (0..NODES).map(|n| Gateway::node(&options.postern, &folder(n), &settings(n, false))).collect::<Result<_, _>>()?;
    let apis: Vec<Api> = nodes.iter().map(|n| Api::of(&n.data)).collect();
    join(&apis, options.quarantined)?;

    let rows = lists(&apis[0], &options)?;
    let shown: Vec<Vec<String>> = rows.iter().map(List::row).collect();
    report::table("Lists at the API of one of three nodes, milliseconds", &["list", "rows", "p50", "p95", "bar p95", ""], &shown);
    let mut results = json!({
        "journeys": options.journeys, "quarantined": options.quarantined,
        "lists": rows.iter().map(|r| json!({"list": r.name, "p50": r.p50(), "p95": r.p95()})).collect::<Vec<_>>(),
    });
    match &options.web_ui {
        None => println!("\npages: not opened (no --web-ui)"),
        Some(_) if Command::new("chromium").arg("--version").output().is_err() => println!("\npages: skipped: there is no chromium here"),
        Some(web_ui) => results["pages"] = pages(web_ui, &apis[0])?,
    }
    report::write(&options.out, "console", results)
}

/// Fills the first node's tracking while it does not run, and its quarantine by SMTP.
fn seed(options: &Options, data: &Path) -> anyhow::Result<()> {
    let began = Instant::now();
    fs::create_dir_all(data)?;
    console::journeys(&data.join("postern.db"), options.journeys)?;
    println!("{} journeys in {:.0} s", options.journeys, began.elapsed().as_secs_f64());
    let began = Instant::now();
    let node = Gateway::node(&options.postern, data, &settings(0, true))?;
    console::quarantined(SocketAddr::from((Ipv4Addr::LOCALHOST, ports(0).smtp)), options.quarantined, 8)?;
    let count = || Api::of(&node.data).get("/status").map(|s| s["quarantined"].as_u64().unwrap_or_default()).unwrap_or_default();
    let wanted = options.quarantined as u64;
    wait_until("all in the quarantine", Duration::from_secs(60), || count() >= wanted)?;
    println!("{wanted} quarantined in {:.0} s", began.elapsed().as_secs_f64());
    Ok(())
}

/// One cluster of all, whose quarantine every node knows.
fn join(apis: &[Api], quarantined: usize) -> anyhow::Result<()> {
    apis[0].post("/cluster", &json!({"name": "bench"}))?;
    for api in &apis[1..] {
        let token = apis[0].post("/cluster/invitations", &json!({}))?["token"].clone();
        api.post("/cluster/join", &json!({ "token": token }))?;
    }
    let wanted = quarantined as u64;
    let told = wait_until("the quarantine at the peers", Duration::from_secs(300), || {
        apis.iter().all(|a| a.get("/status").is_ok_and(|s| s["quarantined"].as_u64() >= Some(wanted)))
    })?;
    println!("known to both peers after {:.0} s", told.as_secs_f64());
    Ok(())
}

struct List {
    name: &'static str,
    rows: usize,
    milliseconds: Vec<f64>,
}

impl List {
    fn p50(&self) -> f64 {
        report::median(&self.milliseconds)
    }

    fn p95(&self) -> f64 {
        report::percentile(&self.milliseconds, 0.95)
    }

    fn row(&self) -> Vec<String> {
        let figure = |ms: f64| format!("{ms:.1}");
        vec![
            self.name.into(),
            self.rows.to_string(),
            figure(self.p50()),
            figure(self.p95()),
            format!("{LIST_BAR:.0}"),
            word(self.p95() <= LIST_BAR),
        ]
    }
}

fn word(is_reached: bool) -> String {
    if is_reached { "reached".into() } else { "missed".into() }
}

/// What the console asks for, and what people look for. A question that finds nothing measures nothing, unless it is meant to.
fn lists(api: &Api, options: &Options) -> anyhow::Result<Vec<List>> {
    // Of the numbers that subjects and message ids count with, one that is there.
    let (tracked, kept) = (options.journeys / 9 * 7, options.quarantined / 9 * 7);
    let now = i64::try_from(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_millis())?;
    let day = 86_400_000;
    let (old_from, old_to) = (now - 18 * day, now - 17 * day);
    let old_page = format!("/journeys?from={old_from}&to={old_to}");
    let questions: Vec<(&str, String, bool)> = vec![
        ("tracking: the newest", "/journeys".into(), true),
        ("tracking: 500 rows", "/journeys?limit=500".into(), true),
        ("tracking: a recipient", "/journeys?recipient=person77@example.net".into(), true),
        ("tracking: a sender's domain", "/journeys?sender=company77.example".into(), true),
        ("tracking: a rare word", format!("/journeys?subject=number+{tracked}"), true),
        ("tracking: two common words", "/journeys?subject=invoice+parcel".into(), true),
        ("tracking: a word that is nowhere", "/journeys?subject=nowhere".into(), false),
        ("tracking: refused for a virus", "/journeys?reason=virus".into(), true),
        ("tracking: refused to a recipient", "/journeys?action=reject&recipient=person77@example.net".into(), true),
        ("tracking: a message id", format!("/journeys?message_id=%3C{tracked}@company.example%3E"), true),
        ("tracking: a day long ago", old_page, true),
        ("quarantine: the newest", "/quarantine".into(), true),
        ("quarantine: 500 rows", "/quarantine?limit=500".into(), true),
        ("quarantine: a recipient", "/quarantine?recipient=person77@example.net".into(), true),
        ("quarantine: a rare text", format!("/quarantine?text=number+{kept}"), true),
        ("quarantine: a text that is nowhere", "/quarantine?text=nowhere".into(), false),
        ("quarantine: released ones", "/quarantine?state=released".into(), false),
        ("status", "/status".into(), false),
        ("counters of 30 days", format!("/counters?from={}", now - 30 * day), true),
    ];
    let mut lists: Vec<List> = questions.iter().map(|(name, _, _)| List { name, rows: 0, milliseconds: Vec::new() }).collect();
    for _ in 0..options.rounds {
        for ((name, path, must_find), list) in questions.iter().zip(&mut lists) {
            let began = Instant::now();
            let answer = api.get(path).context(*name)?;
            list.milliseconds.push(began.elapsed().as_secs_f64() * 1000.0);
            list.rows = ["journeys", "mails", "counters"].iter().find_map(|k| answer[k].as_array()).map_or(1, Vec::len);
            ensure!(list.rows > 0 || !must_find, "{name}: nothing was found");
        }
    }
    Ok(lists)
}

/// Opens every page in a browser (`web-ui/tests/pages.mjs`, which prints one JSON object).
fn pages(web_ui: &Path, api: &Api) -> anyhow::Result<Value> {
    api.put("/admins/admin/password", &json!({ "password": PASSWORD }))?;
    let output = Command::new("node")
        .arg("tests/pages.mjs")
        .current_dir(web_ui)
        .env("BASE", format!("https://localhost:{}", ports(0).console))
        .env("PASSWORD", PASSWORD)
        .output()
        .context("node")?;
    ensure!(output.status.success(), "tests/pages.mjs: {}", String::from_utf8_lossy(&output.stderr));
    let found: Value = serde_json::from_slice(&output.stdout).context("what tests/pages.mjs printed")?;
    let rows: Vec<Vec<String>> = found
        .as_object()
        .into_iter()
        .flatten()
        .map(|(page, ms)| {
            let ms = ms.as_f64().unwrap_or(f64::INFINITY);
            vec![page.clone(), format!("{ms:.0}"), format!("{PAGE_BAR:.0}"), word(ms <= PAGE_BAR)]
        })
        .collect();
    report::table("Pages in a browser, milliseconds until they can be used (the slowest of three)", &["page", "slowest", "bar", ""], &rows);
    Ok(found)
}
