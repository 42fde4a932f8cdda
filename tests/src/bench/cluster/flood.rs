//! A flood of SYNs from everywhere to the virtual address, and how honest clients fare beside it.

use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::{Value, json};

use super::steering::{ADDRESS, cluster};
use super::{Bar, Found, Setting, milliseconds};
use crate::bench::report::percentile;
use crate::cluster::crowd;
use crate::cluster::host::Host;
use crate::cluster::nodes::Options;
use crate::cluster::switch::packet_socket;

/// Honest clients of each row, so many at a time.
const CLIENTS: usize = 600;

#[derive(Default)]
struct Case {
    what: &'static str,
    cookies_above: u32,
    is_flooded: bool,
    /// Milliseconds.
    connects: Vec<f64>,
    failed: usize,
    /// SYNs a second of each round.
    rates: Vec<f64>,
}

/// # Errors
/// When the cluster cannot be had.
pub fn measure(setting: &Setting, rounds: usize) -> anyhow::Result<Found> {
    let settings = "[edge.rates]\nsyn_per_second = 0\n".to_owned();
    let (cluster, door) = cluster(setting, 3, Options { settings, bridged: true, ..Options::default() })?;
    let (mut rows, mut bars, mut details) = (Vec::new(), Vec::new(), Vec::<Value>::new());
    // The client's host knows where the address is after this.
    crowd::greetings(cluster.client(), door, 999, 1)?.pop().context("nobody")??;
    let mac = neighbour(cluster.client())?;
    // Of the mail server, which has nothing else to do: the flood has a cable of its own, as it has a way of its own in a real network.
    let from = cluster.network.hosts.last().context("no hosts")?;
    let mut next = 1000;
    let case = |what, cookies_above, is_flooded| Case { what, cookies_above, is_flooded, ..Case::default() };
    let mut cases = [case("no flood", 0, false), case("flood, the kernel's cookies", 0, true), case("flood, cookies by XDP", 200, true)];
    for _ in 0..rounds {
        for case in &mut cases {
            cluster.api(0).set("edge.steering.syn_cookies_above", json!(case.cookies_above))?;
            let flood = case.is_flooded.then(|| Flood::start(from, &mac)).transpose()?;
            // The bucket fills and the queue of the listener runs over before anybody is measured.
            thread::sleep(Duration::from_secs(1));
            for greeting in crowd::greetings(cluster.client(), door, next, CLIENTS)? {
                match greeting {
                    Ok(greeting) => case.connects.push(milliseconds(greeting.connect)),
                    Err(_) => case.failed += 1,
                }
            }
            next += CLIENTS;
            case.rates.extend(flood.map(Flood::stop));
        }
    }
    for Case { what, is_flooded, connects, failed, rates, .. } in cases {
        let at = |share| percentile(&connects, share);
        let rate = if rates.is_empty() { 0.0 } else { rates.iter().sum::<f64>() / rates.len() as f64 };
        rows.push(vec![
            what.into(),
            format!("{rate:.0}"),
            format!("{} of {}", connects.len(), connects.len() + failed),
            format!("{:.2}", at(0.5)),
            format!("{:.1}", at(0.99)),
        ]);
        if is_flooded {
            bars.push(Bar::at_most(format!("{what}: p99 of a connect"), at(0.99), 200.0, "ms"));
            bars.push(Bar::at_most(format!("{what}: clients that were not served"), failed as f64, 0.0, "clients"));
        }
        details.push(json!({ "what": what, "syn_per_second": rate, "failed": failed, "p50_ms": at(0.5), "p99_ms": at(0.99) }));
    }
    Ok(Found {
        title: format!("A flood of SYNs from random addresses to one virtual address of three nodes, {rounds} interleaved rounds"),
        head: vec!["", "SYNs a second", "clients served", "connect p50 (ms)", "connect p99 (ms)"],
        rows,
        remarks: vec!["Flood, clients, the kernel's bridge and three nodes share the machine's cores.".into()],
        bars,
        details: json!(details),
    })
}

/// Frames as fast as one thread can send them.
struct Flood {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    began: Instant,
    thread: JoinHandle<()>,
}

impl Flood {
    fn start(from: &Host, to: &[u8]) -> anyhow::Result<Self> {
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let socket = thread::scope(|scope| {
            let opening = scope.spawn(|| -> anyhow::Result<_> {
                from.enter()?;
                // It receives nothing.
                Ok((packet_socket("eth0", 0)?, own_mac()?))
            });
            opening.join().map_err(|_| anyhow::anyhow!("the flood's thread ended"))?
        })?;
        let (stopped, counted, mac) = (Arc::clone(&stop), Arc::clone(&sent), to.to_owned());
        let thread = thread::Builder::new().name("flood".into()).spawn(move || {
            let (socket, own) = socket;
            let mut frame = syn(&mac, &own);
            let mut state = 0x9e37_79b9_7f4a_7c15u64;
            while !stopped.load(Ordering::Relaxed) {
                for _ in 0..64 {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    address_to(&mut frame, state);
                    let _ = nix::sys::socket::send(socket.as_raw_fd(), &frame, nix::sys::socket::MsgFlags::MSG_DONTWAIT)
                        .map(|_| counted.fetch_add(1, Ordering::Relaxed));
                }
            }
        })?;
        Ok(Self { stop, sent, began: Instant::now(), thread })
    }

    /// SYNs a second.
    fn stop(self) -> f64 {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.join();
        self.sent.load(Ordering::Relaxed) as f64 / self.began.elapsed().as_secs_f64()
    }
}

/// The MAC address of whoever answers for the virtual address.
fn neighbour(client: &Host) -> anyhow::Result<Vec<u8>> {
    let shown = client.run("ip", &["neigh", "show", ADDRESS])?;
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    let mac = text.split_whitespace().skip_while(|w| *w != "lladdr").nth(1).context("nobody answers for the address")?;
    mac.split(':').map(|o| Ok(u8::from_str_radix(o, 16)?)).collect()
}

fn own_mac() -> anyhow::Result<Vec<u8>> {
    let all = nix::ifaddrs::getifaddrs()?;
    let found = all.filter(|a| a.interface_name == "eth0").find_map(|a| a.address?.as_link_addr()?.addr());
    Ok(found.context("eth0 has no MAC address")?.to_vec())
}

fn syn(to: &[u8], from: &[u8]) -> Vec<u8> {
    let mut f = [to, from, &[8, 0]].concat();
    f.extend([0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0, 0, 0, 0, 0]);
    f.extend(ADDRESS.parse::<Ipv4Addr>().unwrap_or(Ipv4Addr::UNSPECIFIED).octets());
    f.extend([0, 0, 0, 25, 1, 2, 3, 4, 0, 0, 0, 0, 0x50, 2, 0xff, 0xff, 0, 0, 0, 0]);
    f
}

/// Another source in 100.64.0.0/10 (RFC 6598: nobody real) and another port; sums are right.
fn address_to(frame: &mut [u8], random: u64) {
    let source = 0x6440_0000u32 | (random >> 40) as u32 & 0x003f_ffff;
    frame[26..30].copy_from_slice(&source.to_be_bytes());
    frame[34..36].copy_from_slice(&(1024 + (random >> 24) as u16 % 60_000).to_be_bytes());
    frame[38..42].copy_from_slice(&((random >> 8) as u32).to_be_bytes());
    frame[24..26].fill(0);
    let sum = fold(words(&frame[14..34]));
    frame[24..26].copy_from_slice(&sum.to_be_bytes());
    frame[50..52].fill(0);
    let sum = fold(words(&frame[26..34]) + 6 + 20 + words(&frame[34..54]));
    frame[50..52].copy_from_slice(&sum.to_be_bytes());
}

fn words(octets: &[u8]) -> u32 {
    octets.chunks_exact(2).map(|w| u32::from(u16::from_be_bytes([w[0], w[1]]))).sum()
}

fn fold(mut sum: u32) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
