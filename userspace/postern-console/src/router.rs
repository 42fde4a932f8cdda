//! All routes, the layers around them, and the OpenAPI document that follows from them.

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
use crate::routes::{
    admins, audit, backups, certificate, cluster, duty, edge, explain, health, journeys, live, metrics, policy, quarantine, queue, session,
    set_up, settings, settings_history, status, symbols, system, tokens, update, web_ui,
};
use crate::settings_file::MAX_TEXT;
use crate::state::Console;

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
    OpenApiRouter::new().routes(routes!(session::login))
}

fn closed_routes() -> OpenApiRouter<Console> {
    let mails = OpenApiRouter::new().routes(routes!(explain::explain)).routes(routes!(explain::learn)).routes(routes!(policy::explain));
    let updates = OpenApiRouter::new().routes(routes!(update::update)).routes(routes!(update::update_all, update::update_of_all));
    let certificates = OpenApiRouter::new().routes(routes!(certificate::show, certificate::install, certificate::forget));
    let files = OpenApiRouter::new().routes(routes!(settings::get, settings::put, settings::patch)).routes(routes!(settings::check));
    let rules =
        OpenApiRouter::new().routes(routes!(policy::get, policy::put)).routes(routes!(policy::check)).routes(routes!(policy::what_if));
    OpenApiRouter::new()
        .routes(routes!(session::session, session::logout))
        .routes(routes!(session::change_password))
        .routes(routes!(status::status))
        .routes(routes!(status::counters))
        .routes(routes!(live::live))
        .routes(routes!(journeys::search))
        .routes(routes!(journeys::one))
        .routes(routes!(quarantine::search))
        .routes(routes!(quarantine::one, quarantine::delete))
        .routes(routes!(quarantine::release))
        .routes(routes!(quarantine::open))
        .routes(routes!(queue::list))
        .routes(routes!(queue::why))
        .routes(routes!(queue::retry))
        .routes(routes!(queue::hold))
        .routes(routes!(queue::release))
        .routes(routes!(queue::reroute))
        .routes(routes!(queue::return_to_sender))
        .routes(routes!(queue::delete))
        .routes(routes!(cluster::status, cluster::init))
        .routes(routes!(cluster::invite, cluster::invitations))
        .routes(routes!(cluster::revoke))
        .routes(routes!(cluster::join))
        .routes(routes!(cluster::leave))
        .routes(routes!(cluster::remove))
        .routes(routes!(cluster::history))
        .routes(routes!(cluster::diff))
        .routes(routes!(cluster::undo))
        .routes(routes!(cluster::conflicts))
        .routes(routes!(certificate::request))
        .routes(routes!(certificate::renew))
        .routes(routes!(duty::status))
        .routes(routes!(duty::drain))
        .routes(routes!(duty::resume))
        .routes(routes!(edge::status))
        .routes(routes!(edge::bans, edge::ban, edge::unban))
        .routes(routes!(edge::samples))
        .routes(routes!(edge::trace))
        .routes(routes!(edge::reload_feeds))
        .routes(routes!(symbols::list))
        .routes(routes!(settings::schema))
        .routes(routes!(settings::reload))
        .routes(routes!(settings_history::list))
        .routes(routes!(settings_history::one))
        .routes(routes!(settings_history::diff))
        .routes(routes!(settings_history::undo))
        .routes(routes!(policy::history))
        .routes(routes!(policy::diff))
        .routes(routes!(policy::undo))
        .routes(routes!(admins::list, admins::add))
        .routes(routes!(admins::set_password))
        .routes(routes!(admins::remove))
        .routes(routes!(tokens::list, tokens::add))
        .routes(routes!(tokens::remove))
        .routes(routes!(audit::search))
        .routes(routes!(backups::list, backups::begin))
        .routes(routes!(backups::status))
        .routes(routes!(set_up::set_up))
        .routes(routes!(system::status))
        .routes(routes!(system::machine, system::put_machine))
        .routes(routes!(system::roll_back))
        .routes(routes!(system::reboot))
        .routes(routes!(system::power_off))
        .routes(routes!(system::restore, system::restore_status))
        .routes(routes!(system::factory_reset))
        .routes(routes!(system::support_bundle))
        .routes(routes!(update::fetch, update::fetch_status))
        .layer(DefaultBodyLimit::max(SMALL_BODY))
        .merge(updates.layer(DefaultBodyLimit::disable()))
        .merge(certificates.layer(DefaultBodyLimit::max(2 * LONGEST)))
        .merge(mails.layer(DefaultBodyLimit::max(MAIL_BODY)))
        .merge(rules.layer(DefaultBodyLimit::max(MAX_TEXT + 1024)))
        .merge(files.layer(DefaultBodyLimit::max(MAX_TEXT + 1024)))
}

fn all_routes() -> OpenApiRouter<Console> {
    OpenApiRouter::with_openapi(Api::openapi())
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(metrics::metrics))
}

/// The OpenAPI document as it stands in `docs/openapi.json`.
pub fn openapi() -> String {
    let (_, mut document) = all_routes().nest("/api/v1", open_routes().merge(closed_routes())).split_for_parts();
    document.info.version = env!("CARGO_PKG_VERSION").to_owned();
    let mut text = document.to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

impl Console {
    /// The router that HTTPS and the unix socket serve.
    pub fn router(&self) -> Router {
        let guard = middleware::from_fn_with_state(self.clone(), authenticate);
        let closed = closed_routes().route_layer(guard);
        let open = open_routes().layer(DefaultBodyLimit::max(SMALL_BODY));
        let (router, _) = all_routes().nest("/api/v1", open.merge(closed)).split_for_parts();
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
