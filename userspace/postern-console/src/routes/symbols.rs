//! All symbols with their weights.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use postern_filter::registry;
use postern_model::symbol::Group;
use postern_model::time::Timestamp;
use postern_store::database::days::DAY_MS;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::input::Asked;
use crate::problem::{Answer, Problem};
use crate::state::{Console, now};

#[derive(Serialize, ToSchema)]
pub struct SymbolRow {
    name: String,
    /// As in `impersonation`.
    #[schema(value_type = String)]
    group: Group,
    description: &'static str,
    default_weight: f64,
    /// The weight in force: the default, or that of `filter.weights`. Zero: switched off.
    weight: f64,
}

#[derive(Serialize, ToSchema)]
pub struct Symbols {
    symbols: Vec<SymbolRow>,
    /// What a group adds to a score at most.
    #[schema(value_type = Object)]
    group_caps: BTreeMap<String, f64>,
    /// Scores from which something is done.
    tag: f64,
    quarantine: f64,
    reject: f64,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Span {
    /// Whole days of UTC with today, 1 to 400; 30 unless given.
    days: Option<i64>,
}

#[derive(Serialize, ToSchema)]
pub struct SymbolHit {
    symbol: String,
    /// Mails on which it fired.
    mails: u64,
    /// Of these, those that the filter did not let pass: tagged, held, quarantined, rejected, discarded.
    caught: u64,
}

/// Of this node.
#[derive(Serialize, ToSchema)]
pub struct SymbolHits {
    /// Mails that were judged.
    judged: u64,
    /// The most frequent first.
    hits: Vec<SymbolHit>,
}

/// How often symbols fired.
#[utoipa::path(get, path = "/symbols/hits", tag = "symbols", params(Span), responses((status = 200, body = SymbolHits), (status = 400, body = Problem)))]
pub async fn hits(State(console): State<Console>, Asked(span): Asked<Span>) -> Answer<Json<SymbolHits>> {
    let days = span.days.unwrap_or(30);
    if !(1..=400).contains(&days) {
        return Err(Problem::bad_request(format!("days: {days}: write 1 to 400")));
    }
    let database = &console.state().database;
    database.flush().await;
    let to = now();
    let from = Timestamp(to.0 - (days - 1) * DAY_MS);
    let counted = database.days();
    let judged = counted.sums("judged:", from, to).await?.into_iter().map(|(_, n)| n).sum();
    let caught: BTreeMap<String, u64> = counted.sums("caught:", from, to).await?.into_iter().collect();
    let hit = |(symbol, mails): (String, u64)| SymbolHit { caught: caught.get(&symbol).copied().unwrap_or(0), symbol, mails };
    let mut hits: Vec<SymbolHit> = counted.sums("symbol:", from, to).await?.into_iter().map(hit).collect();
    hits.sort_by_key(|hit| std::cmp::Reverse(hit.mails));
    Ok(Json(SymbolHits { judged, hits }))
}

/// All symbols.
#[utoipa::path(get, path = "/symbols", tag = "symbols", responses((status = 200, body = Symbols)))]
pub async fn list(State(console): State<Console>) -> Json<Symbols> {
    let settings = console.state().settings.settings();
    let filter = &settings.filter;
    let row = |s: &'static postern_filter::symbols::Symbol| SymbolRow {
        name: s.name.to_owned(),
        group: s.group,
        description: s.description,
        default_weight: s.weight,
        weight: filter.weights.get(s.name).map_or(s.weight, |w| w.get()),
    };
    let mut symbols: Vec<SymbolRow> = registry::all().map(row).collect();
    symbols.sort_by(|a, b| (a.group, &a.name).cmp(&(b.group, &b.name)));
    let cap = |(group, default): &(Group, f64)| (registry::group_name(*group), filter.group_caps.get(group).map_or(*default, |c| c.get()));
    let t = &filter.thresholds;
    Json(Symbols {
        symbols,
        group_caps: registry::DEFAULT_CAPS.iter().map(cap).collect(),
        tag: t.tag.get(),
        quarantine: t.quarantine.get(),
        reject: t.reject.get(),
    })
}
