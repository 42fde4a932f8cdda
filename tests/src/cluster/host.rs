//! Hosts on the switch, or on the kernel's bridge: each is a network and mount namespace with one cable.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::AsFd;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use nix::sched::{CloneFlags, setns, unshare};

use super::switch::{Switch, Way, receives_frames, without_offloads};
use crate::bench::process::Running;

/// 198.51.100.0/24 is for documentation (RFC 5737): nothing real has these addresses.
const NETWORK: [u8; 3] = [198, 51, 100];
/// And so have those of 2001:db8::/32 (RFC 3849).
const NETWORK_V6: [u16; 2] = [0x2001, 0xdb8];

/// What hosts hang on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cables {
    /// Segments travel joined and without sums, as between two hosts of one kernel.
    Fast,
    /// Each frame is whole and as long as the interface allows, as from a network card; XDP programs can send frames back.
    Cards,
    /// Like that, around the kernel's bridge: it carries a flood that a process could not, and cuts, delays and counts nothing.
    Bridged,
}

pub struct Host {
    holder: Running,
    pub address: Ipv4Addr,
    pub address_v6: Ipv6Addr,
    port: usize,
}

/// Hosts around one switch, which has no port when they are bridged. The calling thread moves into the switch's namespace.
pub struct Network {
    pub switch: Switch,
    pub hosts: Vec<Host>,
}

impl Network {
    /// `count` hosts: 198.51.100.1 and 2001:db8::1, and on.
    ///
    /// # Errors
    /// When we are not root, or namespaces or packet sockets are not permitted.
    pub fn new(count: usize, cables: Cables) -> anyhow::Result<Self> {
        unshare(CloneFlags::CLONE_NEWNET).context("a network namespace (are you root?)")?;
        ip("link set lo up")?;
        let mut hosts = Vec::with_capacity(count);
        for port in 0..count {
            hosts.push(Host::plug_in(port, cables)?);
        }
        let mut ports: Vec<String> = (0..count).map(|p| format!("port{p}")).collect();
        if cables == Cables::Bridged {
            ip("link add bridge type bridge")?;
            ip("link set bridge up")?;
            ports.drain(..).try_for_each(|port| ip(&format!("link set {port} master bridge")))?;
        }
        Ok(Self { switch: Switch::start(&ports)?, hosts })
    }

    /// Both directions.
    pub fn cut(&self, a: usize, b: usize) {
        self.cut_one_way(a, b);
        self.cut_one_way(b, a);
    }

    pub fn cut_one_way(&self, from: usize, to: usize) {
        self.switch.set_way(from, to, Way { is_cut: true, delay: Duration::ZERO });
    }

    /// Everything `host` sends or is sent, but with `except`.
    pub fn isolate(&self, host: usize, except: &[usize]) {
        (0..self.hosts.len()).filter(|h| *h != host && !except.contains(h)).for_each(|h| self.cut(host, h));
    }

    pub fn delay(&self, a: usize, b: usize, delay: Duration) {
        self.switch.set_way(a, b, Way { is_cut: false, delay });
        self.switch.set_way(b, a, Way { is_cut: false, delay });
    }

    /// No cuts and no delays any more.
    pub fn heal(&self) {
        for a in 0..self.hosts.len() {
            (0..self.hosts.len()).for_each(|b| self.switch.set_way(a, b, Way::default()));
        }
    }
}

impl Host {
    fn plug_in(port: usize, cables: Cables) -> anyhow::Result<Self> {
        let last = u8::try_from(port + 1).context("too many hosts")?;
        let script = "mount --make-rprivate / && mount -t bpf bpf /sys/fs/bpf && exec sleep 3600";
        let holder = Command::new("unshare").args(["--net", "--mount", "sh", "-c", script]).stdin(Stdio::null()).spawn();
        let mut holder = Running(holder.context("unshare (Debian package util-linux)")?);
        let pid = holder.id().to_string();
        // `sleep` stands in the place of the shell when everything is mounted.
        let until = Instant::now() + Duration::from_secs(5);
        while std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|c| c.trim() != "sleep") {
            if Instant::now() > until || holder.0.try_wait()?.is_some() {
                bail!("a host's namespace was not made");
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let address_v6 = Ipv6Addr::new(NETWORK_V6[0], NETWORK_V6[1], 0, 0, 0, 0, 0, last.into());
        let host = Self { holder, address: Ipv4Addr::new(NETWORK[0], NETWORK[1], NETWORK[2], last), address_v6, port };
        let (here, there) = (format!("port{port}"), format!("cable{port}"));
        ip(&format!("link add {here} type veth peer name {there}"))?;
        if cables != Cables::Fast {
            without_offloads(&here)?;
            without_offloads(&there)?;
            receives_frames(&here)?;
            // Joined segments would be longer than a frame; with this bound none are joined.
            ip(&format!("link set {here} gro_max_size 1"))?;
        }
        ip(&format!("link set {here} up"))?;
        ip(&format!("link set {there} netns {pid} name eth0"))?;
        host.run("ip", &["link", "set", "lo", "up"])?;
        host.run("ip", &["addr", "add", &format!("{}/24", host.address), "dev", "eth0"])?;
        // Nobody else can have it: it need not be asked for.
        host.run("ip", &["addr", "add", &format!("{}/64", host.address_v6), "dev", "eth0", "nodad"])?;
        host.run("ip", &["link", "set", "eth0", "up"])?;
        Ok(host)
    }

    /// The port of the switch it hangs on.
    pub fn port(&self) -> usize {
        self.port
    }

    /// A command that will run on the host.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--net", "--mount", "-t", &self.holder.id().to_string(), "--"]).arg(program);
        command
    }

    /// Runs a command on the host and waits for it.
    ///
    /// # Errors
    /// When it cannot be started, or fails.
    pub fn run(&self, program: &str, arguments: &[&str]) -> anyhow::Result<Output> {
        let output = self.command(program).args(arguments).output().with_context(|| program.to_owned())?;
        if !output.status.success() {
            bail!("{program} {arguments:?}: {}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        }
        Ok(output)
    }

    /// Replaces the host's address; what is open on the old one breaks.
    ///
    /// # Errors
    /// When the address is not valid.
    pub fn readdress(&mut self, address: Ipv4Addr) -> anyhow::Result<()> {
        self.run("ip", &["-4", "addr", "flush", "dev", "eth0"])?;
        self.run("ip", &["addr", "add", &format!("{address}/24"), "dev", "eth0"])?;
        self.address = address;
        Ok(())
    }

    /// Moves the calling thread into the host's network; threads it starts are there too.
    ///
    /// # Errors
    /// When the host is gone.
    pub fn enter(&self) -> anyhow::Result<()> {
        let namespace = std::fs::File::open(format!("/proc/{}/ns/net", self.holder.id()))?;
        Ok(setns(namespace.as_fd(), CloneFlags::CLONE_NEWNET)?)
    }
}

fn ip(arguments: &str) -> anyhow::Result<()> {
    let output = Command::new("ip").args(arguments.split(' ')).output().context("ip (Debian package iproute2)")?;
    if !output.status.success() {
        bail!("ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
