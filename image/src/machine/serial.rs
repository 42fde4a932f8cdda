//! The console: what it said is read by a thread and kept; a test waits until something is in it.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::bail;

/// How much of the end is shown when something did not come.
const SHOWN: usize = 3000;

#[derive(Default)]
struct Said {
    text: String,
    ended: bool,
}

pub struct Serial {
    stream: UnixStream,
    said: Arc<(Mutex<Said>, Condvar)>,
    /// What was waited for already.
    at: usize,
}

fn held(lock: &Mutex<Said>) -> MutexGuard<'_, Said> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Serial {
    /// # Errors
    /// When the log cannot be written.
    pub fn new(stream: UnixStream, log: &Path) -> anyhow::Result<Self> {
        let said: Arc<(Mutex<Said>, Condvar)> = Arc::default();
        let (mut from, mut log, to) = (stream.try_clone()?, File::create(log)?, Arc::clone(&said));
        std::thread::spawn(move || {
            let mut some = [0; 4096];
            while let Ok(n @ 1..) = from.read(&mut some) {
                let _ = log.write_all(&some[..n]);
                held(&to.0).text.push_str(&String::from_utf8_lossy(&some[..n]));
                to.1.notify_all();
            }
            held(&to.0).ended = true;
            to.1.notify_all();
        });
        Ok(Self { stream, said, at: 0 })
    }

    /// Waits until `what` comes after what was waited for before, and returns its line.
    ///
    /// # Errors
    /// When it does not come in time; the error shows the end of what came.
    pub fn expect(&mut self, what: &str, patience: Duration) -> anyhow::Result<String> {
        self.wait(what, patience, |text, start| {
            // The whole line, so that it can be taken apart.
            text[start..].find(['\r', '\n']).map(|length| start + length)
        })
    }

    /// The same without waiting for the end of its line: a boot menu has none.
    ///
    /// # Errors
    /// When it does not come in time.
    pub fn see(&mut self, what: &str, patience: Duration) -> anyhow::Result<()> {
        self.wait(what, patience, |_, start| Some(start + what.len())).map(drop)
    }

    /// The next wait begins at the beginning again: for what may have come before something that was waited for.
    pub fn rewind(&mut self) {
        self.at = 0;
    }

    fn wait(&mut self, what: &str, patience: Duration, end: impl Fn(&str, usize) -> Option<usize>) -> anyhow::Result<String> {
        let until = Instant::now() + patience;
        let mut said = held(&self.said.0);
        loop {
            if let Some(found) = said.text[self.at..].find(what) {
                let start = self.at + found;
                if let Some(end) = end(&said.text, start) {
                    self.at = end;
                    return Ok(said.text[start..end].to_owned());
                }
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || said.ended {
                let mut from = said.text.len().saturating_sub(SHOWN);
                while !said.text.is_char_boundary(from) {
                    from += 1;
                }
                bail!("`{what}` did not come within {} s; the console's end:\n{}", patience.as_secs(), &said.text[from..]);
            }
            said = self.said.1.wait_timeout(said, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// # Errors
    /// When the machine is gone.
    pub fn type_line(&mut self, line: &str) -> anyhow::Result<()> {
        self.press(&format!("{line}\r"))
    }

    /// Keys as a terminal sends them.
    ///
    /// # Errors
    /// When the machine is gone.
    pub fn press(&mut self, keys: &str) -> anyhow::Result<()> {
        Ok(self.stream.write_all(keys.as_bytes())?)
    }

    /// Everything so far.
    #[must_use]
    pub fn text(&self) -> String {
        held(&self.said.0).text.clone()
    }
}
