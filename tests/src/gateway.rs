//! A running gateway for tests and the demo: `postern run` with a data directory of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::Value;

use crate::bench::process::Running;

pub struct Gateway {
    binary: PathBuf,
    pub data: PathBuf,
    pub process: Running,
}

/// The binary under test: `POSTERN`, or the one built beside the test.
pub fn binary() -> PathBuf {
    std::env::var_os("POSTERN").map_or_else(
        || {
            let mut path = std::env::current_exe().unwrap_or_default();
            path.pop();
            if path.ends_with("deps") {
                path.pop();
            }
            path.join("postern")
        },
        PathBuf::from,
    )
}

impl Gateway {
    /// Starts `postern run` with these arguments and waits until it says that it is running.
    ///
    /// # Errors
    /// When it ends instead; the error holds what it printed.
    pub fn start(binary: &Path, data: &Path, arguments: &[&str]) -> anyhow::Result<Self> {
        fs::create_dir_all(data)?;
        let log = data.join("log");
        let output = fs::File::create(&log)?;
        let child = Command::new(binary)
            .arg("run")
            .arg("--data")
            .arg(data)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("start {}", binary.display()))?;
        let mut process = Running(child);
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            let said = fs::read_to_string(&log).unwrap_or_default();
            if said.contains("Postern is running") {
                return Ok(Self { binary: binary.to_owned(), data: data.to_owned(), process });
            }
            if process.0.try_wait()?.is_some() || Instant::now() > until {
                bail!("postern run did not start:\n{said}");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Starts `postern node` alone with these settings (TOML without `[node]`) and waits until it serves.
    ///
    /// # Errors
    /// When it ends instead; the error holds what it printed.
    pub fn node(binary: &Path, data: &Path, settings: &str) -> anyhow::Result<Self> {
        write_settings(data, settings)?;
        Self::again(binary, data)
    }

    /// Starts `postern node` alone with the settings that are in this data directory, and waits until it serves.
    ///
    /// # Errors
    /// When it ends instead; the error holds what it printed.
    pub fn again(binary: &Path, data: &Path) -> anyhow::Result<Self> {
        let child = role("node", binary, data, "log")?;
        let mut gateway = Self { binary: binary.to_owned(), data: data.to_owned(), process: child };
        let until = Instant::now() + Duration::from_secs(30);
        while std::os::unix::net::UnixStream::connect(gateway.socket()).is_err() {
            if gateway.process.0.try_wait()?.is_some() || Instant::now() > until {
                bail!("postern node did not start:\n{}", gateway.log());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(gateway)
    }

    /// Starts `postern edge` alone, with the settings and the data directory that [`Gateway::node`] gets, and waits for its socket.
    ///
    /// # Errors
    /// When it ends instead; the error holds what it printed.
    pub fn edge(binary: &Path, data: &Path, settings: &str) -> anyhow::Result<Running> {
        write_settings(data, settings)?;
        role_that_serves("edge", binary, data)
    }

    /// The same of `postern sandbox`.
    ///
    /// # Errors
    /// When it ends instead; the error holds what it printed.
    pub fn sandbox(binary: &Path, data: &Path, settings: &str) -> anyhow::Result<Running> {
        write_settings(data, settings)?;
        role_that_serves("sandbox", binary, data)
    }

    /// Starts `postern sandbox` with the settings that are in this data directory.
    ///
    /// # Errors
    /// When it ends instead; the error holds what it printed.
    pub fn sandbox_again(binary: &Path, data: &Path) -> anyhow::Result<Running> {
        role_that_serves("sandbox", binary, data)
    }

    /// `postern <arguments> --json` against this gateway.
    ///
    /// # Errors
    /// When the command fails or prints no JSON.
    pub fn ask(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        let output = Command::new(&self.binary).args(arguments).arg("--json").arg("--socket").arg(self.socket()).output()?;
        if !output.status.success() {
            bail!("postern {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
        serde_json::from_slice(&output.stdout).with_context(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The journey of the newest mail with this subject, when it is there within `limit`.
    ///
    /// # Errors
    /// When it is not, or the node cannot be asked.
    pub fn journey(&self, subject: &str, limit: Duration) -> anyhow::Result<Value> {
        let mut mail = String::new();
        wait_until(&format!("the journey of {subject}"), limit, || {
            let found = self.ask(&["journey", "search", "--subject", subject]).unwrap_or_default();
            found["journeys"][0]["mail"].as_str().unwrap_or_default().clone_into(&mut mail);
            !mail.is_empty()
        })?;
        self.ask(&["journey", "show", &mail])
    }

    /// Whether the edge behind it has XDP on its first interface.
    pub fn is_guarded(&self) -> bool {
        self.ask(&["edge", "status"]).is_ok_and(|s| s["interfaces"][0]["attached"] == true)
    }

    pub fn socket(&self) -> PathBuf {
        self.data.join("run/node.sock")
    }

    /// Everything the roles printed.
    pub fn log(&self) -> String {
        fs::read_to_string(self.data.join("log")).unwrap_or_default()
    }
}

/// These settings below a `[node]` of the test's own.
fn write_settings(data: &Path, settings: &str) -> anyhow::Result<()> {
    fs::create_dir_all(data)?;
    let node = format!("[node]\nhostname = \"gateway.example\"\ndata_dir = {data:?}\nrun_dir = {:?}\n", data.join("run"));
    Ok(fs::write(data.join("postern.toml"), format!("{node}\n{settings}"))?)
}

fn role_that_serves(name: &str, binary: &Path, data: &Path) -> anyhow::Result<Running> {
    let log = format!("{name}.log");
    let mut process = role(name, binary, data, &log)?;
    let until = Instant::now() + Duration::from_secs(30);
    while std::os::unix::net::UnixStream::connect(data.join("run").join(format!("{name}.sock"))).is_err() {
        if process.0.try_wait()?.is_some() || Instant::now() > until {
            bail!("postern {name} did not start:\n{}", fs::read_to_string(data.join(log)).unwrap_or_default());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(process)
}

/// A role, logging into a file of the data directory.
fn role(name: &str, binary: &Path, data: &Path, log: &str) -> anyhow::Result<Running> {
    fs::create_dir_all(data.join("run"))?;
    let file = data.join("postern.toml");
    let output = fs::OpenOptions::new().create(true).append(true).open(data.join(log))?;
    let child = Command::new(binary)
        .args([name, "--settings"])
        .arg(&file)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()
        .with_context(|| format!("start {}", binary.display()))?;
    Ok(Running(child))
}

/// Waits until a condition holds; an error names what was waited for.
///
/// # Errors
/// When it does not within `limit`.
pub fn wait_until(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) -> anyhow::Result<Duration> {
    let began = Instant::now();
    while !condition() {
        if began.elapsed() > limit {
            bail!("{what}: not within {limit:?}");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(began.elapsed())
}
