//! Postfix's smtp-sink as the backend of both sides, with its count read from its standard output.

use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::process::Running;

pub struct Sink {
    pub process: Running,
    count: Arc<AtomicU64>,
}

impl Sink {
    pub fn start(port: u16) -> anyhow::Result<Self> {
        let mut child = Command::new("smtp-sink")
            .args(["-u", "nobody", "-c", "-m", "2000", &format!("127.0.0.1:{port}"), "1000"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("smtp-sink (Debian package postfix)")?;
        let mut output = child.stdout.take().context("no output of smtp-sink")?;
        let count = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&count);
        // It prints "sess=1 quit=1 mesg=1\r" at each change.
        thread::Builder::new().name("sink-count".into()).spawn(move || {
            let mut rest = String::new();
            let mut chunk = [0u8; 65536];
            while let Ok(n) = output.read(&mut chunk) {
                if n == 0 {
                    break;
                }
                rest.push_str(&String::from_utf8_lossy(&chunk[..n]));
                if let Some((whole, tail)) = rest.rsplit_once('\r') {
                    let last = whole.rsplit('\r').next().unwrap_or(whole);
                    if let Some(n) = last.split("mesg=").nth(1).and_then(|t| t.split_whitespace().next()).and_then(|t| t.parse().ok()) {
                        seen.store(n, Ordering::Relaxed);
                    }
                    rest = tail.to_owned();
                }
            }
        })?;
        Ok(Self { process: Running(child), count })
    }

    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Waits until `target` mails have arrived.
    pub fn wait_for(&self, target: u64, limit: Duration) -> anyhow::Result<()> {
        let until = Instant::now() + limit;
        while self.count() < target {
            if Instant::now() > until {
                bail!("only {} of {target} mails arrived within {limit:?}", self.count());
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}
