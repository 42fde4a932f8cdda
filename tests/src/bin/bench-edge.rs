//! `just bench edge`: what the XDP program costs per packet, and the whole path beside nftables. Needs root.
//!
//! Every row is measured in every round, one after the other, so that a noisy machine hurts all alike. A program that
//! writes another random source address into each packet runs before the one measured and is in all rows, the empty one too.

use std::collections::HashSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Parser;
use ipnet::{IpNet, Ipv4Net};
use nix::sched::{CloneFlags, unshare};
use nix::time::{ClockId, clock_gettime};
use postern_ebpf_abi::config::feature;
use postern_ebpf_abi::steer::ring::{Peer, Slot, peer};
use postern_edge::allow_list;
use postern_edge::bans::kernel::KernelBans;
use postern_edge::clock::Clocks;
use postern_edge::feed::load::load;
use postern_edge::feed::plan::{Rule, plan};
use postern_edge::kernel::guard::Guard;
use postern_edge::kernel::maps::KernelMaps;
use postern_edge::kernel::pins::Pins;
use postern_edge::kernel::run::{Rotation, Runner, XDP_DROP, XDP_PASS};
use postern_edge::kernel::steer::{Role, empty_ring};
use postern_model::control::Ban;
use postern_model::reason::Reason;
use postern_tests::bench::{report, tables};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;

#[derive(Parser)]
struct Options {
    /// Taken for the sake of `just bench`; the edge is measured without the binary.
    #[arg(long)]
    postern: Option<PathBuf>,
    #[arg(long)]
    out: PathBuf,
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Packets of each row in each round.
    #[arg(long, default_value_t = 4_000_000)]
    packets: u32,
    /// Rules of the two larger tables.
    #[arg(long, value_delimiter = ',', default_values_t = [1_000_000, 10_000_000])]
    rules: Vec<usize>,
    /// Leave nftables out.
    #[arg(long)]
    without_nftables: bool,
    /// The memory of the tables alone.
    #[arg(long)]
    only_memory: bool,
}

/// Bans and rules in force at once, and the most memory their tables may take.
const BANS: usize = 1_000_000;
const RULES: usize = 10_000_000;
const MEMORY_BAR: u64 = 1_300_000_000;

/// All of it in 10.0.0.0/11: every even address, so that none can be joined with its neighbour.
const DENSE: Rotation = Rotation { fixed: 0x0a00_0000, varying: 0x001f_fffe };
const DENSE_RULES: u32 = 1 << 20;

/// What an office has switched on.
const OFFICE: u32 = feature::ALL & !(feature::NETWORK_BANS | feature::STEER | feature::COOKIES);
/// And a node of a cluster.
const CLUSTER: u32 = OFFICE | feature::STEER;

/// Where the frames go: the virtual address of the rows with steering.
const DESTINATION: [u8; 4] = [192, 0, 2, 25];

struct Row {
    name: String,
    runner: Runner,
    frame: Vec<u8>,
    ns: Vec<f64>,
}

struct Loaded {
    guard: Guard,
    plan: Duration,
    load: Duration,
    elements: usize,
    _dir: tempfile::TempDir,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    unshare(CloneFlags::CLONE_NEWNET).context("a network namespace of its own (are you root?)")?;
    let scratch = tempfile::Builder::new().prefix("postern-bench").tempdir()?;
    let memory = memory()?;
    if options.only_memory {
        return report::write(&options.out, "edge-memory", memory);
    }

    let mut rows = vec![row("empty program", Runner::empty(XDP_DROP)?, Rotation::ALL, &frame(0x10))?];
    let parsing = loaded(&[], 0)?;
    rows.push(row("parsing, ports, counting", parsing.guard.runner()?, Rotation::ALL, &frame(0x10))?);
    let lists = loaded(&[], feature::ALLOW | feature::BANS)?;
    rows.push(row("allow list and bans", lists.guard.runner()?, Rotation::ALL, &frame(0x10))?);
    let none = loaded(&[], OFFICE)?;
    rows.push(row("the program, no rules", none.guard.runner()?, Rotation::ALL, &frame(0x10))?);
    let office = Rotation { fixed: 0x5db8_0000, varying: 0x0000_ffff };
    rows.push(row("the program, no rules, sources of one /16", none.guard.runner()?, office, &frame(0x10))?);
    let mut tables = Vec::new();
    for count in &options.rules {
        eprintln!("loading {count} rules");
        tables.push((*count, loaded(&random_rules(*count), OFFICE)?));
    }
    for (count, table) in &tables {
        rows.push(row(&format!("{count} IPv4 rules"), table.guard.runner()?, Rotation::ALL, &frame(0x10))?);
    }
    if let Some((count, table)) = tables.first() {
        rows.push(row(&format!("{count} IPv4 rules, SYN with rates"), table.guard.runner()?, Rotation::ALL, &frame(0x02))?);
    }
    // Steering: what it adds where packets are dropped, where they pass to other addresses, and what it costs to forward one.
    let dense: Vec<Rule> = (0..DENSE_RULES).map(|i| rule(DENSE.fixed | i << 1, 32)).collect();
    let (off, on, elsewhere) = (loaded(&dense, OFFICE)?, loaded(&dense, CLUSTER)?, loaded(&dense, CLUSTER)?);
    steer(on.guard.maps(), DESTINATION.into())?;
    steer(elsewhere.guard.maps(), [192, 0, 2, 26].into())?;
    rows.push(row("dropped (all listed), steering off", off.guard.runner()?, DENSE, &frame(0x10))?);
    rows.push(row("dropped (all listed), steering on", on.guard.runner()?, DENSE, &frame(0x10))?);
    rows.push(row("passed to no virtual address, steering off", off.guard.runner()?, Rotation::ALL, &frame(0x10))?);
    rows.push(row("passed to no virtual address, steering on", elsewhere.guard.runner()?, Rotation::ALL, &frame(0x10))?);
    let known = Rotation { fixed: 0x5db8_0000, varying: 0x0000_ffff };
    rows.push(row("forwarded: segments of 65,536 connections", on.guard.runner()?, known, &frame(0x10))?);
    rows.push(row("forwarded: segments of ever new connections", on.guard.runner()?, Rotation::ALL, &frame(0x10))?);
    rows.push(row("forwarded: new connections (rates on)", on.guard.runner()?, Rotation::ALL, &frame(0x02))?);
    for round in 1..=options.rounds {
        eprintln!("round {round} of {}", options.rounds);
        for row in &mut rows {
            let started = cpu_ns()?;
            row.runner.run(&row.frame, options.packets)?;
            row.ns.push((cpu_ns()? - started) / f64::from(options.packets));
        }
    }
    let empty = rows[0].ns.clone();
    let mut results = Vec::new();
    let mut lines = Vec::new();
    for row in &rows {
        let above: Vec<f64> = row.ns.iter().zip(&empty).map(|(ns, empty)| ns - empty).collect();
        let least = above.iter().copied().fold(f64::INFINITY, f64::min);
        let (ns, above) = (report::median(&row.ns), report::median(&above));
        lines.push(vec![row.name.clone(), format!("{ns:.1}"), format!("{above:.1}"), format!("{least:.1}")]);
        results.push(json!({"row": row.name, "ns": ns, "ns_above_empty": above, "least_above_empty": least, "rounds": row.ns}));
    }
    let head = ["row", "each", "above the empty program", "least in a round"];
    report::table("One packet from a random address, given to the program (ns of CPU)", &head, &lines);

    let mut loading = Vec::new();
    let mut lines = Vec::new();
    for (count, table) in &tables {
        let (plan, load) = (table.plan.as_secs_f64(), table.load.as_secs_f64());
        lines.push(vec![count.to_string(), table.elements.to_string(), format!("{plan:.2}"), format!("{load:.2}")]);
        loading.push(json!({"rules": count, "elements": table.elements, "plan_s": plan, "load_s": load}));
    }
    report::table("Putting rules in force (s)", &["rules", "table entries", "planning", "loading and swap"], &lines);
    drop(tables);

    let path = if options.without_nftables { json!(null) } else { whole_path(&options, scratch.path())? };
    report::write(&options.out, "edge", json!({"lookup": results, "loading": loading, "path": path, "memory": memory}))
}

/// Every table the edge has, filled as an appliance's may be.
fn memory() -> anyhow::Result<serde_json::Value> {
    let before = tables::memory()?;
    let ours = || -> anyhow::Result<Vec<(String, u64)>> {
        Ok(tables::memory()?.into_iter().filter(|(id, _)| !before.contains_key(id)).map(|(_, map)| map).collect())
    };
    let sum = |maps: &[(String, u64)]| maps.iter().map(|(_, octets)| octets).sum::<u64>();
    let empty = loaded_with(&[], 0, feature::ALL)?;
    let when_empty = sum(&ours()?);
    drop(empty);
    eprintln!("loading {RULES} rules and {BANS} bans");
    let full = loaded_with(&random_rules(RULES), BANS, feature::ALL)?;
    let mut maps = ours()?;
    drop(full);
    let when_full = sum(&maps);
    maps.sort_by_key(|(_, octets)| std::cmp::Reverse(*octets));
    let mib = |octets: u64| format!("{:.1}", octets as f64 / f64::from(1 << 20));
    let mut lines = vec![
        vec!["nothing in them".into(), mib(when_empty), String::new()],
        vec![format!("{RULES} IPv4 rules and {BANS} bans"), mib(when_full), if when_full <= MEMORY_BAR { "met" } else { "MISSED" }.into()],
    ];
    lines.extend(maps.iter().take(8).map(|(name, octets)| vec![format!("of that {name}"), mib(*octets), String::new()]));
    report::table("Memory of the kernel's tables (MiB; bar 1.3 GB)", &["", "MiB", ""], &lines);
    Ok(json!({"empty": when_empty, "full": when_full, "bar": MEMORY_BAR, "maps": maps}))
}

/// The whole way of a packet that is dropped: frames made by the kernel, dropped by XDP, or turned into a socket buffer and dropped by
/// nftables on the same interface. Every address is listed in both.
fn whole_path(options: &Options, scratch: &Path) -> anyhow::Result<serde_json::Value> {
    ip("link add bench0 type veth peer name bench1")?;
    ip("link set bench0 up")?;
    ip("link set bench1 up")?;
    let interface = nix::net::if_::if_nametoindex("bench0")?;
    eprintln!("loading {DENSE_RULES} addresses into both");
    let dense: Vec<u32> = (0..DENSE_RULES).map(|i| DENSE.fixed | i << 1).collect();
    let rules: Vec<Rule> = dense.iter().map(|a| rule(*a, 32)).collect();
    let guard = loaded(&rules, OFFICE)?;
    let nft_load = nftables(scratch, &dense)?;
    let mut rows = vec![
        row("XDP_DROP and nothing else", Runner::empty(XDP_DROP)?, DENSE, &frame(0x02))?,
        row("postern", guard.guard.runner()?, DENSE, &frame(0x02))?,
        row("nftables, hash set at the ingress hook", Runner::empty(XDP_PASS)?, DENSE, &frame(0x02))?,
    ];
    let packets = options.packets / 2;
    let before = nft_counter()?;
    for _ in 0..options.rounds {
        for row in &mut rows {
            let started = cpu_ns()?;
            row.runner.live(&row.frame, packets, interface)?;
            row.ns.push((cpu_ns()? - started) / f64::from(packets));
        }
    }
    // What nftables did not see was lost on the way and would flatter nobody but it.
    let (seen, given) = (nft_counter()? - before, u64::from(packets) * options.rounds as u64);
    if seen != given {
        bail!("nftables dropped {seen} of {given} packets");
    }
    let ours =
        guard.guard.maps().counters()?.iter().find(|c| c.reason == postern_ebpf_abi::reason::Reason::DropFeed).map_or(0, |c| c.packets);
    if ours != given {
        bail!("the program dropped {ours} of {given} packets");
    }
    let medians: Vec<f64> = rows.iter().map(|r| report::median(&r.ns)).collect();
    let ratio = report::median(&rows[2].ns.iter().zip(&rows[1].ns).map(|(nft, ours)| nft / ours).collect::<Vec<_>>());
    let lines: Vec<Vec<String>> = rows.iter().zip(&medians).map(|(r, m)| vec![r.name.clone(), format!("{m:.0}")]).collect();
    report::table(&format!("The whole path of a dropped packet, {DENSE_RULES} addresses listed (ns of CPU)"), &["row", "each"], &lines);
    println!("nftables takes {ratio:.1} times as long; its set was loaded in {nft_load:.1} s, ours in {:.2} s", guard.load.as_secs_f64());
    let rows: Vec<_> = rows.iter().zip(&medians).map(|(r, m)| json!({"row": r.name, "ns": m, "rounds": r.ns})).collect();
    Ok(json!({"rows": rows, "nftables_to_postern": ratio, "nftables_load_s": nft_load, "postern_load_s": guard.load.as_secs_f64()}))
}

/// CPU time of this thread: the kernel runs the packets on it, and what others do on the machine is not counted (their use of its
/// caches is).
fn cpu_ns() -> anyhow::Result<f64> {
    let now = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?;
    Ok(now.tv_sec() as f64 * 1e9 + now.tv_nsec() as f64)
}

fn row(name: &str, program: Runner, addresses: Rotation, frame: &[u8]) -> anyhow::Result<Row> {
    Ok(Row { name: name.to_owned(), runner: Runner::rotating(program.fd(), addresses)?, frame: frame.to_vec(), ns: Vec::new() })
}

/// A guard as it stands in an office: a few allowed networks, a thousand bans, these feeds.
fn loaded(rules: &[Rule], features: u32) -> anyhow::Result<Loaded> {
    loaded_with(rules, 1000, features)
}

fn loaded_with(rules: &[Rule], bans: usize, features: u32) -> anyhow::Result<Loaded> {
    let dir = tempfile::tempdir()?;
    let guard = Guard::open(Pins::private(dir.path())?, features, 1_000_000)?;
    let maps = guard.maps();
    maps.front.set_ports(&[25, 587, 8443], &[25, 587]);
    allow_list::set(maps, &["10.128.0.0/16".parse()?, "192.168.0.0/16".parse()?, "2001:db8::/32".parse()?])?;
    let mut config = maps.front.configured().context("a configuration")?;
    (config.source_rate, config.source_burst, config.sample_every, config.samples_per_second) = (20, 200, 64, 200);
    maps.front.set_config(&config);
    let clocks = Clocks::now();
    let mut random = StdRng::seed_from_u64(1);
    let ban = |address: u32| Ban {
        network: IpNet::V4(Ipv4Net::from(std::net::Ipv4Addr::from(address))),
        reason: Reason::Pregreet,
        from: clocks.wall,
        until: clocks.wall + Duration::from_secs(86_400),
        count: 0,
        by: "node".into(),
        evidence: String::new(),
    };
    let bans: Vec<Ban> = (0..bans).map(|_| ban(random.random_range(0x2000_0000..0xdf00_0000))).collect();
    KernelBans::recover(maps.clone(), bans.iter(), &clocks)?;
    let started = Instant::now();
    let planned = plan(rules, config.seed)?;
    let plan = started.elapsed();
    let started = Instant::now();
    load(maps, &planned)?;
    let load = started.elapsed();
    Ok(Loaded { guard, plan, load, elements: planned.elements(), _dir: dir })
}

/// A virtual address all of whose packets belong to another node.
fn steer(maps: &KernelMaps, address: std::net::IpAddr) -> anyhow::Result<()> {
    let mut ring = empty_ring();
    (ring.version, ring.seed) = (1, [1, 2]);
    ring.peers[0].flags = peer::SELF;
    for number in 1..8u8 {
        let mac = [2, 0, 0, 0, 0, number];
        ring.peers[usize::from(number)] = Peer { flags: peer::USABLE, mac, own_mac: [2; 6], ..Peer::default() };
    }
    for (i, slot) in ring.slots.iter_mut().enumerate() {
        *slot = Slot { primary: (i % 7 + 1) as u16, secondary: ((i + 1) % 7 + 1) as u16 };
    }
    maps.steer.put_ring(ring)?;
    maps.steer.set_capacity(1 << 18)?;
    maps.steer.set_addresses(&maps.front, &[(address, Role::Virtual)])?;
    Ok(())
}

/// Mostly single addresses, some /24s, a few hundred /16s: what block lists look like when they are put together.
fn random_rules(count: usize) -> Vec<Rule> {
    let mut random = StdRng::seed_from_u64(count as u64);
    let mut seen = HashSet::with_capacity(count);
    let mut rules = Vec::with_capacity(count);
    while rules.len() < count {
        let length = match rules.len() {
            0..300 => 16,
            n if n % 50 == 0 => 24,
            _ => 32,
        };
        let address: u32 = random.random::<u32>() & (u32::MAX << (32 - length));
        if seen.insert((address, length)) {
            rules.push(rule(address, length as u8));
        }
    }
    rules
}

fn rule(address: u32, length: u8) -> Rule {
    Rule { network: IpNet::V4(Ipv4Net::new_assert(address.into(), length)), feed: 0 }
}

/// A TCP packet to port 25 with these flags.
fn frame(flags: u8) -> Vec<u8> {
    let mut f = vec![0u8; 64];
    f[12..14].copy_from_slice(&[0x08, 0x00]);
    f[14] = 0x45;
    f[16..18].copy_from_slice(&40u16.to_be_bytes());
    f[22] = 64;
    f[23] = 6;
    f[30..34].copy_from_slice(&DESTINATION);
    f[36..38].copy_from_slice(&25u16.to_be_bytes());
    f[46] = 5 << 4;
    f[47] = flags;
    f
}

/// One set of these addresses at the ingress hook; the seconds that loading took.
fn nftables(scratch: &Path, addresses: &[u32]) -> anyhow::Result<f64> {
    let file = scratch.join("rules.nft");
    let mut out = std::io::BufWriter::new(std::fs::File::create(&file)?);
    writeln!(out, "table netdev bench {{\n set bad {{ type ipv4_addr; size {}; }}", addresses.len())?;
    writeln!(out, " chain in {{ type filter hook ingress device \"bench0\" priority 0; policy accept; ip saddr @bad counter drop; }}\n}}")?;
    for part in addresses.chunks(50_000) {
        let list: Vec<String> = part.iter().map(|a| std::net::Ipv4Addr::from(*a).to_string()).collect();
        writeln!(out, "add element netdev bench bad {{ {} }}", list.join(","))?;
    }
    out.flush()?;
    let started = Instant::now();
    let done = Command::new("nft").arg("-f").arg(&file).stderr(Stdio::piped()).output().context("nft (Debian package nftables)")?;
    if !done.status.success() {
        bail!("nft: {}", String::from_utf8_lossy(&done.stderr).chars().take(500).collect::<String>());
    }
    Ok(started.elapsed().as_secs_f64())
}

fn nft_counter() -> anyhow::Result<u64> {
    let output = Command::new("nft").args(["list", "chain", "netdev", "bench", "in"]).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let packets = text.split("packets ").nth(1).and_then(|t| t.split_whitespace().next()).and_then(|n| n.parse().ok());
    packets.with_context(|| format!("no counter in {text}"))
}

fn ip(arguments: &str) -> anyhow::Result<()> {
    let output = Command::new("ip").args(arguments.split(' ')).output().context("ip (Debian package iproute2)")?;
    if !output.status.success() {
        bail!("ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
