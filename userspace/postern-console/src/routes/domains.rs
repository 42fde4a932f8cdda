//! The domains we take mail for and where it goes: as it is set, as it stands, and tried on demand.

use axum::Json;
use axum::extract::State;
use postern_model::address::Address;
use postern_model::queue::LastReply;
use postern_model::settings::delivery::RecipientCheck;
use postern_model::time::Timestamp;
use postern_mta::queue::{Hop, OwnLane};
use postern_mta::relay::Tried;
use postern_mta::route::{Destination, Route};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::input::Input;
use crate::problem::{Answer, Problem};
use crate::state::Console;

/// Where mail of a domain goes, and how it stands.
#[derive(Serialize, ToSchema)]
pub struct RouteView {
    /// In the order of the next connection: `host`, `protocol`, `tls`, `is_avoided` (it failed a short while ago).
    #[schema(value_type = Vec<Object>)]
    hops: Vec<Hop>,
    /// Why there is none.
    trouble: Option<String>,
    /// Mails that wait for it.
    waiting: usize,
    /// `untried`, `good`, `back-off`, `probing`; none: no mail went there lately.
    health: Option<&'static str>,
    /// The next try, in milliseconds since 1970.
    #[schema(value_type = Option<i64>)]
    next_probe: Option<Timestamp>,
    /// The last failure, while nothing came through since: `at`, `host`, `reply`.
    #[schema(value_type = Option<Object>)]
    last_failure: Option<LastReply>,
}

#[derive(Serialize, ToSchema)]
pub struct DomainView {
    /// `example.org`, `*.example.org`, `*`.
    name: String,
    /// `none`, `table`, `callout`.
    #[schema(value_type = String)]
    recipient_check: RecipientCheck,
    /// Mailboxes of the table.
    recipients: usize,
    route: RouteView,
}

#[derive(Serialize, ToSchema)]
pub struct Domains {
    domains: Vec<DomainView>,
    /// For mail to other domains; none: their MX hosts.
    smarthosts: Option<RouteView>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// As `name` of `GET /domains`; left out: the smarthosts.
    #[serde(default)]
    domain: Option<String>,
    /// Asked by RCPT TO whether it would be taken; nothing is sent.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "erika@example.org")]
    recipient: Option<Address>,
}

#[derive(Serialize, ToSchema)]
pub struct Answers {
    /// One for each address: `host`, `tls`, `is_trusted`, `recipient` (`is_taken`, `reply`), `trouble`, `milliseconds`.
    #[schema(value_type = Vec<Object>)]
    tried: Vec<Tried>,
}

/// Domains, their next hops, and how these stand.
#[utoipa::path(get, path = "/domains", tag = "domains", responses((status = 200, body = Domains)))]
pub async fn list(State(console): State<Console>) -> Json<Domains> {
    let state = console.state();
    let settings = state.settings.settings();
    let lanes = state.queue.own_lanes();
    let mut domains = Vec::with_capacity(settings.domains.len());
    for domain in &settings.domains {
        domains.push(DomainView {
            name: domain.name.clone(),
            recipient_check: domain.recipient_check,
            recipients: domain.recipients.len(),
            route: route(&console, Route::Backends(domain.name.clone()), &lanes).await,
        });
    }
    let has_smarthosts = !settings.delivery.smarthosts.is_empty();
    let smarthosts = if has_smarthosts { Some(route(&console, Route::Smarthosts, &lanes).await) } else { None };
    Json(Domains { domains, smarthosts })
}

/// Try all next hops of a domain now.
#[utoipa::path(post, path = "/domains/try", tag = "domains", request_body = Question, responses(
    (status = 200, body = Answers), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn attempt(State(console): State<Console>, Input(asked): Input<Question>) -> Answer<Json<Answers>> {
    let state = console.state();
    let settings = state.settings.settings();
    let route = match asked.domain {
        None => Route::Smarthosts,
        Some(name) if settings.domains.iter().any(|d| d.name == name) => Route::Backends(name),
        Some(name) => return Err(Problem::not_found(format!("the settings have no domain `{name}`"))),
    };
    let destination = Destination { route, require_tls: false };
    let tried = state.queue.connector().try_all(&destination, asked.recipient.as_ref()).await;
    Ok(Json(Answers { tried: tried.map_err(Problem::conflict)? }))
}

async fn route(console: &Console, route: Route, lanes: &[OwnLane]) -> RouteView {
    // Those whose senders want verified TLS have a lane of their own.
    let own: Vec<&OwnLane> = lanes.iter().filter(|lane| lane.destination.route == route).collect();
    let worst = own.iter().find(|lane| lane.trouble.is_some()).or(own.first());
    let destination = Destination { route, require_tls: false };
    let (hops, trouble) = match console.state().queue.connector().plan(&destination).await {
        Ok(hops) => (hops, None),
        Err(why) => (Vec::new(), Some(why)),
    };
    RouteView {
        hops,
        trouble,
        waiting: own.iter().map(|lane| lane.mails).sum(),
        health: worst.map(|lane| lane.health),
        next_probe: worst.and_then(|lane| lane.next_probe),
        last_failure: worst.and_then(|lane| lane.trouble.clone()),
    }
}
