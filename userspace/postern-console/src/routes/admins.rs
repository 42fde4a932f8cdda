//! Administrators.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::caller::Caller;
use crate::input::{Input, Named};
use crate::password::{self, random_secret};
use crate::problem::{Answer, Problem};
use crate::routes::session::check_strength;
use crate::state::{Console, now};

#[derive(Serialize, ToSchema)]
pub struct AdminRow {
    name: String,
    /// The password was made by the node and should be changed.
    one_time_password: bool,
    /// Milliseconds since 1970.
    created: i64,
}

#[derive(Serialize, ToSchema)]
pub struct Admins {
    admins: Vec<AdminRow>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAdmin {
    /// 1 to 60 of a-z, 0-9, `.`, `_`, `-`.
    name: String,
    /// Left out: one is made and returned once.
    password: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetPassword {
    /// Left out: one is made and returned once.
    password: Option<String>,
    /// Instead of a password: its argon2id hash as a PHC string, of at most m=65536 and t=10.
    password_hash: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct MadePassword {
    name: String,
    /// Only when the node made it: it is not shown again.
    password: Option<String>,
}

/// All administrators.
#[utoipa::path(get, path = "/admins", tag = "admins", responses((status = 200, body = Admins)))]
pub async fn list(State(console): State<Console>) -> Answer<Json<Admins>> {
    let admins = console.state().database.admins().all().await?;
    let row = |a: postern_store::database::admins::Admin| AdminRow { name: a.name, one_time_password: a.one_time, created: a.created };
    Ok(Json(Admins { admins: admins.into_iter().map(row).collect() }))
}

/// Add one.
#[utoipa::path(post, path = "/admins", tag = "admins", request_body = NewAdmin, responses(
    (status = 201, body = MadePassword), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub async fn add(State(console): State<Console>, caller: Caller, Input(new): Input<NewAdmin>) -> Answer<(StatusCode, Json<MadePassword>)> {
    let fits =
        (1..=60).contains(&new.name.len()) && new.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b));
    if !fits {
        let title = "The name is not taken";
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad-name", title, "write 1 to 60 of a-z, 0-9, `.`, `_`, `-`"));
    }
    let (password, made) = given_or_made(new.password)?;
    let hash = console.gate.hash(password).await?;
    if !console.state().database.admins().add(&new.name, &hash, made.is_some(), now()).await? {
        return Err(Problem::conflict(format!("there is an admin `{}` already", new.name)));
    }
    console.state().cluster.login_changed(&new.name, &caller.name).await?;
    caller.audit(&console, "admin.add", &new.name, None, None).await?;
    Ok((StatusCode::CREATED, Json(MadePassword { name: new.name, password: made })))
}

/// Set somebody's password. All logins of that admin end.
#[utoipa::path(put, path = "/admins/{name}/password", tag = "admins", params(("name" = String, Path)), request_body = SetPassword,
    responses((status = 200, body = MadePassword), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub async fn set_password(
    State(console): State<Console>,
    caller: Caller,
    Named(name): Named<String>,
    Input(new): Input<SetPassword>,
) -> Answer<Json<MadePassword>> {
    let (hash, made) = match (new.password, new.password_hash) {
        (None, Some(hash)) if password::is_usable_hash(&hash) => (hash, None),
        (_, Some(_)) => {
            let title = "The password is not taken";
            let detail = "password_hash is an argon2id hash as a PHC string, of at most m=65536 and t=10, and stands without password";
            return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad-hash", title, detail));
        }
        (given, None) => {
            let (password, made) = given_or_made(given)?;
            (console.gate.hash(password).await?, made)
        }
    };
    if !console.state().database.admins().set_password(&name, &hash, made.is_some(), None).await? {
        return Err(Problem::not_found(format!("there is no admin `{name}`")));
    }
    console.state().cluster.login_changed(&name, &caller.name).await?;
    caller.audit(&console, "admin.password", &name, None, None).await?;
    Ok(Json(MadePassword { name, password: made }))
}

/// Remove one, with all logins and tokens. The last one and oneself stay.
#[utoipa::path(delete, path = "/admins/{name}", tag = "admins", params(("name" = String, Path)), responses(
    (status = 204), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn remove(State(console): State<Console>, caller: Caller, Named(name): Named<String>) -> Answer<StatusCode> {
    let admins = console.state().database.admins();
    if caller.session.is_some() && caller.name == name {
        return Err(Problem::conflict("you would remove yourself").advise("Let another admin do it, or use `postern admin remove`."));
    }
    let all = admins.all().await?;
    if all.len() == 1 && all.iter().any(|a| a.name == name) {
        return Err(Problem::conflict("this is the last admin").advise("Add another one first."));
    }
    if !admins.remove(&name).await? {
        return Err(Problem::not_found(format!("there is no admin `{name}`")));
    }
    console.state().cluster.login_changed(&name, &caller.name).await?;
    caller.audit(&console, "admin.remove", &name, None, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The password to use, and the same again when it was made here.
fn given_or_made(given: Option<String>) -> Answer<(String, Option<String>)> {
    match given {
        Some(password) => {
            check_strength(&password)?;
            Ok((password, None))
        }
        None => {
            let made = random_secret();
            Ok((made.clone(), Some(made)))
        }
    }
}
