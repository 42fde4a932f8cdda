//! All symbols with their weights.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use postern_filter::registry;
use postern_model::symbol::Group;
use serde::Serialize;
use utoipa::ToSchema;

use crate::state::Console;

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
