//! `just cluster 3`: a cluster on this machine to play with, each node a host of its own in a network namespace, around a switch
//! whose cables can be cut.

use std::io::BufRead;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Parser;
use postern_tests::cluster::load::{Account, Load};
use postern_tests::cluster::nodes::{Cluster, Options as Rig};
use postern_tests::cluster::{consoles, tour};
use postern_tests::network::lacking;
use tokio::signal::unix::{SignalKind, signal};

const HELP: &str = "  cut A B        no cable between two nodes any more     heal           all cables whole and without delay
  delay A B MS   a slow line between two nodes           load on|off    some mails a second, or none
  kill A         kill -9                                 start A        start it again
  status         what each node says of the cluster      quit           end all, and remove the data";
/// A connection with a dead or cut off node is noticed within seconds.
const UNITED: Duration = Duration::from_secs(60);
const CONSOLE: u16 = 8443;

#[derive(Parser)]
struct Options {
    /// How many nodes.
    #[arg(default_value_t = 3, value_parser = clap::value_parser!(u8).range(2..=20))]
    nodes: u8,
    /// The built binary [default: beside this one].
    #[arg(long)]
    postern: Option<PathBuf>,
    /// Begin with mail coming in.
    #[arg(long)]
    load: bool,
    /// Go through the guided tour alone, and end; a step that fails is this program's failure.
    #[arg(long)]
    script: bool,
    /// Port of the first node's console on 127.0.0.1; the others follow.
    #[arg(long, default_value_t = CONSOLE)]
    console_port: u16,
}

/// What there is to do next.
enum Event {
    Line(String),
    /// Ctrl-C, a signal, or the end of the standard input.
    End,
}

struct Show {
    cluster: Cluster,
    load: Option<Load>,
    begun: Instant,
}

fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    if let Some(why) = lacking(&["ip", "nsenter", "unshare"]) {
        println!("skipped: {why}");
        return Ok(ExitCode::FAILURE);
    }
    let events = if options.script { None } else { Some(listen()?) };
    let scratch = tempfile::Builder::new().prefix("postern-cluster").tempdir()?;
    let count = usize::from(options.nodes);
    // Bound here, in the machine's own network: the next lines leave it.
    let ports = if options.script { Vec::new() } else { consoles::ports(options.console_port, count)? };
    let binary = options.postern.clone().unwrap_or_else(postern_tests::gateway::binary);
    println!("starting {count} nodes");
    let settings = "[edge.bans]\nenabled = false\n".to_owned();
    let mut cluster = Cluster::new(&binary, scratch.path(), count, Rig { settings, ..Rig::default() })?;
    cluster.start_all()?;
    cluster.unite()?;
    postern_tests::gateway::wait_until("all to be connected with all", UNITED, || {
        (0..count).all(|n| (0..count).all(|o| n == o || cluster.sees(n, o)))
    })?;
    if options.script {
        if count < 3 {
            bail!("the tour needs three nodes");
        }
        tour::guide(&mut cluster, &mut |line| println!("{line}"))?;
        println!("The tour is over.");
        return Ok(ExitCode::SUCCESS);
    }
    welcome(&cluster, ports, options.console_port)?;
    let mut show = Show { cluster, load: None, begun: Instant::now() };
    if options.load {
        show.switch_load("on")?;
    }
    while let Some(Ok(Event::Line(line))) = events.as_ref().map(mpsc::Receiver::recv) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            [] => {}
            ["quit" | "exit"] => break,
            _ => match show.obey(&words) {
                Ok(()) => println!("ok ({:.0} s)", show.begun.elapsed().as_secs_f64()),
                Err(error) => println!("{error:#}"),
            },
        }
    }
    println!("ending the nodes");
    if let Some(load) = show.load.take() {
        told(&load.stop(), &show.cluster);
    }
    Ok(ExitCode::SUCCESS)
}

/// Signals are waited for, so that nodes, namespaces and data are cleared away in every case. (They are not blocked: the nodes would
/// inherit that.)
fn listen() -> anyhow::Result<mpsc::Receiver<Event>> {
    let (sender, receiver) = mpsc::channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut signals = {
        let _inside = runtime.enter();
        [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal)
    };
    let ended = sender.clone();
    std::thread::spawn(move || {
        let [Ok(interrupt), Ok(terminate), Ok(hangup)] = &mut signals else { return };
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
            }
        });
        let _ = ended.send(Event::End);
    });
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.send(Event::Line(line)).is_err() {
                return;
            }
        }
        let _ = sender.send(Event::End);
    });
    Ok(receiver)
}

fn welcome(cluster: &Cluster, ports: Vec<TcpListener>, first: u16) -> anyhow::Result<()> {
    println!("\nA cluster of {} nodes. Consoles (user admin):", cluster.nodes.len());
    for (node, port) in ports.into_iter().enumerate() {
        let address = SocketAddr::from((cluster.address(node), CONSOLE));
        consoles::forward(port, &cluster.network.hosts[cluster.nodes[node].host], address)?;
        let password = std::fs::read_to_string(cluster.nodes[node].data.join("initial-password")).unwrap_or_default();
        println!("  node {node}: https://127.0.0.1:{}  password {}", first + u16::try_from(node)?, password.trim());
    }
    println!("The command line, in another terminal:");
    for node in &cluster.nodes {
        println!("  {} --socket {} cluster status", cluster.binary().display(), node.data.join("run/node.sock").display());
    }
    println!("Commands here:\n{HELP}");
    Ok(())
}

impl Show {
    fn obey(&mut self, words: &[&str]) -> anyhow::Result<()> {
        match words {
            ["cut", a, b] => {
                let (a, b) = (self.node(a)?, self.node(b)?);
                self.cluster.network.cut(a, b);
            }
            ["heal"] => self.cluster.network.heal(),
            ["delay", a, b, ms] => {
                let (a, b) = (self.node(a)?, self.node(b)?);
                let delay = Duration::from_millis(ms.parse().context("how many milliseconds?")?);
                self.cluster.network.delay(a, b, delay);
            }
            ["kill", node] => {
                let node = self.node(node)?;
                self.cluster.kill(node)?;
            }
            ["start", node] => {
                let node = self.node(node)?;
                if self.cluster.nodes[node].process.is_some() {
                    bail!("it runs already");
                }
                self.cluster.start(node)?;
            }
            ["load", which] => self.switch_load(which)?,
            ["status"] => self.status(),
            _ => bail!("commands:\n{HELP}"),
        }
        Ok(())
    }

    fn node(&self, word: &str) -> anyhow::Result<usize> {
        let number = word.parse().ok().filter(|n| *n < self.cluster.nodes.len());
        number.with_context(|| format!("{word} is no node: 0 to {}", self.cluster.nodes.len() - 1))
    }

    fn switch_load(&mut self, which: &str) -> anyhow::Result<()> {
        match (which, self.load.take()) {
            ("on", None) => {
                let (client, doors) = (self.cluster.client(), self.cluster.doors());
                self.load = Some(Load::start(client, doors, 2, Duration::from_millis(200), 2048)?);
            }
            ("on", running) => self.load = running,
            ("off", Some(load)) => told(&load.stop(), &self.cluster),
            ("off", None) => {}
            (_, running) => {
                self.load = running;
                bail!("load on, or load off");
            }
        }
        Ok(())
    }

    fn status(&self) {
        for node in 0..self.cluster.nodes.len() {
            if self.cluster.nodes[node].process.is_none() {
                println!("  node {node}: does not run");
                continue;
            }
            match self.cluster.api(node).get("/cluster") {
                Err(error) => println!("  node {node}: {error:#}"),
                Ok(view) => {
                    let others = view["members"].as_array().into_iter().flatten().filter(|m| m["this"] == false);
                    let seen: Vec<String> = others
                        .map(|m| {
                            let name = m["name"].as_str().unwrap_or("?");
                            let round_trip = m["round_trip_ms"].as_f64().map_or_else(String::new, |ms| format!(" {ms:.1} ms"));
                            if m["connected"] == true { format!("{name} up{round_trip}") } else { format!("{name} GONE") }
                        })
                        .collect();
                    println!("  node {node}: {}; conflicts {}; rows {}", seen.join(", "), view["conflicts"], view["ledger"]["rows"]);
                }
            }
        }
        if let Some(load) = &self.load {
            told(&load.account(), &self.cluster);
        }
    }
}

fn told(account: &Account, cluster: &Cluster) {
    let outcome = account.settle(&cluster.backend.mails());
    println!(
        "  mail: {} answered with 250, {} of them not delivered yet, {} delivered twice",
        outcome.taken,
        outcome.lost.len(),
        outcome.twice.len()
    );
}
