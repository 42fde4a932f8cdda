//! Whether a recipient exists: by table, or by asking the backend with RCPT TO and remembering the answer.
//!
//! Asking is bounded: one connection for each block of domains, one question at a time on it, equal questions share
//! one answer, and a backend that did not answer is left alone for a moment. A backend that takes an address that
//! cannot exist takes everything; that is found out by the first question (both go in one burst) and remembered.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use lru::LruCache;
use parking_lot::Mutex;
use postern_model::address::{Address, Domain};
use postern_model::settings::Settings;
use postern_model::settings::delivery::RecipientCheck;
use postern_smtp::client::{EnhancedCode, Outcome, RecipientReply, Stage};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::relay::{ConnectError, Connection, Connector, Patience, Sent};
use crate::route::{Destination, Route, Router};

/// Questions under way at a time; more are answered "cannot be checked now".
const MAX_QUESTIONS: usize = 2000;
/// Domains whose habit of taking everything is remembered.
const MAX_DOMAINS: usize = 10_000;
/// A backend that did not answer is not asked again for this long.
const REST: Duration = Duration::from_secs(5);

/// The answer about one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    Exists,
    /// No such mailbox; the backend's words, when it was asked.
    Missing(Option<String>),
    /// Nobody could say; the reason is for the log.
    Unverified(String),
    /// The domain is none of ours.
    NotOurs,
}

struct Remembered {
    exists: bool,
    words: Option<String>,
    until: Instant,
}

/// One version of the settings, made for quick look-ups.
struct Tables {
    router: Router,
    /// Keys of the mailboxes by index of the domain block, where there is a table.
    tables: HashMap<usize, HashSet<String>>,
}

impl Tables {
    fn new(settings: &Settings) -> Self {
        let listed = settings.domains.iter().enumerate().filter(|(_, d)| d.recipient_check == RecipientCheck::Table);
        let tables = listed.map(|(i, d)| (i, d.recipients.iter().map(Address::key).collect())).collect();
        Self { router: Router::new(settings), tables }
    }
}

/// The connection to one block's backends.
#[derive(Default)]
struct Line {
    connection: Option<Connection>,
    used: Option<Instant>,
    /// Not before this moment, and why.
    rest: Option<(Instant, String)>,
}

/// Cheap to clone; clones share the memory.
#[derive(Clone)]
pub struct Recipients(Arc<Inner>);

struct Inner {
    settings: Arc<ArcSwap<Settings>>,
    connector: Arc<Connector>,
    tables: ArcSwap<Tables>,
    memory: Mutex<LruCache<String, Remembered>>,
    /// Domains whose backend takes everything, or does not.
    takes_all: Mutex<LruCache<Domain, (bool, Instant)>>,
    questions: Mutex<HashMap<String, watch::Receiver<Option<Known>>>>,
    lines: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Line>>>>,
}

impl Recipients {
    pub fn new(settings: Arc<ArcSwap<Settings>>, connector: Arc<Connector>) -> Self {
        let current = settings.load_full();
        let bound = |n: usize| NonZeroUsize::new(n).unwrap_or(NonZeroUsize::MIN);
        Self(Arc::new(Inner {
            tables: ArcSwap::from_pointee(Tables::new(&current)),
            memory: Mutex::new(LruCache::new(bound(current.smtp.callout.cache_entries))),
            takes_all: Mutex::new(LruCache::new(bound(MAX_DOMAINS))),
            questions: Mutex::default(),
            lines: Mutex::default(),
            settings,
            connector,
        }))
    }

    /// The settings changed: what backends said may come from others now.
    pub fn reload(&self) {
        let settings = self.0.settings.load_full();
        self.0.tables.store(Arc::new(Tables::new(&settings)));
        let mut memory = self.0.memory.lock();
        memory.clear();
        memory.resize(NonZeroUsize::new(settings.smtp.callout.cache_entries).unwrap_or(NonZeroUsize::MIN));
        self.0.takes_all.lock().clear();
        self.0.lines.lock().clear();
    }

    pub async fn check(&self, address: &Address) -> Known {
        let settings = self.0.settings.load_full();
        let tables = self.0.tables.load_full();
        let Some(index) = tables.router.domain(address.domain()) else { return Known::NotOurs };
        let Some(block) = settings.domains.get(index) else { return Known::Unverified("the settings just changed".into()) };
        match block.recipient_check {
            RecipientCheck::None => Known::Exists,
            RecipientCheck::Table => {
                let is_listed = tables.tables.get(&index).is_some_and(|t| t.contains(&address.key()));
                if is_listed { Known::Exists } else { Known::Missing(None) }
            }
            RecipientCheck::Callout => match self.remembered(address, Instant::now()) {
                Some(known) => known,
                None => self.ask(address, &block.name, &settings).await,
            },
        }
    }

    /// What is believed without asking.
    fn remembered(&self, address: &Address, now: Instant) -> Option<Known> {
        if self.0.takes_all.lock().get(address.domain()).is_some_and(|(all, until)| *all && *until > now) {
            return Some(Known::Exists);
        }
        let mut memory = self.0.memory.lock();
        let found = memory.get(&address.key()).filter(|r| r.until > now)?;
        Some(if found.exists { Known::Exists } else { Known::Missing(found.words.clone()) })
    }

    /// Asks the backend, or waits for somebody else's same question.
    async fn ask(&self, address: &Address, block: &str, settings: &Settings) -> Known {
        let callout = &settings.smtp.callout;
        let key = address.key();
        let receiver = {
            let mut questions = self.0.questions.lock();
            match questions.get(&key) {
                Some(receiver) => Some(receiver.clone()),
                None if questions.len() >= MAX_QUESTIONS => None,
                None => {
                    let (sender, receiver) = watch::channel(None);
                    questions.insert(key.clone(), receiver.clone());
                    // A task of its own: a session that goes away must not end the question of the others.
                    tokio::spawn(self.clone().question(address.clone(), key.clone(), block.to_owned(), sender));
                    Some(receiver)
                }
            }
        };
        let answer = match receiver {
            Some(mut receiver) => match timeout(callout.timeout.0, receiver.wait_for(Option::is_some)).await {
                Ok(Ok(known)) => known.clone().unwrap_or_else(|| Known::Unverified("the question was lost".into())),
                Ok(Err(_)) => Known::Unverified("the question was lost".into()),
                Err(_) => Known::Unverified(format!("the backend did not answer within {}", callout.timeout)),
            },
            None => Known::Unverified("too many questions at a time".into()),
        };
        match answer {
            // What was once true is better than nothing while the backend is away.
            Known::Unverified(_) if self.0.memory.lock().peek(&key).is_some_and(|r| r.exists) => Known::Exists,
            Known::Unverified(why) if callout.accept_when_unreachable => {
                tracing::info!(recipient = %address, %why, "taken without a check");
                Known::Exists
            }
            other => other,
        }
    }

    async fn question(self, address: Address, key: String, block: String, sender: watch::Sender<Option<Known>>) {
        let line = Arc::clone(self.0.lines.lock().entry(block.clone()).or_default());
        let known = {
            let mut line = line.lock().await;
            // Somebody may have found out while this one waited for the line.
            match self.remembered(&address, Instant::now()) {
                Some(known) => known,
                None => self.ask_on(&mut line, &address, &key, &block).await,
            }
        };
        self.0.questions.lock().remove(&key);
        sender.send_replace(Some(known));
        // The last one to use the connection closes it.
        let keep = self.0.settings.load().delivery.keep_idle.0;
        tokio::time::sleep(keep).await;
        let idle = {
            let mut line = line.lock().await;
            let is_idle = line.used.is_some_and(|at| at.elapsed() >= keep);
            if is_idle { line.connection.take() } else { None }
        };
        if let Some(connection) = idle {
            connection.quit().await;
        }
    }

    async fn ask_on(&self, line: &mut Line, address: &Address, key: &str, block: &str) -> Known {
        if let Some((until, why)) = &line.rest
            && *until > Instant::now()
        {
            return Known::Unverified(why.clone());
        }
        let settings = self.0.settings.load_full();
        let callout = &settings.smtp.callout;
        let probe = self.probe(address.domain());
        let mut asked = vec![address];
        asked.extend(&probe);
        let outcome = match timeout(callout.timeout.0, self.dialogue(line, &asked, block)).await {
            Ok(Ok(outcome)) => outcome,
            failed => {
                // Whatever state it is in, its replies would no longer fit our questions.
                line.connection = None;
                let why = match failed {
                    Ok(Err(why)) => why,
                    _ => format!("the backend did not answer within {}", callout.timeout),
                };
                line.rest = Some((Instant::now() + REST, why.clone()));
                return Known::Unverified(why);
            }
        };
        line.used = Some(Instant::now());
        line.rest = None;
        let now = Instant::now();
        let mut answers = outcome.recipients.into_iter();
        let own = answers.next().flatten();
        if probe.is_some()
            && let Some(answer) = answers.next().flatten()
            && let Some(takes_all) = verdict(&answer)
        {
            self.0.takes_all.lock().put(address.domain().clone(), (takes_all, now + callout.positive_ttl.0));
        }
        let Some(answer) = own else { return Known::Unverified("the backend closed the connection".into()) };
        match verdict(&answer) {
            Some(exists) => {
                let ttl = if exists { callout.positive_ttl.0 } else { callout.negative_ttl.0 };
                let words = (!exists).then(|| answer.reply.to_string());
                self.0.memory.lock().put(key.to_owned(), Remembered { exists, words: words.clone(), until: now + ttl });
                if exists { Known::Exists } else { Known::Missing(words) }
            }
            None => Known::Unverified(format!("{} (in reply to {})", answer.reply, answer.stage)),
        }
    }

    /// An address that cannot exist, when it is not known yet what the backend does with such.
    fn probe(&self, domain: &Domain) -> Option<Address> {
        let is_known = self.0.takes_all.lock().get(domain).is_some_and(|(_, until)| *until > Instant::now());
        if is_known {
            return None;
        }
        Address::new(format!("no-such-mailbox-{:016x}", rand::random::<u64>()), domain.clone()).ok()
    }

    /// One question on the kept connection, or on a fresh one when that is gone.
    async fn dialogue(&self, line: &mut Line, asked: &[&Address], block: &str) -> Result<Outcome, String> {
        let settings = self.0.settings.load_full();
        let limit = settings.smtp.callout.timeout.0;
        let destination = Destination { route: Route::Backends(block.to_owned()), require_tls: false };
        for _ in 0..2 {
            let kept = line.connection.take().filter(|c| c.mails() < settings.delivery.max_mails_per_connection);
            let mut connection = match kept.and_then(|mut c| c.is_usable().then_some(c)) {
                Some(kept) => kept,
                None => {
                    let patience = Patience { handshake: limit, reply: limit };
                    self.0.connector.connect_with(&destination, patience).await.map_err(|e| match e {
                        ConnectError::Unreachable(last) | ConnectError::Impossible(last) => format!("{}: {}", last.host, last.reply),
                    })?
                }
            };
            let is_fresh = connection.mails() == 0;
            match connection.ask(asked).await {
                Sent::Done(outcome) => {
                    line.connection = Some(connection);
                    return Ok(outcome);
                }
                Sent::Lost(outcome, _) if outcome.replies == 0 && !is_fresh => {}
                Sent::Lost(_, error) => return Err(format!("{}: {}", connection.label(), error.reply())),
                Sent::Unfit(reply) => return Err(reply.to_string()),
            }
        }
        Err("the connection was closed before a reply".to_owned())
    }
}

/// What an answer says about a mailbox. Only a refusal of the recipient itself counts: that the null path is refused, or that
/// the mailbox is full (RFC 3463: x.2.2), says nothing about whether it exists.
fn verdict(answer: &RecipientReply) -> Option<bool> {
    let reply = &answer.reply;
    match answer.stage {
        Stage::Rcpt if reply.is_positive() => Some(true),
        Stage::Rcpt if reply.is_permanent() => match reply.enhanced() {
            Some(EnhancedCode(_, 2, 2)) => Some(true),
            // 5.7.x: policy against us or the null path, not about the mailbox; but 5.7.1 is what Exchange says of unknown ones too.
            Some(EnhancedCode(_, 7, detail)) if detail != 1 => None,
            _ => Some(false),
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use postern_smtp::client::Reply;

    #[test]
    fn replies_say_whether_a_mailbox_exists() {
        let table = [
            (Stage::Rcpt, 250, "2.1.5 ok", Some(true)),
            (Stage::Rcpt, 251, "user not local; will forward", Some(true)),
            (Stage::Rcpt, 550, "5.1.1 no such user", Some(false)),
            (Stage::Rcpt, 550, "unknown", Some(false)),
            (Stage::Rcpt, 552, "5.2.2 mailbox full", Some(true)),
            (Stage::Rcpt, 550, "5.7.26 not authenticated", None),
            (Stage::Rcpt, 450, "4.2.0 greylisted", None),
            (Stage::Mail, 550, "5.7.1 we take no null senders", None),
        ];
        for (stage, code, text, expected) in table {
            assert_eq!(verdict(&RecipientReply { stage, reply: Reply::own(code, text) }), expected, "{code} {text}");
        }
    }
}
