//! Extractors whose refusals are problems of RFC 9457, and that say where a body is wrong.

use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use bytes::Bytes;
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// A JSON body.
pub struct Input<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Input<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        // A form of another site cannot send this type without asking first (CORS), which is never granted.
        let kind = request.headers().get("content-type").and_then(|v| v.to_str().ok()).unwrap_or_default();
        if !kind.split(';').next().is_some_and(|k| k.trim().eq_ignore_ascii_case("application/json")) {
            let title = "The body has the wrong type";
            let problem = Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "wrong-type", title, format!("`{kind}` is not taken here"));
            return Err(problem.advise("Send JSON with `Content-Type: application/json`."));
        }
        let Octets(body) = Octets::from_request(request, state).await?;
        let reader = &mut serde_json::Deserializer::from_slice(&body);
        serde_path_to_error::deserialize(reader).map(Self).map_err(|e| {
            let path = e.path().to_string();
            let at = if path == "." { String::new() } else { format!("{path}: ") };
            Problem::bad_request(format!("the JSON body is not what is expected here: {at}{}", e.into_inner()))
        })
    }
}

/// A body as it comes, within the route's limit.
pub struct Octets(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for Octets {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        Bytes::from_request(request, state).await.map(Self).map_err(|e: BytesRejection| match e.status() {
            StatusCode::PAYLOAD_TOO_LARGE => {
                Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The body is too large", "more octets than this address takes")
            }
            _ => Problem::bad_request(format!("the body could not be read: {}", e.body_text())),
        })
    }
}

/// The query string.
pub struct Asked<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Query::from_request_parts(parts, state)
            .await
            .map(|Query(q)| Self(q))
            .map_err(|e| Problem::bad_request(format!("the query after `?` is not understood: {}", e.body_text())))
    }
}

/// Names in the path.
pub struct Named<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Named<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Path::from_request_parts(parts, state).await.map(|Path(p)| Self(p)).map_err(|e| Problem::not_found(e.body_text()))
    }
}
