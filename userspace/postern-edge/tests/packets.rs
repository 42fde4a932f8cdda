//! The packet tables of tests/packets, given to the XDP program in the kernel and to its rules on the host.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod frames;
#[path = "frames/steering.rs"]
mod steering;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ipnet::IpNet;
use postern_ebpf_abi::config::feature;
use postern_ebpf_abi::packet::{parse, plain};
use postern_ebpf_abi::reason::Reason;
use postern_edge::bans::kernel::KernelBans;
use postern_edge::clock::Clocks;
use postern_edge::feed::plan::{Rule, plan};
use postern_edge::kernel::guard::Guard;
use postern_edge::kernel::run::{Runner, XDP_DROP, XDP_PASS, XDP_REDIRECT, XDP_TX};
use postern_edge::{allow_list, feed, trace};
use postern_model::control::Ban;
use postern_model::reason::Reason as Why;
use postern_model::time::Timestamp;

use frames::kernel::open;

/// Frames of a test run come in by the loopback interface.
const INTERFACE: u32 = 1;

#[derive(Default)]
struct Setup {
    allow: Vec<IpNet>,
    bans: Vec<(IpNet, i64)>,
    rules: Vec<Rule>,
    feeds: u16,
    rate: (u32, u32),
    total: (u32, u32),
    features: u32,
    steer: steering::Setup,
}

struct Case {
    line: usize,
    name: String,
    times: u32,
    frame: Vec<u8>,
    /// Octets that are taken off before it is counted: the outer header of a tunnel.
    outer: usize,
    reason: Reason,
    /// The frame that must come out.
    after: Option<Vec<u8>>,
    redirected: bool,
}

fn read(path: &Path) -> (Setup, Vec<Case>) {
    let mut setup = Setup { features: feature::ALL, ..Setup::default() };
    let mut cases = Vec::new();
    for (i, line) in std::fs::read_to_string(path).unwrap().lines().enumerate() {
        let at = format!("{}:{}", path.display(), i + 1);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(words) = line.strip_prefix('!') {
            set_up(&mut setup, words).unwrap_or_else(|e| panic!("{at}: {e}"));
            continue;
        }
        let columns: Vec<&str> = line.split('\t').collect();
        let [name, frame, reason, ref after @ ..] = columns[..] else { panic!("{at}: {} columns, not 3 or 4", columns.len()) };
        let (times, frame) = match frame.strip_prefix("x ").and_then(|f| f.split_once(' ')) {
            Some((n, frame)) => (n.parse().unwrap_or_else(|e| panic!("{at}: {e}")), frame),
            None => (1, frame),
        };
        cases.push(Case {
            line: i + 1,
            name: name.to_owned(),
            times,
            frame: frames::build(frame).unwrap_or_else(|e| panic!("{at}: {e}")),
            outer: steering::outer_octets(frame),
            after: after.first().map(|a| steering::after(frame, a).unwrap_or_else(|e| panic!("{at}: {e}"))),
            redirected: after.first().is_some_and(|a| a.contains("redirect")),
            reason: Reason::ALL.iter().copied().find(|r| r.name() == reason).unwrap_or_else(|| panic!("{at}: no reason `{reason}`")),
        });
    }
    (setup, cases)
}

fn set_up(setup: &mut Setup, words: &str) -> Result<(), String> {
    let words: Vec<&str> = words.split_ascii_whitespace().collect();
    let net = |text: &str| text.parse::<IpNet>().map_err(|e| format!("{text}: {e}"));
    let number = |text: &str| text.parse::<u32>().map_err(|e| format!("{text}: {e}"));
    match words[..] {
        ["allow", n] => setup.allow.push(net(n)?),
        ["ban", n] => setup.bans.push((net(n)?, 3_600_000)),
        ["ban-over", n] => setup.bans.push((net(n)?, -1000)),
        ["feed", _, ref nets @ ..] => {
            for n in nets {
                setup.rules.push(Rule { network: net(n)?, feed: setup.feeds });
            }
            setup.feeds += 1;
        }
        ["rate", rate, burst] => setup.rate = (number(rate)?, number(burst)?),
        ["total", rate, burst] => setup.total = (number(rate)?, number(burst)?),
        ["off", ref stages @ ..] => {
            for stage in stages {
                setup.features &= !match *stage {
                    "allow" => feature::ALLOW,
                    "bans" => feature::BANS,
                    "networks" => feature::NETWORK_BANS,
                    "feeds" => feature::FEEDS,
                    "rates" => feature::RATES,
                    "steer" => feature::STEER,
                    "cookies" => feature::COOKIES,
                    other => return Err(format!("no stage `{other}`")),
                };
            }
        }
        _ => setup.steer.read(&words)?,
    }
    Ok(())
}

fn fill(guard: &Guard, setup: &Setup) {
    let maps = guard.maps();
    maps.front.set_ports(&[25, 587, 993, 8443], &[25, 587]);
    allow_list::set(maps, &setup.allow).unwrap();
    let mut config = maps.front.configured().unwrap();
    (config.source_rate, config.source_burst) = setup.rate;
    (config.total_rate, config.total_burst) = setup.total;
    config.sample_every = 1;
    config.samples_per_second = 10;
    setup.steer.configure(&mut config);
    maps.front.set_config(&config);
    setup.steer.fill(maps);
    let clocks = Clocks::now();
    let until = |ms: i64| Timestamp(clocks.wall.0 + ms);
    let bans: Vec<Ban> = setup
        .bans
        .iter()
        .map(|(network, ms)| Ban {
            network: *network,
            reason: Why::Manual,
            from: until(-2000),
            until: until(*ms),
            count: 0,
            by: "test".into(),
            evidence: String::new(),
        })
        .collect();
    KernelBans::recover(guard.maps().clone(), bans.iter(), &clocks).unwrap();
    feed::load::load(maps, &plan(&setup.rules, config.seed).unwrap()).unwrap();
}

fn packets_of(guard: &Guard, reason: Reason) -> (u64, u64) {
    let counted = guard.maps().counters().unwrap();
    let found = counted.iter().find(|c| c.reason == reason).unwrap();
    (found.packets, found.octets)
}

/// What is wrong with the case; nothing when it holds.
fn check(guard: &Guard, runner: &Runner, case: &Case) -> Result<(), String> {
    if case.times > 1 {
        runner.run(&case.frame, case.times - 1).map_err(|e| e.to_string())?;
    }
    // The host's answer first: it takes no token of a rate, the program does.
    let (host, steps) = trace::frame(guard.maps(), guard.features(), &case.frame, INTERFACE).map_err(|e| e.to_string())?;
    let host = host.reason;
    let said = || format!("the host says {}: {}", host.name(), steps.join("; "));
    let before = packets_of(guard, case.reason);
    let (ran, out) = runner.run_out(&case.frame).map_err(|e| e.to_string())?;
    let after = packets_of(guard, case.reason);
    let action = match case.reason.action() {
        "drop" => XDP_DROP,
        "pass" => XDP_PASS,
        _ if case.redirected => XDP_REDIRECT,
        _ => XDP_TX,
    };
    if ran.action != action {
        return Err(format!("the program returned {} instead of {action}; {}", ran.action, said()));
    }
    // Taken off unless the outer header itself decides.
    let as_it_came = matches!(case.reason, Reason::DropTunnelStranger | Reason::DropTunnelMalformed) || out == case.frame;
    let octets = case.frame.len() - if as_it_came { 0 } else { case.outer };
    if (after.0 - before.0, after.1 - before.1) != (1, octets as u64) {
        return Err(format!("the counter did not rise by one packet of {octets} octets; {}", said()));
    }
    if host != case.reason {
        return Err(said());
    }
    match &case.after {
        Some(after) if *after != out => Err(format!("came out as\n{}\ninstead of\n{}", steering::hex(&out), steering::hex(after))),
        // What is passed or dropped without another word is left as it is.
        None if action != XDP_TX && action != XDP_REDIRECT && case.outer == 0 && out != case.frame => {
            Err(format!("was changed to\n{}\nfrom\n{}", steering::hex(&out), steering::hex(&case.frame)))
        }
        _ => Ok(()),
    }
}

/// Runs a table; the number of its cases.
fn table(path: &Path) -> Result<usize, String> {
    let (setup, cases) = read(path);
    // Buckets refill by one token a second: a machine that stalls between two cases would change their meaning, so the whole
    // table is then tried again with fresh maps.
    let timed = setup.rate.0 + setup.total.0 > 0;
    for attempt in 1.. {
        let opened = open(setup.features)?;
        let guard = &opened.guard;
        fill(guard, &setup);
        let runner = guard.runner().unwrap();
        let started = Instant::now();
        let failed: Vec<String> = cases
            .iter()
            .filter_map(|case| {
                check(guard, &runner, case)
                    .err()
                    .map(|why| format!("{}:{} {}: expected {}: {why}", path.display(), case.line, case.name, case.reason.name()))
            })
            .collect();
        if failed.is_empty() {
            break;
        }
        assert!(timed && started.elapsed() > Duration::from_millis(900) && attempt < 10, "{}", failed.join("\n"));
    }
    Ok(cases.len())
}

fn tables() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/packets");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.retain(|f| f.extension().is_some_and(|e| e == "tsv"));
    files.sort();
    files
}

#[test]
fn packet_tables() {
    let mut cases = 0;
    for path in tables() {
        cases += skip_unless!(table(&path));
    }
    eprintln!("{cases} packets");
    assert!(cases >= 270, "{cases} cases: some tables are missing");
}

/// Without the kernel: the frames of the tables are what their rows say, as far as parsing decides.
#[test]
fn frames_are_read_as_the_tables_say() {
    for path in tables() {
        for case in read(&path).1 {
            if let Some(packet) = plain(case.frame.as_slice()) {
                assert_eq!(parse(case.frame.as_slice()), Ok(packet), "{}:{} {}", path.display(), case.line, case.name);
            }
            match parse(case.frame.as_slice()) {
                // What steering decides, parsing does not.
                Err(_) if case.outer > 0 || (case.reason as u32) > 5 && !(16..24).contains(&(case.reason as u32)) => {}
                Err(reason) => assert_eq!(reason, case.reason, "{}:{} {}", path.display(), case.line, case.name),
                Ok(_) => {
                    assert!(!matches!(case.reason, Reason::PassNotIp | Reason::DropMalformed | Reason::DropHeaderChain), "{}", case.name)
                }
            }
        }
    }
}

#[test]
fn samples_name_the_dropped() {
    let mut opened = skip_unless!(open(feature::ALL));
    let setup = Setup { bans: vec![("192.0.2.66/32".parse().unwrap(), 60_000)], ..Setup::default() };
    fill(&opened.guard, &setup);
    let runner = opened.guard.runner().unwrap();
    runner.run(&frames::build("ip4:192.0.2.66 tcp:25 syn").unwrap(), 30).unwrap();
    let mut samples = Vec::new();
    while let Some(sample) = opened.guard.next_sample() {
        samples.push(sample);
    }
    let lost = opened.guard.maps().samples_lost().unwrap();
    assert_eq!(samples.len() as u64 + lost, 30, "every dropped packet is sampled or counted as lost");
    assert!((10..30).contains(&samples.len()), "capped at 10 a second: {}", samples.len());
    let s = samples[0];
    assert_eq!((s.family, s.low, s.port, s.octets, Reason::from_number(s.reason)), (4, 0xc000_0242, 25, 54, Some(Reason::DropBan)));
}
