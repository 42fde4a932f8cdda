//! A folder of packages with an index as apt reads it, so that mmdebstrap can take exactly these.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};

use crate::inputs;

/// # Errors
/// When a package cannot be read.
pub fn make(from: &Path, files: &[String], to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    let mut index = String::new();
    for file in files {
        let source = from.join(file);
        // Its name in the index must be one that needs no escaping in a URI.
        let name = file.replace("%3a", "_").replace('~', "-");
        fs::copy(&source, to.join(&name)).with_context(|| format!("copy {}", source.display()))?;
        let control = Command::new("dpkg-deb").arg("--field").arg(&source).output()?;
        ensure!(control.status.success(), "{}: {}", source.display(), String::from_utf8_lossy(&control.stderr));
        let size = fs::metadata(&source)?.len();
        index += String::from_utf8(control.stdout)?.trim_end();
        index += &format!("\nFilename: ./{name}\nSize: {size}\nSHA256: {}\n\n", inputs::file(&source)?);
    }
    fs::write(to.join("Packages"), index)?;
    Ok(())
}
