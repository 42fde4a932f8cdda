//! The appliance under QEMU, as a test sees it: what its console said when it was ready, and its API over HTTPS.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use postern_image::machine::{Machine, Medium, Options};
use serde_json::{Value, json};

/// Software emulation beside other work: what takes ten seconds alone may take a minute.
pub const BOOT: Duration = Duration::from_secs(300);

/// One guest at a time: two would only slow each other down.
static ALONE: Mutex<()> = Mutex::new(());

/// The folder of artefacts that `./just image` made, when the caller names it, and the right to run a guest.
///
/// # Errors
/// Why the test cannot run, for its line in the summary.
pub fn artefacts() -> Result<(PathBuf, MutexGuard<'static, ()>), String> {
    let folder = std::env::var_os("POSTERN_IMAGE").ok_or("no image was built: ./just test-image")?;
    if let Some(why) = crate::network::lacking(&["qemu-system-x86_64", "qemu-img", "curl"]) {
        return Err(why);
    }
    Ok((PathBuf::from(folder), ALONE.lock().unwrap_or_else(PoisonError::into_inner)))
}

/// [`artefacts`], or the test says why it was skipped and is over.
#[macro_export]
macro_rules! artefacts_or_skip {
    () => {
        match $crate::appliance::artefacts() {
            Ok(found) => found,
            Err(why) => {
                println!("skipped: {why}");
                return;
            }
        }
    };
}

/// The one file of the folder that ends so.
///
/// # Errors
/// When there is none, or several.
pub fn artefact(folder: &Path, ending: &str) -> anyhow::Result<PathBuf> {
    let found: Vec<PathBuf> = std::fs::read_dir(folder)
        .with_context(|| folder.display().to_string())?
        .flatten()
        .map(|e| e.path())
        .filter(|p| p.to_string_lossy().ends_with(ending))
        .collect();
    match &found[..] {
        [one] => Ok(one.clone()),
        other => bail!("{}: one *{ending} is wanted, there are {}", folder.display(), other.len()),
    }
}

/// The line `POSTERN READY name=value …`.
#[derive(Debug)]
pub struct Ready(String);

impl Ready {
    /// # Errors
    /// When the machine does not become ready.
    pub fn wait(machine: &mut Machine) -> anyhow::Result<Self> {
        let line = machine.serial.expect("POSTERN READY", BOOT)?;
        println!("{line}");
        Ok(Self(line))
    }

    /// # Panics
    /// When the line has no such value.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        let value = self.0.split_whitespace().find_map(|w| w.strip_prefix(name)?.strip_prefix('='));
        value.unwrap_or_else(|| panic!("no {name} in `{}`", self.0))
    }
}

/// A machine that said that it is ready.
///
/// # Errors
/// When it does not.
pub fn started(options: &Options, folder: &Path) -> anyhow::Result<(Machine, Ready)> {
    let is_new = !matches!(options.medium, Medium::Disk(_)) || !folder.join("disk.qcow2").exists();
    let mut machine = if is_new { Machine::start(options, folder)? } else { Machine::resume(options, folder)? };
    let ready = Ready::wait(&mut machine)?;
    if is_new && matches!(options.medium, Medium::Disk(_)) && ready.get("data") == "kept" {
        println!("it restarted before it was ready:\n{}", machine.serial.text());
    }
    Ok((machine, ready))
}

/// A login at the console of the appliance.
pub struct Console {
    url: String,
    jar: PathBuf,
    csrf: String,
}

impl Console {
    /// Logs in with the password that the machine shows on its own console at its first boot.
    ///
    /// # Errors
    /// When the password does not come, or is not taken.
    pub fn first_login(machine: &mut Machine) -> anyhow::Result<Self> {
        let line = machine.serial.expect("First login", BOOT)?;
        Self::log_in(machine, line.rsplit(' ').next().unwrap_or_default())
    }

    /// # Errors
    /// When the password is not taken.
    pub fn log_in(machine: &Machine, password: &str) -> anyhow::Result<Self> {
        let jar = machine.folder().join("cookies");
        let url = format!("https://127.0.0.1:{}/api/v1", machine.port(8443));
        let mut console = Self { url, jar, csrf: String::new() };
        let session = console.call("POST", "/session", &[], &json!({ "name": "admin", "password": password }).to_string())?;
        console.csrf = session["csrf"].as_str().with_context(|| format!("no csrf in {session}"))?.to_owned();
        Ok(console)
    }

    /// # Errors
    /// What the API refuses.
    pub fn call(&self, method: &str, path: &str, headers: &[&str], body: &str) -> anyhow::Result<Value> {
        let csrf = format!("x-postern-csrf: {}", self.csrf);
        let mut command = Command::new("curl");
        command.args(["-sk", "--max-time", "300", "--fail-with-body", "-X", method, "-b"]).arg(&self.jar).arg("-c").arg(&self.jar);
        command.args(["-H", &csrf]);
        if !headers.iter().any(|h| h.starts_with("content-type")) {
            command.args(["-H", "content-type: application/json"]);
        }
        for header in headers {
            command.args(["-H", header]);
        }
        let output = command.args(["--data-binary", body]).arg(format!("{}{path}", self.url)).stdin(Stdio::null()).output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        ensure!(output.status.success(), "{method} {path}: {} {text}", output.status);
        if text.is_empty() { Ok(Value::Null) } else { serde_json::from_str(&text).with_context(|| text.into_owned()) }
    }

    /// Puts a whole settings file in force.
    ///
    /// # Errors
    /// What the API refuses.
    pub fn put_settings(&self, toml: &str) -> anyhow::Result<()> {
        let now = self.call("GET", "/settings", &[], "")?;
        let digest = format!("if-match: {}", now["digest"].as_str().unwrap_or_default());
        self.call("PUT", "/settings?message=test", &["content-type: application/toml", &digest], toml).map(drop)
    }
}
