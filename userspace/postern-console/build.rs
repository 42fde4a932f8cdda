//! Finds the built console (`web-ui/dist`) and makes a table of its files; without one the table is empty and the page says so.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or_else(|| io::Error::other("cargo sets CARGO_MANIFEST_DIR"))?);
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?);
    let ui = manifest.join("../../web-ui");
    let dist = ui.join("dist");
    println!("cargo::rerun-if-changed=build.rs");
    // A folder that is not there counts as changed each time, which would build this crate anew at every call.
    if dist.is_dir() {
        println!("cargo::rerun-if-changed={}", dist.display());
    } else if ui.is_dir() {
        println!("cargo::rerun-if-changed={}", ui.display());
    }
    let mut found = Vec::new();
    if dist.is_dir() {
        collect(&dist, &dist, &mut found)?;
    }
    found.sort();
    // A copy: web-ui/dist may be built anew while rustc reads what this says.
    let copies = out.join("web-ui");
    fs::create_dir_all(&copies)?;
    let mut table = String::from("&[\n");
    for (at, (name, path)) in found.iter().enumerate() {
        let copy = copies.join(at.to_string());
        fs::copy(path, &copy)?;
        let (name, compressed) = name.strip_suffix(".br").map_or((name.as_str(), false), |n| (n, true));
        let _ = writeln!(
            table,
            "    Embedded {{ name: {name:?}, brotli: {compressed}, octets: include_bytes!({:?}) }},",
            copy.display().to_string()
        );
    }
    table.push_str("]\n");
    fs::write(out.join("web_ui.rs"), table)
}

/// A file that was compressed is embedded compressed only.
fn collect(root: &Path, folder: &Path, found: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(root, &path, found)?;
            continue;
        }
        let mut compressed = path.clone().into_os_string();
        compressed.push(".br");
        if Path::new(&compressed).exists() {
            continue;
        }
        let name = path.strip_prefix(root).map_err(io::Error::other)?.to_string_lossy().into_owned();
        found.push((name, path));
    }
    Ok(())
}
