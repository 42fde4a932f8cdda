//! Whom people who receive mail allow and block for themselves.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use postern_model::own_list::{Choice, Sender};
use postern_store::database::user_lists::{Chosen, MOST};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::input::{Input, Named};
use crate::problem::{Answer, Problem};
use crate::state::{Console, now};
use crate::users::User;

#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Wish {
    /// Delivered whatever it scores, when it is really from there.
    Allow,
    /// Kept in quarantine.
    Block,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SenderWish {
    choice: Wish,
}

#[derive(Serialize, ToSchema)]
pub struct ChosenSender {
    /// An address, or a domain for all addresses at it.
    sender: String,
    /// `allow` or `block`.
    choice: &'static str,
    /// Milliseconds since 1970.
    at: i64,
}

#[derive(Serialize, ToSchema)]
pub struct ChosenSenders {
    /// In the order of their names.
    senders: Vec<ChosenSender>,
    /// So many may be chosen.
    most: usize,
}

/// The own list.
#[utoipa::path(get, path = "/user/senders", tag = "user", responses((status = 200, body = ChosenSenders), (status = 404, body = Problem)))]
pub async fn list(State(console): State<Console>, user: User) -> Answer<Json<ChosenSenders>> {
    enabled(&console)?;
    let chosen = console.state().database.user_lists().of(&[user.address.key()]).await?;
    let row = |c: postern_store::database::user_lists::UserChoice| ChosenSender {
        sender: c.sender.to_string(),
        choice: c.choice.name(),
        at: c.at.0,
    };
    Ok(Json(ChosenSenders { senders: chosen.into_iter().map(row).collect(), most: MOST }))
}

/// Allow or block a sender for oneself, on all nodes.
#[utoipa::path(put, path = "/user/senders/{sender}", tag = "user", params(("sender" = String, Path)), request_body = SenderWish, responses(
    (status = 204), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub async fn choose(
    State(console): State<Console>,
    user: User,
    Named(name): Named<String>,
    Input(wish): Input<SenderWish>,
) -> Answer<StatusCode> {
    let (choice, action) = match wish.choice {
        Wish::Allow => (Choice::Allow, "user.allow"),
        Wish::Block => (Choice::Block, "user.block"),
    };
    put(&console, &user, &name, choice, action).await
}

/// Take a choice back.
#[utoipa::path(delete, path = "/user/senders/{sender}", tag = "user", params(("sender" = String, Path)), responses(
    (status = 204), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub async fn take_back(State(console): State<Console>, user: User, Named(name): Named<String>) -> Answer<StatusCode> {
    put(&console, &user, &name, Choice::None, "user.take-back").await
}

async fn put(console: &Console, user: &User, name: &str, choice: Choice, action: &str) -> Answer<StatusCode> {
    enabled(console)?;
    let sender: Sender = name.parse().map_err(|e: postern_model::own_list::SenderError| {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad-sender", "This is no sender", e.to_string())
    })?;
    match console.state().database.user_lists().choose(&user.address.key(), &sender, choice, now()).await? {
        Chosen::Done => {}
        Chosen::TooMany => {
            return Err(Problem::conflict(format!("there are {MOST} senders in your list already")).advise("Take one back first."));
        }
    }
    user.audit(console, action, sender.as_str()).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn enabled(console: &Console) -> Answer<()> {
    let users = &console.state().settings.settings().users;
    if users.enabled && users.lists {
        return Ok(());
    }
    Err(Problem::not_found("users have no lists here").advise("An admin can set `users.lists`."))
}
