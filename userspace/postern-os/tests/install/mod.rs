//! A machine for the installer: /sys from a file, disks that are sparse files, and a medium with small images.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, BufRead, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use postern_os::install::contents::Contents;
use postern_os::install::dialogue::Then;
use postern_os::install::disks::{Disk, System};
use postern_os::install::layout::Layout;
use postern_os::install::medium::Medium;
use postern_os::install::session::{self, Console, Outcome, Place, SessionError};
use postern_os::manifest::Hash;
use tempfile::TempDir;

pub const SECTOR: u64 = 512;

pub fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/install").join(path)
}

pub struct Bench {
    pub folder: TempDir,
    pub place: Place,
}

impl Bench {
    pub fn new(machine: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let mut mounts = String::new();
        for line in fs::read_to_string(here(&format!("machines/{machine}.sys"))).unwrap().lines().filter(|l| !l.starts_with('#')) {
            let (path, value) = line.split_once(' ').unwrap();
            if path == "mount" {
                let (device, to) = value.split_once(' ').unwrap();
                mounts += &format!("36 1 {device} / {to} ro,relatime shared:1 - iso9660 /dev/x ro\n");
                continue;
            }
            let file = at("sys").join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, format!("{value}\n")).unwrap();
            if let Some(name) = path.strip_prefix("block/").and_then(|p| p.strip_suffix("/size")) {
                fs::create_dir_all(at("dev")).unwrap();
                File::create(at("dev").join(name)).unwrap().set_len(value.parse::<u64>().unwrap() * SECTOR).unwrap();
            }
        }
        fs::write(at("mounts"), mounts).unwrap();
        fs::create_dir_all(at("zones/Europe")).unwrap();
        fs::write(at("zones/Europe/Berlin"), "").unwrap();
        medium(&at("medium/live"), "1.2.3");
        let system = System { sys: at("sys"), dev: at("dev"), mounts: at("mounts") };
        let place = Place { system, medium: at("medium"), turn: at("turn"), zones: at("zones") };
        Self { folder, place }
    }

    pub fn node(&self, disk: &str) -> PathBuf {
        self.place.system.dev.join(disk)
    }

    pub fn open(&self, disk: &str) -> File {
        File::options().read(true).write(true).open(self.node(disk)).unwrap()
    }

    pub fn medium(&self) -> Medium {
        Medium::open(&self.place.medium.join("live")).unwrap()
    }

    pub fn disk(&self, name: &str) -> Disk {
        let disks = self.place.system.disks(&self.medium().layout).unwrap();
        disks.into_iter().find(|d| d.name == name).unwrap()
    }

    pub fn contents(&self, name: &str) -> Contents {
        self.disk(name).contents
    }

    /// `{dev}` in the answers is where the disks are.
    pub fn answer(&self, answers: &str) -> (Result<Outcome, SessionError>, String) {
        let mut said = Vec::new();
        let answers = answers.replace("{dev}", &self.place.system.dev.display().to_string());
        let outcome = session::by_answers(&self.place, &answers, &mut said);
        (outcome, String::from_utf8(said).unwrap())
    }

    /// Types these lines; returns what the terminal shows, with what was typed.
    pub fn type_lines(&self, lines: &[&str]) -> (Result<Outcome, SessionError>, String) {
        let shown = Rc::new(RefCell::new(Vec::new()));
        let mut input = Typed { lines: lines.iter().map(|l| format!("{l}\n")).collect(), now: Vec::new(), shown: shown.clone() };
        let mut output = Screen(shown.clone());
        let outcome = session::by_questions(&self.place, &mut Console { input: &mut input, output: &mut output });
        let text = String::from_utf8(shown.borrow().clone()).unwrap();
        (outcome, text)
    }

    /// As [`Self::type_lines`], with answers first; what is said everywhere comes last.
    pub fn run(&self, answers: Option<&str>, lines: &[&str]) -> (Option<Then>, String, String) {
        let (shown, mut everywhere) = (Rc::new(RefCell::new(Vec::new())), Vec::new());
        let mut input = Typed { lines: lines.iter().map(|l| format!("{l}\n")).collect(), now: Vec::new(), shown: shown.clone() };
        let mut output = Screen(shown.clone());
        let then = session::run(&self.place, answers, &mut Console { input: &mut input, output: &mut output }, &mut everywhere).unwrap();
        let text = String::from_utf8(shown.borrow().clone()).unwrap();
        (then, text, String::from_utf8(everywhere).unwrap())
    }

    /// What a first boot makes of the data partition, for what it matters here: it does not begin with zeros.
    pub fn use_data(&self, disk: &str) -> Vec<u8> {
        let data: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
        self.open(disk).write_all_at(&data, self.layout().data().start * SECTOR).unwrap();
        data
    }

    pub fn layout(&self) -> Layout {
        self.medium().layout
    }

    /// Octets of a disk, from a sector on.
    pub fn octets(&self, disk: &str, sector: u64, length: usize) -> Vec<u8> {
        let mut octets = vec![0; length];
        self.open(disk).read_exact_at(&mut octets, sector * SECTOR).unwrap();
        octets
    }

    pub fn is_zero(&self, disk: &str, sector: u64, length: usize) -> bool {
        self.octets(disk, sector, length).iter().all(|o| *o == 0)
    }
}

pub fn image(name: &str, version: &str) -> Vec<u8> {
    let pattern = |length: usize, seed: usize| -> Vec<u8> { (0..length).map(|n| ((n * 7 + n / 256 + seed) % 253) as u8).collect() };
    match name {
        "boot-code.img" => pattern(440, 1),
        "bios.img" => pattern(70_000, 2),
        // Mostly zeros, as a FAT of 128 MiB is.
        "esp.img" => [pattern(100_000, 3), vec![0; 4 << 20], pattern(5000, 4)].concat(),
        "boot.img" => {
            let mut slot = pattern(2_000_000, 5);
            slot[..4].copy_from_slice(b"hsqs");
            slot[40..48].copy_from_slice(&2_000_000_u64.to_le_bytes());
            let line = format!("set version={version}\nset options=\"quiet\"\n");
            // Over the border of two looks.
            slot[(1 << 20) - 5..][..line.len()].copy_from_slice(line.as_bytes());
            slot
        }
        "root.img" => pattern(2_500_100, 6),
        other => panic!("no image {other}"),
    }
}

pub fn medium(folder: &Path, version: &str) {
    fs::create_dir_all(folder).unwrap();
    let script = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../image/boot/partitions.sfdisk")).unwrap();
    let mut files = vec![("partitions.sfdisk", script)];
    files.extend(["boot-code.img", "bios.img", "esp.img", "boot.img", "root.img"].map(|name| (name, image(name, version))));
    let mut entries = Vec::new();
    for (name, octets) in files {
        let sha256 = Hash::whole(&octets);
        entries.push(format!("\"{name}\": {{\"size\": {}, \"sha256\": \"{sha256}\"}}", octets.len()));
        if name == "esp.img" {
            let packed = ruzstd::encoding::compress_to_vec(&octets[..], ruzstd::encoding::CompressionLevel::Fastest);
            fs::write(folder.join("esp.img.zst"), packed).unwrap();
        } else {
            fs::write(folder.join(name), octets).unwrap();
        }
    }
    let manifest = format!("{{\"product\": \"postern\", \"version\": \"{version}\", \"files\": {{{}}}}}", entries.join(", "));
    fs::write(folder.join("manifest.json"), manifest).unwrap();
}

struct Typed {
    lines: VecDeque<String>,
    now: Vec<u8>,
    shown: Rc<RefCell<Vec<u8>>>,
}

impl Read for Typed {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = self.fill_buf()?.read(into)?;
        self.consume(length);
        Ok(length)
    }
}

impl BufRead for Typed {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.now.is_empty()
            && let Some(line) = self.lines.pop_front()
        {
            self.shown.borrow_mut().extend_from_slice(line.as_bytes());
            self.now = line.into_bytes();
        }
        Ok(&self.now)
    }

    fn consume(&mut self, length: usize) {
        self.now.drain(..length);
    }
}

struct Screen(Rc<RefCell<Vec<u8>>>);

impl Write for Screen {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
