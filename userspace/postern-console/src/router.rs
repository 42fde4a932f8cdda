//! All routes, the layers around them, and the OpenAPI document that follows from them.

use std::sync::LazyLock;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::{Router, routing};
use postern_mta::certificate::LONGEST;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::caller::authenticate;
use crate::problem::Problem;
use crate::rights::{ADMIN, AUDIT, Entry, Guarded, OPERATE, OWN, REVIEW, SEE, SEE_MAILS, SERVE_MAILS, for_users};
use crate::routes::{
    admins, alerts, audit, backups, certificate, cluster, domains, duty, edge, explain, health, journeys, live, metrics, policy,
    quarantine, queue, reports, sandbox, session, sessions, set_up, settings, settings_history, status, symbols, system, tokens, totp,
    update, user, user_senders, web_ui,
};
use crate::settings_file::MAX_TEXT;
use crate::state::Console;
use crate::users;

/// Octets of a body, where nothing else is said.
const SMALL_BODY: usize = 64 * 1024;
/// A mail to be explained or learned.
const MAIL_BODY: usize = 64 * 1024 * 1024;
/// How long a request may take; explaining may ask the DNS, clamd and lists.
const REQUEST: Duration = Duration::from_secs(60);
/// 200 MiB over a line of 1 Mbit/s; a line that is silent is cut much sooner.
const UPLOAD: Duration = Duration::from_secs(30 * 60);
const UPLOAD_PATHS: [&str; 2] = ["/api/v1/system/update", "/api/v1/cluster/update"];

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Postern",
        description = "The API of a Postern node. Log in with POST /api/v1/session (cookie and CSRF header), send a token as \
                       `Authorization: Bearer …`, or use the node's unix socket. Errors are problems of RFC 9457."
    ),
    components(schemas(Problem))
)]
struct Api;

fn open_routes() -> OpenApiRouter<Console> {
    OpenApiRouter::new().routes(routes!(session::login)).routes(routes!(user::ask_link)).routes(routes!(user::follow))
}

/// For the people who receive mail, each about the own.
fn user_routes() -> OpenApiRouter<Console> {
    OpenApiRouter::new()
        .routes(for_users(routes!(user::session, user::logout)))
        .routes(for_users(routes!(user::list)))
        .routes(for_users(routes!(user::one, user::delete)))
        .routes(for_users(routes!(user::release)))
        .routes(for_users(routes!(user_senders::list)))
        .routes(for_users(routes!(user_senders::choose, user_senders::take_back)))
}

fn closed_routes() -> Guarded {
    let mails = Guarded::default()
        .to(OPERATE, routes!(explain::explain))
        .to(OPERATE, routes!(explain::learn))
        .to(OPERATE, routes!(policy::explain))
        .around(|r| r.layer(DefaultBodyLimit::max(MAIL_BODY)));
    let updates = Guarded::default()
        .to(ADMIN, routes!(update::update))
        .to(ADMIN, routes!(update::update_all))
        .to(REVIEW, routes!(update::update_of_all))
        .around(|r| r.layer(DefaultBodyLimit::disable()));
    let certificates = Guarded::default()
        .to(REVIEW, routes!(certificate::show))
        .to(ADMIN, routes!(certificate::install, certificate::forget))
        .around(|r| r.layer(DefaultBodyLimit::max(2 * LONGEST)));
    let files = Guarded::default()
        .to(REVIEW, routes!(settings::get))
        .to(ADMIN, routes!(settings::put, settings::patch))
        .to(ADMIN, routes!(settings::check))
        .to(REVIEW, routes!(policy::get))
        .to(OPERATE, routes!(policy::put))
        .to(OPERATE, routes!(policy::check))
        .to(OPERATE, routes!(policy::what_if))
        .to(ADMIN, routes!(sandbox::try_rules))
        .around(|r| r.layer(DefaultBodyLimit::max(MAX_TEXT + 1024)));
    let others = Guarded::default()
        .to(OWN, routes!(session::session, session::logout))
        .to(OWN, routes!(session::change_password))
        .to(OWN, routes!(totp::show, totp::set))
        .to(OWN, routes!(totp::offer))
        .to(OWN, routes!(totp::remove))
        .to(OWN, routes!(sessions::list))
        .to(OWN, routes!(sessions::end))
        .to(SEE, routes!(status::status))
        .to(SEE, routes!(alerts::list))
        .to(SEE, routes!(alerts::past))
        .to(OPERATE, routes!(alerts::acknowledge))
        .to(ADMIN, routes!(alerts::test))
        .to(SEE_MAILS, routes!(status::counters))
        .to(SEE, routes!(live::live))
        .to(SEE_MAILS, routes!(journeys::search))
        .to(SEE_MAILS, routes!(journeys::one))
        .to(SEE_MAILS, routes!(quarantine::search))
        .to(SERVE_MAILS, routes!(quarantine::one, quarantine::delete))
        .to(SERVE_MAILS, routes!(quarantine::release))
        .to(SERVE_MAILS, routes!(quarantine::open))
        .to(SEE, routes!(queue::list))
        .to(SEE, routes!(queue::why))
        .to(OPERATE, routes!(queue::retry))
        .to(OPERATE, routes!(queue::hold))
        .to(OPERATE, routes!(queue::release))
        .to(OPERATE, routes!(queue::reroute))
        .to(OPERATE, routes!(queue::return_to_sender))
        .to(OPERATE, routes!(queue::delete))
        .to(REVIEW, routes!(domains::list))
        .to(OPERATE, routes!(domains::attempt))
        .to(SEE, routes!(cluster::status))
        .to(ADMIN, routes!(cluster::init))
        .to(ADMIN, routes!(cluster::invite, cluster::invitations))
        .to(ADMIN, routes!(cluster::revoke))
        .to(ADMIN, routes!(cluster::join))
        .to(ADMIN, routes!(cluster::leave))
        .to(ADMIN, routes!(cluster::remove))
        .to(REVIEW, routes!(cluster::history))
        .to(REVIEW, routes!(cluster::diff))
        .to(ADMIN, routes!(cluster::undo))
        .to(REVIEW, routes!(cluster::conflicts))
        .to(ADMIN, routes!(certificate::request))
        .to(ADMIN, routes!(certificate::renew))
        .to(SEE, routes!(duty::status))
        .to(OPERATE, routes!(duty::drain))
        .to(OPERATE, routes!(duty::resume))
        .to(SEE, routes!(edge::status))
        .to(SEE, routes!(edge::bans))
        .to(OPERATE, routes!(edge::ban, edge::unban))
        .to(SEE, routes!(edge::samples))
        .to(SEE, routes!(edge::trace))
        .to(OPERATE, routes!(edge::reload_feeds))
        .to(OWN, routes!(symbols::list))
        .to(REVIEW, routes!(symbols::hits))
        .to(REVIEW, routes!(sandbox::rules))
        .to(REVIEW, routes!(settings::schema))
        .to(ADMIN, routes!(settings::reload))
        .to(REVIEW, routes!(settings_history::list))
        .to(REVIEW, routes!(settings_history::one))
        .to(REVIEW, routes!(settings_history::diff))
        .to(ADMIN, routes!(settings_history::undo))
        .to(REVIEW, routes!(policy::history))
        .to(REVIEW, routes!(policy::diff))
        .to(OPERATE, routes!(policy::undo))
        .to(AUDIT, routes!(admins::list))
        .to(ADMIN, routes!(admins::add))
        .to(ADMIN, routes!(admins::set_password))
        .to(ADMIN, routes!(admins::set_rights))
        .to(ADMIN, routes!(admins::remove))
        .to(ADMIN, routes!(totp::reset))
        .to(AUDIT, routes!(tokens::list))
        .to(ADMIN, routes!(tokens::add))
        .to(ADMIN, routes!(tokens::remove))
        .to(AUDIT, routes!(audit::search))
        .to(REVIEW, routes!(reports::list))
        .to(OPERATE, routes!(reports::send))
        .to(REVIEW, routes!(reports::preview))
        .to(REVIEW, routes!(reports::preview_pdf))
        .to(REVIEW, routes!(reports::one))
        .to(REVIEW, routes!(reports::one_pdf))
        .to(REVIEW, routes!(backups::list))
        .to(OPERATE, routes!(backups::begin))
        .to(REVIEW, routes!(backups::status))
        .to(OPERATE, routes!(backups::verify))
        .to(REVIEW, routes!(backups::verify_status))
        .to(ADMIN, routes!(set_up::set_up))
        .to(REVIEW, routes!(system::status))
        .to(REVIEW, routes!(system::machine))
        .to(ADMIN, routes!(system::put_machine))
        .to(ADMIN, routes!(system::roll_back))
        .to(ADMIN, routes!(system::reboot))
        .to(ADMIN, routes!(system::power_off))
        .to(ADMIN, routes!(system::restore))
        .to(REVIEW, routes!(system::restore_status))
        .to(ADMIN, routes!(system::factory_reset))
        .to(ADMIN, routes!(system::support_bundle))
        .to(ADMIN, routes!(update::fetch))
        .to(REVIEW, routes!(update::fetch_status))
        .around(|r| r.layer(DefaultBodyLimit::max(SMALL_BODY)));
    others.merge(updates).merge(certificates).merge(mails).merge(files)
}

/// Every route that needs a caller, with who may ask it.
pub fn rights() -> &'static [Entry] {
    static ALL: LazyLock<Vec<Entry>> = LazyLock::new(|| closed_routes().entries);
    &ALL
}

fn all_routes() -> OpenApiRouter<Console> {
    OpenApiRouter::with_openapi(Api::openapi())
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(metrics::metrics))
}

/// The OpenAPI document as it stands in `docs/openapi.json`.
pub fn openapi() -> String {
    let (_, mut document) =
        all_routes().nest("/api/v1", open_routes().merge(user_routes()).merge(closed_routes().router)).split_for_parts();
    document.info.version = env!("CARGO_PKG_VERSION").to_owned();
    let mut text = document.to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

impl Console {
    /// The router that HTTPS and the unix socket serve.
    pub fn router(&self) -> Router {
        let guard = middleware::from_fn_with_state(self.clone(), authenticate);
        let closed = closed_routes().router.route_layer(guard);
        let open = open_routes().layer(DefaultBodyLimit::max(SMALL_BODY));
        let users = user_routes().layer(DefaultBodyLimit::max(SMALL_BODY));
        let users = users.route_layer(middleware::from_fn_with_state(self.clone(), users::authenticate));
        let (router, _) = all_routes().nest("/api/v1", open.merge(users).merge(closed)).split_for_parts();
        let document = openapi();
        router
            .route("/api/v1/openapi.json", routing::get(move || async move { ([(header::CONTENT_TYPE, "application/json")], document) }))
            .route("/", routing::get(web_ui::to_html))
            .route("/icon.svg", routing::get(web_ui::icon))
            .route("/ui", routing::get(web_ui::to_html))
            .route("/ui/", routing::get(web_ui::html))
            .route("/ui/assets/{name}", routing::get(web_ui::asset))
            .fallback(|request: Request| async move { Problem::not_found(format!("there is no {}", request.uri().path())) })
            .method_not_allowed_fallback(|request: Request| async move {
                let detail = format!("{} is not possible at {}", request.method(), request.uri().path());
                Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Not with this method", detail)
            })
            .with_state(self.clone())
            .layer(middleware::from_fn(bound))
    }
}

/// A time limit and the headers every answer carries.
async fn bound(request: Request, next: Next) -> Response {
    let is_api = request.uri().path().starts_with("/api/");
    let limit = if UPLOAD_PATHS.contains(&request.uri().path()) { UPLOAD } else { REQUEST };
    let mut response = match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::unavailable(format!("no answer within {} seconds", limit.as_secs())).into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in SECURITY_HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if is_api {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

/// The page loads its own script and style and talks to its own host; nothing else, no frame, no inline code. What a
/// sender wrote into a subject stays text even if a line of the page forgot to say so.
const SECURITY_HEADERS: &[(&str, &str)] = &[
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; form-action 'self'; \
         base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
    ("strict-transport-security", "max-age=31536000"),
];
