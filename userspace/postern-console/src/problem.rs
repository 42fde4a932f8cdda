//! Errors as `application/problem+json` (RFC 9457): what is wrong, where, and what to do.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use postern_model::settings;
use postern_store::database::DatabaseError;
use serde::Serialize;
use utoipa::ToSchema;

/// Members of RFC 9457 §3.1, and two of ours: `advice` and `errors`.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Problem {
    /// `urn:postern:problem:` and a stable kebab-case name.
    #[serde(rename = "type")]
    #[schema(rename = "type", example = "urn:postern:problem:not-found")]
    pub kind: String,
    pub title: &'static str,
    #[schema(example = 404)]
    pub status: u16,
    /// What is wrong with this request.
    pub detail: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
    /// Each thing that is wrong, with its path.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Fault>,
    #[serde(skip)]
    pub retry_after: Option<u64>,
}

/// One thing that is wrong with settings or with a request's body.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Fault {
    #[schema(example = "smtp.limits.max_recipients")]
    pub path: String,
    pub message: String,
}

pub type Answer<T> = Result<T, Problem>;

impl From<&settings::Problem> for Fault {
    fn from(problem: &settings::Problem) -> Self {
        Self { path: problem.path.clone(), message: problem.message.clone() }
    }
}

impl Problem {
    pub fn new(status: StatusCode, kind: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        let kind = format!("urn:postern:problem:{kind}");
        Self { kind, title, status: status.as_u16(), detail: detail.into(), advice: None, errors: Vec::new(), retry_after: None }
    }

    #[must_use]
    pub fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    pub fn not_found(what: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "There is no such thing", what)
    }

    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", "The request cannot be understood", detail)
    }

    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "Not allowed", detail)
    }

    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", "Not possible in the present state", detail)
    }

    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Not available now", detail)
    }

    pub fn internal(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something went wrong here", detail).advise("The node's log says more.")
    }

    pub fn unauthenticated(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "login-needed", "Log in first", detail)
            .advise("POST /api/v1/session with name and password, or send a token as `Authorization: Bearer …`.")
    }

    /// Settings that cannot be used.
    pub fn settings(problems: &[settings::Problem]) -> Self {
        let mut problem = Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "bad-settings",
            "The settings cannot be used",
            problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        );
        problem.errors = problems.iter().map(Fault::from).collect();
        problem.advise("Nothing was changed. `postern settings reference` explains every setting.")
    }
}

impl From<DatabaseError> for Problem {
    fn from(error: DatabaseError) -> Self {
        tracing::error!(%error, "a request to the API failed");
        Self::internal(format!("the database could not {}", error.what))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
