//! When a certificate is due, and the loop that orders it, also when somebody asks.

use std::future::Future;
use std::net::TcpListener;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use instant_acme::{Account, CertificateIdentifier};
use postern_model::causes::chain;
use postern_model::settings::Settings;
use postern_model::settings::acme::AcmeSettings;
use postern_model::time::Timestamp;
use postern_mta::certificate::{self, Facts};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::answers::{AnswerError, Answers, KeyAuthorization};
use crate::authority;
use crate::order::{Door, OrderError, order};
use crate::record::Record;

/// Looked at no more seldom: an authority may want a certificate replaced within a day (RFC 9773).
const LOOK: Duration = Duration::from_secs(6 * 60 * 60);
/// After failures. Authorities count them: Let's Encrypt takes five an hour for a name.
const AGAIN: [Duration; 4] =
    [Duration::from_secs(10 * 60), Duration::from_secs(60 * 60), Duration::from_secs(4 * 60 * 60), Duration::from_secs(24 * 60 * 60)];

pub type Later<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What the loop knows of the node.
pub struct Parts {
    pub settings: watch::Receiver<Arc<Settings>>,
    pub hostname: String,
    pub data: PathBuf,
    /// Sockets of `acme.listen` that the service manager handed over.
    pub inherited: Vec<TcpListener>,
    /// Lets the authority through the machine's own firewall for some minutes, where that is ours.
    pub open_door: Box<dyn Fn() -> Later<()> + Send + Sync>,
    /// Has the peers answer, too: a name that several nodes share leads to any of them.
    pub spread: Box<dyn Fn(KeyAuthorization) -> Later<()> + Send + Sync>,
}

/// How it stands, for the console and for metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Since when one is being ordered.
    pub running: Option<Timestamp>,
    /// When the next one is ordered, as far as is known; `None`: never by itself.
    pub next: Option<Timestamp>,
    /// The last one since the start.
    pub renewed: Option<Timestamp>,
    /// Why the last try failed, until one succeeds or the settings change.
    pub trouble: Option<Trouble>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    pub at: Timestamp,
    pub why: String,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RenewError {
    #[error("certificates are not ordered by this node: `acme.enabled` is false")]
    Off,
    #[error("one is being ordered already")]
    Running,
}

/// Orders certificates by the settings in force. Cheap to clone.
#[derive(Clone)]
pub struct Keeper(Arc<Inner>);

struct Inner {
    parts: Parts,
    answers: Answers,
    state: watch::Sender<State>,
    /// Somebody asks for one now.
    hurry: Notify,
}

impl Keeper {
    /// Orders them until `stop`. Needs a runtime.
    pub fn start(mut parts: Parts, stop: CancellationToken) -> Self {
        let answers = Answers::new(std::mem::take(&mut parts.inherited));
        let keeper = Self(Arc::new(Inner { parts, answers, state: watch::Sender::default(), hurry: Notify::new() }));
        tokio::spawn(keeper.clone().run(stop));
        keeper
    }

    pub fn state(&self) -> State {
        self.0.state.borrow().clone()
    }

    /// Orders one at once, whatever there is. The state says how it ends.
    ///
    /// # Errors
    /// When none is ordered here, or one is under way.
    pub fn renew(&self) -> Result<(), RenewError> {
        if !self.0.parts.settings.borrow().acme.enabled {
            return Err(RenewError::Off);
        }
        if self.0.state.borrow().running.is_some() {
            return Err(RenewError::Running);
        }
        self.0.hurry.notify_one();
        Ok(())
    }

    /// Answers an authority that a peer asked: it may have been led here.
    ///
    /// # Errors
    /// When it is no answer, or nobody can listen here.
    pub async fn answer_for_peer(&self, answer: &KeyAuthorization) -> Result<(), AnswerError> {
        let listen = self.0.parts.settings.borrow().acme.listen.clone();
        self.0.answers.put(answer)?;
        (self.0.parts.open_door)().await;
        self.0.answers.listen(&listen)
    }

    async fn run(self, stop: CancellationToken) {
        let mut changes = self.0.parts.settings.clone();
        let (mut failures, mut is_asked) = (0, false);
        loop {
            let settings = changes.borrow_and_update().acme.clone();
            let wait = if !settings.enabled {
                self.0.state.send_modify(|s| *s = State { renewed: s.renewed, ..State::default() });
                None
            } else {
                Some(match self.look(&settings, is_asked).await {
                    Ok(wait) => {
                        failures = 0;
                        wait
                    }
                    Err(error) => {
                        let wait = AGAIN[failures.min(AGAIN.len() - 1)];
                        failures += 1;
                        self.failed(&error, wait);
                        wait
                    }
                })
            };
            let timer = async {
                match wait {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => std::future::pending().await,
                }
            };
            is_asked = false;
            tokio::select! {
                () = stop.cancelled() => return,
                () = timer => {}
                () = self.0.hurry.notified() => is_asked = true,
                changed = changes.wait_for(|s| s.acme != settings) => {
                    if changed.is_err() {
                        return;
                    }
                    failures = 0;
                }
            }
        }
    }

    fn failed(&self, error: &OrderError, wait: Duration) {
        let why = chain(error);
        tracing::warn!(error = why, again_in = ?wait, "no certificate could be had; the one in force stays");
        self.0.state.send_modify(|s| {
            s.running = None;
            s.next = Some(now() + wait);
            s.trouble = Some(Trouble { at: now(), why });
        });
    }

    /// Orders a certificate when one is due; how long nothing has to be done.
    async fn look(&self, settings: &AcmeSettings, is_asked: bool) -> Result<Duration, OrderError> {
        let Parts { data, hostname, .. } = &self.0.parts;
        let mut names = vec![hostname.clone()];
        names.extend(settings.names.iter().filter(|n| *n != hostname).cloned());
        let mut record = Record::read(data);
        if record.directory != settings.directory {
            record = Record { directory: settings.directory.clone(), ..Record::default() };
        }
        let current = certificate::facts(&certificate::installed(data)).ok();
        let current = current.filter(|facts| record.fingerprint == Some(facts.fingerprint) && record.names == names);
        let account = self.account(settings, &mut record).await?;
        let told = self.told(&account).await;
        if let Some(facts) = current.filter(|_| !is_asked) {
            let due = due(told.as_ref(), &facts);
            if now() < due {
                self.0.state.send_modify(|s| {
                    s.next = Some(due);
                    s.trouble = None;
                });
                return Ok(due.since(now()).min(LOOK));
            }
        }
        self.0.state.send_modify(|s| s.running = Some(now()));
        let facts = self.renew_now(settings, &account, names, record, told).await?;
        let due = due(self.told(&account).await.as_ref(), &facts);
        tracing::info!(names = facts.names.join(" "), until = %facts.until, "a certificate was ordered and is in force");
        self.0.state.send_modify(|s| *s = State { running: None, next: Some(due), renewed: Some(now()), trouble: None });
        Ok(due.since(now()).min(LOOK))
    }

    /// The account at this authority; made and remembered at the first time.
    async fn account(&self, settings: &AcmeSettings, record: &mut Record) -> Result<Account, OrderError> {
        if let Some(credentials) = record.credentials() {
            return authority::known(settings, credentials).await;
        }
        let (account, credentials) = authority::register(settings).await?;
        record.remember(&credentials);
        record.keep(&self.0.parts.data)?;
        Ok(account)
    }

    /// What the authority says of the certificate in force: `None` where it takes no part in it (RFC 9773), or does not know it.
    async fn told(&self, account: &Account) -> Option<Told> {
        let der = CertificateDer::from_pem_file(certificate::installed(&self.0.parts.data)).ok()?;
        let certificate = CertificateIdentifier::try_from(&der).ok()?.into_owned();
        let (info, _) = account.renewal_info(&certificate).await.ok()?;
        let (start, end) = (info.suggested_window.start, info.suggested_window.end);
        Some(Told { certificate, window: (start.unix_timestamp(), end.unix_timestamp()) })
    }

    async fn renew_now(
        &self,
        settings: &AcmeSettings,
        account: &Account,
        names: Vec<String>,
        record: Record,
        told: Option<Told>,
    ) -> Result<Facts, OrderError> {
        let data = &self.0.parts.data;
        let replaces = told.filter(|_| record.fingerprint.is_some()).map(|t| t.certificate);
        (self.0.parts.open_door)().await;
        let door = Door { answers: &self.0.answers, listen: &settings.listen, spread: &*self.0.parts.spread };
        let issued = order(account, &names, replaces, &door).await?;
        let facts = certificate::install(data, &issued.chain, Some(&issued.key))?;
        Record { names, fingerprint: Some(facts.fingerprint), ..record }.keep(data)?;
        Ok(facts)
    }
}

/// What an authority says of a certificate (RFC 9773).
struct Told {
    certificate: CertificateIdentifier<'static>,
    /// When to replace it, in seconds since 1970.
    window: (i64, i64),
}

/// When this one is to be replaced: as the authority says, else when a third of its time is left.
fn due(told: Option<&Told>, facts: &Facts) -> Timestamp {
    let Some(Told { window: (start, end), .. }) = told else {
        return Timestamp(facts.from.0 + (facts.until.0 - facts.from.0) / 3 * 2);
    };
    // The same moment of the window at each look: of many nodes each has its own.
    let part = f64::from(u16::from_be_bytes([facts.fingerprint[0], facts.fingerprint[1]])) / f64::from(u16::MAX);
    Timestamp::from_unix_seconds(start + ((end - start).max(0) as f64 * part) as i64)
}

fn now() -> Timestamp {
    Timestamp::from_system(SystemTime::now())
}
