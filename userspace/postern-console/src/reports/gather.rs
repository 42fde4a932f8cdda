//! The figures of a report: each node's counters, the quarantine (which every node knows whole), and the alerts of all.

use std::collections::BTreeSet;

use postern_filter::registry;
use postern_model::address::Domain;
use postern_model::settings::reports::ReportSettings;
use postern_model::time::Timestamp;
use postern_report::figures::{AlertRow, Common, Count, Counted, DomainCounted, Held, NAMED, NodeFigures, Report, Series};
use postern_report::period::Period;
use postern_store::database::flow::Steps;

use super::host;
use crate::problem::Answer;
use crate::state::{Console, now};
use crate::{alerts, peers};

/// Alerts that are named.
const ALERTS: usize = 200;

/// What this node counted. `domains`: only mails to these; `None`: all.
///
/// # Errors
/// When the database cannot be read.
pub async fn figures(console: &Console, period: Period, domains: Option<&BTreeSet<Domain>>) -> Answer<NodeFigures> {
    let database = &console.state().database;
    // What was counted in the last moment, too.
    database.flush().await;
    let (from, to) = (period.from(), period.to());
    let (earlier, until) = (period.before().from(), period.before().to());
    let cluster = console.state().cluster.name();
    let mut figures = NodeFigures { name: if cluster.is_empty() { host(console) } else { cluster }, ..NodeFigures::default() };
    let of_domains = |rows: Vec<postern_store::database::days::DomainCount>| {
        rows.into_iter().map(|d| DomainCounted { day: d.day, domain: d.domain, action: d.action, mails: d.mails }).collect::<Vec<_>>()
    };
    figures.domains = of_domains(database.days().of_domains(domains, from, to).await?);
    if domains.is_some() {
        let before = of_domains(database.days().of_domains(domains, earlier, until).await?);
        figures.before = before.into_iter().map(|d| Count { name: d.action, count: d.mails }).collect();
        return Ok(figures);
    }
    let counters = database.counters();
    let counted = counters.sums(from, to, period.step()).await?;
    figures.counted = counted.into_iter().map(|c| Counted { at: c.hour, name: c.name, count: c.count }).collect();
    let before = counters.sums(earlier, until, until.0 - earlier.0).await?;
    let is_action = |name: &str| name.starts_with("action:");
    figures.before = before.into_iter().filter(|c| is_action(&c.name)).map(|c| Count { name: c.name, count: c.count }).collect();
    let symbols = database.days().sums("symbol:", from, to).await?;
    figures.symbols = symbols.into_iter().map(|(name, count)| Count { name, count }).collect();
    Ok(figures)
}

/// The report about these days, of all nodes that answer.
///
/// # Errors
/// When this node's database cannot be read.
pub async fn make(console: &Console, settings: &ReportSettings, period: Period) -> Answer<Report> {
    let domains: BTreeSet<Domain> = settings.domains.iter().cloned().collect();
    let within = (!domains.is_empty()).then_some(&domains);
    let (own, (mut nodes, silent)) = tokio::join!(figures(console, period, within), peers::figures(console, period, within));
    nodes.push(own?);
    let common = Common {
        made: now(),
        domains: domains.iter().map(ToString::to_string).collect(),
        held: held(console, period, within).await?,
        alerts: if within.is_none() { alerts_of(console, period).await? } else { Vec::new() },
        silent,
    };
    let about = |symbol: &str| registry::find(symbol).map_or_else(String::new, |s| s.description.to_owned());
    Ok(Report::of(period, &nodes, common, about))
}

async fn held(console: &Console, period: Period, within: Option<&BTreeSet<Domain>>) -> Answer<Held> {
    let step = if within.is_some() { period.day_step() } else { period.step() };
    let steps = Steps { from: period.from(), to: period.to(), step };
    let flow = console.state().database.quarantine().flow(steps, within, NAMED).await?;
    let counts = |rows: Vec<(String, u64)>| rows.into_iter().map(|(name, count)| Count { name, count }).collect();
    let series = |name: &str, values| Series { name: name.to_owned(), values };
    let [at_begin, at_end] = flow.held;
    Ok(Held {
        at_begin,
        at_end,
        flow: vec![series("added", flow.added), series("released", flow.released), series("deleted", flow.deleted)],
        senders: counts(flow.senders),
        recipients: counts(flow.recipients),
    })
}

/// What was wrong at any time of these days, the first first.
async fn alerts_of(console: &Console, period: Period) -> Answer<Vec<AlertRow>> {
    let before = Some(period.to());
    let past = alerts::past_everywhere(console, before, postern_store::database::alerts::KEPT).await?;
    let open = alerts::everywhere(console).await.into_iter().map(|(alert, _)| alert);
    let is_within = |raised: Timestamp, ended: Option<Timestamp>| raised < period.to() && ended.is_none_or(|e| e >= period.from());
    let mut rows: Vec<AlertRow> = past
        .into_iter()
        .chain(open)
        .filter(|a| is_within(a.raised, a.ended))
        .map(|a| AlertRow { condition: a.condition, subject: a.subject, node: a.node, raised: a.raised, ended: a.ended })
        .collect();
    rows.sort_by_key(|a| a.raised);
    rows.truncate(ALERTS);
    Ok(rows)
}
