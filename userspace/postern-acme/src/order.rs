//! One order: names shown to be ours, a key made here, and a certificate to it.

use std::net::SocketAddr;
use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, CertificateIdentifier, ChallengeType, Identifier, NewOrder, Order, OrderStatus, RetryPolicy,
};
use postern_mta::certificate::CertificateError;
use rcgen::{CertificateParams, DistinguishedName, KeyPair};

use crate::answers::{AnswerError, Answers, KeyAuthorization};
use crate::authority::said;
use crate::keeper::Later;

/// How long an authority may take to look, or to sign.
const PATIENCE: RetryPolicy = RetryPolicy::new().timeout(Duration::from_secs(120));

#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    #[error("acme.roots: {0}")]
    Roots(#[source] reqwest::Error),
    #[error("no HTTPS: {0}")]
    Client(#[source] reqwest::Error),
    #[error("acme.external_account.secret is no base64url")]
    Secret,
    #[error("{what}: {why}")]
    Authority { what: &'static str, why: String },
    #[error("the authority did not find {name} to be ours: {why}. It must reach this node by that name, at port 80")]
    NotOurs { name: String, why: String },
    #[error("the authority calls the order invalid, and does not say why")]
    Silent,
    #[error("the authority offers no http-01 for {0}")]
    NoHttp(String),
    #[error(transparent)]
    Listen(#[from] AnswerError),
    #[error(transparent)]
    Key(#[from] rcgen::Error),
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

/// A certificate and its key, in PEM.
pub struct Issued {
    pub chain: String,
    pub key: String,
}

/// Where an authority knocks.
pub struct Door<'a> {
    pub answers: &'a Answers,
    pub listen: &'a [SocketAddr],
    /// Has the peers answer, too.
    pub spread: &'a (dyn Fn(KeyAuthorization) -> Later<()> + Send + Sync),
}

/// Orders a certificate of these names; `replaces` is the one that it follows (RFC 9773 §5).
///
/// # Errors
/// What the authority has against it.
pub async fn order(
    account: &Account,
    names: &[String],
    replaces: Option<CertificateIdentifier<'_>>,
    door: &Door<'_>,
) -> Result<Issued, OrderError> {
    let identifiers: Vec<Identifier> = names.iter().cloned().map(Identifier::Dns).collect();
    let mut new = NewOrder::new(&identifiers);
    if let Some(replaces) = replaces {
        new = new.replaces(replaces);
    }
    let mut order = account.new_order(&new).await.map_err(said("a new order"))?;
    let mut tokens = Vec::new();
    let proven = prove(&mut order, door, &mut tokens).await;
    let is_ready = match proven {
        Ok(()) => order.poll_ready(&PATIENCE).await.map_err(said("the authority's look at our names")),
        Err(e) => Err(e),
    };
    tokens.iter().for_each(|token| door.answers.forget(token));
    match is_ready {
        Ok(OrderStatus::Ready) => {}
        Ok(_) => return Err(why_not(&mut order).await.unwrap_or(OrderError::Silent)),
        // What it says of a name says more.
        Err(e) => return Err(why_not(&mut order).await.unwrap_or(e)),
    }
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    let key = KeyPair::generate()?;
    let request = params.serialize_request(&key)?;
    order.finalize_csr(request.der()).await.map_err(said("the request for the certificate"))?;
    let chain = order.poll_certificate(&PATIENCE).await.map_err(said("the certificate"))?;
    Ok(Issued { chain, key: key.serialize_pem() })
}

/// Has the answers ready, here and with the peers, and then tells the authority to look.
async fn prove(order: &mut Order, door: &Door<'_>, tokens: &mut Vec<String>) -> Result<(), OrderError> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.map_err(said("what the authority wants to see"))?;
        let name = authorization.identifier().to_string();
        match authorization.status {
            AuthorizationStatus::Valid => continue,
            AuthorizationStatus::Pending => {}
            other => return Err(OrderError::NotOurs { name, why: format!("{other:?}") }),
        }
        let mut challenge = authorization.challenge(ChallengeType::Http01).ok_or(OrderError::NoHttp(name))?;
        let answer = KeyAuthorization { token: challenge.token.clone(), text: challenge.key_authorization().as_str().to_owned() };
        door.answers.put(&answer)?;
        door.answers.listen(door.listen)?;
        tokens.push(answer.token.clone());
        (door.spread)(answer).await;
        challenge.set_ready().await.map_err(said("the start of the authority's look"))?;
    }
    Ok(())
}

/// The first name that was not found to be ours.
async fn why_not(order: &mut Order) -> Option<OrderError> {
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        if authorization.refresh().await.is_err() {
            continue;
        }
        let why = authorization.challenges.iter().find_map(|c| c.error.as_ref()).and_then(|e| e.detail.clone());
        if let Some(why) = why {
            return Some(OrderError::NotOurs { name: authorization.identifier().to_string(), why });
        }
    }
    None
}
