//! `image build`, `image lock`, `image check`: the command line of the builder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::{Parser, Subcommand};
use postern_image::cache::Cache;
use postern_image::execute::{Builder, Reuse};
use postern_image::lock::{Lock, Use};
use postern_image::machine::{Firmware, Medium, Options, attend};
use postern_image::recipe::{self, Sources};
use postern_image::{inputs, manifest, plan};

/// Builds the appliance: ISO, qcow2, OVA, raw disk and update from one root.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// The folder `image/` of a checkout
    #[arg(long, default_value = "image", value_name = "FOLDER", global = true)]
    source: PathBuf,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Make everything, or only some steps
    Build {
        /// The binary `postern`
        #[arg(long, value_name = "FILE")]
        postern: PathBuf,
        /// The binary `postern-cell`
        #[arg(long, value_name = "FILE")]
        cell: PathBuf,
        /// The static binary `postern-init`
        #[arg(long, value_name = "FILE")]
        init: PathBuf,
        /// Private key (PEM, Ed25519) that signs; without it a development key is made in the cache, which nobody should ship
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// Finished steps, packages, and the development key
        #[arg(long, env = "POSTERN_IMAGE_CACHE", value_name = "FOLDER")]
        cache: PathBuf,
        /// Where the artefacts are put
        #[arg(long, default_value = "target/image", value_name = "FOLDER")]
        out: PathBuf,
        /// With LibreOffice and poppler, in which the sandbox opens documents (docs/how-to/sandbox.md)
        #[arg(long)]
        office: bool,
        /// Print the plan and do nothing
        #[arg(long)]
        dry_run: bool,
        /// Take nothing out of the cache but packages
        #[arg(long)]
        fresh: bool,
        /// Then make everything above the installed packages again (with --fresh: those too), and compare octet by octet
        #[arg(long)]
        twice: bool,
        /// Steps to make instead of all
        steps: Vec<String>,
    },
    /// Ask apt for today's versions of the packages, and write packages.lock
    Lock,
    /// Start an image in QEMU with its serial line on this terminal (leave by Ctrl-A X); what it writes is forgotten
    Vm {
        /// The folder of artefacts
        folder: PathBuf,
        #[arg(long, conflicts_with = "secure_boot")]
        uefi: bool,
        #[arg(long)]
        secure_boot: bool,
        #[arg(long)]
        iso: bool,
        /// The image with the office pack
        #[arg(long)]
        office: bool,
        /// An ISO that a first boot takes its answers from (docs/how-to/appliance.md)
        #[arg(long, value_name = "ISO")]
        seed: Option<PathBuf>,
        #[arg(long, default_value_t = 1024, value_name = "MIB")]
        memory: u32,
        /// Start so many, on a network of their own, with their names and addresses set (to be joined into a cluster)
        #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u8).range(2..=9), conflicts_with_all = ["iso", "seed"])]
        nodes: Option<u8>,
        /// Keep the disk in this folder, and start with it the next time
        #[arg(long, value_name = "FOLDER")]
        keep: Option<PathBuf>,
    },
    /// Check artefacts against their signed manifest
    Verify {
        folder: PathBuf,
        /// The public key [default: postern.pub beside them, which says that they belong together, not who made them]
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
    },
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    match cli.what {
        What::Build { postern, cell, init, key, cache, out, office, dry_run, fresh, twice, steps } => {
            let cache = Cache::open(&cache).with_context(|| format!("open the cache {}", cache.display()))?;
            let key = key.unwrap_or_else(|| cache.folder().join("development.key"));
            manifest::development_key(&key)?;
            let sources = sources(&cli.source, [&postern, &cell, &init], &key)?;
            let reuse = if fresh { Reuse::Nothing } else { Reuse::Cached };
            let again = twice.then_some(if fresh { Reuse::Nothing } else { Reuse::AboveBase });
            let mode = if dry_run { Mode::Print } else { Mode::Make { reuse, again } };
            let lock = lock(&cli.source, office)?;
            build(&sources, &lock, &cache, &out, mode, &steps)
        }
        What::Lock => {
            let lock = Lock::renew(&cli.source.join("packages.wanted"))?;
            lock.write(&cli.source.join("packages.lock"))?;
            println!("{} packages", lock.packages.len());
            Ok(())
        }
        What::Vm { folder, uefi, secure_boot, iso, office, seed, memory, nodes, keep } => {
            let firmware = match (uefi, secure_boot) {
                (_, true) => Firmware::SecureBoot,
                (true, false) => Firmware::Uefi,
                (false, false) => Firmware::Bios,
            };
            let name = recipe::name(env!("CARGO_PKG_VERSION"), &lock(&cli.source, office)?);
            let artefact = |ending: &str| folder.join(format!("{name}.{ending}"));
            let mut options = Options::disk(&artefact("qcow2"), firmware);
            options.memory_mib = memory;
            options.seed = seed;
            if iso {
                options.medium = Medium::Cd(artefact("iso"));
            }
            match nodes {
                Some(count) => attend::several(&options, count, keep.as_deref()),
                None => attend::alone(&options, keep.as_deref()),
            }
        }
        What::Verify { folder, key } => {
            let manifest = manifest::verify(&folder, &key.unwrap_or_else(|| folder.join("postern.pub")))?;
            println!("Postern {}: {} files are as they were signed", manifest.version, manifest.files.len());
            Ok(())
        }
    }
}

fn sources(folder: &Path, [postern, cell, init]: [&Path; 3], key: &Path) -> anyhow::Result<Sources> {
    let full = |path: &Path| path.canonicalize().with_context(|| path.display().to_string());
    let folder = full(folder)?;
    Ok(Sources {
        cargo_lock: full(&folder.join("../Cargo.lock"))?,
        postern: full(postern)?,
        cell: full(cell)?,
        init: full(init)?,
        key: full(key)?,
        version: env!("CARGO_PKG_VERSION").into(),
        folder,
    })
}

/// What an image is built from; the office pack is left out unless it is asked for.
fn lock(folder: &Path, office: bool) -> anyhow::Result<Lock> {
    let lock = Lock::read(&folder.join("packages.lock"))?;
    Ok(if office { lock } else { lock.without(Use::Office) })
}

fn hashes(places: &BTreeMap<&'static str, PathBuf>) -> anyhow::Result<BTreeMap<&'static str, String>> {
    places.iter().map(|(step, place)| Ok((*step, inputs::tree(place)?))).collect()
}

#[derive(Clone, Copy)]
enum Mode {
    Print,
    Make {
        reuse: Reuse,
        /// Make it again by this rule, and compare.
        again: Option<Reuse>,
    },
}

fn build(sources: &Sources, lock: &Lock, cache: &Cache, out: &Path, mode: Mode, steps: &[String]) -> anyhow::Result<()> {
    let plan: plan::Plan = recipe::plan(sources, lock)?;
    let builder = |reuse| Builder { sources, lock, cache, reuse };
    let (reuse, again) = match mode {
        Mode::Print => return builder(Reuse::Cached).print(&plan, &mut std::io::stdout().lock()),
        Mode::Make { reuse, again } => (reuse, again),
    };
    ensure!(nix::unistd::geteuid().is_root(), "building a root file system needs root: its files belong to several users");
    let all = ["result"];
    let wanted: Vec<&str> = if steps.is_empty() { all.to_vec() } else { steps.iter().map(String::as_str).collect() };
    let places = builder(reuse).build(&plan, &wanted)?;
    if let Some(again) = again {
        let first = hashes(&places)?;
        let second = hashes(&builder(again).build(&plan, &wanted)?)?;
        let differ: Vec<&str> = first.iter().filter(|(step, hash)| second[*step] != **hash).map(|(step, _)| *step).collect();
        ensure!(differ.is_empty(), "two builds of the same inputs differ in: {}", differ.join(", "));
        println!("two builds are equal, octet by octet: {}", first.keys().copied().collect::<Vec<_>>().join(", "));
    }
    let Some(result) = places.get("result") else {
        for name in wanted {
            println!("{name}: {}", places[name].display());
        }
        return Ok(());
    };
    std::fs::create_dir_all(out).with_context(|| format!("make {}", out.display()))?;
    for entry in std::fs::read_dir(result)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_string_lossy().starts_with('.') {
            continue;
        }
        let to = out.join(&name);
        let _ = std::fs::remove_file(&to);
        // Links where both lie on one file system: no time and no room.
        if std::fs::hard_link(entry.path(), &to).is_err() {
            std::fs::copy(entry.path(), &to).with_context(|| format!("copy to {}", to.display()))?;
        }
        println!("{:>12}  {}", std::fs::metadata(&to)?.len(), to.display());
    }
    Ok(())
}
