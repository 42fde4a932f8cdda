//! The lock file: every package of the appliance with version and hash. `image lock` renews it by asking apt; a build takes
//! exactly what is in it, or says that it cannot.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize};

use crate::inputs;

/// What a package is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Use {
    /// Installed into the root.
    Root,
    /// Kernel and modules.
    Kernel,
    /// Boot loaders.
    Boot,
    /// The optional office pack (docs/adr/0050-office-pack.md): what comes into the root for it, beside the packages that are there anyway.
    Office,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    pub name: String,
    pub version: String,
    pub architecture: String,
    pub sha256: String,
    #[serde(rename = "use")]
    pub used: Use,
}

impl Package {
    /// As apt names it on disk; a colon cannot stand in a file's name.
    pub fn file(&self) -> String {
        format!("{}_{}_{}.deb", self.name, self.version.replace(':', "%3a"), self.architecture)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    #[serde(rename = "package")]
    pub packages: Vec<Package>,
    /// What an image is built without.
    #[serde(skip)]
    left_out: Vec<Use>,
}

const HEAD: &str = "# Made by `image lock` from packages.wanted; do not edit.\n\n";

impl Lock {
    /// # Errors
    /// When it is not there or not as it must be.
    pub fn read(file: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
        let lock: Self = toml::from_str(&text).with_context(|| format!("{}: renew it with `image lock`", file.display()))?;
        for package in &lock.packages {
            let digits = package.sha256.bytes().all(|o| o.is_ascii_hexdigit());
            ensure!(digits && package.sha256.len() == 64, "{}: {} has no SHA-256", file.display(), package.name);
        }
        Ok(lock)
    }

    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, file: &Path) -> anyhow::Result<()> {
        fs::write(file, format!("{HEAD}{}", toml::to_string(self)?)).with_context(|| format!("write {}", file.display()))
    }

    /// Without the packages for this.
    #[must_use]
    pub fn without(mut self, used: Use) -> Self {
        self.left_out.push(used);
        self
    }

    /// What an image is built from.
    pub fn chosen(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|p| !self.left_out.contains(&p.used))
    }

    pub fn of(&self, used: Use) -> impl Iterator<Item = &Package> {
        self.chosen().filter(move |p| p.used == used)
    }

    #[must_use]
    pub fn has(&self, used: Use) -> bool {
        self.of(used).next().is_some()
    }

    /// # Errors
    /// When the lock has no such package.
    pub fn named(&self, name: &str) -> anyhow::Result<&Package> {
        self.packages.iter().find(|p| p.name == name).with_context(|| format!("the lock has no package {name}: run `image lock`"))
    }

    /// The kernel's image: the meta package names it.
    ///
    /// # Errors
    /// When the lock has none.
    pub fn kernel(&self) -> anyhow::Result<&Package> {
        let is_image = |p: &&Package| p.name.starts_with("linux-image-") && p.name.contains('+');
        self.of(Use::Kernel).find(is_image).context("the lock has no kernel: run `image lock`")
    }

    /// Brings every package that is chosen into a folder, and removes what no image is built from.
    ///
    /// # Errors
    /// When one cannot be had, or is another than the lock says.
    pub fn fetch(&self, folder: &Path) -> anyhow::Result<usize> {
        fs::create_dir_all(folder)?;
        let mut lacking = Vec::new();
        for package in self.chosen() {
            let at = folder.join(package.file());
            if !at.exists() || inputs::file(&at)? != package.sha256 {
                lacking.push(package);
            }
        }
        if !lacking.is_empty() {
            let names: Vec<String> = lacking.iter().map(|p| format!("{}={}", p.name, p.version)).collect();
            // As root apt would hand the download to a user who may not write here.
            let got = Command::new("apt-get")
                .args(["-q", "-o", "APT::Sandbox::User=root", "download"])
                .args(&names)
                .current_dir(folder)
                .output()?;
            if !got.status.success() {
                bail!(
                    "apt cannot get the packages of the lock (a newer version may have taken their place: run `image lock`, and look \
                     at what it changes)\n{}",
                    String::from_utf8_lossy(&got.stderr)
                );
            }
        }
        for package in &lacking {
            let have = inputs::file(&folder.join(package.file()))?;
            ensure!(have == package.sha256, "{} {} has the hash {have}, the lock says {}", package.name, package.version, package.sha256);
        }
        let known: Vec<PathBuf> = self.packages.iter().map(|p| folder.join(p.file())).collect();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if !known.contains(&path) {
                fs::remove_file(path)?;
            }
        }
        Ok(lacking.len())
    }

    /// What apt would install today for the packages in `wanted`.
    ///
    /// # Errors
    /// When apt refuses, or a package is not of Debian's main.
    pub fn renew(wanted: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(wanted).with_context(|| format!("read {}", wanted.display()))?;
        let mut names: BTreeMap<Use, Vec<&str>> = BTreeMap::new();
        for line in text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
            let (used, name) = match line.split_once(' ') {
                None => (Use::Root, line),
                Some(("kernel", name)) => (Use::Kernel, name),
                Some(("boot", name)) => (Use::Boot, name),
                Some(("office", name)) => (Use::Office, name),
                Some((other, _)) => bail!("{}: `{other}` is no use of a package; write kernel, boot or office", wanted.display()),
            };
            names.entry(used).or_default().push(name);
        }
        let of = |used| names.get(&used).cloned().unwrap_or_default();
        let root = [&["?essential"], of(Use::Root).as_slice()].concat();
        let mut packages = describe(&closure(&root)?, Use::Root)?;
        let with_office = closure(&[root.as_slice(), &of(Use::Office)].concat())?;
        let alone: Vec<String> = packages.iter().map(|p| format!("{}={}", p.name, p.version)).collect();
        let lost: Vec<&String> = alone.iter().filter(|exact| !with_office.contains(exact)).collect();
        ensure!(lost.is_empty(), "the office pack takes other packages' place: {lost:?}");
        let office: Vec<String> = with_office.into_iter().filter(|exact| !alone.contains(exact)).collect();
        packages.extend(describe(&office, Use::Office)?);
        let kernel = depends(of(Use::Kernel).first().context("no kernel is wanted")?)?;
        packages.extend(describe(&[kernel], Use::Kernel)?);
        packages.extend(describe(&of(Use::Boot).into_iter().map(str::to_owned).collect::<Vec<_>>(), Use::Boot)?);
        packages.sort_by(|a, b| (a.used, &a.name).cmp(&(b.used, &b.name)));
        Ok(Self { packages, ..Self::default() })
    }
}

fn apt(program: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let said = Command::new(program).args(arguments).env("LC_ALL", "C").output().with_context(|| format!("start {program}"))?;
    ensure!(said.status.success(), "{program} {}: {}", arguments.join(" "), String::from_utf8_lossy(&said.stderr));
    Ok(String::from_utf8_lossy(&said.stdout).into_owned())
}

/// These packages and what they need, on a machine that has none: `name=version`.
fn closure(names: &[&str]) -> anyhow::Result<Vec<String>> {
    let empty = tempfile::NamedTempFile::new()?;
    let status = format!("Dir::State::status={}", empty.path().display());
    let options = ["-o", &status, "-o", "APT::Install-Recommends=false", "--print-uris", "-y", "-qq", "install"];
    let uris = apt("apt-get", &[&options, names].concat())?;
    let mut exact = Vec::new();
    for line in uris.lines() {
        let mut words = line.split_whitespace();
        let (Some(uri), Some(file)) = (words.next(), words.next()) else { continue };
        ensure!(uri.contains("/pool/main/") || uri.contains("/pool/updates/main/"), "{file} is not of Debian's main");
        let mut parts = file.split('_');
        let (Some(name), Some(version)) = (parts.next(), parts.next()) else { bail!("apt named a file {file}") };
        exact.push(format!("{name}={}", version.replace("%3a", ":")));
    }
    ensure!(!exact.is_empty(), "apt names no packages");
    Ok(exact)
}

/// The one package that a meta package stands for.
fn depends(meta: &str) -> anyhow::Result<String> {
    let said = apt("apt-cache", &["depends", "--important", meta])?;
    let name = said.lines().find_map(|l| l.trim().strip_prefix("Depends: "));
    Ok(name.with_context(|| format!("{meta} depends on nothing"))?.to_owned())
}

/// What apt knows about packages, in one question: it takes a second to wake up.
fn describe(names: &[String], used: Use) -> anyhow::Result<Vec<Package>> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let mut asked = vec!["show", "--no-all-versions"];
    asked.extend(names.iter().map(String::as_str));
    let said = apt("apt-cache", &asked)?;
    let packages: Vec<Package> =
        said.split("\n\n").filter(|s| !s.trim().is_empty()).map(|s| stanza(s, used)).collect::<anyhow::Result<_>>()?;
    ensure!(packages.len() == names.len(), "apt describes {} of {} packages", packages.len(), names.len());
    Ok(packages)
}

fn stanza(text: &str, used: Use) -> anyhow::Result<Package> {
    let field = |name: &str| {
        let value = text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(": "));
        value.map(str::to_owned).with_context(|| format!("apt-cache says no {name} of a package:\n{text}"))
    };
    let (name, section) = (field("Package")?, field("Section")?);
    ensure!(!section.contains('/'), "{name} is of the section {section}, not of Debian's main");
    Ok(Package { name, version: field("Version")?, architecture: field("Architecture")?, sha256: field("SHA256")?, used })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_lock_says_what_is_wrong_with_it() {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("packages.lock");
        let package = |sha256: &str| Package {
            name: "fdisk".into(),
            version: "1:2.38-1".into(),
            architecture: "amd64".into(),
            sha256: sha256.into(),
            used: Use::Root,
        };
        let lock = Lock { packages: vec![package(&"ab".repeat(32))], ..Lock::default() };
        lock.write(&file).unwrap();
        assert_eq!(Lock::read(&file).unwrap(), lock);
        assert_eq!(lock.packages[0].file(), "fdisk_1%3a2.38-1_amd64.deb");
        Lock { packages: vec![package("ab")], ..Lock::default() }.write(&file).unwrap();
        assert!(Lock::read(&file).unwrap_err().to_string().contains("fdisk has no SHA-256"));
        fs::write(&file, "[[package]]\nname = 1\n").unwrap();
        assert!(Lock::read(&file).unwrap_err().to_string().contains("image lock"));
    }
}
