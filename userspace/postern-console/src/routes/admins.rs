//! Who may log in: administrators, and others with less rights.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use postern_model::role::{Reach, Rights, Role};
use postern_store::database::admins::Admin;
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
    /// `admin`, `operator`, `helpdesk`, `auditor`.
    role: &'static str,
    /// It sees only mails to recipients at these; `null`: all.
    domains: Option<Vec<String>>,
    /// A login needs a code of an authenticator.
    totp: bool,
}

impl AdminRow {
    fn of(a: Admin, with_totp: &[String]) -> Self {
        let rights = a.rights();
        let (domains, totp) = (domains_of(&rights.reach), with_totp.contains(&a.name));
        Self { name: a.name, one_time_password: a.one_time, created: a.created, role: rights.role.name(), domains, totp }
    }
}

/// A reach as the API shows it.
pub fn domains_of(reach: &Reach) -> Option<Vec<String>> {
    reach.domains().map(|d| d.iter().map(ToString::to_string).collect())
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
    /// `admin` (unless given), `operator`, `helpdesk`, `auditor`.
    #[schema(value_type = Option<String>)]
    role: Option<Role>,
    /// As for `PUT /admins/{name}/role`.
    domains: Option<Vec<String>>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetRights {
    /// `admin`, `operator`, `helpdesk`, `auditor`.
    #[schema(value_type = String)]
    role: Role,
    /// At most 100: the login sees only mails to recipients at these domains, not below them. Left out or `null`: all. An admin
    /// cannot be limited.
    domains: Option<Vec<String>>,
}

/// The rights that somebody asks for.
///
/// # Errors
/// When such rights cannot be given.
pub fn rights(role: Role, domains: Option<&[String]>) -> Answer<Rights> {
    let refused = |why: String| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad-rights", "These rights cannot be given", why);
    let Some(domains) = domains else { return Ok(Rights { role, reach: Reach::Everything }) };
    if role == Role::Admin {
        return Err(refused("an admin is for the whole gateway".into()).advise("Limit an operator, helpdesk or auditor to domains."));
    }
    let reach = Reach::to_domains(domains).map_err(|e| refused(e.to_string()))?;
    Ok(Rights { role, reach })
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

/// Everybody who may log in.
#[utoipa::path(get, path = "/admins", tag = "admins", responses((status = 200, body = Admins)))]
pub async fn list(State(console): State<Console>) -> Answer<Json<Admins>> {
    let admins = console.state().database.admins().all().await?;
    let with_totp = console.state().database.second_factors().names().await?;
    Ok(Json(Admins { admins: admins.into_iter().map(|a| AdminRow::of(a, &with_totp)).collect() }))
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
    let rights = rights(new.role.unwrap_or(Role::Admin), new.domains.as_deref())?;
    let (password, made) = given_or_made(new.password)?;
    let hash = console.gate.hash(password).await?;
    if !console.state().database.admins().add(&new.name, &hash, made.is_some(), &rights, now()).await? {
        return Err(Problem::conflict(format!("there is an admin `{}` already", new.name)));
    }
    console.state().cluster.login_changed(&new.name, &caller.name).await?;
    caller.audit(&console, "admin.add", &new.name, None, Some(&in_words(&rights))).await?;
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

/// Give somebody another role. Open logins have it at once; tokens of that login are removed. The last admin and oneself stay.
#[utoipa::path(put, path = "/admins/{name}/role", tag = "admins", params(("name" = String, Path)), request_body = SetRights,
    responses((status = 204), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub async fn set_rights(
    State(console): State<Console>,
    caller: Caller,
    Named(name): Named<String>,
    Input(given): Input<SetRights>,
) -> Answer<StatusCode> {
    let rights = rights(given.role, given.domains.as_deref())?;
    let Some(before) = console.state().database.admins().one(&name).await? else {
        return Err(Problem::not_found(format!("there is no admin `{name}`")));
    };
    if caller.session.is_some() && caller.name == name {
        return Err(Problem::conflict("you would change your own role").advise("Let another admin do it, or use `postern admin role`."));
    }
    if rights.role != Role::Admin {
        not_the_last(&console, &name).await?;
    }
    console.state().database.admins().set_rights(&name, &rights).await?;
    console.state().cluster.login_changed(&name, &caller.name).await?;
    caller.audit(&console, "admin.role", &name, Some(&in_words(&before.rights())), Some(&in_words(&rights))).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// For the audit trail.
fn in_words(rights: &Rights) -> String {
    format!("{} {}", rights.role, rights.reach)
}

/// Somebody must be left who may do everything.
async fn not_the_last(console: &Console, name: &str) -> Answer<()> {
    let all = console.state().database.admins().all().await?;
    let admins: Vec<String> = all.into_iter().filter(|a| a.rights().role == Role::Admin).map(|a| a.name).collect();
    if admins != [name] {
        return Ok(());
    }
    Err(Problem::conflict("this is the last admin").advise("Add another one first."))
}

/// Remove one, with all logins and tokens. The last one and oneself stay.
#[utoipa::path(delete, path = "/admins/{name}", tag = "admins", params(("name" = String, Path)), responses(
    (status = 204), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn remove(State(console): State<Console>, caller: Caller, Named(name): Named<String>) -> Answer<StatusCode> {
    let admins = console.state().database.admins();
    if caller.session.is_some() && caller.name == name {
        return Err(Problem::conflict("you would remove yourself").advise("Let another admin do it, or use `postern admin remove`."));
    }
    not_the_last(&console, &name).await?;
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
