//! A real clamd with one signature of our own: no virus database is needed, and none is fetched.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};

use crate::bench::process::Running;
use crate::gateway::wait_until;

/// What it takes for a virus, and the name it gives it.
pub const INFECTED: &str = "POSTERN-HARMLESS-TEST-SIGNATURE-6f1d2c";
pub const NAME: &str = "Postern.Harmless.Test.UNOFFICIAL";

pub struct Clamd {
    pub process: Running,
    pub socket: PathBuf,
    pub port: u16,
}

impl Clamd {
    /// Starts it on a unix socket and on 127.0.0.1; `stream_max` is its StreamMaxLength in octets.
    ///
    /// # Errors
    /// When clamd (Debian package clamav-daemon) is missing or does not answer.
    pub fn start(dir: &Path, port: u16, stream_max: usize) -> anyhow::Result<Self> {
        let database = dir.join("database");
        fs::create_dir_all(&database)?;
        let hex: String = INFECTED.bytes().map(|b| format!("{b:02x}")).collect();
        fs::write(database.join("own.ndb"), format!("{}:0:*:{hex}\n", NAME.trim_end_matches(".UNOFFICIAL")))?;
        let socket = dir.join("clamd.ctl");
        let conf = dir.join("clamd.conf");
        fs::write(
            &conf,
            format!(
                "DatabaseDirectory {}\nLocalSocket {}\nFixStaleSocket yes\nTCPSocket {port}\nTCPAddr 127.0.0.1\nForeground yes\n\
                 User root\nStreamMaxLength {stream_max}\nLogFile {}\nOfficialDatabaseOnly no\nTemporaryDirectory {}\n",
                database.display(),
                socket.display(),
                dir.join("log").display(),
                dir.display(),
            ),
        )?;
        let child = Command::new("clamd")
            .arg("--config-file")
            .arg(&conf)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(dir.join("stderr"))?)
            .spawn()
            .context("clamd (Debian package clamav-daemon)")?;
        let mut process = Running(child);
        let started = wait_until("PONG from clamd", Duration::from_secs(30), || {
            pong(UnixStream::connect(&socket)) && pong(TcpStream::connect(("127.0.0.1", port)))
                || matches!(process.0.try_wait(), Ok(Some(_)))
        });
        if started.is_err() || matches!(process.0.try_wait(), Ok(Some(_))) {
            let said = ["stderr", "log"].map(|f| fs::read_to_string(dir.join(f)).unwrap_or_default()).concat();
            bail!("clamd did not start: {said}");
        }
        Ok(Self { process, socket, port })
    }
}

fn pong(stream: std::io::Result<impl Read + Write>) -> bool {
    let Ok(mut stream) = stream else { return false };
    let mut said = String::new();
    stream.write_all(b"zPING\0").is_ok() && stream.read_to_string(&mut said).is_ok() && said.starts_with("PONG")
}
