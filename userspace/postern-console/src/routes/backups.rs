//! Backups of this node: how they stand, what is at the target, one made at once. A node that is to be restored does not run
//! (docs/how-to/backup.md); only the appliance's is restored from here ([`crate::routes::system`]).

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use postern_backup::lock::Key;
use postern_backup::name::{BackupName, NameError};
use postern_backup::schedule::BeginError;
use postern_backup::target::{Stored, TargetError};
use postern_model::settings::backup::{BackupSettings, BackupTarget, QuarantineBodies};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::caller::Caller;
use crate::input::Input;
use crate::problem::{Answer, Problem};
use crate::state::Console;
use crate::verifying::{self, VerifyView};

#[derive(Serialize, ToSchema)]
pub struct BackupStatus {
    /// `off`, a time of day in UTC (`02:30`), or how long after the last one (`6h`).
    schedule: String,
    /// `none`, `directory`, `sftp`, `s3`.
    #[schema(value_type = String)]
    target: BackupTarget,
    /// Where that is: the folder, the server with its folder, the bucket.
    place: String,
    /// Backups of this node that are kept there.
    keep: u32,
    /// Mails of the quarantine: `left-out`, `included`.
    #[schema(value_type = String)]
    quarantine: QuarantineBodies,
    /// What they are locked with: `keys`, `passphrase`, `none`.
    lock: &'static str,
    /// One is being made since then, in milliseconds since 1970.
    running: Option<i64>,
    /// When the next one is made, or tried again.
    next: Option<i64>,
    /// The newest of this node that is known at the target.
    last: Option<i64>,
    /// The one that was made last since the node started.
    made: Option<MadeBackup>,
    /// Why the last try failed, until one succeeds or `[backup]` is changed.
    trouble: Option<BackupTrouble>,
}

#[derive(Serialize, ToSchema)]
pub struct MadeBackup {
    name: String,
    /// Octets.
    size: u64,
    /// Files in it.
    members: u64,
    /// It is good, and older ones could not be removed.
    not_removed: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct BackupTrouble {
    /// Milliseconds since 1970.
    at: i64,
    why: String,
}

#[derive(Serialize, ToSchema)]
pub struct StoredBackup {
    name: String,
    /// The node's name, as it stands in the backup's.
    node: String,
    /// Milliseconds since 1970.
    at: i64,
    /// Octets.
    size: u64,
}

#[derive(Serialize, ToSchema)]
pub struct StoredBackups {
    /// Of all nodes; oldest first for each.
    backups: Vec<StoredBackup>,
}

/// When backups are made, and how the last one went.
#[utoipa::path(get, path = "/backups/status", tag = "backups", responses((status = 200, body = BackupStatus)))]
pub async fn status(State(console): State<Console>) -> Json<BackupStatus> {
    Json(now(&console))
}

fn now(console: &Console) -> BackupStatus {
    let settings = console.state().settings.settings();
    let state = console.state().backups.state();
    BackupStatus {
        schedule: settings.backup.schedule.to_string(),
        target: settings.backup.target,
        place: place(&settings.backup),
        keep: settings.backup.keep,
        quarantine: settings.backup.quarantine,
        lock: match (settings.backup.recipients.is_empty(), settings.backup.passphrase.is_empty()) {
            (false, _) => "keys",
            (true, false) => "passphrase",
            (true, true) => "none",
        },
        running: state.running.map(|at| at.0),
        next: state.next.map(|at| at.0),
        last: state.last.map(|at| at.0),
        made: state.made.map(|made| MadeBackup {
            name: made.stored.name.to_string(),
            size: made.stored.size,
            members: made.members,
            not_removed: made.not_removed,
        }),
        trouble: state.trouble.map(|trouble| BackupTrouble { at: trouble.at.0, why: trouble.why }),
    }
}

/// Without what opens it.
fn place(backup: &BackupSettings) -> String {
    match backup.target {
        BackupTarget::None => String::new(),
        BackupTarget::Directory => backup.directory.path.display().to_string(),
        BackupTarget::Sftp => format!("{}@{}:{}", backup.sftp.username, backup.sftp.host, backup.sftp.path),
        BackupTarget::S3 => format!("{}/{}/{}", backup.s3.endpoint, backup.s3.bucket, backup.s3.prefix),
    }
}

/// Backups at the target, of all nodes.
#[utoipa::path(get, path = "/backups", tag = "backups", responses(
    (status = 200, body = StoredBackups), (status = 409, body = Problem), (status = 503, body = Problem)))]
pub async fn list(State(console): State<Console>) -> Answer<Json<StoredBackups>> {
    let stored = console.state().backups.list().await?;
    let row = |s: &Stored| StoredBackup { name: s.name.to_string(), node: s.name.host().to_owned(), at: s.name.at().0, size: s.size };
    Ok(Json(StoredBackups { backups: stored.iter().map(row).collect() }))
}

/// Make one now, whatever the schedule says. Comes back at once; `GET /backups/status` says how it ends.
#[utoipa::path(post, path = "/backups", tag = "backups", responses((status = 202, body = BackupStatus), (status = 409, body = Problem)))]
pub async fn begin(State(console): State<Console>, caller: Caller) -> Answer<(StatusCode, Json<BackupStatus>)> {
    console.state().backups.begin()?;
    caller.audit(&console, "backup.create", "this", None, None).await?;
    Ok((StatusCode::ACCEPTED, Json(now(&console))))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Verify {
    /// Name of a backup, as `GET /backups` lists them.
    backup: String,
    /// What it was locked with: this,
    passphrase: Option<String>,
    /// or a secret key of age, `AGE-SECRET-KEY-1...`; neither: the passphrase of the settings.
    identity: Option<String>,
}

/// Read a backup at the target to its last octet, as a restore would, and put it nowhere. Comes back at once; `GET /backups/verify` says
/// how it ends.
#[utoipa::path(post, path = "/backups/verify", tag = "backups", request_body = Verify, responses(
    (status = 202, body = VerifyView), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub async fn verify(State(console): State<Console>, caller: Caller, Input(asked): Input<Verify>) -> Answer<(StatusCode, Json<VerifyView>)> {
    let refused = |detail: String| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "no-backup", "This cannot be verified", detail);
    let name: BackupName = asked.backup.parse().map_err(|e: NameError| refused(e.to_string()))?;
    let settings = console.state().settings.settings();
    let key = match (asked.passphrase, asked.identity) {
        (Some(passphrase), None) => Key::passphrase(&passphrase),
        (None, Some(identity)) => Key::identities(&identity).map_err(|e| refused(e.to_string()))?,
        (None, None) if !settings.backup.passphrase.is_empty() => Key::passphrase(&settings.backup.passphrase),
        _ => return Err(refused("write either `passphrase` or `identity`".into())),
    };
    let target = console.state().backups.target()?;
    if !verifying::begin(&console, target, name, key) {
        return Err(Problem::conflict("a backup is being read already"));
    }
    caller.audit(&console, "backup.verify", &asked.backup, None, None).await?;
    Ok((StatusCode::ACCEPTED, Json(console.verifying.view())))
}

/// How far reading a backup is, or how the last one ended since the node started.
#[utoipa::path(get, path = "/backups/verify", tag = "backups", responses((status = 200, body = VerifyView)))]
pub async fn verify_status(State(console): State<Console>) -> Json<VerifyView> {
    Json(console.verifying.view())
}

impl From<BeginError> for Problem {
    fn from(error: BeginError) -> Self {
        match error {
            BeginError::Target(error) => error.into(),
            BeginError::Lock(error) => Self::conflict(error.to_string()),
            BeginError::Running(_) => Self::conflict(error.to_string()),
        }
    }
}

impl From<TargetError> for Problem {
    fn from(error: TargetError) -> Self {
        match &error {
            TargetError::None => Self::conflict(error.to_string()).advise("docs/how-to/backup.md shows a section [backup] for each kind."),
            TargetError::Unknown(_) => Self::not_found(error.to_string()),
            _ => Self::unavailable(error.to_string()),
        }
    }
}
