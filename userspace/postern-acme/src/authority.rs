//! Talking to an authority: its HTTP, bounded in time and size, and the account there.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use http_body_util::{BodyExt, Limited};
use hyper::{Request, Response};
use instant_acme::{Account, AccountCredentials, BodyWrapper, BytesResponse, Error, ExternalAccountKey, HttpClient, NewAccount};
use postern_edge::http;
use postern_model::settings::acme::AcmeSettings;
use reqwest::Client;

use crate::order::OrderError;

/// One question and its answer.
const WHOLE: Duration = Duration::from_secs(60);
/// A chain of certificates has some thousand octets.
const LARGEST: usize = 1 << 20;

struct Http(Client);

impl HttpClient for Http {
    fn request(&self, asked: Request<BodyWrapper<Bytes>>) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let client = self.0.clone();
        Box::pin(async move {
            let (parts, body) = asked.into_parts();
            let Ok(body) = body.collect().await;
            let request = reqwest::Request::try_from(Request::from_parts(parts, body.to_bytes())).map_err(|e| Error::Other(e.into()))?;
            let answer = client.execute(request).await.map_err(|e| Error::Other(e.without_url().into()))?;
            let answer = Response::<reqwest::Body>::from(answer);
            Ok(BytesResponse::from(answer.map(|body| Limited::new(body, LARGEST))))
        })
    }
}

fn http(settings: &AcmeSettings) -> Result<Box<dyn HttpClient>, OrderError> {
    let builder = http::trusting(http::builder(WHOLE), &settings.roots).map_err(OrderError::Roots)?;
    Ok(Box::new(Http(builder.build().map_err(OrderError::Client)?)))
}

/// The account that was made before.
pub async fn known(settings: &AcmeSettings, credentials: AccountCredentials) -> Result<Account, OrderError> {
    Account::builder_with_http(http(settings)?).from_credentials(credentials).await.map_err(said("the authority's directory"))
}

/// A new account.
pub async fn register(settings: &AcmeSettings) -> Result<(Account, AccountCredentials), OrderError> {
    let contacts: Vec<String> = settings.contacts.iter().map(|c| format!("mailto:{c}")).collect();
    let contacts: Vec<&str> = contacts.iter().map(String::as_str).collect();
    let account = NewAccount { contact: &contacts, terms_of_service_agreed: settings.accept_terms, only_return_existing: false };
    let external = &settings.external_account;
    let external = match external.key_id.as_str() {
        "" => None,
        id => {
            let secret = BASE64URL_NOPAD.decode(external.secret.trim_end_matches('=').as_bytes()).map_err(|_| OrderError::Secret)?;
            Some(ExternalAccountKey::new(id.to_owned(), &secret))
        }
    };
    let made = Account::builder_with_http(http(settings)?).create(&account, settings.directory.clone(), external.as_ref()).await;
    made.map_err(said("a new account"))
}

/// What an authority said against it, for people.
pub fn said(what: &'static str) -> impl FnOnce(Error) -> OrderError {
    move |error| {
        let why = match &error {
            Error::Api(problem) => problem.detail.clone().unwrap_or_else(|| problem.to_string()),
            // The library hands on what it does not know; its cause says more.
            Error::Other(inner) => inner.source().map_or_else(|| inner.to_string(), |_| postern_model::causes::chain(inner.as_ref())),
            other => postern_model::causes::chain(other),
        };
        OrderError::Authority { what, why }
    }
}
