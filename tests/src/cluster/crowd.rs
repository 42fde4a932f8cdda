//! A crowd of clients for a virtual address: each has an address of its own and one session that goes on with mail after mail, so
//! that a session that breaks is seen, and when.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpSocket;
use tokio::task::JoinSet;

use super::host::Host;
use super::nodes::Cluster;

/// 198.18.0.0/15 and 2001:db8:18::/48: for benchmarks (RFC 2544) and documentation (RFC 3849).
const NETWORKS: [&str; 2] = ["198.18.0.0/16", "2001:db8:18::/48"];
/// No reply takes longer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Greetings asked for at a time.
const AT_A_TIME: usize = 64;

pub struct Crowd {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

struct Shared {
    sessions: Mutex<Vec<Session>>,
    stop: AtomicBool,
}

/// One client.
#[derive(Clone, Debug)]
pub struct Session {
    pub source: IpAddr,
    /// The node that greeted it; empty until then.
    pub node: String,
    pub mails: u64,
    /// Why it ended before its time, and when.
    pub broken: Option<(Instant, String)>,
}

/// One connection that was greeted and closed again.
#[derive(Clone, Debug)]
pub struct Greeting {
    pub node: String,
    /// From the first SYN to the established connection.
    pub connect: Duration,
}

/// Gives the client host all addresses of the crowd, and every node the way there.
///
/// # Errors
/// When a route cannot be set.
pub fn lodge(cluster: &Cluster) -> anyhow::Result<()> {
    let client = cluster.client();
    // A route makes addresses ours to receive at, and with IPv4 to send from; IPv6 asks for more.
    client.run("sysctl", &["-q", "-w", "net.ipv6.ip_nonlocal_bind=1"])?;
    for (network, gateway) in [(NETWORKS[0], client.address.to_string()), (NETWORKS[1], client.address_v6.to_string())] {
        client.run("ip", &["route", "add", "local", network, "dev", "lo"])?;
        for node in &cluster.nodes {
            cluster.network.hosts[node.host].run("ip", &["route", "add", network, "via", &gateway])?;
        }
    }
    Ok(())
}

fn source(number: usize, door: SocketAddr) -> IpAddr {
    let [high, low] = u16::try_from(number).unwrap_or(u16::MAX).to_be_bytes();
    match door {
        SocketAddr::V4(_) => Ipv4Addr::new(198, 18, high, low).into(),
        // Each in a /64 of its own, since a /64 is one client.
        SocketAddr::V6(_) => Ipv6Addr::new(0x2001, 0xdb8, 0x18, number as u16, 0, 0, 0, 1).into(),
    }
}

impl Crowd {
    /// `count` sessions from a client host, each with a pause between its mails. Comes back when all are greeted.
    ///
    /// # Errors
    /// When one is not.
    pub fn start(client: &Host, door: SocketAddr, count: usize, pause: Duration) -> anyhow::Result<Self> {
        let session = |n| Session { source: source(n, door), node: String::new(), mails: 0, broken: None };
        let sessions = Mutex::new((1..=count).map(session).collect());
        let shared = Arc::new(Shared { sessions, stop: AtomicBool::new(false) });
        let running = Arc::clone(&shared);
        let thread = on(client, move |runtime| {
            runtime.block_on(async {
                let mut all = JoinSet::new();
                (0..count).for_each(|at| _ = all.spawn(Arc::clone(&running).live(at, door, pause)));
                while all.join_next().await.is_some() {}
            });
        })?;
        let crowd = Self { shared, thread };
        let until = Instant::now() + PATIENCE * 3;
        loop {
            let sessions = crowd.sessions();
            if let Some((_, why)) = sessions.iter().find_map(|s| s.broken.as_ref()) {
                bail!("a session did not begin: {why}");
            }
            let waiting = sessions.iter().filter(|s| s.node.is_empty()).count();
            if waiting == 0 {
                return Ok(crowd);
            }
            if Instant::now() > until {
                bail!("{waiting} sessions were not greeted");
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn sessions(&self) -> Vec<Session> {
        self.shared.sessions.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Those that broke.
    pub fn broken(&self) -> Vec<Session> {
        self.sessions().into_iter().filter(|s| s.broken.is_some()).collect()
    }

    pub fn mails(&self) -> u64 {
        self.sessions().iter().map(|s| s.mails).sum()
    }

    /// Sessions end after their mail.
    pub fn stop(self) -> Vec<Session> {
        self.shared.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.join();
        self.shared.sessions.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Shared {
    fn note(&self, at: usize, change: impl FnOnce(&mut Session)) {
        if let Some(session) = self.sessions.lock().unwrap_or_else(PoisonError::into_inner).get_mut(at) {
            change(session);
        }
    }

    async fn live(self: Arc<Self>, at: usize, door: SocketAddr, pause: Duration) {
        if let Err(error) = self.send_mails(at, door, pause).await {
            let now = Instant::now();
            self.note(at, |s| s.broken = Some((now, format!("{error:#}"))));
        }
    }

    async fn send_mails(&self, at: usize, door: SocketAddr, pause: Duration) -> anyhow::Result<()> {
        let from = source(at + 1, door);
        let mut wire = Wire::connect(from, door).await?;
        let node = wire.greeting().await?;
        self.note(at, |s| s.node = node);
        wire.say("EHLO client.example").await?;
        // They do not all send at once.
        tokio::time::sleep(pause.mul_f64((at % 97) as f64 / 97.0)).await;
        while !self.stop.load(Ordering::Relaxed) {
            for line in ["MAIL FROM:<sender@load.example>", "RCPT TO:<user@backend.example>", "DATA"] {
                wire.say(line).await?;
            }
            wire.say(&format!("From: <sender@load.example>\r\nTo: <user@backend.example>\r\nSubject: of {from}\r\n\r\nA mail.\r\n."))
                .await?;
            self.note(at, |s| s.mails += 1);
            tokio::time::sleep(pause).await;
        }
        wire.say("QUIT").await.map(drop)
    }
}

/// Connects once from each of `count` addresses, some at a time, and says who greeted. `first` is the number of the first address.
///
/// # Errors
/// When the host cannot be entered.
pub fn greetings(client: &Host, door: SocketAddr, first: usize, count: usize) -> anyhow::Result<Vec<anyhow::Result<Greeting>>> {
    let results = Arc::new(Mutex::new(Vec::with_capacity(count)));
    let into = Arc::clone(&results);
    let thread = on(client, move |runtime| {
        runtime.block_on(async {
            let mut under_way = JoinSet::new();
            for number in first..first + count {
                if under_way.len() >= AT_A_TIME
                    && let Some(Ok(done)) = under_way.join_next().await
                {
                    into.lock().unwrap_or_else(PoisonError::into_inner).push(done);
                }
                under_way.spawn(greet(source(number, door), door));
            }
            while let Some(Ok(done)) = under_way.join_next().await {
                into.lock().unwrap_or_else(PoisonError::into_inner).push(done);
            }
        });
    })?;
    thread.join().map_err(|_| anyhow::anyhow!("the clients' thread ended"))?;
    Ok(std::mem::take(&mut *results.lock().unwrap_or_else(PoisonError::into_inner)))
}

/// How long after a loss a client that connects is greeted at once. One begins every 20 ms, each from an address of its own from the
/// number `first` on: who comes too early is not counted, however soon its packets are sent again.
///
/// # Errors
/// When nobody is greeted within ten seconds.
pub fn served_again(client: &Host, door: SocketAddr, first: usize, lost: Instant) -> anyhow::Result<Duration> {
    const AT_ONCE: Duration = Duration::from_millis(500);
    let result = Arc::new(Mutex::new(None));
    let into = Arc::clone(&result);
    let thread = on(client, move |runtime| {
        let earliest = runtime.block_on(async {
            let mut under_way = JoinSet::new();
            for number in first..first + 500 {
                let began = lost.elapsed();
                under_way.spawn(async move {
                    let greeted = tokio::time::timeout(AT_ONCE, greet(source(number, door), door)).await;
                    matches!(greeted, Ok(Ok(_))).then_some(began)
                });
                tokio::time::sleep(Duration::from_millis(20)).await;
                while let Some(Ok(done)) = under_way.try_join_next() {
                    if done.is_some() {
                        return done;
                    }
                }
            }
            None
        });
        *into.lock().unwrap_or_else(PoisonError::into_inner) = earliest;
    })?;
    thread.join().map_err(|_| anyhow::anyhow!("the clients' thread ended"))?;
    let earliest = *result.lock().unwrap_or_else(PoisonError::into_inner);
    earliest.context("nobody was greeted within ten seconds")
}

async fn greet(from: IpAddr, door: SocketAddr) -> anyhow::Result<Greeting> {
    let started = Instant::now();
    let mut wire = Wire::connect(from, door).await?;
    let connect = started.elapsed();
    let node = wire.greeting().await?;
    wire.say("QUIT").await?;
    Ok(Greeting { node, connect })
}

/// Runs `work` on a thread of its own in the host's network.
fn on(host: &Host, work: impl FnOnce(tokio::runtime::Runtime) + Send + 'static) -> anyhow::Result<JoinHandle<()>> {
    thread::scope(|scope| {
        let starting = scope.spawn(|| -> anyhow::Result<JoinHandle<()>> {
            host.enter()?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            // A thread that is started here is in the host's network, too.
            Ok(thread::Builder::new().name("crowd".into()).spawn(move || work(runtime))?)
        });
        starting.join().map_err(|_| anyhow::anyhow!("the crowd's thread ended"))?
    })
}

struct Wire {
    stream: BufReader<tokio::net::TcpStream>,
}

impl Wire {
    async fn connect(from: IpAddr, door: SocketAddr) -> anyhow::Result<Self> {
        let socket = if door.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.bind(SocketAddr::new(from, 0)).with_context(|| format!("bind {from}"))?;
        let stream = tokio::time::timeout(PATIENCE, socket.connect(door)).await.context("no connection in time")?.context("connect")?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// The name in the greeting.
    async fn greeting(&mut self) -> anyhow::Result<String> {
        let line = self.reply().await?;
        if !line.starts_with("220 ") {
            bail!("greeted with {line}");
        }
        Ok(line.split(' ').nth(1).unwrap_or_default().to_owned())
    }

    async fn say(&mut self, line: &str) -> anyhow::Result<String> {
        self.stream.get_mut().write_all(format!("{line}\r\n").as_bytes()).await.with_context(|| short(line))?;
        let reply = self.reply().await.with_context(|| short(line))?;
        if !reply.starts_with(['2', '3']) {
            bail!("{}: {reply}", short(line));
        }
        Ok(reply)
    }

    async fn reply(&mut self) -> anyhow::Result<String> {
        loop {
            let mut line = String::new();
            let read = tokio::time::timeout(PATIENCE, self.stream.read_line(&mut line)).await.context("no reply in time")?;
            if read.context("read")? == 0 {
                bail!("closed");
            }
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(line.trim_end().to_owned());
            }
        }
    }
}

fn short(line: &str) -> String {
    line.lines().next().unwrap_or_default().chars().take(40).collect()
}
