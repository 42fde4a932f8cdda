//! A machine under QEMU: software emulation, its serial line and QMP as sockets, ports forwarded from this host.
//!
//! [`serial`] is the conversation with its console, [`qmp`] the one with QEMU itself; [`attend`] starts machines for a person.

pub mod attend;
pub mod qmp;
pub mod seed;
pub mod serial;

use std::fs;
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use qmp::Qmp;
use serial::Serial;

const OVMF: &str = "/usr/share/OVMF";
/// QEMU makes its sockets before the guest runs.
const SOCKETS: Duration = Duration::from_secs(20);
/// Of the disk that is installed on.
const BLANK: &str = "4G";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firmware {
    Bios,
    Uefi,
    /// With Microsoft's keys enrolled, as on bought hardware.
    SecureBoot,
}

#[derive(Clone, Debug)]
pub enum Medium {
    /// A qcow2 image; what the guest writes goes into an overlay.
    Disk(PathBuf),
    /// An ISO in a CD drive.
    Cd(PathBuf),
    /// The same beside a blank disk, and an ISO with answers when there is one. Later the machine starts as one with a disk.
    Installer { iso: PathBuf, answers: Option<PathBuf> },
}

#[derive(Clone, Debug)]
pub struct Options {
    pub firmware: Firmware,
    pub medium: Medium,
    pub memory_mib: u32,
    pub cpus: u32,
    /// Ports of the guest that are reached on this host.
    pub forwarded: Vec<u16>,
    /// The model of the network card, as QEMU names it.
    pub card: &'static str,
    /// An ISO in a drive of its own: what a first boot takes.
    pub seed: Option<PathBuf>,
    /// A second card, where other machines are.
    pub lan: Option<Lan>,
}

/// A place in a network of machines on this host: a multicast group on its loopback.
#[derive(Clone, Copy, Debug)]
pub struct Lan {
    /// UDP; the same for all machines of one network.
    pub port: u16,
    /// Another one for each machine: the end of its card's MAC address.
    pub host: u8,
}

impl Options {
    pub fn disk(image: &Path, firmware: Firmware) -> Self {
        let forwarded = vec![25, 26, 8443];
        // Several queues: without them virtio-net takes no XDP program in the driver.
        let card = "virtio-net-pci,mq=on,vectors=10";
        Self { firmware, medium: Medium::Disk(image.to_owned()), memory_mib: 1024, cpus: 2, forwarded, card, seed: None, lan: None }
    }
}

/// Ended when it is dropped; its folder is the caller's.
pub struct Machine {
    qemu: Child,
    pub serial: Serial,
    pub qmp: Qmp,
    folder: PathBuf,
    ports: Vec<(u16, u16)>,
}

impl Machine {
    /// Makes a fresh overlay over the image, and starts.
    ///
    /// # Errors
    /// When QEMU does not start.
    pub fn start(options: &Options, folder: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(folder)?;
        match &options.medium {
            Medium::Disk(image) => overlay(image, folder)?,
            Medium::Cd(_) => {}
            Medium::Installer { .. } => blank(folder)?,
        }
        Self::resume(options, folder)
    }

    /// Starts with the overlay that is in the folder: the same machine, powered on again.
    ///
    /// # Errors
    /// When QEMU does not start.
    pub fn resume(options: &Options, folder: &Path) -> anyhow::Result<Self> {
        let ports = options.forwarded.iter().map(|guest| Ok((*guest, free_port()?))).collect::<anyhow::Result<Vec<_>>>()?;
        let (serial, qmp) = (folder.join("serial.sock"), folder.join("qmp.sock"));
        for socket in [&serial, &qmp] {
            let _ = fs::remove_file(socket);
        }
        let log = fs::File::create(folder.join("qemu.log"))?;
        let mut command = Command::new("qemu-system-x86_64");
        command.args(arguments(options, folder, &ports)?).args(["-display", "none"]);
        command.arg("-serial").arg(format!("unix:{},server=on,wait=off", serial.display()));
        command.arg("-qmp").arg(format!("unix:{},server=on,wait=off", qmp.display()));
        // Paused until somebody listens: nothing that it says is lost.
        command.arg("-S").stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let mut qemu = command.spawn().context("start qemu-system-x86_64")?;
        let connect = |qemu: &mut Child, path: &Path| -> anyhow::Result<UnixStream> {
            let until = Instant::now() + SOCKETS;
            loop {
                if let Ok(stream) = UnixStream::connect(path) {
                    return Ok(stream);
                }
                if qemu.try_wait()?.is_some() || Instant::now() > until {
                    bail!("QEMU did not start: {}", fs::read_to_string(folder.join("qemu.log")).unwrap_or_default());
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        };
        let serial = Serial::new(connect(&mut qemu, &serial)?, &folder.join("serial.log"))?;
        let mut qmp = Qmp::new(connect(&mut qemu, &qmp)?)?;
        qmp.execute("cont", "{}")?;
        Ok(Self { qemu, serial, qmp, folder: folder.to_owned(), ports })
    }

    /// Where a port of the guest is on this host.
    ///
    /// # Panics
    /// When it is not among those that are forwarded.
    #[must_use]
    pub fn port(&self, guest: u16) -> u16 {
        self.ports.iter().find(|(g, _)| *g == guest).map_or_else(|| panic!("port {guest} is not forwarded"), |(_, host)| *host)
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Cuts the power.
    ///
    /// # Errors
    /// When QEMU cannot be ended.
    pub fn cut_power(mut self) -> anyhow::Result<()> {
        self.qemu.kill()?;
        self.qemu.wait()?;
        Ok(())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

/// A disk that shows an image and keeps what is written to it for itself.
fn overlay(image: &Path, folder: &Path) -> anyhow::Result<()> {
    let made = Command::new("qemu-img")
        .args(["create", "-q", "-f", "qcow2", "-F", "qcow2", "-b"])
        .arg(image.canonicalize().with_context(|| image.display().to_string())?)
        .arg(folder.join("disk.qcow2"))
        .output()
        .context("start qemu-img")?;
    ensure!(made.status.success(), "qemu-img: {}", String::from_utf8_lossy(&made.stderr));
    Ok(())
}

fn blank(folder: &Path) -> anyhow::Result<()> {
    let made = Command::new("qemu-img").args(["create", "-q", "-f", "qcow2"]).arg(folder.join("disk.qcow2")).arg(BLANK).output();
    let made = made.context("start qemu-img")?;
    ensure!(made.status.success(), "qemu-img: {}", String::from_utf8_lossy(&made.stderr));
    Ok(())
}

/// What a person who starts it by hand would type, without the consoles.
///
/// # Errors
/// When the firmware is not here.
pub fn arguments(options: &Options, folder: &Path, ports: &[(u16, u16)]) -> anyhow::Result<Vec<String>> {
    let mut words: Vec<String> =
        ["-nodefaults", "-no-user-config", "-accel", "tcg,thread=multi", "-cpu", "max", "-m"].map(str::to_owned).to_vec();
    words.push(options.memory_mib.to_string());
    words.extend(["-smp".into(), options.cpus.to_string()]);
    words.extend(["-machine".into(), if options.firmware == Firmware::SecureBoot { "q35,smm=on".into() } else { "q35".into() }]);
    if options.firmware != Firmware::Bios {
        let (code, vars) = match options.firmware {
            Firmware::SecureBoot => ("OVMF_CODE_4M.secboot.fd", "OVMF_VARS_4M.ms.fd"),
            _ => ("OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd"),
        };
        let own = folder.join("vars.fd");
        if !own.exists() {
            fs::copy(Path::new(OVMF).join(vars), &own).with_context(|| format!("{OVMF}/{vars}: is the package ovmf installed?"))?;
        }
        if options.firmware == Firmware::SecureBoot {
            // Only the firmware may write its keys (SMM).
            words.extend(["-global".into(), "driver=cfi.pflash01,property=secure,value=on".into()]);
        }
        words.extend([
            "-drive".into(),
            format!("if=pflash,format=raw,unit=0,readonly=on,file={OVMF}/{code}"),
            "-drive".into(),
            format!("if=pflash,format=raw,unit=1,file={}", own.display()),
        ]);
    }
    words.extend(drives(&options.medium, folder));
    if let Some(iso) = &options.seed {
        words.extend(["-drive".into(), format!("if=none,id=seed,media=cdrom,format=raw,readonly=on,file={}", iso.display())]);
        words.extend(["-device".into(), "ide-cd,bus=ide.0,drive=seed".into()]);
    }
    let forwards: String = ports.iter().map(|(guest, host)| format!(",hostfwd=tcp:127.0.0.1:{host}-:{guest}")).collect();
    words.extend(["-netdev".into(), format!("user,id=net,ipv6=off{forwards}")]);
    words.extend(["-device".into(), format!("{},netdev=net", options.card)]);
    if let Some(Lan { port, host }) = options.lan {
        words.extend(["-netdev".into(), format!("socket,id=lan,mcast=230.0.0.1:{port},localaddr=127.0.0.1")]);
        words.extend(["-device".into(), format!("{},netdev=lan,mac=52:54:00:00:00:{host:02x}", options.card)]);
    }
    words.extend(["-device".into(), "virtio-rng-pci".into(), "-device".into(), "i6300esb".into()]);
    words.extend(["-no-shutdown".into()]);
    Ok(words)
}

/// In the order in which the firmware tries them.
fn drives(medium: &Medium, folder: &Path) -> Vec<String> {
    let disk = |order: u8| {
        // `writethrough`: what the guest was told is on the disk is in the file, so that a killed QEMU is a power cut.
        let drive = format!("if=none,id=disk,format=qcow2,cache=writethrough,file={}", folder.join("disk.qcow2").display());
        ["-drive".into(), drive, "-device".into(), format!("virtio-blk-pci,drive=disk,serial=postern-disk,bootindex={order}")]
    };
    // A bus of AHCI holds one drive.
    let cd = |iso: &Path, order: u8| {
        let drive = format!("if=none,id=cd{order},media=cdrom,format=raw,readonly=on,file={}", iso.display());
        ["-drive".into(), drive, "-device".into(), format!("ide-cd,bus=ide.{order},drive=cd{order},bootindex={order}")]
    };
    match medium {
        Medium::Disk(_) => disk(1).to_vec(),
        Medium::Cd(iso) => cd(iso, 1).to_vec(),
        Medium::Installer { iso, answers } => {
            let answers = answers.iter().flat_map(|answers| cd(answers, 3));
            cd(iso, 1).into_iter().chain(disk(2)).chain(answers).collect()
        }
    }
}

fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
