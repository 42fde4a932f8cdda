//! Machines for a person: the first one's serial line on this terminal, those of the others by telnet.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, ensure};

use super::{Lan, Medium, Options, arguments, overlay, seed};

/// The first node's ports here; each further node has those ten behind it.
const PORTS: [(u16, u16); 3] = [(25, 2525), (26, 2526), (8443, 8443)];
/// Telnet of the second node's serial line.
const TELNET: u16 = 4002;
/// Of the network between nodes.
const LAN: u16 = 7426;

/// Several nodes on one network: each has a second card with the address 192.0.2.N, and the name nodeN.example.
///
/// # Errors
/// When QEMU or xorriso does not start.
pub fn several(options: &Options, count: u8, keep: Option<&Path>) -> anyhow::Result<()> {
    let scratch = tempfile::tempdir()?;
    let folder = keep.unwrap_or(scratch.path());
    let mut others = Others(Vec::new());
    for node in (1..=count).rev() {
        let folder = folder.join(format!("node{node}"));
        fs::create_dir_all(&folder)?;
        let mut options = options.clone();
        options.lan = Some(Lan { port: LAN, host: node });
        options.seed = Some(node_seed(&folder, node)?);
        let ports = ports(node);
        if node == 1 {
            println!("node1: {}; leave by Ctrl-A X, which ends all", where_it_is(&ports));
            one(&options, &folder, &ports)?;
        } else {
            let telnet = TELNET + u16::from(node) - 2;
            println!("node{node}: {}; serial line: telnet localhost {telnet}", where_it_is(&ports));
            others.0.push(in_background(&options, &folder, &ports, telnet)?);
        }
    }
    Ok(())
}

/// One machine: mail on 2525 and 2526, the console on 8443.
///
/// # Errors
/// When QEMU does not start.
pub fn alone(options: &Options, keep: Option<&Path>) -> anyhow::Result<()> {
    let scratch = tempfile::tempdir()?;
    let folder = keep.unwrap_or(scratch.path());
    fs::create_dir_all(folder)?;
    println!("{}; leave by Ctrl-A X\n", where_it_is(&PORTS));
    one(options, folder, &PORTS)
}

fn one(options: &Options, folder: &Path, ports: &[(u16, u16)]) -> anyhow::Result<()> {
    let ended = qemu(options, folder, ports)?.args(["-serial", "mon:stdio"]).status().context("start qemu-system-x86_64")?;
    ensure!(ended.success(), "QEMU ended with {ended}");
    Ok(())
}

fn in_background(options: &Options, folder: &Path, ports: &[(u16, u16)], telnet: u16) -> anyhow::Result<Child> {
    let log = fs::File::create(folder.join("qemu.log"))?;
    qemu(options, folder, ports)?
        .args(["-serial", &format!("telnet:127.0.0.1:{telnet},server=on,wait=off")])
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .context("start qemu-system-x86_64")
}

fn qemu(options: &Options, folder: &Path, ports: &[(u16, u16)]) -> anyhow::Result<Command> {
    if let Medium::Disk(image) = &options.medium
        && !folder.join("disk.qcow2").exists()
    {
        overlay(image, folder)?;
    }
    let mut command = Command::new("qemu-system-x86_64");
    command.args(arguments(options, folder, ports)?).args(["-display", "none"]);
    Ok(command)
}

fn ports(node: u8) -> [(u16, u16); 3] {
    PORTS.map(|(guest, host)| (guest, host + 10 * (u16::from(node) - 1)))
}

fn where_it_is(ports: &[(u16, u16); 3]) -> String {
    let [(_, mail), (_, trusted), (_, console)] = ports;
    format!("mail: localhost:{mail} (trusted: {trusted}), console: https://localhost:{console}")
}

fn node_seed(folder: &Path, node: u8) -> anyhow::Result<PathBuf> {
    let user_data = format!("#cloud-config\nfqdn: node{node}.example\n");
    seed::nocloud(folder, "seed", &user_data, &seed::lan_address(node))
}

/// Ended with the first one.
struct Others(Vec<Child>);

impl Drop for Others {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
