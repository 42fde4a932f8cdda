//! Webhooks: JSON by POST, signed, tried again for a while. Each has a line and a task of its own: one that hangs holds nobody.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use data_encoding::HEXLOWER;
use parking_lot::Mutex;
use postern_edge::http;
use postern_model::causes::chain;
use postern_model::settings::alerts::Webhook;
use postern_model::time::Timestamp;
use reqwest::{StatusCode, redirect};
use serde::Serialize;
use tokio::sync::{mpsc, watch};
use utoipa::ToSchema;

use super::book::{Alert, Event};

pub const SIGNATURE: &str = "x-postern-signature";
/// One try, answer included.
const TRY: Duration = Duration::from_secs(10);
/// Waits before the tries that follow the first.
const AGAIN: [Duration; 5] =
    [Duration::from_secs(2), Duration::from_secs(15), Duration::from_secs(60), Duration::from_secs(5 * 60), Duration::from_secs(20 * 60)];
/// Notices that wait for one that is tried again; more are dropped.
const LINE: usize = 64;

/// What is sent, in this form.
#[derive(Clone, Debug, Serialize)]
pub struct Notice {
    pub event: Event,
    /// Empty for a test.
    pub alerts: Vec<Alert>,
    /// Name of the node that tells it.
    pub node: String,
    /// Milliseconds since 1970.
    pub at: Timestamp,
}

/// How a webhook does, since the start of this node.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct WebhookView {
    pub name: String,
    pub sent: u64,
    /// Given up after the last try, or dropped because too many waited.
    pub failed: u64,
    /// Under way, or waiting for one that is tried again.
    pub waiting: u64,
    /// Why the last try failed, until one succeeds.
    pub trouble: Option<String>,
}

#[derive(Default)]
pub struct Webhooks(Mutex<BTreeMap<String, Line>>);

struct Line {
    to: mpsc::Sender<String>,
    /// As it is set now: who mends its address is not kept waiting by what could not be sent to the old one.
    hook: watch::Sender<Webhook>,
    view: Arc<Mutex<WebhookView>>,
}

impl Line {
    fn new(hook: &Webhook) -> Self {
        let (to, waiting) = mpsc::channel(LINE);
        let view = Arc::new(Mutex::new(WebhookView { name: hook.name.clone(), ..WebhookView::default() }));
        let (hook, set) = watch::channel(hook.clone());
        tokio::spawn(serve(waiting, set, Arc::clone(&view)));
        Self { to, hook, view }
    }
}

impl Webhooks {
    /// What waits is sent as the settings say now; lines of webhooks that are in no settings any more end.
    pub fn follow(&self, hooks: &[Webhook]) {
        let mut lines = self.0.lock();
        lines.retain(|name, _| hooks.iter().any(|h| h.name == *name));
        for hook in hooks {
            if let Some(line) = lines.get(&hook.name) {
                line.hook.send_if_modified(|set| std::mem::replace(set, hook.clone()) != *hook);
            }
        }
    }

    /// Puts a notice into the line of each webhook, and returns at once.
    pub fn send(&self, hooks: &[Webhook], notice: &Notice) {
        self.follow(hooks);
        let body = serde_json::to_string(notice).unwrap_or_default();
        let mut lines = self.0.lock();
        for hook in hooks {
            let line = lines.entry(hook.name.clone()).or_insert_with(|| Line::new(hook));
            let is_taken = line.to.try_send(body.clone()).is_ok();
            let mut view = line.view.lock();
            if is_taken {
                view.waiting += 1;
            } else {
                view.failed += 1;
                tracing::error!(webhook = hook.name, "{LINE} notices wait for it already: this one is not sent");
            }
        }
    }

    pub fn views(&self, hooks: &[Webhook]) -> Vec<WebhookView> {
        let lines = self.0.lock();
        let view = |hook: &Webhook| {
            let unused = || WebhookView { name: hook.name.clone(), ..WebhookView::default() };
            lines.get(&hook.name).map_or_else(unused, |line| line.view.lock().clone())
        };
        hooks.iter().map(view).collect()
    }
}

async fn serve(mut waiting: mpsc::Receiver<String>, mut set: watch::Receiver<Webhook>, view: Arc<Mutex<WebhookView>>) {
    while let Some(body) = waiting.recv().await {
        let mut tries = AGAIN.iter();
        let is_sent = loop {
            let hook = set.borrow_and_update().clone();
            let Err(failure) = send(&hook, &body).await else { break true };
            view.lock().trouble = Some(failure.why.clone());
            let wait = tries.next().filter(|_| failure.is_worth_another);
            tracing::warn!(webhook = hook.name, again = wait.map(Duration::as_secs), why = failure.why, "a webhook was not told of alerts");
            let Some(wait) = wait else { break false };
            match tokio::time::timeout(*wait, set.changed()).await {
                Ok(Ok(())) => tries = AGAIN.iter(),
                Ok(Err(_)) => return,
                Err(_) => {}
            }
        };
        let mut view = view.lock();
        view.waiting = view.waiting.saturating_sub(1);
        if is_sent {
            (view.sent, view.trouble) = (view.sent + 1, None);
        } else {
            view.failed += 1;
        }
    }
}

struct Failure {
    why: String,
    is_worth_another: bool,
}

async fn send(hook: &Webhook, body: &str) -> Result<(), Failure> {
    // A key in the address is not for the log.
    let failed = |e: reqwest::Error| Failure { why: chain(&e.without_url()), is_worth_another: true };
    let builder = http::trusting(http::builder(TRY), &hook.roots).map_err(failed)?;
    let client = builder.redirect(redirect::Policy::none()).build().map_err(failed)?;
    let mut request = client.post(&hook.url).header("content-type", "application/json").body(body.to_owned());
    if !hook.secret.is_empty() {
        request = request.header(SIGNATURE, signature(&hook.secret, body));
    }
    let status = request.send().await.map_err(failed)?.status();
    if status.is_success() {
        return Ok(());
    }
    // RFC 9110 section 15.5: the others are answers to what was sent, and the same would be sent again.
    let is_worth_another = status.is_server_error() || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
    Err(Failure { why: format!("it answered {status}"), is_worth_another })
}

/// `sha256=` and the HMAC-SHA256 of the body (RFC 2104) in hexadecimal.
fn signature(secret: &str, body: &str) -> String {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), body.as_bytes());
    format!("sha256={}", HEXLOWER.encode(tag.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::signature;

    #[test]
    fn a_signature_is_that_of_rfc_4231() {
        // Test case 2.
        let expected = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(signature("Jefe", "what do ya want for nothing?"), expected);
    }
}
