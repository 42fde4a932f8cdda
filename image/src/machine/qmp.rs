//! QEMU's machine protocol: one JSON object a line; events come between the answers.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);

pub struct Qmp {
    from: BufReader<UnixStream>,
    to: UnixStream,
}

impl Qmp {
    /// # Errors
    /// When it does not greet.
    pub fn new(stream: UnixStream) -> anyhow::Result<Self> {
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut qmp = Self { from: BufReader::new(stream.try_clone()?), to: stream };
        let greeting = qmp.line()?;
        if greeting["QMP"].is_null() {
            bail!("QEMU greets with {greeting}");
        }
        qmp.execute("qmp_capabilities", "{}")?;
        Ok(qmp)
    }

    /// # Errors
    /// What QEMU says against it.
    pub fn execute(&mut self, command: &str, arguments: &str) -> anyhow::Result<Value> {
        writeln!(self.to, r#"{{"execute":"{command}","arguments":{arguments}}}"#)?;
        loop {
            let mut answer = self.line()?;
            if !answer["error"].is_null() {
                bail!("QEMU refuses {command}: {}", answer["error"]);
            }
            if let Some(value) = answer.get_mut("return") {
                return Ok(value.take());
            }
        }
    }

    fn line(&mut self) -> anyhow::Result<Value> {
        let mut line = String::new();
        let n = self.from.read_line(&mut line).context("read from QEMU")?;
        if n == 0 {
            bail!("QEMU ended");
        }
        Ok(serde_json::from_str(&line)?)
    }
}
