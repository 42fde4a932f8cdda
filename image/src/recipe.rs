//! The build of the appliance as data. Read from top to bottom: packages, root, kernel, slot, disk, and what people take away.

use std::path::PathBuf;

use sha2::{Digest, Sha256};

use crate::inputs::hexadecimal;
use crate::lock::{Lock, Use};
use crate::plan::{Action, Input, Native, OUT, Plan, Step, of};

/// Times in images that no package brings along, in seconds since 1970: the first of January 2026.
pub const EPOCH: u64 = 1_767_225_600;
/// The size of virtual disks; hardware has the one that it has.
const CAPACITY: u64 = 16 << 30;
/// Of the file that is written to hardware: up to the end of a data partition that grows at the first boot.
const DISK_MIB: u64 = 1156;
/// Offsets of the layout in `boot/partitions.sfdisk`, in sectors.
pub const BIOS_AT: u64 = 2048;
pub const ESP_AT: u64 = 4096;
pub const ESP_MIB: u64 = 128;
pub const SLOTS: [(char, u64, u64); 2] = [('a', 266_240, 462_848), ('b', 1_249_280, 1_445_888)];
pub const BOOT_MIB: u64 = 96;
pub const ROOT_MIB: u64 = 384;
/// Octets before the protective partition table: the boot code of the BIOS (UEFI 2.10 §5.2.1).
pub const BOOT_CODE: u64 = 440;
/// What the installer on the ISO writes to a disk, below `live/` there, with hashes in its manifest
/// (`userspace/postern-os/src/install/medium.rs`).
pub const INSTALLED: [&str; 6] = ["boot-code.img", "bios.img", "esp.img", "boot.img", "root.img", "partitions.sfdisk"];

/// What is built from: all of it by path.
#[derive(Clone, Debug)]
pub struct Sources {
    /// `image/` of a checkout.
    pub folder: PathBuf,
    pub cargo_lock: PathBuf,
    pub postern: PathBuf,
    /// The sandbox's worker.
    pub cell: PathBuf,
    pub init: PathBuf,
    /// Signs the manifest and the update.
    pub key: PathBuf,
    pub version: String,
}

impl Sources {
    fn at(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// A file of the checkout's `image/` in a command. Like the other names in braces it stands for a path that the executor knows:
/// where something lies is no part of what is built.
fn source(name: &str) -> String {
    format!("{{source}}/{name}")
}
const POSTERN: &str = "{postern}";
const CELL: &str = "{cell}";
const INIT: &str = "{init}";
const KEY: &str = "{key}";

/// A GUID that depends on the version and a name only (RFC 9562 §5.8).
fn guid(version: &str, name: &str) -> String {
    let d = hexadecimal(&Sha256::digest(format!("postern {version} {name}")));
    format!("{}-{}-8{}-8{}-{}", &d[..8], &d[8..12], &d[13..16], &d[17..20], &d[20..32])
}

/// What the artefacts are called: an image with the office pack says so.
#[must_use]
pub fn name(version: &str, lock: &Lock) -> String {
    format!("postern-{version}{}", if lock.has(Use::Office) { "-office" } else { "" })
}

/// # Errors
/// When the lock or a source lacks something.
pub fn plan(from: &Sources, lock: &Lock) -> anyhow::Result<Plan> {
    let version = &from.version;
    let name = name(version, lock);
    let steps = vec![
        root_base(lock),
        kernel(from, lock)?,
        boot_loaders(from, lock)?,
        root(from),
        initramfs(from),
        slot(from),
        disk(from),
        iso(from),
        qcow2(&name),
        raw(&name),
        ova(&name, version),
        update(from, &name),
        sbom(from, lock, &name),
        result(from, &name),
    ];
    Ok(Plan { version: version.clone(), steps })
}

fn root_base(lock: &Lock) -> Step {
    let installed = || lock.of(Use::Root).chain(lock.of(Use::Office));
    let files: Vec<String> = installed().map(crate::lock::Package::file).collect();
    let names: Vec<&str> = installed().map(|p| p.name.as_str()).collect();
    Step {
        name: "root-base",
        makes: "Debian's packages, installed (about a minute)",
        needs: vec![],
        inputs: vec![Input::Packages(files.clone())],
        actions: vec![
            Action::Native(Native::Repository { packages: files, to: format!("{OUT}/repository") }),
            Action::Shell(format!(
                "mmdebstrap --quiet --mode=root --variant=custom --format=tar --include={} --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \\
                     --aptopt='APT::Install-Recommends \"false\"' bookworm {OUT}/root.tar 'deb [trusted=yes] copy:{OUT}/repository ./'
                 rm -r {OUT}/repository",
                names.join(",")
            )),
        ],
    }
}

fn kernel(from: &Sources, lock: &Lock) -> anyhow::Result<Step> {
    let package = lock.kernel()?.file();
    Ok(Step {
        name: "kernel",
        makes: "the kernel, and the modules that were chosen",
        needs: vec![],
        inputs: vec![Input::Packages(vec![package.clone()]), Input::Path(from.at("lists/modules.list"))],
        actions: vec![
            Action::Shell(format!(
                "dpkg-deb --extract {{packages}}/{package} {OUT}/package
                 mv {OUT}/package/boot/vmlinuz-* {OUT}/vmlinuz"
            )),
            Action::Native(Native::ChooseModules {
                from: format!("{OUT}/package/lib/modules"),
                list: source("lists/modules.list"),
                to: format!("{OUT}/modules"),
            }),
            Action::Shell(format!("rm -r {OUT}/package")),
        ],
    })
}

fn boot_loaders(from: &Sources, lock: &Lock) -> anyhow::Result<Step> {
    let files: Vec<String> = lock.of(Use::Boot).map(crate::lock::Package::file).collect();
    anyhow::ensure!(!files.is_empty(), "the lock has no boot loaders: run `image lock`");
    let extract: String = files.iter().map(|f| format!("dpkg-deb --extract {{packages}}/{f} {OUT}/all\n")).collect();
    // Everything that grub.cfg asks for: there is no folder of modules to load more from.
    let modules = "biosdisk part_gpt part_msdos fat iso9660 squash4 gzio normal configfile loadenv test echo linux search search_label \
                   serial terminal minicmd regexp probe reboot halt sleep password_pbkdf2 true";
    Ok(Step {
        name: "boot-loaders",
        makes: "shim and GRUB with their signatures; GRUB for the BIOS",
        needs: vec![],
        inputs: vec![Input::Packages(files), Input::Path(from.at("boot/early.cfg"))],
        actions: vec![Action::Shell(format!(
            "{extract}
             cp {OUT}/all/usr/lib/shim/shimx64.efi.signed {OUT}/shimx64.efi
             cp {OUT}/all/usr/lib/shim/mmx64.efi.signed {OUT}/mmx64.efi
             cp {OUT}/all/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed {OUT}/grubx64.efi
             cp {OUT}/all/usr/lib/grub/x86_64-efi-signed/gcdx64.efi.signed {OUT}/gcdx64.efi
             bios={OUT}/all/usr/lib/grub/i386-pc
             cp $bios/boot.img $bios/boot_hybrid.img $bios/cdboot.img {OUT}/
             {OUT}/all/usr/bin/grub-mkimage -O i386-pc -d $bios -o {OUT}/core.img -p '(,gpt2)/grub' -c {early} {modules}
             {OUT}/all/usr/bin/grub-mkimage -O i386-pc -d $bios -o {OUT}/cd-core.img -p /boot/grub -c {early} {modules}
             cat {OUT}/cdboot.img {OUT}/cd-core.img > {OUT}/eltorito.img
             rm -r {OUT}/all",
            early = source("boot/early.cfg"),
        ))],
    })
}

fn root(from: &Sources) -> Step {
    let (overlay, finish, postern) = (from.at("overlay"), from.at("finish-root"), from.postern.clone());
    let salt = hexadecimal(&Sha256::digest(format!("postern {} verity", from.version)));
    let uuid = guid(&from.version, "verity");
    let public = format!("{OUT}/update.pub");
    Step {
        name: "root",
        makes: "the root file system with its tree of hashes",
        needs: vec!["root-base", "kernel"],
        inputs: [&overlay, &finish, &postern, &from.cell, &from.key].map(|p| Input::Path(p.clone())).to_vec(),
        actions: vec![
            Action::Shell(format!(
                "mkdir {OUT}/tree
                 tar --extract --preserve-permissions --numeric-owner --file={base}/root.tar --directory={OUT}/tree
                 openssl pkey -in {key} -pubout -out {public}
                 {finish} {OUT}/tree {overlay} {postern} {CELL} {kernel}/modules {public} {version}
                 rm {public}
                 mksquashfs {OUT}/tree {OUT}/root.img -quiet -no-progress -noappend -comp zstd -Xcompression-level 15 -b 256K
                 rm -r {OUT}/tree",
                base = of("root-base"),
                kernel = of("kernel"),
                key = KEY,
                finish = source("finish-root"),
                overlay = source("overlay"),
                postern = POSTERN,
                version = from.version,
            )),
            Action::Shell(format!(
                "size=$(stat --format=%s {OUT}/root.img)
                 hash=$(veritysetup format --salt={salt} --uuid={uuid} --hash-offset=$size {OUT}/root.img {OUT}/root.img | sed -n 's/^Root hash:[ \\t]*//p')
                 echo \"$((size / 4096)):{salt}:$hash\" > {OUT}/verity
                 echo $size > {OUT}/size
                 [ $(stat --format=%s {OUT}/root.img) -le $(({ROOT_MIB} << 20)) ] || {{ echo 'the root is larger than its slot' >&2; exit 1; }}"
            )),
        ],
    }
}

fn initramfs(from: &Sources) -> Step {
    Step {
        name: "initramfs",
        makes: "the init and the modules that lead to the root",
        needs: vec!["kernel"],
        inputs: vec![Input::Path(from.init.clone()), Input::Path(from.at("lists/initramfs.list"))],
        actions: vec![
            Action::Run(vec!["strip".into(), "--strip-all".into(), "-o".into(), format!("{OUT}/init"), INIT.into()]),
            Action::Native(Native::Initramfs {
                init: format!("{OUT}/init"),
                modules: format!("{}/modules", of("kernel")),
                list: source("lists/initramfs.list"),
                to: format!("{OUT}/initrd.cpio"),
            }),
            Action::Shell(format!("zstd -q -15 --rm {OUT}/initrd.cpio -o {OUT}/initrd.img")),
        ],
    }
}

fn slot(from: &Sources) -> Step {
    Step {
        name: "slot",
        makes: "what a slot boots from: kernel, initramfs, and the hash of its root",
        needs: vec!["kernel", "initramfs", "root"],
        inputs: vec![Input::Path(from.at("boot/options"))],
        actions: vec![Action::Shell(format!(
            "mkdir {OUT}/slot
             cp {kernel}/vmlinuz {initramfs}/initrd.img {OUT}/slot/
             printf 'set version=%s\\nset options=\"%s\"\\nset verity=%s\\n' {version} \"$(cat {options})\" \"$(cat {root}/verity)\" > {OUT}/slot/slot.cfg
             mksquashfs {OUT}/slot {OUT}/boot.img -quiet -no-progress -noappend -all-root -comp gzip -noD -noF
             [ $(stat --format=%s {OUT}/boot.img) -le $(({BOOT_MIB} << 20)) ] || {{ echo 'kernel and initramfs are larger than their slot' >&2; exit 1; }}",
            kernel = of("kernel"),
            initramfs = of("initramfs"),
            root = of("root"),
            version = from.version,
            options = source("boot/options"),
        ))],
    }
}

fn disk(from: &Sources) -> Step {
    let loaders = of("boot-loaders");
    let esp = [
        (format!("{loaders}/shimx64.efi"), "EFI/BOOT/BOOTX64.EFI"),
        (format!("{loaders}/grubx64.efi"), "EFI/BOOT/grubx64.efi"),
        (format!("{loaders}/mmx64.efi"), "EFI/BOOT/mmx64.efi"),
        (source("boot/efi.cfg"), "EFI/debian/grub.cfg"),
        (source("boot/grub.cfg"), "grub/grub.cfg"),
        (format!("{OUT}/grubenv"), "grub/grubenv"),
    ];
    let names = ["disk", "bios", "esp", "boot-a", "root-a", "boot-b", "root-b", "data"];
    let guids: String = names.iter().map(|n| format!("-e 's/{{guid:{n}}}/{}/' ", guid(&from.version, n))).collect();
    let [(_, boot_a, root_a), _] = SLOTS;
    Step {
        name: "disk",
        makes: "the disk: table, boot chain for BIOS and UEFI, slot a",
        needs: vec!["boot-loaders", "root", "slot"],
        inputs: ["boot/partitions.sfdisk", "boot/efi.cfg", "boot/grub.cfg"].map(|p| Input::Path(from.at(p))).to_vec(),
        actions: vec![
            Action::Write { file: format!("{OUT}/grubenv"), text: postern_grubenv() },
            Action::Native(Native::Fat {
                to: format!("{OUT}/esp.img"),
                mebibytes: ESP_MIB,
                serial: u32::from_str_radix(&guid(&from.version, "esp")[..8], 16).unwrap_or(1),
                label: "POSTERN-ESP".into(),
                files: esp.map(|(from, to)| (from, to.to_owned())).to_vec(),
            }),
            Action::Shell(format!(
                "truncate --size={DISK_MIB}M {OUT}/disk.raw
                 sed {guids} {table} | sfdisk --quiet {OUT}/disk.raw
                 put() {{ dd if=$1 of={OUT}/disk.raw bs=512 seek=$2 conv=notrunc,sparse status=none; }}
                 put {OUT}/esp.img {ESP_AT}
                 put {slot}/boot.img {boot_a}
                 put {root}/root.img {root_a}
                 rm {OUT}/esp.img",
                table = source("boot/partitions.sfdisk"),
                slot = of("slot"),
                root = of("root"),
            )),
            Action::Native(Native::BiosBoot {
                disk: format!("{OUT}/disk.raw"),
                boot: format!("{loaders}/boot.img"),
                core: format!("{loaders}/core.img"),
                sector: BIOS_AT,
            }),
        ],
    }
}

/// GRUB's environment block: 1,024 octets, padded with `#`.
fn postern_grubenv() -> String {
    format!("{:#<1024}", "# GRUB Environment Block\nslot=a\na_tries=3\nb_tries=-\n")
}

fn iso(from: &Sources) -> Step {
    let loaders = of("boot-loaders");
    let efi = [
        (format!("{loaders}/shimx64.efi"), "EFI/BOOT/BOOTX64.EFI"),
        (format!("{loaders}/gcdx64.efi"), "EFI/BOOT/grubx64.efi"),
        (format!("{loaders}/mmx64.efi"), "EFI/BOOT/mmx64.efi"),
    ];
    Step {
        name: "iso",
        makes: "the medium that boots as CD and as stick, and installs",
        needs: vec!["boot-loaders", "kernel", "initramfs", "root", "slot", "disk"],
        inputs: ["boot/live.cfg", "boot/options", "boot/partitions.sfdisk"]
            .map(|p| Input::Path(from.at(p)))
            .into_iter()
            .chain([Input::Path(from.key.clone())])
            .collect(),
        actions: vec![
            Action::Native(Native::Fat {
                to: format!("{OUT}/efi.img"),
                mebibytes: 8,
                serial: u32::from_str_radix(&guid(&from.version, "iso")[..8], 16).unwrap_or(1),
                label: "POSTERN-EFI".into(),
                files: efi.map(|(from, to)| (from, to.to_owned())).to_vec(),
            }),
            Action::Shell(format!(
                "mkdir -p {OUT}/medium/.disk {OUT}/medium/boot/grub {OUT}/medium/live
                 echo 'Postern {version}' > {OUT}/medium/.disk/info
                 cp {loaders}/eltorito.img {OUT}/medium/boot/
                 cp {live} {OUT}/medium/boot/grub/grub.cfg
                 cp {kernel}/vmlinuz {initramfs}/initrd.img {root}/root.img {OUT}/medium/live/
                 printf 'set version=%s\\nset options=\"%s\"\\nset verity=%s\\n' {version} \"$(cat {options})\" \"$(cat {root}/verity)\" > {OUT}/medium/live/slot.cfg
                 part() {{ dd if={disk}/disk.raw of={OUT}/medium/live/$1 bs=$2 skip=$3 count=$4 status=none; }}
                 part boot-code.img 1 0 {BOOT_CODE}
                 part bios.img 512 {BIOS_AT} {bios}
                 part esp.img 512 {ESP_AT} {esp}
                 cp {slot}/boot.img {table} {OUT}/medium/live/",
                version = from.version,
                live = source("boot/live.cfg"),
                kernel = of("kernel"),
                initramfs = of("initramfs"),
                root = of("root"),
                options = source("boot/options"),
                disk = of("disk"),
                slot = of("slot"),
                table = source("boot/partitions.sfdisk"),
                bios = ESP_AT - BIOS_AT,
                esp = ESP_MIB * 2048,
            )),
            // About what will lie on a disk, so before the boot loader's partition is packed: it is nearly all zeros.
            Action::Native(Native::Manifest {
                files: INSTALLED.map(|f| format!("{OUT}/medium/live/{f}")).to_vec(),
                version: from.version.clone(),
                key: KEY.into(),
                to: format!("{OUT}/medium/live"),
            }),
            Action::Shell(format!(
                "zstd -q -15 --rm {OUT}/medium/live/esp.img
                 find {OUT}/medium -exec touch --no-dereference --date=@{EPOCH} {{}} +
                 touch --date=@{EPOCH} {OUT}/efi.img
                 xorriso -report_about WARNING -as mkisofs -o {OUT}/postern.iso -V POSTERN -R -J \\
                     --modification-date={date} --gpt_disk_guid {guid} \\
                     -b boot/eltorito.img -no-emul-boot -boot-load-size 4 -boot-info-table --grub2-boot-info --grub2-mbr {loaders}/boot_hybrid.img \\
                     -append_partition 2 0xef {OUT}/efi.img -appended_part_as_gpt -eltorito-alt-boot -e --interval:appended_partition_2:all:: -no-emul-boot \\
                     {OUT}/medium
                 rm -r {OUT}/medium {OUT}/efi.img",
                guid = guid(&from.version, "iso"),
                date = "2026010100000000",
            )),
        ],
    }
}

fn qcow2(name: &str) -> Step {
    Step {
        name: "qcow2",
        makes: "for QEMU, KVM, Proxmox",
        needs: vec!["disk"],
        inputs: vec![],
        actions: vec![Action::Shell(format!(
            "qemu-img convert -c -m 1 -f raw -O qcow2 {disk}/disk.raw {OUT}/{name}.qcow2
             qemu-img resize -q {OUT}/{name}.qcow2 {CAPACITY}",
            disk = of("disk"),
        ))],
    }
}

fn raw(name: &str) -> Step {
    Step {
        name: "raw",
        makes: "for hardware: written to a disk as it is",
        needs: vec!["disk"],
        inputs: vec![],
        actions: vec![Action::Shell(format!("zstd -q -12 -T2 {disk}/disk.raw -o {OUT}/{name}.raw.zst", disk = of("disk")))],
    }
}

fn ova(name: &str, version: &str) -> Step {
    let disk = format!("{OUT}/{name}-disk1.vmdk");
    Step {
        name: "ova",
        makes: "for VMware and others that import OVF",
        needs: vec!["disk"],
        inputs: vec![],
        actions: vec![
            // Its size is part of the descriptor that qemu-img writes, so a sparse copy is made larger before.
            Action::Shell(format!(
                "cp --sparse=always {base}/disk.raw {OUT}/large.raw
                 truncate --size={CAPACITY} {OUT}/large.raw
                 qemu-img convert -m 1 -f raw -O vmdk -o subformat=streamOptimized,adapter_type=lsilogic {OUT}/large.raw {disk}
                 rm {OUT}/large.raw",
                base = of("disk"),
            )),
            Action::Native(Native::SettleVmdk { disk: disk.clone() }),
            Action::Native(Native::Ovf { disk, to: OUT.into(), name: name.into(), version: version.into(), capacity: CAPACITY }),
            Action::Shell(format!(
                "tar --create --format=ustar --owner=0 --group=0 --numeric-owner --mode=0644 --mtime=@{EPOCH} \\
                     --file={OUT}/{name}.ova --directory={OUT} {name}.ovf {name}.mf {name}-disk1.vmdk
                 rm {OUT}/{name}-disk1.vmdk {OUT}/{name}.ovf {OUT}/{name}.mf"
            )),
        ],
    }
}

fn update(from: &Sources, name: &str) -> Step {
    let files = vec![format!("{}/boot.img", of("slot")), format!("{}/root.img", of("root"))];
    Step {
        name: "update",
        makes: "for an appliance that runs: both images of a slot, signed",
        needs: vec!["slot", "root"],
        inputs: vec![Input::Path(from.key.clone())],
        actions: vec![
            Action::Native(Native::Manifest { files, version: from.version.clone(), key: KEY.into(), to: OUT.into() }),
            // The manifest first: who reads the stream knows what to believe before it comes.
            Action::Shell(format!(
                "tar --create --format=ustar --owner=0 --group=0 --numeric-owner --mode=0644 --mtime=@{EPOCH} --file={OUT}/{name}.update \\
                     --directory={OUT} manifest.json manifest.sig --directory={slot} boot.img --directory={root} root.img
                 rm {OUT}/manifest.json {OUT}/manifest.sig",
                slot = of("slot"),
                root = of("root"),
            )),
        ],
    }
}

fn sbom(from: &Sources, lock: &Lock, name: &str) -> Step {
    let mut uses: Vec<Use> = lock.chosen().map(|p| p.used).collect();
    uses.sort_unstable();
    uses.dedup();
    Step {
        name: "sbom",
        makes: "the bill of materials (CycloneDX)",
        needs: vec![],
        inputs: vec![Input::Path(from.at("packages.lock")), Input::Path(from.cargo_lock.clone())],
        actions: vec![Action::Native(Native::Sbom {
            packages: source("packages.lock"),
            uses,
            crates: "{cargo-lock}".into(),
            version: from.version.clone(),
            to: format!("{OUT}/{name}.cdx.json"),
        })],
    }
}

/// What is taken away, by step: the file's name, and where it lies.
pub fn artefacts(name: &str) -> Vec<(&'static str, String, String)> {
    [("iso", "iso"), ("qcow2", "qcow2"), ("raw", "raw.zst"), ("ova", "ova"), ("update", "update"), ("sbom", "cdx.json")]
        .map(|(step, ending)| {
            (step, format!("{name}.{ending}"), if step == "iso" { "postern.iso".into() } else { format!("{name}.{ending}") })
        })
        .to_vec()
}

fn result(from: &Sources, name: &str) -> Step {
    let artefacts = artefacts(name);
    let links: String = artefacts.iter().map(|(step, to, file)| format!("ln {}/{file} {OUT}/{to}\n", of(step))).collect();
    Step {
        name: "result",
        makes: "all of them, and the signed manifest",
        needs: artefacts.iter().map(|(step, ..)| *step).collect(),
        inputs: vec![Input::Path(from.key.clone())],
        actions: vec![
            Action::Shell(format!("{links}openssl pkey -in {KEY} -pubout -out {OUT}/postern.pub")),
            Action::Native(Native::Manifest {
                files: artefacts.iter().map(|(_, to, _)| format!("{OUT}/{to}")).collect(),
                version: from.version.clone(),
                key: KEY.into(),
                to: OUT.into(),
            }),
        ],
    }
}
