//! Rspamd's proxy worker with self-scan as a milter: the quickest of its set-ups beside Postfix.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::process::Running;

pub struct Rspamd {
    pub process: Running,
}

impl Rspamd {
    /// Starts it with a milter on 127.0.0.1:`port` and Debian's default modules.
    pub fn start(dir: &Path, port: u16) -> anyhow::Result<Self> {
        for d in ["local/local.d", "local/override.d", "db", "run", "log"] {
            fs::create_dir_all(dir.join(d))?;
        }
        let local = dir.join("local/local.d");
        fs::write(
            local.join("worker-proxy.inc"),
            format!(
                "bind_socket = \"127.0.0.1:{port}\";\nmilter = yes;\ncount = 2;\nupstream \"local\" {{ default = yes; self_scan = yes; }}\n"
            ),
        )?;
        fs::write(local.join("worker-normal.inc"), "enabled = false;\n")?;
        fs::write(local.join("worker-controller.inc"), "bind_socket = \"127.0.0.1:11999\";\n")?;
        fs::write(local.join("options.inc"), "dns { nameserver = [\"127.0.0.1\"]; timeout = 1s; }\n")?;
        let log = fs::File::create(dir.join("log/stderr"))?;
        Command::new("chown").args(["-R", "_rspamd"]).arg(dir).status()?;
        let var = |name: &str, value: &str| format!("--var={name}={}", dir.join(value).display());
        let child = Command::new("rspamd")
            .args(["-f", "-u", "_rspamd", "-g", "_rspamd", "-c", "/etc/rspamd/rspamd.conf"])
            .arg(var("LOCAL_CONFDIR", "local"))
            .arg(var("DBDIR", "db"))
            .arg(var("RUNDIR", "run"))
            .arg(var("LOGDIR", "log"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("rspamd (Debian package rspamd)")?;
        let process = Running(child);
        let until = Instant::now() + Duration::from_secs(60);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            if Instant::now() > until {
                bail!("rspamd did not start: see {}", dir.join("log").display());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(Self { process })
    }
}
