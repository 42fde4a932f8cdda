//! Words for whoever stands before the machine.

use std::fs::File;
use std::io::Write;

/// What there is of them on a machine: the kernel's console (the serial line) and the first screen.
pub const ALL: [&str; 2] = ["/dev/console", "/dev/tty1"];

/// On every console, and in the log: serial lines and screens see the same.
pub fn say(line: &str) {
    show(line);
    tracing::info!("{line}");
}

/// On every console, and nowhere else: the log goes into support bundles.
pub fn show(line: &str) {
    for console in ALL {
        if let Ok(mut out) = File::options().write(true).open(console) {
            let _ = out.write_all(format!("\r\n{line}\r\n").as_bytes());
        }
    }
}
