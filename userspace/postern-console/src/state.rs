//! What the console needs of the node, handed in once at start.

use std::net::IpAddr;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use postern_backup::schedule::Keeper;
use postern_cluster::node::Cluster;
use postern_model::address::Address;
use postern_model::alert::Condition;
use postern_model::envelope::Direction;
use postern_model::role::Rights;
use postern_model::sandbox::Opened;
use postern_model::time::Timestamp;
use postern_model::verdict::Verdict;
use postern_mta::feedback::Feedback;
use postern_mta::queue::Queue;
use postern_mta::sandbox::{self, RuleBook};
use postern_policy::Decision;
use postern_store::database::{Database, DatabaseError};
use postern_store::spool::Spool;
use serde::Serialize;
use utoipa::ToSchema;

use crate::alerts::Alerts;
use crate::fetching::Fetching;
use crate::password::{self, Gate, PasswordError};
use crate::reports::Reports;
use crate::restoring::Restoring;
use crate::rolling::Rolling;
use crate::routes::live::STREAMS;
use crate::settings_file::SettingsHandle;
use crate::users::Requests;
use crate::verifying::Verifying;

/// A mail somebody wants judged, with what is known of how it came.
#[derive(Clone, Debug, Default)]
pub struct ExplainRequest {
    pub mail: Bytes,
    pub client: Option<IpAddr>,
    pub helo: Option<String>,
    pub mail_from: Option<String>,
    pub recipients: Vec<String>,
}

/// The same, for the rules.
#[derive(Clone, Debug)]
pub struct PolicyRequest {
    pub mail: ExplainRequest,
    pub direction: Direction,
    pub recipients: Vec<Address>,
}

/// What the rules would make of a mail.
#[derive(Clone, Debug, Serialize)]
pub struct PolicyExplained {
    /// The filter's.
    pub verdict: Verdict,
    /// One for each recipient, with every rule tried and why it did or did not match.
    pub decisions: Vec<Decision>,
    /// What one reply for all of them comes to.
    pub outcome: String,
}

/// What the sandbox sees now in the attachments of a mail.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct OpenedAgain {
    /// As in the step `taken-apart` of a journey: `report` (`parts`, `findings`, `timeline`), `left_out`, `seen`.
    #[schema(value_type = Vec<Object>)]
    pub attachments: Vec<Opened>,
    /// Attachments that are too large or too many, and why.
    pub left_out: Vec<String>,
    /// Attachments that were not taken apart, and why.
    pub unanswered: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LearnKind {
    Spam,
    Ham,
}

/// Judges a mail without doing anything with it. The error is for people.
pub type Explain = Arc<dyn Fn(ExplainRequest) -> BoxFuture<'static, Result<Verdict, String>> + Send + Sync>;
/// Says what the rules would make of a mail. The error is for people.
pub type ExplainPolicy = Arc<dyn Fn(PolicyRequest) -> BoxFuture<'static, Result<PolicyExplained, String>> + Send + Sync>;
/// Has the attachments of a mail taken apart, whatever was seen of them before. The error is for people.
pub type OpenAgain = Arc<dyn Fn(Bytes) -> BoxFuture<'static, Result<OpenedAgain, String>> + Send + Sync>;
/// Who helps to judge and does not answer now, with why in words.
pub type Silent = Arc<dyn Fn() -> BoxFuture<'static, Vec<(Condition, String)>> + Send + Sync>;
/// Trains the classifier with a mail. The error is for people.
pub type Learn = Arc<dyn Fn(LearnKind, Bytes) -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// `postern node drain|resume|status`, as the role carries them out.
#[derive(Clone)]
pub struct Duty {
    pub view: Arc<dyn Fn() -> DutyView + Send + Sync>,
    /// Begins; the error is for people.
    pub drain: Arc<dyn Fn() -> Result<(), String> + Send + Sync>,
    pub resume: Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>,
}

impl Duty {
    pub fn view(&self) -> DutyView {
        (self.view)()
    }

    pub fn drain(&self) -> Result<(), String> {
        (self.drain)()
    }

    pub fn resume(&self) -> BoxFuture<'static, Result<(), String>> {
        (self.resume)()
    }
}

/// Whether the node takes mail.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct DutyView {
    /// `serving`, `draining`, `drained`.
    pub duty: &'static str,
    /// Sessions that are still open.
    pub sessions: usize,
    /// Mails that are still in this node's queue.
    pub queued: usize,
    /// Nothing is here that is not on a peer too, or that is of worth.
    pub safe_to_power_off: bool,
    /// What is not done yet.
    pub waits_for: Vec<String>,
}

/// Handles of the node's parts; all cheap to clone.
#[derive(Clone)]
pub struct State {
    pub database: Database,
    pub settings: Arc<SettingsHandle>,
    pub spool: Spool,
    pub queue: Queue,
    /// Bans, and the edge behind them.
    pub feedback: Feedback,
    pub explain: Explain,
    pub explain_policy: ExplainPolicy,
    pub learn: Learn,
    pub open_again: OpenAgain,
    pub silent: Silent,
    /// The admin's YARA rules, as they are in force here.
    pub yara_rules: Arc<RuleBook>,
    /// The peers, when there are any.
    pub cluster: Cluster,
    /// Whether this node takes mail.
    pub duty: Duty,
    /// Makes this node's backups.
    pub backups: Keeper,
    /// The certificate that is ordered by itself.
    pub acme: postern_acme::Keeper,
    /// False until all listeners are open, and again while the node stops: what `/readyz` says.
    pub ready: Arc<AtomicBool>,
}

#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Password(#[from] PasswordError),
}

impl State {
    /// Makes the admin `admin` with a password of one use when there is no admin yet, and returns that
    /// password: it is kept nowhere but as a hash, so print it.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn bootstrap_admin(&self) -> Result<Option<String>, BootstrapError> {
        if !self.database.admins().all().await?.is_empty() {
            return Ok(None);
        }
        let password = password::random_secret();
        let hash = {
            let password = password.clone();
            tokio::task::spawn_blocking(move || password::hash(&password)).await.map_err(|e| PasswordError::Hash(e.to_string()))??
        };
        Ok(self.database.admins().add("admin", &hash, true, &Rights::ALL, now()).await?.then_some(password))
    }
}

/// The console: state and what only it needs. Cheap to clone.
#[derive(Clone)]
pub struct Console(Arc<Inner>);

pub struct Inner {
    state: State,
    pub(crate) gate: Gate,
    pub(crate) requests: Requests,
    pub(crate) since: Timestamp,
    pub(crate) started: Instant,
    /// Places of pages that follow the node.
    pub(crate) streams: Arc<tokio::sync::Semaphore>,
    /// Releases and deletions in the quarantine, one at a time: two releases of one mail would deliver it twice.
    pub(crate) releasing: tokio::sync::Mutex<()>,
    /// Mails whose attachments are taken apart again, one at a time.
    pub(crate) opening: tokio::sync::Mutex<()>,
    /// YARA rules that somebody tries, one set at a time.
    pub(crate) trying_rules: tokio::sync::Mutex<()>,
    /// One update at a time comes in.
    pub(crate) incoming: Arc<tokio::sync::Mutex<()>>,
    pub(crate) fetching: Fetching,
    pub(crate) rolling: Rolling,
    pub(crate) restoring: Restoring,
    pub(crate) verifying: Verifying,
    pub(crate) alerts: Alerts,
    pub(crate) reports: Reports,
}

impl Console {
    pub fn new(state: State) -> Self {
        Self(Arc::new(Inner {
            state,
            gate: Gate::default(),
            requests: Requests::default(),
            since: now(),
            started: Instant::now(),
            streams: Arc::new(tokio::sync::Semaphore::new(STREAMS)),
            releasing: tokio::sync::Mutex::default(),
            opening: tokio::sync::Mutex::default(),
            trying_rules: tokio::sync::Mutex::default(),
            incoming: Arc::default(),
            fetching: Fetching::default(),
            rolling: Rolling::default(),
            restoring: Restoring::default(),
            verifying: Verifying::default(),
            alerts: Alerts::default(),
            reports: Reports::default(),
        }))
    }

    pub fn state(&self) -> &State {
        &self.0.state
    }

    /// Of the role `os`.
    pub(crate) fn os_socket(&self) -> PathBuf {
        self.state().settings.settings().node.run_dir.join("os.sock")
    }

    /// Of the role `sandbox`.
    pub(crate) fn sandbox_socket(&self) -> PathBuf {
        self.state().settings.settings().node.run_dir.join(sandbox::SOCKET)
    }

    /// Where an update is put that comes in.
    pub(crate) fn update_file(&self) -> PathBuf {
        self.state().settings.settings().node.data_dir.join("updates/incoming.update")
    }

    /// An update that came to an earlier process, which led all nodes through it and restarted last.
    pub fn forget_incoming(&self) {
        let _ = std::fs::remove_file(self.update_file());
    }

    pub fn is_ready(&self) -> bool {
        self.0.state.ready.load(Ordering::Relaxed)
    }
}

impl Deref for Console {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0
    }
}

pub fn now() -> Timestamp {
    Timestamp::from_system(SystemTime::now())
}
