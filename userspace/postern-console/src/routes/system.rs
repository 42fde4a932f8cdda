//! The machine under the appliance: its slots and updates, its own settings, restart and reset. The role `os` does it; here is who may ask,
//! and what is written down about it.

use std::path::PathBuf;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use futures_util::StreamExt;
use postern_backup::lock::Key;
use postern_backup::name::{BackupName, NameError};
use postern_model::os::{OsReply, OsRequest, OsStatus, Unlock};
use postern_os::client::{self, OsClientError};
use serde::{Deserialize, Serialize};
use tokio::fs::File;
use tokio::io::AsyncWriteExt;
use tokio::sync::MutexGuard;
use utoipa::{IntoParams, ToSchema};

use crate::caller::Caller;
use crate::input::{Asked, Input};
use crate::problem::{Answer, Problem};
use crate::restoring::{self, RestoreView};
use crate::rolling::{self, RollingView};
use crate::state::Console;

/// Both images of a slot and what stands before them (docs/adr/0027).
pub const LARGEST_UPDATE: usize = 512 << 20;
/// An upload that brings nothing for so long is over.
const SILENCE: Duration = Duration::from_secs(30);

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct UpdateOptions {
    /// Also when its version is older than this one.
    #[serde(default)]
    allow_older: bool,
    /// Restart into it when it is written.
    #[serde(default)]
    restart: bool,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct RollingOptions {
    /// Also when its version is older than that of the node that is asked.
    #[serde(default)]
    allow_older: bool,
}

#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MachineText {
    /// machine.toml: name, time, name servers, interfaces (docs/how-to/appliance.md).
    text: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reset {
    /// `RESET`: all settings, keys and mails of this machine are lost.
    confirm: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Restore {
    /// Name of a backup, as `GET /backups` lists them.
    backup: String,
    /// What it was locked with: this,
    passphrase: Option<String>,
    /// or a secret key of age, `AGE-SECRET-KEY-1...`.
    identity: Option<String>,
}

/// Version, slots, health, and how far an update is.
#[utoipa::path(get, path = "/system", tag = "system", responses((status = 200, body = Object), (status = 503, body = Problem)))]
pub async fn status(State(console): State<Console>) -> Answer<Json<OsStatus>> {
    Ok(Json(client::status(&console.os_socket()).await?))
}

/// Upload an update: it is checked, written into the other slot and read back; `GET /system` says how far it is.
#[utoipa::path(post, path = "/system/update", tag = "system", params(UpdateOptions),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "postern-VERSION.update"), responses(
    (status = 202), (status = 400, body = Problem), (status = 409, body = Problem), (status = 413, body = Problem), (status = 503, body = Problem)))]
pub async fn update(
    State(console): State<Console>,
    caller: Caller,
    Asked(options): Asked<UpdateOptions>,
    body: Body,
) -> Answer<StatusCode> {
    let (bundle, _alone) = receive(&console, body).await?;
    let name = bundle.display().to_string();
    let UpdateOptions { allow_older, restart } = options;
    client::ask(&console.os_socket(), &OsRequest::Update { bundle, allow_older, restart }).await?;
    caller.audit(&console, "system.update", &name, None, None).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Upload an update for all nodes: each takes it, is drained, restarts into it and shows that it is good before the next one has its turn.
/// The node that is asked comes last. It stops at the first failure; `GET /cluster/update` says how far it is.
#[utoipa::path(post, path = "/cluster/update", tag = "cluster", params(RollingOptions),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "postern-VERSION.update"), responses(
    (status = 202), (status = 400, body = Problem), (status = 409, body = Problem), (status = 413, body = Problem), (status = 503, body = Problem)))]
pub async fn update_all(
    State(console): State<Console>,
    caller: Caller,
    Asked(options): Asked<RollingOptions>,
    body: Body,
) -> Answer<StatusCode> {
    let (bundle, _alone) = receive(&console, body).await?;
    caller.audit(&console, "cluster.update", &bundle.display().to_string(), None, None).await?;
    rolling::begin(&console, bundle, options.allow_older).await.map_err(Problem::conflict)?;
    Ok(StatusCode::ACCEPTED)
}

/// How far the update of all nodes is.
#[utoipa::path(get, path = "/cluster/update", tag = "cluster", responses((status = 200, body = RollingView)))]
pub async fn update_of_all(State(console): State<Console>) -> Json<RollingView> {
    Json(console.rolling.view())
}

/// A refused upload is read to its end, as far as an update goes: a connection that is closed with octets unread takes the answer with it.
async fn drain(body: Body) {
    let (mut pieces, mut left) = (body.into_data_stream(), LARGEST_UPDATE);
    while let Ok(Some(Ok(piece))) = tokio::time::timeout(SILENCE, pieces.next()).await
        && piece.len() <= left
    {
        left -= piece.len();
    }
}

/// Whether an update may be kept. No other is while the guard is held.
async fn admit(console: &Console) -> Answer<MutexGuard<'_, ()>> {
    client::status(&console.os_socket()).await?;
    if console.rolling.leads() {
        return Err(Problem::conflict("an update of all nodes is under way: see how far it is"));
    }
    console.uploading.try_lock().map_err(|_| Problem::conflict("another update is being uploaded"))
}

/// To the disk as it comes; a file of an earlier upload is replaced.
async fn receive(console: &Console, body: Body) -> Answer<(PathBuf, MutexGuard<'_, ()>)> {
    let alone = match admit(console).await {
        Ok(alone) => alone,
        Err(refusal) => {
            drain(body).await;
            return Err(refusal);
        }
    };
    let path = console.update_file().map_err(|e| Problem::internal(format!("the folder of updates: {e}")))?;
    let failed = |e: std::io::Error| Problem::internal(format!("{}: {e}", path.display()));
    let mut file = File::create(&path).await.map_err(failed)?;
    let (mut pieces, mut size) = (body.into_data_stream(), 0);
    while let Some(piece) = tokio::time::timeout(SILENCE, pieces.next()).await.map_err(|_| Problem::bad_request("the upload stopped"))? {
        let piece = piece.map_err(|e| Problem::bad_request(format!("the upload broke off: {e}")))?;
        size += piece.len();
        if size > LARGEST_UPDATE {
            let title = "The body is too large";
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", title, "no update has more than 512 MiB"));
        }
        file.write_all(&piece).await.map_err(failed)?;
    }
    file.sync_all().await.map_err(failed)?;
    Ok((path, alone))
}

/// Start the other slot at the next restart, with its settings; this one comes back if it does not become healthy.
#[utoipa::path(post, path = "/system/roll-back", tag = "system", responses((status = 204), (status = 409, body = Problem), (status = 503, body = Problem)))]
pub async fn roll_back(State(console): State<Console>, caller: Caller) -> Answer<StatusCode> {
    order(&console, &caller, OsRequest::RollBack, "system.roll-back").await
}

/// Restart the machine. Drain the node before, when it has peers.
#[utoipa::path(post, path = "/system/reboot", tag = "system", responses((status = 204), (status = 409, body = Problem), (status = 503, body = Problem)))]
pub async fn reboot(State(console): State<Console>, caller: Caller) -> Answer<StatusCode> {
    order(&console, &caller, OsRequest::Reboot, "system.reboot").await
}

/// Switch the machine off.
#[utoipa::path(post, path = "/system/power-off", tag = "system", responses((status = 204), (status = 409, body = Problem), (status = 503, body = Problem)))]
pub async fn power_off(State(console): State<Console>, caller: Caller) -> Answer<StatusCode> {
    order(&console, &caller, OsRequest::PowerOff, "system.power-off").await
}

/// Restart, and lose all settings, keys and mails of this machine.
#[utoipa::path(post, path = "/system/factory-reset", tag = "system", request_body = Reset, responses(
    (status = 204), (status = 409, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub async fn factory_reset(State(console): State<Console>, caller: Caller, Input(reset): Input<Reset>) -> Answer<StatusCode> {
    if reset.confirm != "RESET" {
        let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "not-confirmed", "This is not confirmed", "`confirm` is not RESET");
        return Err(problem.advise("Everything on this machine is lost by it: write RESET when that is wanted."));
    }
    order(&console, &caller, OsRequest::FactoryReset, "system.factory-reset").await
}

/// Put a backup of the target of `[backup]` in place of all the node has. It is brought here and verified while the node runs on; then the machine
/// restarts. `GET /system/restore` says how far it is, after the restart `GET /system` how it ended.
#[utoipa::path(post, path = "/system/restore", tag = "system", request_body = Restore, responses(
    (status = 202, body = RestoreView), (status = 409, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub async fn restore(
    State(console): State<Console>,
    caller: Caller,
    Input(asked): Input<Restore>,
) -> Answer<(StatusCode, Json<RestoreView>)> {
    let refused = |detail: String| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "no-backup", "This cannot be restored", detail);
    // Who is no appliance need not fetch it to say so.
    client::status(&console.os_socket()).await?;
    let name: BackupName = asked.backup.parse().map_err(|e: NameError| refused(e.to_string()))?;
    let (unlock, key) = match (asked.passphrase, asked.identity) {
        (Some(passphrase), None) => (Unlock::Passphrase(passphrase.clone()), Key::passphrase(&passphrase)),
        (None, Some(identity)) => (Unlock::Identity(identity.clone()), Key::identities(&identity).map_err(|e| refused(e.to_string()))?),
        _ => return Err(refused("write either `passphrase` or `identity`".into())),
    };
    let target = console.state().backups.target()?;
    if !restoring::begin(&console, target, name, unlock, key) {
        return Err(Problem::conflict("a backup is being restored already"));
    }
    caller.audit(&console, "system.restore", &asked.backup, None, None).await?;
    Ok((StatusCode::ACCEPTED, Json(console.restoring.view())))
}

/// How far a restore is.
#[utoipa::path(get, path = "/system/restore", tag = "system", responses((status = 200, body = RestoreView)))]
pub async fn restore_status(State(console): State<Console>) -> Json<RestoreView> {
    Json(console.restoring.view())
}

/// The machine's own settings; empty when it was not set up.
#[utoipa::path(get, path = "/system/machine", tag = "system", responses((status = 200, body = MachineText), (status = 503, body = Problem)))]
pub async fn machine(State(console): State<Console>) -> Answer<Json<MachineText>> {
    Ok(Json(MachineText { text: client::text(&console.os_socket(), &OsRequest::Machine).await? }))
}

/// Put other settings of the machine in force; answers with the files that changed.
#[utoipa::path(put, path = "/system/machine", tag = "system", request_body = MachineText, responses(
    (status = 200, body = Vec<String>), (status = 409, body = Problem), (status = 503, body = Problem)))]
pub async fn put_machine(State(console): State<Console>, caller: Caller, Input(new): Input<MachineText>) -> Answer<Json<Vec<String>>> {
    let socket = console.os_socket();
    let before = client::text(&socket, &OsRequest::Machine).await?;
    let OsReply::Changed { files } = client::ask(&socket, &OsRequest::PutMachine { text: new.text.clone() }).await? else {
        return Err(OsClientError::Unexpected.into());
    };
    caller.audit(&console, "system.machine", "machine.toml", Some(&before), Some(&new.text)).await?;
    Ok(Json(files.iter().map(|f| f.display().to_string()).collect()))
}

/// Log and versions as text, without mails, keys and passwords.
#[utoipa::path(get, path = "/system/support-bundle", tag = "system", responses(
    (status = 200, body = String, content_type = "text/plain"), (status = 503, body = Problem)))]
pub async fn support_bundle(State(console): State<Console>) -> Answer<String> {
    Ok(client::text(&console.os_socket(), &OsRequest::SupportBundle).await?)
}

async fn order(console: &Console, caller: &Caller, request: OsRequest, action: &str) -> Answer<StatusCode> {
    // Written down before: afterwards there may be nobody left to do it.
    caller.audit(console, action, "this", None, None).await?;
    client::ask(&console.os_socket(), &request).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<OsClientError> for Problem {
    fn from(error: OsClientError) -> Self {
        match error {
            OsClientError::Refused(why) => Self::conflict(why),
            OsClientError::Away(_) => Self::unavailable(error.to_string()).advise("On the appliance: systemctl status postern-os"),
            OsClientError::Unexpected => Self::internal(error.to_string()),
        }
    }
}
