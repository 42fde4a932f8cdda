//! What LibreOffice and poppler do for themselves with every document, which is not told: one list for what the tracer sees and what the
//! kernel saw. It was measured (strace, LibreOffice 7.4) with texts, sheets and slides in their forms, with macros and without.
//!
//! Until the document is opened nothing can be its doing. From then on a deed is LibreOffice's own by its exact path and kind alone, and some
//! of them as often as it was measured: what is left over is told.

use super::{OWN, RENDERED, TEXT};
use crate::native::Language;

/// What is done, by its path.
#[derive(Clone, Copy, Debug)]
pub enum Deed<'a> {
    Read(&'a str),
    /// Read by the C library, which looks a user's name up (`O_CLOEXEC`; Basic opens without).
    LookUp(&'a str),
    Write(&'a str),
    Remove(&'a str),
    Move(&'a str, &'a str),
    /// A socket of this machine.
    Connect(&'a str),
    /// A program, and its words where they are known.
    Start(&'a str, Option<&'a str>),
    /// A program that is not there.
    Miss(&'a str),
    /// Memory becomes one that can be run.
    Map,
}

/// Read again and again: its settings, the machine's kind, and what the programs below look for.
const READ: &[&str] = &[
    "/etc/libreoffice/sofficerc",
    "/sys/devices/system/cpu/online",
    "/proc/stat",
    "/proc/sys/crypto/fips_enabled",
    "/etc/gcrypt/hwf.deny",
    "/etc/gnupg/gpg.conf",
    "/etc/gnupg/gpgsm.conf",
    "/home/user/.gnupg/gpg.conf",
    "/home/user/.gnupg/gpgsm.conf",
    "/home/user/.icedove/profiles.ini",
    "/home/user/.thunderbird/profiles.ini",
    "/home/user/.mozilla/seamonkey/profiles.ini",
    "/home/user/.mozilla/firefox/profiles.ini",
];
/// Read so often: NSS makes random numbers of the first two, and folders are looked at before something is written there.
const READ_TIMES: &[(&str, u8)] = &[("/etc/passwd", 1), ("/tmp", 2), ("/home/user", 1)];
/// Programs that are asked, and how often: for the size of paper, and whether there is one that signs.
const ASKED: &[(&str, &str, u8)] = &[
    ("sh", "-c paperconf 2>/dev/null", 1),
    ("gpgconf", "--list-dirs", 1),
    ("gpgconf", "--list-components", 1),
    ("gpgconf", "--version", 1),
    ("gpg", "--version", 1),
    ("gpgsm", "--version", 1),
];
/// By which a second LibreOffice would speak to this one; a number in hexadecimal digits follows.
const PIPE: &str = "/tmp/OSL_PIPE_0_SingleOfficeIPC_";

/// Of one cell.
pub struct Own {
    document: String,
    is_open: bool,
    read: [u8; READ_TIMES.len()],
    asked: [u8; ASKED.len()],
}

impl Own {
    /// `document`: where it lies.
    #[must_use]
    pub fn new(document: &str) -> Self {
        Self { document: document.to_owned(), is_open: false, read: [0; READ_TIMES.len()], asked: [0; ASKED.len()] }
    }

    /// The document is open already, or nobody sees it opened.
    #[must_use]
    pub fn opened(self) -> Self {
        Self { is_open: true, ..self }
    }

    /// Poppler does nothing before.
    #[must_use]
    pub fn of(language: Language, document: &str) -> Self {
        let own = Self::new(document);
        if language == Language::Pages { own.opened() } else { own }
    }

    /// Whether it is not the document's doing.
    pub fn is(&mut self, deed: Deed<'_>) -> bool {
        match deed {
            Deed::Read(path) | Deed::Write(path) if path == self.document => {
                self.is_open = true;
                true
            }
            Deed::Start(path, Some(words)) => ASKED.iter().any(|asked| asked.0 == name(path) && asked.1 == words),
            Deed::Start(path, None) => (0..ASKED.len()).any(|n| ASKED[n].0 == name(path) && once_more(&mut self.asked[n], ASKED[n].2)),
            Deed::Miss(path) => ASKED.iter().any(|asked| asked.0 == name(path)),
            _ if !self.is_open => true,
            Deed::Read(path) => {
                READ.contains(&path)
                    || is_below(path, OWN)
                    || self.is_mark(path)
                    || (0..READ_TIMES.len()).any(|n| READ_TIMES[n].0 == path && once_more(&mut self.read[n], READ_TIMES[n].1))
            }
            Deed::LookUp(path) => path == "/etc/passwd" || self.is(Deed::Read(path)),
            Deed::Write(path) => self.writes(path),
            Deed::Remove(path) => self.writes(path) || path == "/work/office/.lock" || is_pipe(path),
            Deed::Move(from, to) => self.writes(from) && (self.writes(to) || is_kept(to)),
            Deed::Connect(path) => is_pipe(path),
            Deed::Map => false,
        }
    }

    /// Says that somebody has the document open: `.~lock.letter.odt#`.
    fn is_mark(&self, path: &str) -> bool {
        let (folder, name) = self.document.rsplit_once('/').unwrap_or(("", &self.document));
        path.strip_prefix(folder).and_then(|rest| rest.strip_prefix("/.~lock.")?.strip_suffix('#')) == Some(name)
    }

    /// That mark, its temporary files, its pages.
    fn writes(&self, path: &str) -> bool {
        if [RENDERED, TEXT, "/work/office/.~lock.rendered.pdf#", "/work/office/cache/dconf/user"].contains(&path) {
            return true;
        }
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let is_six = ["/work/office/tmp", "/work/office/user"].contains(&folder) && is_made_up(name, 6..=6);
        self.is_mark(path) || is_six || is_temporary(path) || path.starts_with("/work/office/cache/fontconfig/")
    }
}

/// `lu` and digits, of its folder or a folder of that kind: `/work/office/tmp/lu41x.tmp/lu42.tmp`.
fn is_temporary(path: &str) -> bool {
    let Some(below) = path.strip_prefix("/work/office/") else { return false };
    let first = below.strip_prefix("tmp/").unwrap_or(below).split('/').next().unwrap_or_default();
    let is_plain = !below.split('/').any(|name| name == "..");
    is_plain && first.strip_prefix("lu").and_then(|rest| rest.strip_suffix(".tmp")).is_some_and(|number| is_made_up(number, 1..=16))
}

/// Copies of its settings, made in the end.
fn is_kept(path: &str) -> bool {
    let Some(name) = path.strip_prefix("/work/office/user/") else { return false };
    let is_copy = name.strip_prefix("pack/").and_then(|name| name.strip_suffix(".pack")).is_some_and(|name| !name.contains(".."));
    is_copy || name == "registrymodifications.xcu"
}

fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn is_pipe(path: &str) -> bool {
    path.strip_prefix(PIPE).is_some_and(|number| (16..=32).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn is_made_up(name: &str, length: std::ops::RangeInclusive<usize>) -> bool {
    length.contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric())
}

fn once_more(times: &mut u8, most: u8) -> bool {
    let is_one_more = *times < most;
    *times = times.saturating_add(1);
    is_one_more
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "/home/user/letter.odt";

    #[test]
    fn before_the_document_is_opened_nothing_is_its_doing() {
        let mut own = Own::new(DOCUMENT);
        for deed in [Deed::Read("/etc/passwd"), Deed::Read("/proc/mounts"), Deed::Write("/home/user/.fontconfig//a.cache-8"), Deed::Map] {
            assert!(own.is(deed), "{deed:?}");
        }
        assert!(own.is(Deed::Write(DOCUMENT)));
        for deed in [Deed::Read("/proc/mounts"), Deed::Write("/home/user/.fontconfig//a.cache-8"), Deed::Map] {
            assert!(!own.is(deed), "{deed:?}");
        }
    }

    #[test]
    fn what_a_macro_does_is_told_and_what_libreoffice_does_is_not() {
        for (deed, is_own) in [
            (Deed::Read("/etc/libreoffice/sofficerc"), true),
            (Deed::Read("/proc/sys/crypto/fips_enabled"), true),
            (Deed::Read("/work/office/user/registrymodifications.xcu"), true),
            (Deed::LookUp("/etc/passwd"), true),
            (Deed::Read("/home/user/.~lock.letter.odt#"), true),
            (Deed::Read("/etc/shadow"), false),
            (Deed::Read("/etc/ssh/sshd_config"), false),
            (Deed::Read("/etc/gnupg/other.conf"), false),
            (Deed::Read("/proc/self/environ"), false),
            (Deed::Read("/proc/self/status"), false),
            (Deed::Read("/proc/1/cmdline"), false),
            (Deed::Read("/proc/mounts"), false),
            (Deed::Read("/sys/class/dmi/id/product_name"), false),
            (Deed::Read("/run/user/0/bus"), false),
            (Deed::Read("/var/lib/dpkg/status"), false),
            (Deed::Read("/home/user/.ssh/id_rsa"), false),
            (Deed::Write("/etc/passwd"), false),
            (Deed::Write("/home/user/.~lock.letter.odt#"), true),
            (Deed::Write("/home/user/.~lock.other.odt#"), false),
            (Deed::Write("/tmp/.~lock.letter.odt#"), false),
            (Deed::Write("/home/user/.config/autostart/a.desktop"), false),
            (Deed::Write("/work/office/tmp/aB3dEf"), true),
            (Deed::Write("/work/office/tmp/lu41x.tmp/lu42.tmp/key4.db"), true),
            (Deed::Write("/work/office/tmp/evil.sh"), false),
            (Deed::Write("/work/office/tmp/lu41x.tmp/../../user/basic/Standard/Module1.xba"), false),
            (Deed::Write("/work/office/user/basic/Standard/Module1.xba"), false),
            (Deed::Write("/usr/lib/libreoffice/program/soffice.bin"), false),
            (Deed::Write("/tmp/OSL_PIPE_0_SingleOfficeIPC_evil"), false),
            (Deed::Remove("/tmp/OSL_PIPE_0_SingleOfficeIPC_36308f303df469a6fbea34d97b94cf6"), true),
            (Deed::Remove("/tmp/OSL_PIPE_0_SingleOfficeIPC_evil"), false),
            (Deed::Remove("/home/user/.bashrc"), false),
            (Deed::Move("/work/office/user/aB3dEf", "/work/office/user/registrymodifications.xcu"), true),
            (Deed::Move("/work/office/tmp/aB3dEf", "/work/office/user/pack/basic/script.pack"), true),
            (Deed::Move("/work/office/tmp/aB3dEf", "/home/user/.bashrc"), false),
            (Deed::Move("/tmp/x", "/work/office/user/registrymodifications.xcu"), false),
            (Deed::Connect("/tmp/OSL_PIPE_0_SingleOfficeIPC_36308f303df469a6fbea34d97b94cf6"), true),
            (Deed::Connect("/run/docker.sock"), false),
            (Deed::Start("/bin/sh", Some("-c paperconf 2>/dev/null")), true),
            (Deed::Start("/bin/sh", Some("-c id")), false),
            (Deed::Start("/usr/bin/gpg", Some("--list-secret-keys")), false),
            (Deed::Start("/usr/bin/curl", None), false),
            (Deed::Miss("/usr/local/bin/gpgconf"), true),
            (Deed::Miss("/usr/local/bin/curl"), false),
        ] {
            let mut own = Own::new(DOCUMENT).opened();
            assert_eq!(own.is(deed), is_own, "{deed:?}");
        }
    }

    #[test]
    fn what_is_done_oftener_than_libreoffice_does_it_is_told() {
        for (deed, times) in [
            (Deed::Read("/etc/passwd"), 1),
            (Deed::Read("/tmp"), 2),
            (Deed::Start("/bin/sh", None), 1),
            (Deed::Start("/usr/bin/gpgconf", None), 3),
        ] {
            let mut own = Own::new(DOCUMENT).opened();
            assert_eq!((0..5).filter(|_| own.is(deed)).count(), times, "{deed:?}");
        }
    }
}
