//! Two hosts on one machine: this thread in a network namespace of its own, and a client in another,
//! joined by a veth pair. Nothing leaves either.

use std::io::Write;
use std::process::{Child, Command, Output, Stdio};

use anyhow::{Context, bail};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use crate::bench::process::Running;

/// Our side of the cable.
pub const GATEWAY: &str = "198.51.100.1";
/// The client's addresses: `CLIENT` is the first, others are added as needed.
pub const CLIENT: &str = "198.51.100.2";
pub const INTERFACE: &str = "gateway0";

/// A client host: a process that keeps its network namespace alive.
pub struct ClientHost {
    holder: Running,
}

/// Moves the calling thread into a network namespace of its own with nothing but loopback: every port is free.
///
/// # Errors
/// When we are not root, or namespaces are not permitted.
pub fn alone() -> anyhow::Result<()> {
    unshare(CloneFlags::CLONE_NEWNET).context("a network namespace (are you root?)")?;
    ip("link set lo up")
}

/// Why a test that needs root and these programs cannot run here.
pub fn lacking(programs: &[&str]) -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        return Some("needs root for a network namespace".into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_here = |program: &str| std::env::split_paths(&path).any(|folder| folder.join(program).exists());
    programs.iter().find(|p| !is_here(p)).map(|p| format!("{p} is not installed (./just test installs it)"))
}

/// Moves the calling thread into a namespace of its own, with a client host on the other end of a veth.
///
/// # Errors
/// When we are not root, or namespaces are not permitted.
pub fn two_hosts() -> anyhow::Result<ClientHost> {
    unshare(CloneFlags::CLONE_NEWNET).context("a network namespace (are you root?)")?;
    own_pins()?;
    let holder = Running(Command::new("unshare").args(["--net", "sleep", "3600"]).stdin(Stdio::null()).spawn().context("unshare")?);
    let pid = holder.id().to_string();
    // The holder is in its namespace as soon as its link differs from ours.
    let ours = std::fs::read_link("/proc/thread-self/ns/net")?;
    let until = std::time::Instant::now() + std::time::Duration::from_secs(5);
    while std::fs::read_link(format!("/proc/{pid}/ns/net"))? == ours {
        if std::time::Instant::now() > until {
            bail!("the client's namespace was not made");
        }
        std::thread::yield_now();
    }
    let host = ClientHost { holder };
    ip(&format!("link add {INTERFACE} type veth peer name client0 netns {pid}"))?;
    ip("link set lo up")?;
    ip(&format!("addr add {GATEWAY}/24 dev {INTERFACE}"))?;
    ip(&format!("link set {INTERFACE} up"))?;
    host.run("ip", &["link", "set", "lo", "up"])?;
    host.run("ip", &["addr", "add", &format!("{CLIENT}/24"), "dev", "client0"])?;
    host.run("ip", &["link", "set", "client0", "up"])?;
    Ok(host)
}

/// Pins of this thread's programs are its own: gateways of other tests, or of this machine, have theirs at the same place.
fn own_pins() -> anyhow::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS).context("a mount namespace")?;
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>).context("private mounts")?;
    mount(Some("bpf"), "/sys/fs/bpf", Some("bpf"), MsFlags::empty(), None::<&str>).context("a bpf file system of our own")
}

impl ClientHost {
    /// Runs a command on the client host and waits for it.
    ///
    /// # Errors
    /// When it cannot be started, or fails.
    pub fn run(&self, program: &str, arguments: &[&str]) -> anyhow::Result<Output> {
        let output = self.command(program, arguments).output().with_context(|| program.to_owned())?;
        if !output.status.success() {
            bail!("{program} {arguments:?}: {}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        }
        Ok(output)
    }

    /// A command that will run on the client host.
    pub fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--net", "-t", &self.holder.id().to_string(), program]).args(arguments);
        command
    }

    /// Gives the client host one more address.
    ///
    /// # Errors
    /// When the address is not valid.
    pub fn add_address(&self, address: &str) -> anyhow::Result<()> {
        self.run("ip", &["addr", "add", address, "dev", "client0"]).map(|_| ())
    }

    /// What our side has no route for goes to the client host, and no further.
    ///
    /// # Errors
    /// When there is such a route already.
    pub fn default_route(&self) -> anyhow::Result<()> {
        ip(&format!("route add default via {CLIENT}"))
    }

    /// Sends a mail with swaks and returns its transcript, whether it was taken or not.
    ///
    /// # Errors
    /// When swaks is missing.
    pub fn swaks(&self, port: u16, arguments: &[&str], data: Option<&str>) -> anyhow::Result<String> {
        let server = format!("{GATEWAY}:{port}");
        let mut all = vec!["--server", &server, "--timeout", "15", "--helo", "client0.example"];
        all.extend_from_slice(arguments);
        if data.is_some() {
            all.extend_from_slice(&["--data", "-"]);
        }
        let mut child: Child =
            self.command("swaks", &all).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().context("swaks")?;
        if let (Some(mut input), Some(data)) = (child.stdin.take(), data) {
            input.write_all(data.as_bytes())?;
        }
        let output = child.wait_with_output()?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr))
    }
}

fn ip(arguments: &str) -> anyhow::Result<()> {
    let output = Command::new("ip").args(arguments.split(' ')).output().context("ip (Debian package iproute2)")?;
    if !output.status.success() {
        bail!("ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
