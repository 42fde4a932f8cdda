//! Runs a plan: what is in the cache is taken from there, the rest is made, with a line for each step.

use std::collections::BTreeMap;
use std::fs;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, bail, ensure};

use crate::cache::Cache;
use crate::lock::{Lock, Use};
use crate::plan::{Action, Fingerprint, Input, Native, Plan, Step};
use crate::recipe::{EPOCH, Sources};
use crate::{disk, esp, inputs, manifest, modules, ova, repository, sbom};

/// Whether the cache may answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reuse {
    Cached,
    /// Only about the packages that were installed: everything above them is made anew.
    AboveBase,
    Nothing,
}

pub struct Builder<'a> {
    pub sources: &'a Sources,
    pub lock: &'a Lock,
    pub cache: &'a Cache,
    pub reuse: Reuse,
}

impl Builder<'_> {
    /// The fingerprint of each step.
    ///
    /// # Errors
    /// When an input cannot be read.
    pub fn fingerprints(&self, plan: &Plan) -> anyhow::Result<BTreeMap<&'static str, Fingerprint>> {
        let mut read = BTreeMap::new();
        plan.fingerprints(|input| {
            Ok::<String, anyhow::Error>(match input {
                Input::Path(path) => match read.get(path) {
                    Some(known) => String::clone(known),
                    None => {
                        let hash = inputs::tree(path)?;
                        read.insert(path.clone(), hash.clone());
                        hash
                    }
                },
                Input::Packages(files) => {
                    let hash = |f: &String| self.lock.packages.iter().find(|p| p.file() == *f).map(|p| p.sha256.clone());
                    files.iter().filter_map(hash).collect::<Vec<_>>().join(" ")
                }
            })
        })
    }

    /// The plan for people: steps, what they read and do, and whether the cache has them.
    ///
    /// # Errors
    /// When an input cannot be read.
    pub fn print(&self, plan: &Plan, to: &mut dyn Write) -> anyhow::Result<()> {
        let prints = self.fingerprints(plan)?;
        let packs = if self.lock.has(Use::Office) { ", the office pack among them" } else { "" };
        writeln!(to, "Postern {}: {} steps, {} packages{packs}\n", plan.version, plan.steps.len(), self.lock.chosen().count())?;
        for step in &plan.steps {
            let print = &prints[step.name];
            let state = if self.cache.find(step.name, print).is_some() { "cached" } else { "to do" };
            writeln!(to, "{} ({print}, {state}): {}", step.name, step.makes)?;
            if !step.needs.is_empty() {
                writeln!(to, "    needs {}", step.needs.join(", "))?;
            }
            for input in &step.inputs {
                match input {
                    Input::Path(path) => writeln!(to, "    reads {}", path.display())?,
                    Input::Packages(files) => writeln!(to, "    reads {} packages", files.len())?,
                }
            }
            for action in &step.actions {
                for line in action.to_string().lines() {
                    writeln!(to, "    | {line}")?;
                }
            }
        }
        Ok(())
    }

    /// Makes what is wanted and everything below it; returns the folder of each step that was needed.
    ///
    /// # Errors
    /// What the first step that fails says.
    pub fn build(&self, plan: &Plan, wanted: &[&str]) -> anyhow::Result<BTreeMap<&'static str, PathBuf>> {
        for name in wanted {
            ensure!(plan.steps.iter().any(|s| s.name == *name), "the plan has no step `{name}`");
        }
        let prints = self.fingerprints(plan)?;
        let needed = needed(plan, wanted);
        let steps: Vec<&Step> = plan.steps.iter().filter(|s| needed.contains(&s.name)).collect();
        let mut places = BTreeMap::new();
        let mut fetched = false;
        for (at, step) in steps.iter().enumerate() {
            let head = format!("[{}/{}] {:<13}", at + 1, steps.len(), step.name);
            let print = &prints[step.name];
            let is_fresh = match self.reuse {
                Reuse::Cached => false,
                Reuse::AboveBase => step.name != "root-base",
                Reuse::Nothing => true,
            };
            if let Some(place) = self.cache.find(step.name, print).filter(|_| !is_fresh) {
                self.cache.touch(&place)?;
                eprintln!("{head} cached");
                places.insert(step.name, place);
                continue;
            }
            if !fetched && step.inputs.iter().any(|i| matches!(i, Input::Packages(_))) {
                let new = self.lock.fetch(&self.cache.packages())?;
                eprintln!("       packages      {new} of {} fetched", self.lock.chosen().count());
                fetched = true;
            }
            let began = Instant::now();
            if std::io::stderr().is_terminal() {
                eprint!("{head} {} …\r", step.makes);
            }
            let filled = self.cache.begin(step.name, print)?;
            self.perform(step, &filled, &places).with_context(|| format!("step `{}` ({})", step.name, filled.display()))?;
            let place = self.cache.finish(step.name, print, &filled)?;
            eprintln!("{head} {:>6.1} s  {}", began.elapsed().as_secs_f64(), step.makes);
            places.insert(step.name, place);
        }
        Ok(places)
    }

    fn perform(&self, step: &Step, out: &Path, places: &BTreeMap<&'static str, PathBuf>) -> anyhow::Result<()> {
        let mut names: Vec<(String, String)> = vec![
            ("{out}".into(), path(out)?),
            ("{packages}".into(), path(&self.cache.packages())?),
            ("{source}".into(), path(&self.sources.folder)?),
            ("{postern}".into(), path(&self.sources.postern)?),
            ("{cell}".into(), path(&self.sources.cell)?),
            ("{init}".into(), path(&self.sources.init)?),
            ("{key}".into(), path(&self.sources.key)?),
            ("{cargo-lock}".into(), path(&self.sources.cargo_lock)?),
        ];
        for needs in &step.needs {
            names.push((format!("{{{needs}}}"), path(&places[needs])?));
        }
        let fill = |text: &str| names.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value));
        for action in &step.actions {
            match action {
                Action::Run(words) => {
                    let words: Vec<String> = words.iter().map(|w| fill(w)).collect();
                    let (program, arguments) = words.split_first().context("a command without a program")?;
                    run(program, arguments, out)?;
                }
                Action::Shell(lines) => run("bash", &["-euo".into(), "pipefail".into(), "-c".into(), fill(lines)], out)?,
                Action::Write { file, text } => fs::write(fill(file), text)?,
                Action::Native(native) => self.native(native, &fill)?,
            }
        }
        Ok(())
    }

    fn native(&self, native: &Native, fill: &dyn Fn(&str) -> String) -> anyhow::Result<()> {
        let at = |text: &str| PathBuf::from(fill(text));
        match native {
            Native::Repository { packages, to } => repository::make(&self.cache.packages(), packages, &at(to)),
            Native::ChooseModules { from, list, to } => modules::choose(&at(from), &at(list), &at(to)),
            Native::Initramfs { init, modules, list, to } => modules::initramfs(&at(init), &at(modules), &at(list), &at(to)),
            Native::Fat { to, mebibytes, serial, label, files } => {
                let files: Vec<(PathBuf, String)> = files.iter().map(|(from, to)| (at(from), to.clone())).collect();
                esp::make(&at(to), *mebibytes, *serial, label, &files)
            }
            Native::BiosBoot { disk, boot, core, sector } => disk::bios_boot(&at(disk), &at(boot), &at(core), *sector),
            Native::SettleVmdk { disk } => ova::settle_vmdk(&at(disk)),
            Native::Ovf { disk, to, name, version, capacity } => ova::describe(&at(disk), &at(to), name, version, *capacity),
            Native::Sbom { packages, uses, crates, version, to } => {
                fs::write(at(to), sbom::make(&at(packages), uses, &at(crates), version)?).context("write the bill of materials")
            }
            Native::Manifest { files, version, key, to } => {
                let files: Vec<PathBuf> = files.iter().map(|f| at(f)).collect();
                manifest::make(&files.iter().map(PathBuf::as_path).collect::<Vec<_>>(), version, &at(key), &at(to))
            }
        }
    }
}

fn needed<'a>(plan: &'a Plan, wanted: &[&str]) -> Vec<&'a str> {
    let mut needed: Vec<&str> = Vec::new();
    for step in plan.steps.iter().rev() {
        let is_below = plan.steps.iter().any(|s| needed.contains(&s.name) && s.needs.contains(&step.name));
        if wanted.contains(&step.name) || is_below {
            needed.push(step.name);
        }
    }
    needed
}

fn path(path: &Path) -> anyhow::Result<String> {
    path.to_str().map(str::to_owned).with_context(|| format!("{} is no UTF-8", path.display()))
}

/// Tools see nothing of this machine's language, time zone and clock.
fn run(program: &str, arguments: &[String], folder: &Path) -> anyhow::Result<()> {
    let output = Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", folder)
        .env("TMPDIR", std::env::temp_dir())
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "UTC")
        .env("SOURCE_DATE_EPOCH", EPOCH.to_string())
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("start {program}"))?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        bail!("{program} failed ({}):\n{}", output.status, String::from_utf8_lossy(&said));
    }
    Ok(())
}
