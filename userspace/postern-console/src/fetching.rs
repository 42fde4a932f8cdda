//! An update that is fetched from an address, in the background; then what an upload would have begun.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use postern_edge::http;
use postern_model::causes::chain;
use postern_model::os::OsRequest;
use postern_os::client;
use reqwest::{StatusCode, Url};
use serde::{Deserialize, Serialize};
use tokio::sync::OwnedMutexGuard;
use utoipa::ToSchema;

use crate::incoming::{Incoming, IncomingError, Kept, LARGEST};
use crate::rolling;
use crate::state::Console;

/// 200 MiB over a line of 1 Mbit/s.
const WHOLE: Duration = Duration::from_secs(30 * 60);

/// What to do with a bundle that is here.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", tag = "for", deny_unknown_fields)]
pub enum Order {
    /// Write it into the other slot of this machine.
    This {
        /// Also when its version is older than this one.
        #[serde(default)]
        allow_older: bool,
        /// Restart into it when it is written.
        #[serde(default)]
        restart: bool,
    },
    /// All nodes, one after the other.
    All {
        /// Also when its version is older than that of the node that is asked.
        #[serde(default)]
        allow_older: bool,
    },
}

impl Default for Order {
    fn default() -> Self {
        Self::This { allow_older: false, restart: false }
    }
}

impl Order {
    /// # Errors
    /// For people: why the role `os` or a node refuses.
    pub async fn carry_out(self, console: &Console, bundle: Kept) -> Result<(), String> {
        match self {
            Self::This { allow_older, restart } => {
                let update = OsRequest::Update { bundle: bundle.path().to_owned(), allow_older, restart };
                client::ask(&console.os_socket(), &update).await.map(drop).map_err(|e| e.to_string())
            }
            Self::All { allow_older } => rolling::begin(console, bundle, allow_older).await,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FetchStage {
    #[default]
    None,
    Fetching,
    /// It is here, and was taken: `GET /system` or `GET /cluster/update` say the rest.
    Taken,
    /// Nothing was changed.
    Failed,
}

/// How far it is.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct FetchView {
    pub stage: FetchStage,
    pub url: String,
    /// That have come.
    pub octets: u64,
    /// As far as the server says.
    pub total: Option<u64>,
    /// What went wrong.
    pub why: Option<String>,
}

/// Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Fetching(Arc<Mutex<FetchView>>);

impl Fetching {
    pub fn view(&self) -> FetchView {
        self.0.lock().clone()
    }
}

/// # Errors
/// What an address looks like.
pub fn source(url: &str) -> Result<Url, String> {
    let url = Url::parse(url.trim()).map_err(|e| format!("`{url}`: {e}"))?;
    match url.scheme() {
        "https" | "http" => Ok(url),
        other => Err(format!("`{other}:` cannot be fetched: write https://HOST/postern-VERSION.update")),
    }
}

/// For people: a password in it is for the server alone.
pub fn shown(url: &Url) -> String {
    let mut shown = url.clone();
    // Refused only by an address that can have none.
    let _ = shown.set_password(None);
    shown.into()
}

/// Begins; `alone` is held until it is over.
pub fn begin(console: &Console, url: Url, order: Order, alone: OwnedMutexGuard<()>) {
    let view = FetchView { stage: FetchStage::Fetching, url: shown(&url), ..FetchView::default() };
    *console.fetching.0.lock() = view;
    let console = console.clone();
    tokio::spawn(async move {
        let done = match fetch(&console, url, alone).await {
            Ok(bundle) => order.carry_out(&console, bundle).await,
            Err(why) => Err(why),
        };
        let mut view = console.fetching.0.lock();
        view.stage = if done.is_ok() { FetchStage::Taken } else { FetchStage::Failed };
        view.why = done.err();
        if let Some(why) = &view.why {
            tracing::error!(url = %view.url, "an update was not fetched: {why}");
        }
    });
}

async fn fetch(console: &Console, url: Url, alone: OwnedMutexGuard<()>) -> Result<Kept, String> {
    // "error sending request" alone helps nobody.
    let failed = |e: reqwest::Error| chain(&e.without_url());
    let mut response = http::client(WHOLE).map_err(failed)?.get(url).send().await.map_err(failed)?;
    if response.status() != StatusCode::OK {
        return Err(format!("the server answered {}", response.status()));
    }
    let total = response.content_length();
    console.fetching.0.lock().total = total;
    if total.is_some_and(|octets| octets > LARGEST) {
        return Err(IncomingError::TooLarge.to_string());
    }
    let mut incoming = Incoming::begin(console, alone).await.map_err(|e| e.to_string())?;
    while let Some(piece) = response.chunk().await.map_err(failed)? {
        incoming.append(&piece).await.map_err(|e| e.to_string())?;
        console.fetching.0.lock().octets = incoming.octets();
    }
    incoming.end().await.map_err(|e| e.to_string())
}
