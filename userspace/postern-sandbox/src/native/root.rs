//! What a program in a native cell finds: the system's programs and libraries, read-only; a user's folder and `/tmp`, in memory and small; a few
//! devices that give nothing. Nothing of this machine's own: no settings, no keys, no sockets, no mail.

use std::ffi::CString;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use landlock::{ABI, Access, AccessFs, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::{chdir, pivot_root};

use super::{Language, decoy, office};

/// Octets and files that a program may write, all together.
const OCTETS: &str = "size=16m,nr_inodes=1024,mode=0755";
/// Folders of the system, where there are.
const SYSTEM: &[&str] = &["usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32"];
/// Of the machine's settings, what programs need to find others.
const SETTINGS: &[&str] = &["etc/alternatives", "etc/ld.so.cache"];
/// The same of the office pack.
const OFFICE: &[&str] = &["etc/fonts", "etc/libreoffice"];
const DEVICES: &[&str] = &["null", "zero", "full", "random", "urandom"];
const FOLDERS: &[&str] = &["etc", "dev", "proc", "work", "home", "tmp", "etc/ssl", "etc/ssl/certs", "work/home/user", "work/tmp"];
/// As it is everywhere; names are asked of the decoy.
const FILES: &[(&str, &str)] = &[
    ("etc/passwd", "root:x:0:0:root:/home/user:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"),
    ("etc/group", "root:x:0:\nnogroup:x:65534:\n"),
    ("etc/hosts", "127.0.0.1 localhost\n"),
    ("etc/hostname", "desktop\n"),
    ("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"),
    ("etc/resolv.conf", "nameserver 198.18.0.1\noptions timeout:1 attempts:1\n"),
];

/// The folders that a program may write to.
pub const HOME: &str = "/home/user";
pub const TEMPORARY: &str = "/tmp";
/// Where what a program prints goes.
pub const PRINTED: &str = "/work/printed";
/// Devices whose opening is nobody's business.
const DULL: &[&str] = &["/dev/null", "/dev/tty", "/dev/urandom", "/dev/zero", "/dev/pts"];

/// Whether it is one of the devices that every program opens.
pub fn is_dull(path: &str) -> bool {
    DULL.iter().any(|device| path.starts_with(device))
}

/// Puts the root up, with the program in it, and goes there. Returns the program's path. `trusted`: the one authority (PEM) that programs trust.
///
/// # Errors
/// What could not be mounted or written.
pub fn build(name: &str, language: Language, content: &[u8], trusted: &str) -> io::Result<PathBuf> {
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    let root = Path::new("/tmp");
    mount(Some("cell"), root, Some("tmpfs"), flags, Some("size=256k,nr_inodes=128,mode=0755"))?;
    for folder in FOLDERS.iter().take_while(|f| !f.starts_with("work/")) {
        fs::create_dir(root.join(folder))?;
    }
    for name in SYSTEM {
        let (there, here) = (Path::new("/").join(name), root.join(name));
        match fs::symlink_metadata(&there) {
            Ok(found) if found.is_symlink() => symlink(fs::read_link(&there)?, here)?,
            Ok(found) if found.is_dir() => {
                fs::create_dir(&here)?;
                bind(&there, &here)?;
            }
            _ => {}
        }
    }
    for (name, text) in FILES.iter().copied().chain(decoy::TRUST.iter().map(|name| (*name, trusted))) {
        fs::write(root.join(name), text)?;
    }
    let office = OFFICE.iter().filter(|_| language.is_document());
    for name in SETTINGS.iter().chain(office) {
        let (there, here) = (Path::new("/").join(name), root.join(name));
        match fs::metadata(&there) {
            Ok(found) if found.is_dir() => fs::create_dir(&here)?,
            Ok(_) => fs::write(&here, "")?,
            Err(_) => continue,
        }
        bind(&there, &here)?;
    }
    for name in DEVICES {
        let here = root.join("dev").join(name);
        fs::write(&here, "")?;
        // Without a flag: a device below one that says nodev is none.
        mount(Some(&Path::new("/dev").join(name)), &here, none, MsFlags::MS_BIND, none)?;
    }
    mount(Some("work"), &root.join("work"), Some("tmpfs"), flags, Some(OCTETS))?;
    for folder in FOLDERS.iter().filter(|f| f.starts_with("work/")) {
        fs::create_dir_all(root.join(folder))?;
    }
    if language.is_document() {
        office::prepare(&root.join(office::OWN.trim_start_matches('/')))?;
    }
    let program = Path::new(HOME).join(file_name(name, language));
    let inside = root.join("work").join(program.strip_prefix("/").unwrap_or(&program));
    fs::write(&inside, content)?;
    fs::set_permissions(&inside, Permissions::from_mode(0o755))?;
    for folder in ["home", "tmp"] {
        mount(Some(&root.join("work").join(folder)), &root.join(folder), none, MsFlags::MS_BIND, none)?;
    }
    // For the tracer alone, who looks how much memory there is in use: Landlock closes it for what it traces. The kernel gives it while the
    // machine's own is still to be seen.
    // Without its settings, and read-only: they are root's by its number, whatever it may else, and the role may have been started as root.
    let proc = flags | MsFlags::MS_NOEXEC | MsFlags::MS_RDONLY;
    mount(Some("proc"), &root.join("proc"), Some("proc"), proc, Some("subset=pid"))?;
    chdir(root)?;
    pivot_root(".", ".")?;
    umount2(".", MntFlags::MNT_DETACH)?;
    chdir("/")?;
    mount(none, "/", none, flags | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY | MsFlags::MS_BIND, none)?;
    Ok(program)
}

/// As it is called in the mail, when that is a name for a file.
fn file_name(name: &str, language: Language) -> String {
    let plain: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || ".-_".contains(*c)).take(64).collect();
    match plain.trim_matches('.') {
        "" => format!("attachment{}", if language == Language::Machine || language.is_document() { "" } else { ".sh" }),
        plain => plain.to_owned(),
    }
}

/// The same folder or file here, read-only with all that is mounted in it.
fn bind(there: &Path, here: &Path) -> io::Result<()> {
    let none: Option<&str> = None;
    mount(Some(there), here, none, MsFlags::MS_BIND | MsFlags::MS_REC, none)?;
    let path = CString::new(here.as_os_str().as_encoded_bytes())?;
    let attributes = libc::mount_attr {
        attr_set: libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV,
        attr_clr: 0,
        propagation: 0,
        userns_fd: 0,
    };
    let flags = libc::AT_RECURSIVE as libc::c_uint;
    // SAFETY: path and attributes outlive the call, whose last argument is the size of the attributes.
    let done = unsafe {
        libc::syscall(libc::SYS_mount_setattr, libc::AT_FDCWD, path.as_ptr(), flags, &raw const attributes, size_of_val(&attributes))
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Reads and runs what the system has, writes in its two folders, and nothing else.
///
/// # Errors
/// When the kernel knows Landlock and refuses the rules.
pub fn restrict() -> Result<(), landlock::RulesetError> {
    let abi = ABI::V5;
    let all = AccessFs::from_all(abi);
    let mut rules = Ruleset::default().set_compatibility(CompatLevel::BestEffort).handle_access(all)?.create()?;
    let below = |path: &str, access| PathFd::new(path).map(|fd| PathBeneath::new(fd, access));
    for path in SYSTEM.iter().map(|name| format!("/{name}")).chain(["/etc".to_owned()]) {
        if let Ok(rule) = below(&path, AccessFs::from_read(abi)) {
            rules = rules.add_rule(rule)?;
        }
    }
    // The last is there for the office pack alone.
    for path in [HOME, TEMPORARY, office::OWN] {
        if let Ok(rule) = below(path, all & !AccessFs::MakeChar & !AccessFs::MakeBlock & !AccessFs::IoctlDev) {
            rules = rules.add_rule(rule)?;
        }
    }
    for device in DEVICES {
        if let Ok(rule) = below(&format!("/dev/{device}"), AccessFs::ReadFile | AccessFs::WriteFile) {
            rules = rules.add_rule(rule)?;
        }
    }
    rules.restrict_self()?;
    Ok(())
}
