//! The certificate that this node shows on SMTP and here: what it is, a request for another, and putting that in force.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use data_encoding::HEXUPPER;
use postern_model::time::Timestamp;
use postern_mta::certificate::{self, CertificateError, Facts};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::caller::Caller;
use crate::input::Input;
use crate::problem::{Answer, Problem};
use crate::state::Console;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CertificateSource {
    /// Files that the settings name: change them there.
    Settings,
    /// Given by an admin, or ordered by this node (`automatic`).
    Installed,
    /// Made by this node.
    SelfSigned,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct CertificateView {
    pub source: CertificateSource,
    /// Host names and addresses that it is good for.
    pub names: Vec<String>,
    pub issuer: String,
    /// Milliseconds since 1970.
    #[schema(value_type = i64)]
    pub from: Timestamp,
    #[schema(value_type = i64)]
    pub until: Timestamp,
    /// SHA-256, in hexadecimal.
    pub fingerprint: String,
    /// How ordering it by itself stands; null: it is not ordered (`[acme]`).
    pub automatic: Option<AutomaticView>,
}

/// Of `[acme]`.
#[derive(Debug, Serialize, ToSchema)]
pub struct AutomaticView {
    /// The authority's directory.
    directory: String,
    /// One is being ordered since then, in milliseconds since 1970.
    running: Option<i64>,
    /// When the next one is ordered, in milliseconds since 1970.
    next: Option<i64>,
    /// The last one since this node's start, in milliseconds since 1970.
    renewed: Option<i64>,
    /// When the last try failed, in milliseconds since 1970.
    failed: Option<i64>,
    /// Why it failed.
    trouble: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCertificate {
    /// PEM: our own first, then who signed it, and so on.
    chain: String,
    /// PEM, not encrypted; left out: that of the last request, or one that stands in `chain`.
    key: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CertificateRequest {
    /// Host names or addresses; empty: the node's host name.
    #[serde(default)]
    names: Vec<String>,
}

#[derive(Serialize, ToSchema)]
pub struct CertificateRequestView {
    /// PKCS #10 in PEM, for the authority.
    request: String,
}

/// The certificate of the SMTP listeners.
#[utoipa::path(get, path = "/node/certificate", tag = "node", responses((status = 200, body = CertificateView), (status = 409, body = Problem)))]
pub async fn show(State(console): State<Console>) -> Answer<Json<CertificateView>> {
    let (source, facts) = in_force(&console).await?;
    Ok(Json(CertificateView { automatic: automatic(&console), ..view(source, facts) }))
}

/// The certificate that SMTP shows.
pub async fn in_force(console: &Console) -> Answer<(CertificateSource, Facts)> {
    let settings = console.state().settings.settings();
    let (named, data) = (settings.smtp.tls.certificate.clone(), settings.node.data_dir.clone());
    blocking(move || {
        let installed = certificate::installed(&data);
        let (source, file) = if !named.as_os_str().is_empty() {
            (CertificateSource::Settings, named)
        } else if installed.exists() {
            (CertificateSource::Installed, installed)
        } else {
            (CertificateSource::SelfSigned, certificate::folder(&data).join("smtp.pem"))
        };
        certificate::facts(&file).map(|facts| (source, facts))
    })
    .await
}

fn automatic(console: &Console) -> Option<AutomaticView> {
    let settings = console.state().settings.settings();
    let state = console.state().acme.state();
    settings.acme.enabled.then(|| AutomaticView {
        directory: settings.acme.directory.clone(),
        running: state.running.map(|t| t.0),
        next: state.next.map(|t| t.0),
        renewed: state.renewed.map(|t| t.0),
        failed: state.trouble.as_ref().map(|t| t.at.0),
        trouble: state.trouble.map(|t| t.why),
    })
}

/// Order a certificate now, whatever there is. `GET /node/certificate` says how it goes.
#[utoipa::path(post, path = "/node/certificate/renew", tag = "node", responses((status = 202), (status = 409, body = Problem)))]
pub async fn renew(State(console): State<Console>, caller: Caller) -> Answer<StatusCode> {
    console.state().acme.renew().map_err(|e| Problem::conflict(e.to_string()))?;
    caller.audit(&console, "node.certificate.renew", "this", None, None).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Put a certificate in force, on SMTP and on the console, within ten seconds and without a restart.
#[utoipa::path(put, path = "/node/certificate", tag = "node", request_body = NewCertificate, responses(
    (status = 200, body = CertificateView), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub async fn install(State(console): State<Console>, caller: Caller, Input(new): Input<NewCertificate>) -> Answer<Json<CertificateView>> {
    let data = own_folder(&console)?;
    let view = blocking(move || {
        certificate::install(&data, &new.chain, new.key.as_deref()).map(|facts| view(CertificateSource::Installed, facts))
    });
    let view = view.await?;
    caller.audit(&console, "node.certificate", &view.names.join(" "), None, Some(&view.fingerprint)).await?;
    Ok(Json(view))
}

/// Back to the self-signed certificate.
#[utoipa::path(delete, path = "/node/certificate", tag = "node", responses((status = 204), (status = 409, body = Problem)))]
pub async fn forget(State(console): State<Console>, caller: Caller) -> Answer<StatusCode> {
    let data = own_folder(&console)?;
    if blocking(move || certificate::forget(&data)).await? {
        caller.audit(&console, "node.certificate.forget", "this", None, None).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Make a key and a request for a certificate to it. The key stays here, and waits for the certificate.
#[utoipa::path(post, path = "/node/certificate/request", tag = "node", request_body = CertificateRequest, responses(
    (status = 200, body = CertificateRequestView), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub async fn request(
    State(console): State<Console>,
    caller: Caller,
    Input(CertificateRequest { mut names }): Input<CertificateRequest>,
) -> Answer<Json<CertificateRequestView>> {
    let data = own_folder(&console)?;
    if names.is_empty() {
        names.push(console.state().settings.settings().node.hostname.clone());
    }
    let shown = names.join(" ");
    let request = blocking(move || certificate::request(&data, &names)).await?;
    caller.audit(&console, "node.certificate.request", &shown, None, None).await?;
    Ok(Json(CertificateRequestView { request }))
}

/// The data directory, when the node's own certificate is the one that is shown.
fn own_folder(console: &Console) -> Answer<std::path::PathBuf> {
    let settings = console.state().settings.settings();
    if settings.acme.enabled {
        let problem = Problem::conflict("certificates are ordered by this node: `acme.enabled`");
        return Err(problem.advise("POST /node/certificate/renew orders one now. Or set acme.enabled to false, and ask again."));
    }
    if settings.smtp.tls.certificate.as_os_str().is_empty() || settings.console.certificate.as_os_str().is_empty() {
        return Ok(settings.node.data_dir.clone());
    }
    let problem = Problem::conflict("the settings name the files of the certificate: smtp.tls.certificate, console.certificate");
    Err(problem.advise("Renew those files; they are read again by themselves. Or empty these settings, restart the node, and ask again."))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, CertificateError> + Send + 'static) -> Answer<T> {
    Ok(tokio::task::spawn_blocking(work).await.map_err(|e| Problem::internal(e.to_string()))??)
}

fn view(source: CertificateSource, facts: Facts) -> CertificateView {
    let Facts { names, issuer, from, until, fingerprint, .. } = facts;
    CertificateView { source, names, issuer, from, until, fingerprint: HEXUPPER.encode(&fingerprint), automatic: None }
}

impl From<CertificateError> for Problem {
    fn from(error: CertificateError) -> Self {
        match error {
            CertificateError::Disk { .. } | CertificateError::Make(_) => Self::internal(error.to_string()),
            refused => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "bad-certificate", "This certificate cannot be used", refused.to_string())
            }
        }
    }
}
