//! The machine under the appliance: its slots, its own settings, restart and reset. The role `os` does it; here is who may ask, and what
//! is written down about it. Updates: [`super::update`].

use std::path::Path;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use postern_backup::lock::Key;
use postern_backup::name::{BackupName, NameError};
use postern_model::os::{OsReply, OsRequest, OsStatus, Unlock};
use postern_os::client::{self, OsClientError};
use postern_os::machine::Machine;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::caller::Caller;
use crate::input::Input;
use crate::problem::{Answer, Problem};
use crate::restoring::{self, RestoreView};
use crate::routes::settings::{self, OneSetting};
use crate::state::Console;

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
    guard_outside(&console, &caller, &before, &new.text).await?;
    Ok(Json(files.iter().map(|f| f.display().to_string()).collect()))
}

/// The edge follows the roles of the interfaces. One that gets its name with the next boot is left to whoever names it.
async fn guard_outside(console: &Console, caller: &Caller, before: &str, after: &str) -> Answer<()> {
    let (Ok(before), Ok(after)) = (Machine::parse(before), Machine::parse(after)) else { return Ok(()) };
    let now = console.state().settings.settings().edge.interfaces.clone();
    let is_there = |name: &String| Path::new("/sys/class/net").join(name).exists();
    match after.guards(&before, &now) {
        Some(wanted) if wanted.iter().all(is_there) => {
            let change = OneSetting::new("edge.interfaces", wanted.into(), "roles of the interfaces");
            settings::change(console, caller, &change, None).await.map(drop)
        }
        _ => Ok(()),
    }
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
