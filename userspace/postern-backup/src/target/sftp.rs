//! A server that speaks SFTP (draft-ietf-secsh-filexfer-02, what OpenSSH has), with its host key pinned.
//!
//! There is no trust at first use: a node is set up once, by somebody who can look the key up, and then connects for years
//! with nobody looking.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use postern_model::settings::backup::BackupSftp;
use russh::client::{self, Handle};
use russh::keys::ssh_key::Fingerprint;
use russh::keys::{HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKey, PublicKeyOrCertificate};
use russh_sftp::client::SftpSession;
use russh_sftp::client::error::Error as SftpError;
use russh_sftp::client::fs::File;
use russh_sftp::protocol::{FileAttributes, OpenFlags, StatusCode};
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::sync::oneshot;

use super::{Octets, Retry, Stored, TargetError, is_left_over, young};
use crate::name::BackupName;

const CONNECT: Duration = Duration::from_secs(20);
/// Of one request: a disk that wakes up, or syncs.
const REQUEST_SECONDS: u64 = 60;
const KEEPALIVE: Duration = Duration::from_secs(15);

#[derive(Debug)]
pub struct Sftp {
    host: String,
    port: u16,
    username: String,
    login: Login,
    host_key: HostKey,
    path: String,
}

enum Login {
    Password(String),
    Key(Arc<PrivateKey>),
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Password(_) => "Password",
            Self::Key(_) => "Key",
        })
    }
}

#[derive(Clone, Debug)]
enum HostKey {
    Fingerprint(Fingerprint),
    Whole(Box<PublicKey>),
}

impl HostKey {
    fn read(text: &str) -> Result<Self, TargetError> {
        let text = text.trim();
        let read = match text.starts_with("SHA256:") {
            true => text.parse().ok().map(Self::Fingerprint),
            false => PublicKey::from_openssh(text).ok().map(|key| Self::Whole(Box::new(key))),
        };
        read.ok_or(TargetError::BadHostKey)
    }

    fn is(&self, offered: &PublicKey) -> bool {
        match self {
            Self::Fingerprint(known) => offered.fingerprint(HashAlg::Sha256) == *known,
            Self::Whole(known) => known.key_data() == offered.key_data(),
        }
    }
}

/// Looks at the server's key; tells what it was when it is another.
struct Pinned {
    host_key: HostKey,
    offered: Option<oneshot::Sender<String>>,
}

impl client::Handler for Pinned {
    type Error = russh::Error;

    async fn check_server_key(&mut self, key: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        let offered = match key {
            PublicKeyOrCertificate::PublicKey { key, .. } if self.host_key.is(key) => return Ok(true),
            PublicKeyOrCertificate::PublicKey { key, .. } => key.fingerprint(HashAlg::Sha256).to_string(),
            PublicKeyOrCertificate::Certificate(_) => "a certificate".to_owned(),
        };
        if let Some(tell) = self.offered.take() {
            let _ = tell.send(offered);
        }
        Ok(false)
    }
}

/// A connection; it ends when this is dropped.
struct Session {
    sftp: SftpSession,
    _connection: Handle<Pinned>,
}

pub(crate) struct Upload {
    session: Session,
    file: File,
    young: String,
    place: String,
    host: String,
}

impl Sftp {
    /// Opens no connection.
    ///
    /// # Errors
    /// When a key cannot be read.
    pub fn new(settings: &BackupSftp) -> Result<Self, TargetError> {
        let login = if settings.private_key.is_empty() {
            Login::Password(settings.password.clone())
        } else {
            let unreadable = |e: russh::keys::Error| TargetError::Pem { setting: "backup.sftp.private_key", why: e.to_string() };
            Login::Key(Arc::new(russh::keys::decode_secret_key(&settings.private_key, None).map_err(unreadable)?))
        };
        Ok(Self {
            host: settings.host.clone(),
            port: settings.port,
            username: settings.username.clone(),
            login,
            host_key: HostKey::read(&settings.host_key)?,
            path: settings.path.trim_end_matches('/').to_owned(),
        })
    }

    fn config(&self) -> client::Config {
        let mut config = client::Config {
            keepalive_interval: Some(KEEPALIVE),
            inactivity_timeout: Some(Duration::from_secs(REQUEST_SECONDS * 2)),
            nodelay: true,
            ..client::Config::default()
        };
        // A server has several keys: ask for the one that is known.
        if let HostKey::Whole(key) = &self.host_key {
            config.preferred.key = vec![key.algorithm()].into();
        }
        config
    }

    async fn connect(&self) -> Result<Session, TargetError> {
        tokio::time::timeout(CONNECT, self.log_in())
            .await
            .unwrap_or_else(|_| Err(self.failed("the login", "no answer in time", Retry::Helps)))
    }

    async fn log_in(&self) -> Result<Session, TargetError> {
        let ssh = |what| move |e: russh::Error| self.failed(what, e, Retry::Helps);
        let (tell, mut offered) = oneshot::channel();
        let pinned = Pinned { host_key: self.host_key.clone(), offered: Some(tell) };
        let connected = client::connect(Arc::new(self.config()), (self.host.as_str(), self.port), pinned).await;
        let mut connection = match connected {
            Ok(connection) => connection,
            Err(e) => {
                return Err(match offered.try_recv() {
                    Ok(offered) => TargetError::HostKey { host: self.host.clone(), offered },
                    Err(_) => ssh("cannot connect")(e),
                });
            }
        };
        let answer = match &self.login {
            Login::Password(password) => connection.authenticate_password(&self.username, password).await,
            Login::Key(key) => {
                let key = PrivateKeyWithHashAlg::new(Arc::clone(key), None);
                connection.authenticate_publickey(&self.username, key).await
            }
        };
        if !answer.map_err(ssh("cannot log in"))?.success() {
            return Err(TargetError::Login { host: self.host.clone(), username: self.username.clone() });
        }
        let channel = connection.channel_open_session().await.map_err(ssh("cannot open a channel"))?;
        channel.request_subsystem(true, "sftp").await.map_err(ssh("SFTP is not there"))?;
        let config = russh_sftp::client::Config { request_timeout_secs: REQUEST_SECONDS, ..russh_sftp::client::Config::default() };
        let sftp = SftpSession::new_with_config(channel.into_stream(), config).await.map_err(self.sftp("cannot begin"))?;
        Ok(Session { sftp, _connection: connection })
    }

    fn place(&self, file: &str) -> String {
        if self.path.is_empty() { format!("/{file}") } else { format!("{}/{file}", self.path) }
    }

    fn failed(&self, what: &'static str, why: impl ToString, retry: Retry) -> TargetError {
        TargetError::Sftp { what, host: self.host.clone(), why: why.to_string(), retry }
    }

    fn sftp(&self, what: &'static str) -> impl FnOnce(SftpError) -> TargetError {
        sftp(what, &self.host)
    }

    pub(super) async fn list(&self) -> Result<Vec<Stored>, TargetError> {
        let session = self.connect().await?;
        let folder = self.place("");
        let entries = session.sftp.read_dir(folder).await.map_err(self.sftp("cannot list"))?;
        let stored = |entry: russh_sftp::client::fs::DirEntry| {
            let name = entry.file_name().parse().ok()?;
            Some(Stored { name, size: entry.metadata().size.unwrap_or(0) })
        };
        Ok(entries.filter_map(stored).collect())
    }

    pub(super) async fn read(&self, name: &BackupName) -> Result<Octets, TargetError> {
        let session = self.connect().await?;
        match session.sftp.open(self.place(&name.to_string())).await {
            Ok(file) => Ok(Box::new(Reader { file, _session: session })),
            Err(SftpError::Status(s)) if s.status_code == StatusCode::NoSuchFile => Err(TargetError::Unknown(name.to_string())),
            Err(e) => Err(self.sftp("cannot open")(e)),
        }
    }

    pub(super) async fn remove(&self, name: &BackupName) -> Result<(), TargetError> {
        let session = self.connect().await?;
        session.sftp.remove_file(self.place(&name.to_string())).await.map_err(self.sftp("cannot remove"))
    }

    pub(super) async fn begin(&self, name: &BackupName) -> Result<Upload, TargetError> {
        let session = self.connect().await?;
        // What this node began and a cut ended.
        let entries = session.sftp.read_dir(self.place("")).await.map_err(self.sftp("cannot list"))?;
        for entry in entries.filter(|e| is_left_over(&e.file_name(), name)) {
            let _ = session.sftp.remove_file(self.place(&entry.file_name())).await;
        }
        let young = self.place(&young(name));
        let flags = OpenFlags::CREATE | OpenFlags::EXCLUDE | OpenFlags::WRITE;
        let rights = FileAttributes { permissions: Some(0o600), ..FileAttributes::empty() };
        let file =
            session.sftp.open_with_flags_and_attributes(young.clone(), flags, rights).await.map_err(self.sftp("cannot make a file"))?;
        Ok(Upload { session, file, young, place: self.place(&name.to_string()), host: self.host.clone() })
    }
}

impl Upload {
    pub async fn write(&mut self, piece: Bytes) -> Result<(), TargetError> {
        self.file.write_all(&piece).await.map_err(|e| sftp("cannot write", &self.host)(e.into()))
    }

    pub async fn finish(mut self) -> Result<(), TargetError> {
        let done = async {
            self.file.flush().await?;
            // A server without fsync@openssh.com has it in its memory only; it says nothing of that.
            self.file.sync_all().await?;
            self.file.shutdown().await?;
            self.session.sftp.rename(self.young.clone(), self.place.clone()).await
        };
        let done = done.await.map_err(sftp("cannot complete", &self.host));
        if done.is_err() {
            self.give_up().await;
        }
        done
    }

    pub async fn give_up(self) {
        let Self { session, file, young, .. } = self;
        drop(file);
        let _ = session.sftp.remove_file(young).await;
    }
}

struct Reader {
    file: File,
    _session: Session,
}

impl AsyncRead for Reader {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.file).poll_read(cx, into)
    }
}

fn sftp(what: &'static str, host: &str) -> impl FnOnce(SftpError) -> TargetError {
    move |error| {
        let refused =
            matches!(&error, SftpError::Status(s) if matches!(s.status_code, StatusCode::NoSuchFile | StatusCode::PermissionDenied));
        let retry = if refused { Retry::Useless } else { Retry::Helps };
        TargetError::Sftp { what, host: host.to_owned(), why: error.to_string(), retry }
    }
}
