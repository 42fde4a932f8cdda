//! A real authority that speaks ACME: Pebble, Let's Encrypt's own for tests. It signs whoever answers at port 80 of a name.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context;
use serde_json::json;

use crate::bench::process::Running;
use crate::certificate::self_signed;
use crate::gateway::wait_until;

const PORT: u16 = 14000;
/// What the settings name it by.
pub const DIRECTORY: &str = "https://localhost:14000/dir";
/// The same, where a guest of QEMU's user network sees this host.
pub const GUEST_DIRECTORY: &str = "https://10.0.2.2:14000/dir";
/// An account of the authority's own, for those that ask for one.
pub const EXTERNAL: (&str, &str) = ("kid-1", "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W");

pub struct Pebble {
    pub process: Running,
    /// The certificate of its own server, in PEM.
    pub root: String,
}

impl Pebble {
    /// Starts it with this name server. `wants_external`: accounts must be bound to one that it knows.
    ///
    /// # Errors
    /// When it is missing, or does not listen.
    pub fn start(dir: &Path, name_server: SocketAddr, wants_external: bool) -> anyhow::Result<Self> {
        Self::serve(dir, "localhost", name_server, 80, wants_external)
    }

    /// For a guest of QEMU's user network, whose port 80 is this one of the host.
    ///
    /// # Errors
    /// When it is missing, or does not listen.
    pub fn for_guest(dir: &Path, name_server: SocketAddr, port_80: u16) -> anyhow::Result<Self> {
        Self::serve(dir, "10.0.2.2", name_server, port_80, false)
    }

    fn serve(dir: &Path, host: &str, name_server: SocketAddr, port_80: u16, wants_external: bool) -> anyhow::Result<Self> {
        fs::create_dir_all(dir)?;
        let (certificate, key) = (dir.join("pebble.pem"), dir.join("pebble.key"));
        self_signed(host, &key, &certificate)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
        let config = json!({ "pebble": {
            "listenAddress": address, "managementListenAddress": "127.0.0.1:15000", "certificate": certificate, "privateKey": key,
            "httpPort": port_80, "tlsPort": 443, "ocspResponderURL": "",
            "externalAccountBindingRequired": wants_external, "externalAccountMACKeys": { EXTERNAL.0: EXTERNAL.1 },
        }});
        let file = dir.join("pebble.json");
        fs::write(&file, config.to_string())?;
        let log = fs::File::create(dir.join("pebble.log"))?;
        let child = Command::new("pebble")
            .arg("-config")
            .arg(&file)
            .args(["-dnsserver", &name_server.to_string()])
            // It looks at once, and refuses a nonce now and then, as real ones do.
            .env("PEBBLE_VA_NOSLEEP", "1")
            .env("PEBBLE_WFE_NONCEREJECT", "5")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("pebble (Debian package pebble)")?;
        let pebble = Self { process: Running(child), root: fs::read_to_string(&certificate)? };
        wait_until("Pebble", Duration::from_secs(20), || std::net::TcpStream::connect(address).is_ok())
            .with_context(|| fs::read_to_string(dir.join("pebble.log")).unwrap_or_default())?;
        Ok(pebble)
    }
}
