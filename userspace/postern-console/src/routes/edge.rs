//! The edge: status, bans, samples, traces, feeds.

use std::net::IpAddr;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use ipnet::IpNet;
use postern_edge::client::{EdgeClient, EdgeClientError};
use postern_model::control::{Ban, EdgeStatus, Sample, Trace, TraceQuestion};
use postern_model::reason::Reason;
use postern_model::time::Span;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::caller::Caller;
use crate::input::{Asked, Input};
use crate::problem::{Answer, Problem};
use crate::state::{Console, now};

/// Bans or samples of a list at most.
const LIST_LIMIT: usize = 1000;
/// A ban by hand without a length.
const USUAL_BAN: Span = Span::days(1);
/// Metrics do without the edge when it does not answer within this time.
const QUICK: Duration = Duration::from_millis(500);

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// 1 to 1000; 100 unless given.
    limit: Option<usize>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewBan {
    /// An address or a network.
    #[schema(example = "192.0.2.66")]
    network: String,
    /// As in `1d`, which it is unless given.
    #[schema(value_type = Option<String>)]
    duration: Option<Span>,
    /// For people.
    #[serde(default)]
    evidence: String,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Unban {
    /// An address or a network.
    network: String,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Packet {
    /// Where it comes from.
    #[param(value_type = String)]
    address: IpAddr,
    /// The port it comes from; 40000 unless given.
    source_port: Option<u16>,
    /// Where it goes to; unless given the first virtual address of the same family, where something is steered.
    #[param(value_type = Option<String>)]
    to: Option<IpAddr>,
    /// The first SMTP port unless given.
    port: Option<u16>,
    /// It belongs to a connection that is open already.
    #[serde(default)]
    established: bool,
}

#[derive(Serialize, ToSchema)]
pub struct Bans {
    /// Newest first: `network`, `reason`, `from`, `until`, `count`, `by`, `evidence`.
    #[schema(value_type = Vec<Object>)]
    bans: Vec<Ban>,
}

#[derive(Serialize, ToSchema)]
pub struct Samples {
    /// Newest first: `at`, `source`, `port`, `reason`, `length`.
    #[schema(value_type = Vec<Object>)]
    samples: Vec<Sample>,
}

/// Interfaces, counters, feeds, and who serves the virtual addresses.
#[utoipa::path(get, path = "/edge", tag = "edge", responses((status = 200, body = Object), (status = 503, body = Problem)))]
pub async fn status(State(console): State<Console>) -> Answer<Json<EdgeStatus>> {
    Ok(Json(client(&console).status().await?))
}

/// Bans in force.
#[utoipa::path(get, path = "/edge/bans", tag = "edge", params(Page), responses((status = 200, body = Bans), (status = 503, body = Problem)))]
pub async fn bans(State(console): State<Console>, Asked(page): Asked<Page>) -> Answer<Json<Bans>> {
    Ok(Json(Bans { bans: client(&console).bans(limit(&page)).await? }))
}

/// Ban an address or a network by hand.
#[utoipa::path(post, path = "/edge/bans", tag = "edge", request_body = NewBan, responses(
    (status = 201), (status = 409, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub async fn ban(State(console): State<Console>, caller: Caller, Input(new): Input<NewBan>) -> Answer<StatusCode> {
    let network = network(&new.network)?;
    let from = now();
    let ban = Ban {
        network,
        reason: Reason::Manual,
        from,
        until: from + new.duration.unwrap_or(USUAL_BAN).0,
        count: 1,
        by: caller.name.clone(),
        evidence: new.evidence.chars().take(200).collect(),
    };
    console.state().feedback.ban(ban).await?;
    caller.audit(&console, "edge.ban", &network.to_string(), None, Some(&new.evidence)).await?;
    Ok(StatusCode::CREATED)
}

/// Lift a ban.
#[utoipa::path(delete, path = "/edge/bans", tag = "edge", params(Unban), responses((status = 204), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub async fn unban(State(console): State<Console>, caller: Caller, Asked(asked): Asked<Unban>) -> Answer<StatusCode> {
    let network = network(&asked.network)?;
    console.state().feedback.unban(vec![network]).await?;
    caller.audit(&console, "edge.unban", &network.to_string(), None, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Samples of dropped packets.
#[utoipa::path(get, path = "/edge/samples", tag = "edge", params(Page), responses((status = 200, body = Samples), (status = 503, body = Problem)))]
pub async fn samples(State(console): State<Console>, Asked(page): Asked<Page>) -> Answer<Json<Samples>> {
    Ok(Json(Samples { samples: client(&console).samples(limit(&page)).await? }))
}

/// What would happen to a packet, and why.
#[utoipa::path(get, path = "/edge/trace", tag = "edge", params(Packet), responses((status = 200, body = Object), (status = 503, body = Problem)))]
pub async fn trace(State(console): State<Console>, Asked(packet): Asked<Packet>) -> Answer<Json<Trace>> {
    let Packet { address, source_port, to, port, established } = packet;
    Ok(Json(client(&console).trace(TraceQuestion { address, source_port, to, port, established }).await?))
}

/// Read the feeds again now.
#[utoipa::path(post, path = "/edge/feeds/reload", tag = "edge", responses((status = 204), (status = 503, body = Problem)))]
pub async fn reload_feeds(State(console): State<Console>, caller: Caller) -> Answer<StatusCode> {
    client(&console).reload_feeds().await?;
    caller.audit(&console, "edge.reload-feeds", "", None, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The status for metrics: `None` when there is no edge, or it is slow.
pub async fn quick_status(console: &Console) -> Option<EdgeStatus> {
    tokio::time::timeout(QUICK, client(console).status()).await.ok()?.ok()
}

fn client(console: &Console) -> &EdgeClient {
    console.state().feedback.edge()
}

impl From<EdgeClientError> for Problem {
    fn from(error: EdgeClientError) -> Self {
        match error {
            EdgeClientError::Refused(why) => Self::conflict(why),
            EdgeClientError::Away => Self::unavailable(error.to_string())
                .advise("Is `postern edge` running (as root)? Its pinned program and maps stay in force without it."),
            EdgeClientError::Unexpected => Self::internal(error.to_string()),
        }
    }
}

fn limit(page: &Page) -> usize {
    page.limit.unwrap_or(100).clamp(1, LIST_LIMIT)
}

fn network(text: &str) -> Answer<IpNet> {
    let text = text.trim();
    postern_edge::network::parse(text).ok_or_else(|| {
        let title = "This is no network";
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad-network", title, format!("`{text}` is neither an address nor a network"))
            .advise("Write 192.0.2.66, 192.0.2.0/24 or 2001:db8::/32.")
    })
}
