//! Nodes on their hosts: started, asked, killed; a client host and a host with the mail server behind.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::api::Api;
use super::host::{Cables, Host, Network};
use crate::backend::Backend;
use crate::bench::process::Running;
use crate::gateway::wait_until;

pub const SMTP: u16 = 25;
pub const LINK: u16 = 7425;
const START: Duration = Duration::from_secs(30);

/// What the nodes of a test have besides.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// TOML after what every node has: tables of their own, such as `[cluster]`.
    pub settings: String,
    /// Start the role edge on each node too.
    pub edge: bool,
    /// How nodes reach each other.
    pub link: Family,
    /// Virtual addresses of all nodes; they listen on all addresses then.
    pub virtual_addresses: Vec<IpAddr>,
    /// Around the kernel's bridge.
    pub bridged: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Family {
    #[default]
    V4,
    V6,
}

pub struct Cluster {
    pub network: Network,
    pub nodes: Vec<Node>,
    pub backend: Backend,
    binary: PathBuf,
    options: Options,
    folder: PathBuf,
}

pub struct Node {
    /// Index of its host.
    pub host: usize,
    pub data: PathBuf,
    pub process: Option<Running>,
    /// What it runs from its next start on.
    pub binary: PathBuf,
    /// Variables that its role node is started with.
    pub environment: Vec<(String, String)>,
    edge: Option<Running>,
}

impl Cluster {
    /// Makes `count` hosts for nodes (not started), one for clients and one for the mail server. The calling thread moves into
    /// a network namespace of its own.
    ///
    /// # Errors
    /// When we are not root, or namespaces are not permitted.
    pub fn new(binary: &Path, folder: &Path, count: usize, options: Options) -> anyhow::Result<Self> {
        let cables = match (options.bridged, options.virtual_addresses.is_empty()) {
            (true, _) => Cables::Bridged,
            (false, true) => Cables::Fast,
            (false, false) => Cables::Cards,
        };
        let network = Network::new(count + 2, cables)?;
        let backend_host = &network.hosts[count + 1];
        let address = SocketAddr::from((backend_host.address, SMTP));
        let backend = thread::scope(|scope| {
            let listening = scope.spawn(|| {
                backend_host.enter()?;
                Backend::smtp(address)
            });
            listening.join().map_err(|_| anyhow::anyhow!("the mail server's thread ended"))?
        })?;
        let node = |host| Node {
            host,
            data: folder.join(format!("node{host}")),
            process: None,
            binary: binary.to_owned(),
            environment: Vec::new(),
            edge: None,
        };
        let nodes = (0..count).map(node).collect();
        Ok(Self { network, nodes, backend, binary: binary.to_owned(), options, folder: folder.to_owned() })
    }

    pub fn client(&self) -> &Host {
        &self.network.hosts[self.nodes.len()]
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn address(&self, node: usize) -> Ipv4Addr {
        self.network.hosts[self.nodes[node].host].address
    }

    /// Where clients reach the nodes.
    pub fn doors(&self) -> Vec<SocketAddr> {
        (0..self.nodes.len()).map(|n| SocketAddr::from((self.address(n), SMTP))).collect()
    }

    /// Starts a node with the data it has, and waits until it serves. Its settings file is written when there is none.
    ///
    /// # Errors
    /// When it ends instead; the error holds what it printed.
    pub fn start(&mut self, node: usize) -> anyhow::Result<()> {
        let host = &self.network.hosts[self.nodes[node].host];
        let backend = self.network.hosts[self.network.hosts.len() - 1].address;
        let this = &mut self.nodes[node];
        fs::create_dir_all(this.data.join("run"))?;
        let file = this.data.join("postern.toml");
        if !file.exists() {
            fs::write(&file, settings(node, &this.data, host, backend, &self.options))?;
        }
        if self.options.edge && this.edge.is_none() {
            this.edge = Some(role(host, &this.binary, "edge", &this.data, &[])?);
            let there = wait_until("the edge's socket", START, || UnixStream::connect(this.data.join("run/edge.sock")).is_ok());
            there.with_context(|| format!("node {node}:\n{}", this.log()))?;
        }
        let mut process = role(host, &this.binary, "node", &this.data, &this.environment)?;
        let socket = this.data.join("run/node.sock");
        let mut is_over = false;
        let started = wait_until("a node's socket", START, || {
            is_over = !matches!(process.0.try_wait(), Ok(None));
            is_over || UnixStream::connect(&socket).is_ok()
        });
        if is_over || started.is_err() {
            bail!("node {node} did not start:\n{}", this.log());
        }
        this.process = Some(process);
        Ok(())
    }

    /// Starts the role sandbox of a node and waits until it serves; it ends when what is returned is dropped.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn sandbox(&self, node: usize) -> anyhow::Result<Running> {
        let this = &self.nodes[node];
        let running = role(&self.network.hosts[this.host], &this.binary, "sandbox", &this.data, &[])?;
        wait_until("the sandbox's socket", START, || UnixStream::connect(this.data.join("run/sandbox.sock")).is_ok())?;
        Ok(running)
    }

    /// Starts all nodes.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_all(&mut self) -> anyhow::Result<()> {
        (0..self.nodes.len()).try_for_each(|n| self.start(n))
    }

    /// kill -9 of the role node: no word to anybody.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill(&mut self, node: usize) -> anyhow::Result<()> {
        let mut process = self.nodes[node].process.take().context("it does not run")?;
        // nsenter became the node by exec, so this is the node itself.
        kill(Pid::from_raw(i32::try_from(process.id())?), Signal::SIGKILL)?;
        process.0.wait()?;
        Ok(())
    }

    /// SIGTERM, and the end is waited for.
    ///
    /// # Errors
    /// When it does not run.
    pub fn stop(&mut self, node: usize) -> anyhow::Result<()> {
        drop(self.nodes[node].process.take().context("it does not run")?);
        Ok(())
    }

    /// The machine burns: processes and data are gone.
    ///
    /// # Errors
    /// When it does not run, or its data cannot be removed.
    pub fn destroy(&mut self, node: usize) -> anyhow::Result<()> {
        self.kill(node)?;
        self.nodes[node].edge = None;
        Ok(fs::remove_dir_all(&self.nodes[node].data)?)
    }

    pub fn api(&self, node: usize) -> Api {
        Api::of(&self.nodes[node].data)
    }

    /// The binary that the nodes run.
    pub fn binary(&self) -> &Path {
        &self.binary
    }

    /// `postern <arguments> --json` for a node.
    ///
    /// # Errors
    /// When the command fails (the error holds what it said), or prints no JSON.
    pub fn ask(&self, node: usize, arguments: &[&str]) -> anyhow::Result<Value> {
        let socket = self.nodes[node].data.join("run/node.sock");
        let output = Command::new(&self.binary).args(arguments).arg("--json").arg("--socket").arg(socket).output()?;
        if !output.status.success() {
            bail!(
                "node {node}: postern {arguments:?}: {}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
        }
        if output.stdout.trim_ascii().is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&output.stdout).with_context(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// One cluster of the nodes that run: the first makes it, the others join one after the other.
    ///
    /// # Errors
    /// When one is refused.
    pub fn unite(&self) -> anyhow::Result<()> {
        self.ask(0, &["cluster", "init"])?;
        (1..self.nodes.len()).filter(|n| self.nodes[*n].process.is_some()).try_for_each(|n| self.join(n, 0))
    }

    /// Joins a node to the cluster of another, and waits until both see each other.
    ///
    /// # Errors
    /// When it is refused.
    pub fn join(&self, node: usize, by: usize) -> anyhow::Result<()> {
        let invitation = self.ask(by, &["cluster", "invite"])?;
        let token = invitation["token"].as_str().context("no token")?;
        self.ask(node, &["cluster", "join", token])?;
        wait_until("a member that is connected", START, || self.sees(by, node) && self.sees(node, by))?;
        Ok(())
    }

    /// Whether a node says that it is connected with another.
    pub fn sees(&self, node: usize, other: usize) -> bool {
        let name = format!("node{other}.example");
        self.ask(node, &["cluster", "members"])
            .is_ok_and(|list| list["members"].as_array().is_some_and(|m| m.iter().any(|m| m["name"] == *name && m["connected"] == true)))
    }
}

impl Node {
    /// Everything the roles printed.
    pub fn log(&self) -> String {
        ["edge.log", "sandbox.log", "node.log"].iter().map(|f| fs::read_to_string(self.data.join(f)).unwrap_or_default()).collect()
    }
}

fn role(host: &Host, binary: &Path, name: &str, data: &Path, environment: &[(String, String)]) -> anyhow::Result<Running> {
    let output = fs::OpenOptions::new().create(true).append(true).open(data.join(format!("{name}.log")))?;
    let mut command = host.command(binary);
    command.args([name, "--settings"]).arg(data.join("postern.toml")).envs(environment.iter().map(|(k, v)| (k, v)));
    let child = command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).spawn();
    Ok(Running(child.with_context(|| format!("start {}", binary.display()))?))
}

fn settings(node: usize, data: &Path, host: &Host, backend: Ipv4Addr, options: &Options) -> String {
    let address = host.address;
    let link = match options.link {
        Family::V4 => SocketAddr::from((address, LINK)),
        Family::V6 => SocketAddr::from((host.address_v6, LINK)),
    };
    let smtp = match options.virtual_addresses.is_empty() {
        true => SocketAddr::from((address, SMTP)),
        false => SocketAddr::from((Ipv6Addr::UNSPECIFIED, SMTP)),
    };
    let interfaces = if options.edge { "\"eth0\"" } else { "" };
    format!(
        "[node]\nhostname = \"node{node}.example\"\ndata_dir = {data:?}\nrun_dir = {:?}\n\
         cluster_listen = [\"{link}\"]\n\n\
         [smtp]\nlisten = [\"{smtp}\"]\ntrusted_listen = []\n\n[smtp.limits]\nmax_connections_per_source = 1000\nconnections_per_minute = 1000000\n\n\
         [console]\nlisten = [\"{address}:8443\"]\n\n[dns]\nenabled = false\n\n[greylist]\nenabled = false\n\n\
         [edge]\ninterfaces = [{interfaces}]\nsmtp_ports = [{SMTP}]\nservice_ports = [{SMTP}, 8443]\n\n\
         [edge.steering]\naddresses = {:?}\nramp_up = \"0s\"\n\n[[domains]]\nname = \"*\"\nbackends = [{{ host = \"{backend}\", port = {SMTP}, tls = \"off\" }}]\n\n{}\n",
        data.join("run"),
        options.virtual_addresses.iter().map(ToString::to_string).collect::<Vec<_>>(),
        options.settings
    )
}
