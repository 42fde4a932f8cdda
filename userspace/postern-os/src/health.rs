//! Whether this machine does what it is for. A slot is called good by it, so each check asks the thing itself.

use std::fs;
use std::io::{self, Read};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::systemd::systemctl;

/// Long enough for the greeting's pause and a busy start.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
pub enum Unhealthy {
    #[error("port 25 of {address}: {why}")]
    Smtp { address: SocketAddr, why: String },
    #[error("{path} cannot be written: {source}")]
    Data {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error("units failed: {0}")]
    Units(String),
    #[error("{0}")]
    Systemctl(String),
}

/// A greeting on the port where mail comes in.
///
/// # Errors
/// When there is none.
pub fn smtp(address: SocketAddr) -> Result<(), Unhealthy> {
    let failed = |why: String| Unhealthy::Smtp { address, why };
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).map_err(|e| failed(e.to_string()))?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(|e| failed(e.to_string()))?;
    let mut greeting = [0; 4];
    stream.read_exact(&mut greeting).map_err(|e| failed(e.to_string()))?;
    match &greeting {
        b"220 " | b"220-" => Ok(()),
        other => Err(failed(format!("says `{}` instead of 220", String::from_utf8_lossy(other).trim()))),
    }
}

/// A file that reaches the disk.
///
/// # Errors
/// When the disk is full, read-only or gone.
pub fn data(folder: &Path) -> Result<(), Unhealthy> {
    let path = folder.join("health");
    let write = || -> io::Result<()> {
        fs::write(&path, format!("{:?}\n", Instant::now()))?;
        fs::File::open(&path)?.sync_all()
    };
    write().map_err(|source| Unhealthy::Data { path: path.display().to_string(), source })
}

/// Somebody else can reach this machine: an interface has an address beyond its own link.
pub fn is_reachable() -> bool {
    let Ok(all) = nix::ifaddrs::getifaddrs() else { return false };
    all.filter_map(|one| one.address).any(|address| {
        let four = address.as_sockaddr_in().map(|a| !a.ip().is_loopback() && !a.ip().is_link_local());
        // fe80::/10, RFC 4291 §2.5.6.
        let six = address.as_sockaddr_in6().map(|a| !a.ip().is_loopback() && (a.ip().segments()[0] & 0xffc0) != 0xfe80);
        four.or(six).unwrap_or(false)
    })
}

/// No unit of systemd failed.
///
/// # Errors
/// Their names.
pub fn units() -> Result<(), Unhealthy> {
    let said = systemctl(&["list-units", "--failed", "--plain", "--no-legend"]).map_err(Unhealthy::Systemctl)?;
    let failed = failed_units(&said);
    if failed.is_empty() { Ok(()) } else { Err(Unhealthy::Units(failed.join(", "))) }
}

fn failed_units(listing: &str) -> Vec<String> {
    listing.lines().filter_map(|l| l.split_whitespace().next()).map(str::to_owned).collect()
}

/// Cycles that systemd broke when it ordered this boot's units: each left one of them out.
pub fn ordering_cycles(log: &str) -> usize {
    log.lines().filter(|l| l.contains("ordering cycle")).count()
}

/// Seconds since the kernel started.
pub fn uptime(text: &str) -> Option<f64> {
    text.split_whitespace().next()?.parse().ok()
}

/// UEFI 2.10 §3.3: the variable SecureBoot is 1 when signatures are checked; four octets of attributes stand before it.
pub fn firmware() -> &'static str {
    const SECURE_BOOT: &str = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
    match fs::read(SECURE_BOOT) {
        Ok(value) if value.get(4) == Some(&1) => "secure-boot",
        _ if Path::new("/sys/firmware/efi").exists() => "uefi",
        _ => "bios",
    }
}

/// Where systemd keeps the groups of services.
pub const SLICE: &str = "/sys/fs/cgroup/system.slice";

/// Memory of our own services, in MiB, that the kernel could not take back: what their groups are charged with (the kernel's tables of
/// the edge among it) less cached files.
pub fn memory_of_roles(slice: &Path) -> u64 {
    let groups = fs::read_dir(slice).into_iter().flatten().flatten();
    let ours = groups.filter(|g| g.file_name().to_string_lossy().starts_with("postern"));
    let charged = ours.filter_map(|group| {
        let current: u64 = fs::read_to_string(group.path().join("memory.current")).ok()?.trim().parse().ok()?;
        let stat = fs::read_to_string(group.path().join("memory.stat")).ok()?;
        let field = |name: &str| stat.lines().find_map(|l| l.strip_prefix(name)?.trim().parse::<u64>().ok());
        Some(current.saturating_sub(field("active_file ")? + field("inactive_file ")?))
    });
    charged.sum::<u64>() >> 20
}

/// Memory that is not free for others, in MiB: MemTotal less MemAvailable.
pub fn memory_in_use(meminfo: &str) -> Option<u64> {
    let field = |name: &str| meminfo.lines().find_map(|l| l.strip_prefix(name)?.split_whitespace().next()?.parse::<u64>().ok());
    Some(field("MemTotal:")?.saturating_sub(field("MemAvailable:")?) / 1024)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::io::Write;
    use std::net::TcpListener;

    #[test]
    fn a_greeting_is_220_and_nothing_else() {
        for (says, is_good) in [("220 mail.example.org\r\n", true), ("220-mail.example.org\r\n", true), ("554 no\r\n", false), ("", false)]
        {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let server = std::thread::spawn(move || listener.accept().unwrap().0.write_all(says.as_bytes()).unwrap());
            assert_eq!(smtp(address).is_ok(), is_good, "{says}");
            server.join().unwrap();
        }
        let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert!(smtp(gone).unwrap_err().to_string().contains("port 25 of"));
    }

    #[test]
    fn figures_of_the_kernel() {
        assert_eq!(uptime("10.52 19.00\n"), Some(10.52));
        assert_eq!(memory_in_use("MemTotal:  2048000 kB\nMemFree: 1 kB\nMemAvailable:  1024000 kB\n"), Some(1000));
        assert_eq!(failed_units("a.service loaded failed failed A\nb.mount loaded failed failed B\n"), ["a.service", "b.mount"]);
        assert_eq!(ordering_cycles("x: Found ordering cycle on y/start\nfine\n"), 1);
    }

    #[test]
    fn memory_of_ours_without_cached_files() {
        let slice = tempfile::tempdir().unwrap();
        for (unit, current, stat) in [
            ("postern-node.service", 90 << 20, "anon 1\ninactive_file 10485760\nactive_file 20971520\n"),
            ("system-postern.slice", 1 << 30, ""),
            ("postern-edge.service", 5 << 20, "active_file 0\ninactive_file 0\n"),
        ] {
            let group = slice.path().join(unit);
            fs::create_dir(&group).unwrap();
            fs::write(group.join("memory.current"), format!("{current}\n")).unwrap();
            fs::write(group.join("memory.stat"), stat).unwrap();
        }
        assert_eq!(memory_of_roles(slice.path()), 65);
    }

    #[test]
    fn data_that_cannot_be_written() {
        let scratch = tempfile::tempdir().unwrap();
        data(scratch.path()).unwrap();
        assert!(data(&scratch.path().join("gone")).is_err());
    }
}
