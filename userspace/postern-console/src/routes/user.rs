//! What people who receive mail may do: log in by a link, and decide about their own quarantine.

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use postern_model::address::Address;
use postern_model::id::MailId;
use postern_model::own_list::Sender;
use postern_model::reason::Reason;
use postern_model::role::Reach;
use postern_model::settings::users::UserSettings;
use postern_store::database::quarantine::{QuarantineEntry, QuarantineSearch, QuarantineState};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::caller::Peer;
use crate::input::{Asked, Input, Named};
use crate::password::random_secret;
use crate::problem::{Answer, Problem};
use crate::routes::journeys::mail_id;
use crate::routes::quarantine::{PartRow, QuarantineRow, end_anywhere, view};
use crate::routes::session::{too_many, with_cookie};
use crate::state::{Console, now};
use crate::tally::source;
use crate::users::{self, ASKED_BY, COOKIE, User};

/// Mails of a page.
const PAGE: usize = 50;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AskLink {
    /// Whose quarantine.
    address: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Follow {
    /// What stands behind `#/own/` in a link.
    link: String,
}

#[derive(Serialize, ToSchema)]
pub struct UserInfo {
    address: String,
    /// To be sent in the header `x-postern-csrf` with each request that changes something.
    csrf: String,
    /// The user may allow and block senders.
    lists: bool,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// `next` of the page before.
    before: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct UserMail {
    mail: String,
    /// Milliseconds since 1970.
    at: i64,
    sender: String,
    from_header: Option<String>,
    subject: Option<String>,
    reason: String,
    size: u64,
    /// Milliseconds since 1970: deleted then.
    expires: i64,
    /// The user may have it delivered.
    may_release: bool,
    /// The user may delete it: nobody else gets it, too.
    may_delete: bool,
    /// Whom a reader takes for its sender: what to allow or block. Null: nobody.
    author: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct UserMails {
    /// Newest first.
    mails: Vec<UserMail>,
    next: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct UserMailView {
    mail: UserMail,
    /// The text a reader would see, at most 20,000 characters. It was written by the sender: show it as text.
    text: String,
    parts: Vec<PartRow>,
    /// Where its links lead.
    urls: Vec<String>,
}

impl UserMail {
    fn of(e: &QuarantineEntry, user: &Address, settings: &UserSettings) -> Self {
        let is_own = is_only_for(e, user);
        Self {
            mail: e.mail.to_string(),
            at: e.at.0,
            sender: e.sender.clone(),
            from_header: e.from_header.clone(),
            subject: e.subject.clone(),
            reason: e.reason.name().to_owned(),
            size: e.size,
            expires: e.expires.0,
            may_release: is_own && may_release(e.reason, settings),
            may_delete: is_own,
            author: author(e).map(|sender| sender.to_string()),
        }
    }
}

/// The address of From, else that of the envelope.
fn author(entry: &QuarantineEntry) -> Option<Sender> {
    let from = entry.from_header.as_deref().unwrap_or_default();
    let bare = from.rsplit_once('<').map_or(from, |(_, address)| address.trim_end().trim_end_matches('>'));
    [bare, entry.sender.as_str()].into_iter().filter(|text| text.contains('@')).find_map(|text| text.parse().ok())
}

fn recipients(entry: &QuarantineEntry) -> impl Iterator<Item = Address> {
    entry.recipients.iter().filter_map(|r| r.parse().ok())
}

fn is_only_for(entry: &QuarantineEntry, user: &Address) -> bool {
    entry.recipients.len() == 1 && recipients(entry).any(|r| r == *user)
}

fn may_release(reason: Reason, settings: &UserSettings) -> bool {
    settings.release && !settings.withheld.contains(&reason)
}

/// Ask for a link. The answer is the same whether there is such an address or not, and nothing was looked up yet when it comes.
#[utoipa::path(post, path = "/user/links", tag = "user", request_body = AskLink, responses(
    (status = 202, description = "A link is on its way, if this is somebody's address here"), (status = 422, body = Problem), (status = 429, body = Problem)))]
pub async fn ask_link(
    State(console): State<Console>,
    Extension(peer): Extension<Peer>,
    Input(asked): Input<AskLink>,
) -> Answer<StatusCode> {
    enabled(&console)?;
    let address: Address = asked.address.trim().parse().map_err(|e: postern_model::address::AddressError| {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad-address", "This is no mail address", e.to_string())
    })?;
    if let Peer::Tcp(from) = peer {
        let key = source(from.ip());
        if let Some(wait) = console.requests.by.wait(&key, ASKED_BY.0) {
            return Err(too_many(wait, "too many links were asked for from your network address"));
        }
        console.requests.by.count(key);
    }
    tokio::spawn(async move { users::send_link(&console, &address).await });
    Ok(StatusCode::ACCEPTED)
}

/// Log in by a link, which is good once. The answer sets a cookie.
#[utoipa::path(post, path = "/user/session", tag = "user", request_body = Follow, responses(
    (status = 200, body = UserInfo), (status = 401, body = Problem), (status = 429, body = Problem)))]
pub async fn follow(State(console): State<Console>, Extension(peer): Extension<Peer>, Input(followed): Input<Follow>) -> Answer<Response> {
    enabled(&console)?;
    let from = source(match peer {
        Peer::Tcp(a) => a.ip(),
        Peer::Unix { .. } => std::net::Ipv4Addr::LOCALHOST.into(),
    });
    if let Some(wait) = console.gate.wait(from, console.state().settings.settings().console.login_tries) {
        return Err(too_many(wait, "too many wrong links from your network address"));
    }
    let Some(address) = users::spend_link(&console, &followed.link).await? else {
        console.gate.failed(from);
        let detail = "this link was used already, or its time is over";
        return Err(
            Problem::new(StatusCode::UNAUTHORIZED, "bad-link", "The link is not good any more", detail).advise("Ask for another one.")
        );
    };
    let (secret, csrf) = (random_secret(), random_secret());
    let digest = blake3::hash(secret.as_bytes());
    console.state().database.users().begin(digest.as_bytes(), &address.to_string(), &csrf, now()).await?;
    users::audit(&console, &address, &peer.address(), "user.login", "").await?;
    let lists = console.state().settings.settings().users.lists;
    let body = Json(UserInfo { address: address.to_string(), csrf, lists });
    Ok(with_cookie(body.into_response(), &format!("{COOKIE}={secret}; Path=/; Secure; HttpOnly; SameSite=Strict")))
}

fn enabled(console: &Console) -> Answer<()> {
    if console.state().settings.settings().users.enabled {
        return Ok(());
    }
    Err(Problem::not_found("users have no access here").advise("An admin can set `users.enabled`."))
}

/// Who am I?
#[utoipa::path(get, path = "/user/session", tag = "user", responses((status = 200, body = UserInfo), (status = 401, body = Problem)))]
pub async fn session(State(console): State<Console>, user: User) -> Json<UserInfo> {
    let lists = console.state().settings.settings().users.lists;
    Json(UserInfo { address: user.address.to_string(), csrf: user.csrf, lists })
}

/// Log out.
#[utoipa::path(delete, path = "/user/session", tag = "user", responses((status = 204), (status = 401, body = Problem)))]
pub async fn logout(State(console): State<Console>, user: User) -> Answer<Response> {
    console.state().database.users().end(&user.digest).await?;
    Ok(with_cookie(StatusCode::NO_CONTENT.into_response(), &format!("{COOKIE}=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0")))
}

/// One's own mails in quarantine.
#[utoipa::path(get, path = "/user/quarantine", tag = "user", params(Page), responses((status = 200, body = UserMails), (status = 401, body = Problem)))]
pub async fn list(State(console): State<Console>, user: User, Asked(page): Asked<Page>) -> Answer<Json<UserMails>> {
    let before = page.before.filter(|b| !b.is_empty()).map(|b| mail_id(&b)).transpose()?;
    let only_for = Some(user.address.clone());
    let search = QuarantineSearch { state: Some(QuarantineState::Held), only_for, before, limit: PAGE, ..QuarantineSearch::default() };
    let found = console.state().database.quarantine().search(&search).await?;
    let settings = &console.state().settings.settings().users;
    let mails = found.mails.iter().map(|e| UserMail::of(e, &user.address, settings)).collect();
    Ok(Json(UserMails { mails, next: found.next.map(|m| m.to_string()) }))
}

/// One of them, as text.
#[utoipa::path(get, path = "/user/quarantine/{mail}", tag = "user", params(("mail" = String, Path)), responses(
    (status = 200, body = UserMailView), (status = 404, body = Problem)))]
pub async fn one(State(console): State<Console>, user: User, Named(mail): Named<String>) -> Answer<Json<UserMailView>> {
    let (_, entry) = own(&console, &user, &mail).await?;
    let row = QuarantineRow::of(entry.clone(), &Reach::Everything).ok_or_else(|| not_there(&mail))?;
    let seen = view(&console, &entry, row).await?;
    let mail = UserMail::of(&entry, &user.address, &console.state().settings.settings().users);
    Ok(Json(UserMailView { mail, text: seen.text, parts: seen.parts, urls: seen.urls }))
}

/// Have it delivered.
#[utoipa::path(post, path = "/user/quarantine/{mail}/release", tag = "user", params(("mail" = String, Path)), responses(
    (status = 204), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 503, body = Problem)))]
pub async fn release(State(console): State<Console>, user: User, Named(mail): Named<String>) -> Answer<StatusCode> {
    let (id, entry) = own(&console, &user, &mail).await?;
    if !may_release(entry.reason, &console.state().settings.settings().users) {
        return Err(Problem::forbidden(format!("mail held back for the reason {} is not released here", entry.reason))
            .advise("Ask your administrator."));
    }
    end(&console, &user, id, &entry, QuarantineState::Released, "user.release").await
}

/// Delete it for good.
#[utoipa::path(delete, path = "/user/quarantine/{mail}", tag = "user", params(("mail" = String, Path)), responses(
    (status = 204), (status = 403, body = Problem), (status = 404, body = Problem), (status = 503, body = Problem)))]
pub async fn delete(State(console): State<Console>, user: User, Named(mail): Named<String>) -> Answer<StatusCode> {
    let (id, entry) = own(&console, &user, &mail).await?;
    end(&console, &user, id, &entry, QuarantineState::Deleted, "user.delete").await
}

/// A held mail that is for this user, perhaps among others.
async fn own(console: &Console, user: &User, mail: &str) -> Answer<(MailId, QuarantineEntry)> {
    let id = mail_id(mail)?;
    let entry = console.state().database.quarantine().one(id).await?;
    let is_own = |e: &QuarantineEntry| e.state == QuarantineState::Held && recipients(e).any(|r| r == user.address);
    entry.filter(is_own).map(|e| (id, e)).ok_or_else(|| not_there(mail))
}

fn not_there(mail: &str) -> Problem {
    Problem::not_found(format!("mail {mail} is not in your quarantine"))
}

async fn end(console: &Console, user: &User, id: MailId, entry: &QuarantineEntry, to: QuarantineState, action: &str) -> Answer<StatusCode> {
    if !is_only_for(entry, &user.address) {
        return Err(Problem::forbidden("this mail is for others, too, and lies here once").advise("Ask your administrator."));
    }
    end_anywhere(console, id, Some(entry), to, &user.address.to_string()).await?;
    user.audit(console, action, &id.to_string()).await?;
    Ok(StatusCode::NO_CONTENT)
}
