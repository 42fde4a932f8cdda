//! OpenSSH's server on loopback, one process for each connection (`sshd -i`), so that nothing has to be ended afterwards.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const SSHD: &str = "/usr/sbin/sshd";

pub struct Sshd {
    pub address: SocketAddr,
    /// The client's private key.
    pub key: PathBuf,
    /// `SHA256:...`
    pub fingerprint: String,
    /// `ssh-ed25519 AAAA...`
    pub host_key: String,
}

/// `None` where it is not installed.
pub fn start(folder: &Path) -> Option<Sshd> {
    if !Path::new(SSHD).exists() {
        return None;
    }
    if nix::unistd::geteuid().is_root() {
        // Its own, for the separation of its rights.
        std::fs::create_dir_all("/run/sshd").unwrap();
    }
    let (host, key) = (folder.join("host_key"), folder.join("client_key"));
    for (path, kind) in [(&host, "ed25519"), (&folder.join("host_ecdsa"), "ecdsa"), (&key, "ed25519")] {
        let made = Command::new("ssh-keygen").args(["-q", "-t", kind, "-N", "", "-f"]).arg(path).status().unwrap();
        assert!(made.success());
    }
    let config = folder.join("sshd_config");
    let text = format!(
        "HostKey {host}\nHostKey {folder}/host_ecdsa\nAuthorizedKeysFile {key}.pub\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n\
         PermitRootLogin yes\nLogLevel ERROR\nSubsystem sftp internal-sftp\n",
        host = host.display(),
        folder = folder.display(),
        key = key.display()
    );
    std::fs::write(&config, text).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let log = folder.join("sshd.log");
    std::thread::spawn(move || {
        for connection in listener.incoming().map_while(Result::ok) {
            let output = std::fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
            let (input, answer) = (OwnedFd::from(connection.try_clone().unwrap()), OwnedFd::from(connection));
            let mut child = Command::new(SSHD)
                .args(["-i", "-e", "-f"])
                .arg(&config)
                .stdin(Stdio::from(input))
                .stdout(Stdio::from(answer))
                .stderr(output)
                .spawn()
                .unwrap();
            std::thread::spawn(move || child.wait());
        }
    });
    let shown = Command::new("ssh-keygen").arg("-lf").arg(&host).output().unwrap();
    let fingerprint = String::from_utf8(shown.stdout).unwrap().split(' ').nth(1).unwrap().to_owned();
    let public = std::fs::read_to_string(folder.join("host_key.pub")).unwrap();
    let host_key = public.split(' ').take(2).collect::<Vec<_>>().join(" ");
    Some(Sshd { address, key, fingerprint, host_key })
}

pub fn username() -> String {
    nix::unistd::User::from_uid(nix::unistd::geteuid()).unwrap().unwrap().name
}
