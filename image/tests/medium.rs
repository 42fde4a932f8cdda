//! The ISO's installer folder, made by the recipe's own steps out of small stand-ins for kernel, root and boot loaders.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use postern_image::cache::Cache;
use postern_image::execute::{Builder, Reuse};
use postern_image::lock::Lock;
use postern_image::plan::Action;
use postern_image::recipe::{self, Sources};
use postern_image::{inputs, manifest};

/// What the steps would make that take minutes and packages: files of the same names.
const STAND_INS: &[(&str, &str)] = &[
    ("root-base", "touch {out}/root.tar"),
    ("kernel", "mkdir {out}/modules && head -c 300000 /dev/zero | tr '\\0' k > {out}/vmlinuz"),
    (
        "boot-loaders",
        "for f in shimx64.efi mmx64.efi grubx64.efi gcdx64.efi eltorito.img boot_hybrid.img core.img; do head -c 40000 /dev/zero | tr '\\0' b > {out}/$f; done
         { head -c 510 /dev/zero | tr '\\0' c; printf '\\125\\252'; } > {out}/boot.img",
    ),
    ("root", "head -c 500000 /dev/zero | tr '\\0' r > {out}/root.img && echo 122:ab:cd > {out}/verity && echo 500000 > {out}/size"),
    ("initramfs", "head -c 100000 /dev/zero | tr '\\0' i > {out}/initrd.img"),
];

fn has(tools: &[&str]) -> bool {
    let missing: Vec<&&str> = tools.iter().filter(|t| Command::new(t).arg("--version").output().is_err()).collect();
    if !missing.is_empty() {
        println!("skipped: not installed: {missing:?}");
    }
    missing.is_empty()
}

fn run(program: &str, arguments: &[&str]) -> String {
    let ended = Command::new(program).args(arguments).output().unwrap();
    assert!(ended.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&ended.stderr));
    String::from_utf8_lossy(&ended.stdout).into_owned()
}

#[test]
fn the_iso_brings_along_what_a_disk_will_hold() {
    if !has(&["sfdisk", "mksquashfs", "xorriso", "zstd", "openssl"]) {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let at = |name: &str| scratch.path().join(name);
    for name in ["postern", "cell", "init"] {
        fs::write(at(name), name).unwrap();
    }
    manifest::development_key(&at("key")).unwrap();
    manifest::public_key(&at("key"), &at("key.pub")).unwrap();
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let sources = Sources {
        cargo_lock: folder.join("../Cargo.lock"),
        folder: folder.clone(),
        postern: at("postern"),
        cell: at("cell"),
        init: at("init"),
        key: at("key"),
        version: "1.2.3".into(),
    };
    let (lock, cache) = (Lock::read(&folder.join("packages.lock")).unwrap(), Cache::open(&at("cache")).unwrap());
    let mut plan = recipe::plan(&sources, &lock).unwrap();
    for (name, commands) in STAND_INS {
        let step = plan.steps.iter_mut().find(|s| s.name == *name).unwrap();
        (step.inputs, step.actions) = (Vec::new(), vec![Action::Shell((*commands).into())]);
    }
    let build = |reuse| {
        let places = Builder { sources: &sources, lock: &lock, cache: &cache, reuse }.build(&plan, &["iso"]).unwrap();
        (places["iso"].join("postern.iso"), places["disk"].join("disk.raw"))
    };
    let (iso, disk) = build(Reuse::Cached);
    let first = inputs::file(&iso).unwrap();

    let live = at("live");
    run("xorriso", &["-osirrox", "on", "-indev", iso.to_str().unwrap(), "-extract", "/live", live.to_str().unwrap()]);
    run("chmod", &["-R", "u+w", live.to_str().unwrap()]);
    assert!(!live.join("esp.img").exists() && fs::metadata(live.join("esp.img.zst")).unwrap().len() < 1 << 20, "it is packed");
    run("zstd", &["-q", "-d", "--rm", live.join("esp.img.zst").to_str().unwrap()]);
    let said = manifest::verify(&live, &at("key.pub")).unwrap();
    assert_eq!(said.version, "1.2.3");
    assert_eq!(
        said.files.keys().collect::<Vec<_>>(),
        ["bios.img", "boot-code.img", "boot.img", "esp.img", "partitions.sfdisk", "root.img"]
    );

    // Laid where the table says, they are the disk that people download.
    let part = |file: &Path, sector: u64, length: usize| {
        let mut octets = vec![0; length];
        std::os::unix::fs::FileExt::read_exact_at(&fs::File::open(file).unwrap(), &mut octets, sector * 512).unwrap();
        octets
    };
    let (_, boot_a, root_a) = recipe::SLOTS[0];
    let places =
        [("boot-code.img", 0), ("bios.img", recipe::BIOS_AT), ("esp.img", recipe::ESP_AT), ("boot.img", boot_a), ("root.img", root_a)];
    for (file, sector) in places {
        let image = fs::read(live.join(file)).unwrap();
        assert!(part(&disk, sector, image.len()) == image, "{file}");
    }
    assert_eq!(fs::metadata(live.join("boot-code.img")).unwrap().len(), recipe::BOOT_CODE);
    assert_eq!(part(&disk, 0, 512)[0x5c..0x64], recipe::BIOS_AT.to_le_bytes(), "it leads to its core");

    let (iso, _) = build(Reuse::Nothing);
    assert_eq!(inputs::file(&iso).unwrap(), first, "the same octets when built again");
}
