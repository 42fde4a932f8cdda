//! Compiles the programs for the kernel (ebpf/postern-ebpf) with Debian's toolchain and hands them to `src/kernel/object.rs`.
//!
//! That crate has its own target and its own lock file, so it cannot be a dependency. Debian's rustc carries `core` for
//! bpfel-unknown-none; a rustup toolchain does not, so the paths are fixed and the environment of the outer cargo
//! (wrappers, flags, target) is kept away from the inner one.

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const CARGO: &str = "/usr/bin/cargo";
const RUSTC: &str = "/usr/bin/rustc";

fn main() -> Result<(), Box<dyn Error>> {
    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let ebpf = here.join("../../ebpf/postern-ebpf");
    let abi = here.join("../../ebpf/postern-ebpf-abi");
    for watched in ["src", "Cargo.toml", "Cargo.lock"] {
        println!("cargo:rerun-if-changed={}", ebpf.join(watched).display());
    }
    for watched in ["src", "Cargo.toml"] {
        println!("cargo:rerun-if-changed={}", abi.join(watched).display());
    }

    let path = search_path()?;
    if !env::split_paths(&path).any(|dir| dir.join("bpf-linker").is_file()) {
        return Err("bpf-linker is missing: run ./just, which installs it, or \
             `LLVM_SYS_221_PREFIX=/usr/lib/llvm-22 cargo install bpf-linker --version 0.13.0 --no-default-features --features llvm-22 --locked`"
            .into());
    }
    for tool in [CARGO, RUSTC] {
        if !Path::new(tool).is_file() {
            return Err(
                format!("{tool} is missing: run ./just, which installs Debian's cargo-web, rustc-web and libstd-rust-web-dev-bpf").into()
            );
        }
    }

    let target = out.join("ebpf");
    let mut build = Command::new(CARGO);
    build.args(["build", "--release", "--locked", "--quiet", "--target", "bpfel-unknown-none", "--manifest-path"]);
    build.arg(ebpf.join("Cargo.toml")).arg("--target-dir").arg(&target);
    // The directory decides which .cargo/config.toml are read: not the workspace's caller's.
    build.current_dir(&ebpf);
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        let ours = text.starts_with("CARGO") && text != "CARGO_HOME" && !text.starts_with("CARGO_NET_") && !text.starts_with("CARGO_TERM_");
        if ours || text.starts_with("RUSTC") || text.starts_with("RUSTFLAGS") || text.starts_with("RUSTDOC") {
            build.env_remove(&name);
        }
    }
    let arch = env::var("CARGO_CFG_TARGET_ARCH")?;
    build.env("PATH", &path).env("RUSTC", RUSTC).env("RUSTC_BOOTSTRAP", "1");
    // Without misaligned access every field of a header is read octet by octet. All 64-bit targets of the kernel's JIT have it.
    let misaligned = "-Clink-arg=--cpu-features=+allows-misaligned-mem-access";
    build.env("RUSTFLAGS", format!("-Cdebuginfo=2 -Clink-arg=--btf {misaligned} --cfg=bpf_target_arch=\"{arch}\""));
    let status = build.status().map_err(|e| format!("{CARGO} does not start: {e}"))?;
    if !status.success() {
        return Err(format!(
            "the programs for the kernel do not build ({status}); see the messages above, or run cargo in {}",
            ebpf.display()
        )
        .into());
    }
    for name in ["postern-edge", "postern-watch"] {
        fs::copy(target.join("bpfel-unknown-none/release").join(name), out.join(format!("{name}.bpf.o")))?;
    }
    Ok(())
}

/// PATH, with the places where `cargo install` puts bpf-linker.
fn search_path() -> Result<std::ffi::OsString, Box<dyn Error>> {
    let mut dirs: Vec<PathBuf> = env::var_os("PATH").map(|p| env::split_paths(&p).collect()).unwrap_or_default();
    if let Some(home) = env::var_os("CARGO_HOME") {
        dirs.push(Path::new(&home).join("bin"));
    }
    if let Some(home) = env::var_os("HOME") {
        dirs.push(Path::new(&home).join(".cargo/bin"));
    }
    Ok(env::join_paths(dirs)?)
}
