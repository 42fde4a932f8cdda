//! Kernel modules: which of them the appliance has, and which the initramfs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

use crate::cpio::Archive;

/// A list of paths below `kernel/`: a line takes everything that begins with it, `-` leaves it out again, the last that fits wins.
struct Choice(Vec<(bool, String)>);

impl Choice {
    fn parse(text: &str) -> Self {
        let lines = text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#'));
        Self(lines.map(|l| l.strip_prefix('-').map_or_else(|| (true, l.to_owned()), |out| (false, out.to_owned()))).collect())
    }

    fn takes(&self, path: &str) -> bool {
        self.0.iter().rev().find(|(_, prefix)| path.starts_with(prefix.as_str())).is_some_and(|(taken, _)| *taken)
    }

    /// Lines that nothing begins with: the kernel moved it, or it is misspelt.
    fn idle<'a>(&'a self, paths: &'a [String]) -> impl Iterator<Item = &'a str> {
        self.0.iter().map(|(_, prefix)| prefix.as_str()).filter(move |p| !paths.iter().any(|path| path.starts_with(p)))
    }
}

/// `from` and `to` are folders with `VERSION/kernel/…` below. Modules are unpacked: once for all here instead of at every load,
/// and in a root that is compressed as a whole. Their signatures stay.
///
/// # Errors
/// When the list does not fit the kernel, or a tool fails.
pub fn choose(from: &Path, list: &Path, to: &Path) -> anyhow::Result<()> {
    let choice = Choice::parse(&fs::read_to_string(list).with_context(|| format!("read {}", list.display()))?);
    let version = only_entry(from)?;
    let (from, to_version) = (from.join(&version), to.join(&version));
    let mut paths = Vec::new();
    below(&from.join("kernel"), "", &mut paths)?;
    paths.sort();
    let idle: Vec<&str> = choice.idle(&paths).collect();
    ensure!(idle.is_empty(), "{}: no module of {version} begins with {}", list.display(), idle.join(", "));

    // What the chosen ones need comes along, wherever it lies.
    let depends = depends(&fs::read_to_string(from.join("modules.dep")).or_else(|_| depmod_of(&from, &version))?);
    let mut taken = BTreeSet::new();
    let mut open: Vec<String> = paths.iter().filter(|p| choice.takes(p)).map(|p| format!("kernel/{p}")).collect();
    while let Some(path) = open.pop() {
        if taken.insert(path.clone()) {
            open.extend(depends.get(&path).cloned().unwrap_or_default());
        }
    }
    for path in &taken {
        let target = to_version.join(path);
        fs::create_dir_all(target.parent().context("a module lies in a folder")?)?;
        fs::copy(from.join(path), target)?;
    }
    let packed: Vec<PathBuf> = taken.iter().filter(|p| p.ends_with(".xz")).map(|p| to_version.join(p)).collect();
    for some in packed.chunks(500) {
        run(Command::new("xz").args(["--decompress", "--threads=1"]).args(some))?;
    }
    for name in ["modules.builtin", "modules.builtin.modinfo", "modules.order"] {
        fs::copy(from.join(name), to_version.join(name)).with_context(|| format!("copy {name}"))?;
    }
    depmod(&to_version, &version)
}

/// depmod(8) wants `BASE/lib/modules/VERSION`.
fn depmod(folder: &Path, version: &str) -> anyhow::Result<()> {
    let scratch = tempfile::tempdir()?;
    let modules = scratch.path().join("lib/modules");
    fs::create_dir_all(&modules)?;
    std::os::unix::fs::symlink(folder.canonicalize()?, modules.join(version))?;
    run(Command::new("depmod").arg("--basedir").arg(scratch.path()).arg(version))
}

fn depmod_of(folder: &Path, version: &str) -> std::io::Result<String> {
    depmod(folder, version).map_err(std::io::Error::other)?;
    fs::read_to_string(folder.join("modules.dep"))
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let ended = command.output().with_context(|| format!("start {program}"))?;
    ensure!(ended.status.success(), "{program}: {}", String::from_utf8_lossy(&ended.stderr));
    Ok(())
}

fn only_entry(folder: &Path) -> anyhow::Result<String> {
    let names: Vec<_> = fs::read_dir(folder)?.collect::<Result<_, _>>()?;
    ensure!(names.len() == 1, "{}: one version of a kernel is wanted, there are {}", folder.display(), names.len());
    Ok(names[0].file_name().to_string_lossy().into_owned())
}

fn below(folder: &Path, name: &str, into: &mut Vec<String>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = format!("{name}{}", entry.file_name().to_string_lossy());
        match entry.file_type()?.is_dir() {
            true => below(&entry.path(), &format!("{path}/"), into)?,
            false => into.push(path),
        }
    }
    Ok(())
}

/// modules.dep: `kernel/a.ko: kernel/b.ko kernel/c.ko`.
fn depends(text: &str) -> BTreeMap<String, Vec<String>> {
    let line = |l: &str| l.split_once(':').map(|(of, on)| (of.to_owned(), on.split_whitespace().map(str::to_owned).collect()));
    text.lines().filter_map(line).collect()
}

/// `kernel/drivers/virtio/virtio-blk.ko` is `virtio_blk` in modules.alias.
fn name(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.trim_end_matches(".ko").replace('-', "_")
}

/// What the initramfs holds: `always NAME` is loaded at every boot, in this order, `live NAME` when the system runs from its medium;
/// `device PATH` when a device asks for it.
///
/// # Errors
/// When the list names what the kernel has not.
pub fn initramfs(init: &Path, modules: &Path, list: &Path, to: &Path) -> anyhow::Result<()> {
    let folder = modules.join(only_entry(modules)?);
    let depends = depends(&fs::read_to_string(folder.join("modules.dep"))?);
    let builtin = fs::read_to_string(folder.join("modules.builtin"))?;
    let is_builtin = |wanted: &str| builtin.lines().any(|l| name(l) == wanted);
    let (mut always, mut live, mut open) = (Vec::new(), Vec::new(), Vec::new());
    let text = fs::read_to_string(list).with_context(|| format!("read {}", list.display()))?;
    for line in text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
        let before = open.len();
        match line.split_once(' ') {
            Some(("always" | "live", wanted)) if is_builtin(wanted) => continue,
            Some((when @ ("always" | "live"), wanted)) => {
                let names = if when == "live" { &mut live } else { &mut always };
                names.push(wanted.to_owned());
                open.extend(depends.keys().filter(|p| name(p) == wanted).cloned());
            }
            Some(("device", prefix)) => open.extend(depends.keys().filter(|p| p.starts_with(&format!("kernel/{prefix}"))).cloned()),
            _ => anyhow::bail!("{}: `{line}`: write `always NAME`, `live NAME` or `device PATH`", list.display()),
        }
        ensure!(open.len() > before, "{}: the kernel has no module for `{line}`", list.display());
    }
    let mut taken = BTreeSet::new();
    while let Some(path) = open.pop() {
        if taken.insert(path.clone()) {
            open.extend(depends.get(&path).cloned().unwrap_or_default());
        }
    }

    let mut archive = Archive::new(Vec::new());
    archive.folder("dev")?;
    archive.folder("modules")?;
    archive.file("init", 0o755, &fs::read(init)?)?;
    let names: BTreeSet<String> = taken.iter().map(|p| name(p)).collect();
    let mut needs = String::new();
    for path in &taken {
        archive.file(&format!("modules/{}.ko", name(path)), 0o644, &fs::read(folder.join(path))?)?;
        // modules.dep names the nearest first; what is below must be loaded before.
        let below: Vec<String> = depends.get(path).into_iter().flatten().rev().map(|p| name(p)).collect();
        needs += &format!("{} {}\n", name(path), below.join(" "));
    }
    let aliases: String = fs::read_to_string(folder.join("modules.alias"))?
        .lines()
        .filter_map(|l| l.strip_prefix("alias ")?.rsplit_once(' '))
        .filter(|(pattern, of)| names.contains(*of) && pattern.contains(':'))
        .map(|(pattern, of)| format!("{pattern} {of}\n"))
        .collect();
    for (when, names) in [("always", always), ("live", live)] {
        archive.file(&format!("modules/{when}"), 0o644, (names.join("\n") + "\n").as_bytes())?;
    }
    archive.file("modules/depends", 0o644, needs.as_bytes())?;
    archive.file("modules/aliases", 0o644, aliases.as_bytes())?;
    fs::write(to, archive.finish()?)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_that_fits_wins() {
        let choice = Choice::parse("# all of it\nnet/\n-net/wireless/\nnet/wireless/one.ko\n");
        assert!(
            choice.takes("net/a.ko") && !choice.takes("net/wireless/b.ko") && choice.takes("net/wireless/one.ko") && !choice.takes("x.ko")
        );
        assert_eq!(choice.idle(&["net/wireless/one.ko".into()]).count(), 0);
        assert_eq!(choice.idle(&["net/a.ko".into()]).collect::<Vec<_>>(), ["net/wireless/", "net/wireless/one.ko"]);
    }

    #[test]
    fn names_are_those_of_aliases() {
        assert_eq!(name("kernel/drivers/md/dm-verity.ko"), "dm_verity");
        assert_eq!(depends("kernel/a.ko: kernel/b.ko kernel/c.ko\nkernel/b.ko:\n")["kernel/a.ko"], ["kernel/b.ko", "kernel/c.ko"]);
    }
}
