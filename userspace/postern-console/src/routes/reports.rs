//! What the gateway did: reports about any days, those that were sent, and one sent now.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use postern_model::settings::reports::ReportSchedule;
use postern_model::settings::users::Language;
use postern_report::figures::Report;
use postern_report::period::{Day, Period, PeriodError, next_due, usual};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::caller::Caller;
use crate::input::{Asked, Input, Named};
use crate::problem::{Answer, Problem};
use crate::reports::{self, KeptRow};
use crate::state::{Console, now};

#[derive(Serialize, ToSchema)]
pub struct Reports {
    /// `off`, `daily`, `weekly`, `monthly`.
    #[schema(value_type = String)]
    schedule: ReportSchedule,
    /// When the next one is sent, in milliseconds since 1970.
    next: Option<i64>,
    /// Who gets it.
    recipients: Vec<String>,
    /// Domains it is about; empty: all.
    domains: Vec<String>,
    /// Why the last one by the schedule waits at this node.
    trouble: Option<String>,
    /// What the last one is about; without a schedule yesterday.
    usual: DayRange,
    /// Of all nodes that answer, the newest first. Each node keeps the last 100.
    reports: Vec<KeptRow>,
}

#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DayRange {
    /// A day of UTC, as in `2026-11-26`.
    #[schema(example = "2026-11-20")]
    first: String,
    /// The last day, included. At most 400 days.
    #[schema(example = "2026-11-26")]
    last: String,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Days {
    /// A day of UTC, as in `2026-11-20`; what the schedule is about unless given.
    #[param(example = "2026-11-20")]
    first: Option<String>,
    /// The last day, included; the first unless given. At most 400 days.
    #[param(example = "2026-11-26")]
    last: Option<String>,
    /// `en`, `de`; that of the settings unless given. Of the PDF; figures have no language.
    #[param(value_type = Option<String>)]
    language: Option<Language>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct InLanguage {
    /// `en`, `de`; that in which it was sent unless given.
    #[param(value_type = Option<String>)]
    language: Option<Language>,
}

#[derive(Serialize, ToSchema)]
pub struct SentReport {
    id: String,
}

/// The schedule, and reports that were sent.
#[utoipa::path(get, path = "/reports", tag = "reports", responses((status = 200, body = Reports)))]
pub async fn list(State(console): State<Console>) -> Answer<Json<Reports>> {
    let settings = console.state().settings.settings();
    let (asked, at) = (&settings.reports, now());
    let Period { first, last } = usual(asked, at);
    Ok(Json(Reports {
        schedule: asked.schedule,
        next: next_due(asked, at).map(|due| due.at.0),
        recipients: asked.recipients.iter().map(ToString::to_string).collect(),
        domains: asked.domains.iter().map(ToString::to_string).collect(),
        trouble: console.reports.trouble(),
        usual: DayRange { first: first.to_string(), last: last.to_string() },
        reports: reports::list(&console).await?,
    }))
}

/// A report about some days, of all nodes that answer, with the domains of the settings. Sends and keeps nothing.
#[utoipa::path(get, path = "/reports/preview", tag = "reports", params(Days), responses((status = 200, body = Object), (status = 400, body = Problem)))]
pub async fn preview(State(console): State<Console>, Asked(days): Asked<Days>) -> Answer<Json<Report>> {
    let settings = console.state().settings.settings();
    let period = period(&console, days.first.as_deref(), days.last.as_deref())?;
    Ok(Json(reports::make(&console, &settings.reports, period).await?))
}

/// The same as a PDF.
#[utoipa::path(get, path = "/reports/preview/pdf", tag = "reports", params(Days), responses(
    (status = 200, content_type = "application/pdf", body = [u8]), (status = 400, body = Problem)))]
pub async fn preview_pdf(State(console): State<Console>, Asked(days): Asked<Days>) -> Answer<Response> {
    let settings = console.state().settings.settings();
    let period = period(&console, days.first.as_deref(), days.last.as_deref())?;
    let report = reports::make(&console, &settings.reports, period).await?;
    pdf(&console, report, days.language.unwrap_or(settings.reports.language)).await
}

/// Send a report about some days to the recipients of the settings.
#[utoipa::path(post, path = "/reports", tag = "reports", request_body = DayRange, responses(
    (status = 202, body = SentReport), (status = 400, body = Problem), (status = 409, body = Problem), (status = 503, body = Problem)))]
pub async fn send(State(console): State<Console>, caller: Caller, Input(days): Input<DayRange>) -> Answer<(StatusCode, Json<SentReport>)> {
    let settings = console.state().settings.settings();
    let period = period(&console, Some(&days.first), Some(&days.last))?;
    if settings.reports.recipients.is_empty() {
        return Err(Problem::conflict("nobody gets reports").advise("Set reports.recipients."));
    }
    let kept = reports::new(&console, &settings.reports, period, &caller.name).await?;
    let mut left = kept.recipients.clone();
    reports::post(&console, &kept, &mut left).await.map_err(|e| Problem::unavailable(e.to_string()))?;
    reports::remember(&console, &kept).await;
    caller.audit(&console, "report.send", &format!("{} to {}", period.first, period.last), None, None).await?;
    Ok((StatusCode::ACCEPTED, Json(SentReport { id: kept.id })))
}

/// A report that was sent.
#[utoipa::path(get, path = "/reports/{id}", tag = "reports", params(("id" = String, Path)), responses(
    (status = 200, body = Object), (status = 404, body = Problem)))]
pub async fn one(State(console): State<Console>, Named(id): Named<String>) -> Answer<Json<Report>> {
    Ok(Json(kept(&console, &id).await?.report))
}

/// The same as the PDF that was attached.
#[utoipa::path(get, path = "/reports/{id}/pdf", tag = "reports", params(("id" = String, Path), InLanguage), responses(
    (status = 200, content_type = "application/pdf", body = [u8]), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub async fn one_pdf(State(console): State<Console>, Named(id): Named<String>, Asked(asked): Asked<InLanguage>) -> Answer<Response> {
    let kept = kept(&console, &id).await?;
    pdf(&console, kept.report, asked.language.unwrap_or(kept.language)).await
}

async fn kept(console: &Console, id: &str) -> Answer<reports::Kept> {
    reports::one(console, id).await?.ok_or_else(|| Problem::not_found(format!("no node that answers has a report {id}")))
}

fn period(console: &Console, first: Option<&str>, last: Option<&str>) -> Answer<Period> {
    let bad = |e: PeriodError| Problem::bad_request(e.to_string());
    let day = |text: &str| text.parse::<Day>().map_err(bad);
    match (first, last) {
        (None, None) => Ok(usual(&console.state().settings.settings().reports, now())),
        (Some(first), last) => Period::new(day(first)?, day(last.unwrap_or(first))?).map_err(bad),
        (None, Some(_)) => Err(Problem::bad_request("`last` without `first`: write both, or the first alone")),
    }
}

async fn pdf(console: &Console, report: Report, language: Language) -> Answer<Response> {
    let (host, file) = (reports::host(console), postern_report::file_name(&report));
    let made = tokio::task::spawn_blocking(move || postern_report::render(&report, language, &host).pdf).await;
    let octets = made.map_err(|e| Problem::internal(e.to_string()))?;
    let headers =
        [(header::CONTENT_TYPE, "application/pdf".to_owned()), (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{file}\""))];
    Ok((headers, octets).into_response())
}
