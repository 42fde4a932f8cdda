//! `/healthz` and `/readyz`: for supervisors and balancers; need no login and tell nothing else.

use axum::extract::State;
use axum::http::StatusCode;

use crate::state::Console;

/// The process answers.
#[utoipa::path(get, path = "/healthz", tag = "health", responses((status = 200, description = "The process answers", body = str)))]
pub async fn healthz() -> &'static str {
    "ok\n"
}

/// The node takes mail: its listeners are open and it is not stopping.
#[utoipa::path(get, path = "/readyz", tag = "health", responses(
    (status = 200, description = "Takes mail", body = str), (status = 503, description = "Starting or stopping", body = str)))]
pub async fn readyz(State(console): State<Console>) -> (StatusCode, &'static str) {
    if console.is_ready() { (StatusCode::OK, "ready\n") } else { (StatusCode::SERVICE_UNAVAILABLE, "not ready\n") }
}
