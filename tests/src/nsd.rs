//! A real name server (NSD) with the zones a test writes.

use std::fs;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::bench::process::Running;
use crate::gateway::wait_until;

pub struct Nsd {
    pub process: Running,
    dir: PathBuf,
}

impl Nsd {
    /// Serves these zones, name and records (the SOA is added), on port 53 of an address. A zone without records has no file: it is
    /// answered with SERVFAIL until [`Nsd::write`] gives it one.
    ///
    /// # Errors
    /// When nsd is missing or does not answer.
    pub fn start(dir: &Path, address: IpAddr, zones: &[(&str, &str)]) -> anyhow::Result<Self> {
        fs::create_dir_all(dir)?;
        let mut conf = format!(
            "server:\n  ip-address: {address}\n  username: \"\"\n  chroot: \"\"\n  zonesdir: \"{d}\"\n  database: \"\"\n  pidfile: \"\"\n\
             \x20 zonelistfile: \"{d}/zone.list\"\n  xfrdfile: \"{d}/xfrd.state\"\n  xfrdir: \"{d}\"\n  logfile: \"{d}/log\"\n  server-count: 1\n\
             remote-control:\n  control-enable: no\n",
            d = dir.display()
        );
        for (zone, records) in zones {
            conf.push_str(&format!("zone:\n  name: \"{zone}\"\n  zonefile: \"{zone}.zone\"\n"));
            if !records.is_empty() {
                write_zone(dir, zone, records)?;
            }
        }
        let file = dir.join("nsd.conf");
        fs::write(&file, conf)?;
        let child = Command::new("nsd")
            .args(["-d", "-c"])
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(dir.join("stderr"))?)
            .spawn()
            .context("nsd (Debian package nsd)")?;
        let nsd = Self { process: Running(child), dir: dir.to_owned() };
        let server = SocketAddr::new(address, 53);
        wait_until("an answer of nsd", Duration::from_secs(15), || answers(server)).with_context(|| nsd.log())?;
        Ok(nsd)
    }

    /// Gives a zone other records and has them read.
    ///
    /// # Errors
    /// When the file cannot be written, or nsd is gone.
    pub fn write(&self, zone: &str, records: &str) -> anyhow::Result<()> {
        write_zone(&self.dir, zone, records)?;
        kill(Pid::from_raw(i32::try_from(self.process.id())?), Signal::SIGHUP)?;
        Ok(())
    }

    pub fn log(&self) -> String {
        ["stderr", "log"].map(|f| fs::read_to_string(self.dir.join(f)).unwrap_or_default()).concat()
    }
}

fn write_zone(dir: &Path, zone: &str, records: &str) -> anyhow::Result<()> {
    let text = format!("$ORIGIN {zone}.\n$TTL 1\n@ SOA ns.{zone}. root.{zone}. 1 60 60 60 1\n@ NS ns.{zone}.\n{records}\n");
    Ok(fs::write(dir.join(format!("{zone}.zone")), text)?)
}

/// Whether a server answers the question for the root's SOA, whatever it says.
fn answers(server: SocketAddr) -> bool {
    let ask = || {
        let socket = UdpSocket::bind((IpAddr::from([127, 0, 0, 1]), 0))?;
        socket.set_read_timeout(Some(Duration::from_millis(200)))?;
        socket.send_to(&[0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 1], server)?;
        socket.recv_from(&mut [0; 512])
    };
    ask().is_ok()
}
