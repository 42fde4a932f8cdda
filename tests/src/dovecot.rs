//! A real Dovecot as backend: LMTP in, IMAP to look at what arrived; everything in one folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::bench::process::Running;

pub struct Dovecot {
    _process: Running,
    mail: PathBuf,
    pub lmtp_port: u16,
    pub lmtp_socket: PathBuf,
    pub imap_port: u16,
}

/// Every user exists, with this password.
pub const PASSWORD: &str = "postern";

impl Dovecot {
    /// # Errors
    /// When Dovecot (Debian: dovecot-lmtpd, dovecot-imapd) is missing, we are not root, or it does not start.
    pub fn start(dir: &Path, lmtp_port: u16, imap_port: u16) -> anyhow::Result<Self> {
        let mail = dir.join("mail");
        fs::create_dir_all(&mail)?;
        fs::set_permissions(dir, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        Command::new("chown").arg("mail:mail").arg(&mail).status()?;
        let conf = dir.join("dovecot.conf");
        fs::write(
            &conf,
            format!(
                "base_dir = {d}/run\nstate_dir = {d}/state\nlog_path = {d}/log\nprotocols = lmtp imap\nssl = no\n\
                 disable_plaintext_auth = no\nlisten = 127.0.0.1, ::1\nmail_uid = mail\nmail_gid = mail\nfirst_valid_uid = 1\n\
                 mail_location = maildir:{m}/%u\n\
                 passdb {{\n driver = static\n args = password={PASSWORD}\n}}\n\
                 userdb {{\n driver = static\n args = uid=mail gid=mail home={m}/%u allow_all_users=yes\n}}\n\
                 protocol lmtp {{\n postmaster_address = postmaster@backend.example\n auth_username_format = %Lu\n}}\n\
                 service lmtp {{\n inet_listener lmtp {{\n  address = 127.0.0.1\n  port = {lmtp_port}\n }}\n unix_listener {d}/lmtp {{\n  mode = 0600\n }}\n}}\n\
                 service imap-login {{\n inet_listener imap {{\n  address = 127.0.0.1\n  port = {imap_port}\n }}\n inet_listener imaps {{\n  port = 0\n }}\n}}\n",
                d = dir.display(),
                m = mail.display(),
            ),
        )?;
        let child = Command::new("dovecot")
            .args(["-F", "-c"])
            .arg(&conf)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(dir.join("stderr"))?)
            .spawn()
            .context("dovecot (Debian packages dovecot-lmtpd, dovecot-imapd)")?;
        let process = Running(child);
        let until = Instant::now() + Duration::from_secs(15);
        while std::net::TcpStream::connect(("127.0.0.1", lmtp_port)).is_err() {
            if Instant::now() > until {
                let said = [dir.join("stderr"), dir.join("log")].map(|f| fs::read_to_string(f).unwrap_or_default()).concat();
                bail!("dovecot did not start: {said}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(Self { _process: process, mail, lmtp_port, lmtp_socket: dir.join("lmtp"), imap_port })
    }

    /// The mails in a user's inbox, as files.
    pub fn mails(&self, user: &str) -> Vec<PathBuf> {
        let mut found: Vec<PathBuf> = ["new", "cur"]
            .iter()
            .filter_map(|d| fs::read_dir(self.mail.join(user).join(d)).ok())
            .flat_map(|entries| entries.flatten().map(|e| e.path()))
            .collect();
        found.sort();
        found
    }

    /// Waits until a user has at least `count` mails and returns their contents.
    pub fn wait_for(&self, user: &str, count: usize, limit: Duration) -> anyhow::Result<Vec<String>> {
        let until = Instant::now() + limit;
        loop {
            let files = self.mails(user);
            if files.len() >= count {
                return files.iter().map(|f| Ok(String::from_utf8_lossy(&fs::read(f)?).into_owned())).collect();
            }
            if Instant::now() > until {
                bail!("{user} has {} of {count} mails after {limit:?}", files.len());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
