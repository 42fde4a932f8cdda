//! Postern's node, alone, with a settings file of the benchmark's own.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::process::Running;

pub struct Postern {
    pub process: Running,
    /// From the start of the process to the first answer on its port.
    pub ready: Duration,
}

impl Postern {
    /// Starts `postern node` with `settings` (TOML without `[node]`), which must listen on 127.0.0.1:`port`.
    pub fn start(binary: &Path, dir: &Path, port: u16, settings: &str) -> anyhow::Result<Self> {
        fs::create_dir_all(dir.join("data"))?;
        fs::create_dir_all(dir.join("run"))?;
        let file = dir.join("postern.toml");
        let node = format!("[node]\nhostname = \"postern.bench.example\"\ndata_dir = \"{0}/data\"\nrun_dir = \"{0}/run\"\n", dir.display());
        fs::write(&file, format!("{node}\n{settings}"))?;
        let log = fs::File::create(dir.join("log"))?;
        let began = Instant::now();
        let child = Command::new(binary)
            .arg("node")
            .arg("--settings")
            .arg(&file)
            .stdout(log.try_clone()?)
            .stderr(log)
            .stdin(Stdio::null())
            .spawn()
            .with_context(|| format!("start {}", binary.display()))?;
        let mut process = Running(child);
        loop {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                break;
            }
            if process.0.try_wait()?.is_some() || began.elapsed() > Duration::from_secs(20) {
                bail!("postern node did not start:\n{}", fs::read_to_string(dir.join("log")).unwrap_or_default());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(Self { process, ready: began.elapsed() })
    }
}
