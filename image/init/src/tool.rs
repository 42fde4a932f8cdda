//! Programs of the new root, run inside of it.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use crate::boot::ROOT;

/// What a program ended with, and the last of what it said.
pub struct Ended {
    pub code: i32,
    pub said: String,
}

#[derive(Debug, thiserror::Error)]
#[error("{program}: {source}")]
pub struct ToolError {
    program: String,
    #[source]
    source: io::Error,
}

/// Runs a program with this input.
pub fn run(program: &str, arguments: &[&str], input: &str) -> Result<Ended, ToolError> {
    let failed = |source| ToolError { program: program.into(), source };
    let mut command = Command::new(program);
    command.args(arguments).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").current_dir("/");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // SAFETY: between fork and exec, two system calls and nothing that allocates.
    unsafe {
        command.pre_exec(|| {
            nix::unistd::chroot(ROOT)?;
            nix::unistd::chdir("/")?;
            Ok(())
        });
    }
    let mut child = command.spawn().map_err(failed)?;
    if let Some(mut pipe) = child.stdin.take() {
        io::Write::write_all(&mut pipe, input.as_bytes()).map_err(failed)?;
    }
    let output = child.wait_with_output().map_err(failed)?;
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    Ok(Ended { code: output.status.code().unwrap_or(-1), said: last_words(&said) })
}

/// The last line that is not empty.
fn last_words(said: &str) -> String {
    said.lines().rev().map(str::trim).find(|l| !l.is_empty()).unwrap_or_default().to_owned()
}
