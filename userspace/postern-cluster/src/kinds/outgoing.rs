//! From this node to its peers.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, SystemTime};

use futures_util::{StreamExt, stream};
use postern_model::control::{Ban, BanChange};
use postern_model::id::MailId;
use postern_model::own_list::Choice;
use postern_model::quarantine::QuarantineState;
use postern_model::sandbox::SeenFile;
use postern_model::time::Timestamp;
use postern_store::database::Database;
use postern_store::database::changes::Change;
use postern_store::database::quarantine::{self, PAGE_LIMIT, QuarantineSearch};
use postern_store::database::tokens::Lesson;
use postern_store::database::user_lists::UserChoice;
use tokio::sync::mpsc;

use super::bans::{self, cut};
use super::{Probe, files};
use crate::ledger::fact::{self, CellKey, Counts, Fact, GreylistPass, Health, QuarantineAction, Subject};
use crate::ledger::kind::{Kind, KindSet};
use crate::shell::handle::LedgerHandle;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Longer than any kind: a row is kept as long as its kind is at most.
const LONGEST: Duration = Duration::from_secs(36_500 * 86_400);
/// Entries of the index stay so long after their mail expired, as they do in the database.
const AFTER_EXPIRY: Duration = Duration::from_secs(30 * 86_400);
/// A pass is remembered as long as the database does.
const GREYLIST: Duration = Duration::from_secs(60 * 86_400);
/// What a user took back is remembered as long as the database does.
const TAKEN_BACK: Duration = Duration::from_secs(400 * 86_400);
/// A sender's count goes out this often at most, however many mails it sends.
const COUNTS_EVERY: Duration = Duration::from_secs(5);
/// Facts that wait for the ledger at a time.
const AT_ONCE: usize = 500;
/// Senders that may wait for that; when there are more, they go out at once.
const COUNTS: usize = 50_000;
/// Lessons read at a time: 8 KB each.
const LESSONS: u32 = 100;
const HEALTH_EVERY: Duration = Duration::from_secs(10);
/// Octets of a header or an address, and recipients, that go into an entry: a row has 16 KB.
const HEADER: usize = 1000;
const ADDRESS: usize = 330;
const RECIPIENTS: usize = 30;
const NAME: usize = 128;
/// Things that are wrong at a time, of which a row tells.
const TROUBLE: usize = 8;

pub(super) struct Outgoing {
    pub(super) ledger: LedgerHandle,
    pub(super) database: Database,
    pub(super) kinds: KindSet,
    pub(super) changes: mpsc::Receiver<Change>,
    pub(super) own_bans: mpsc::Receiver<BanChange>,
    pub(super) own_files: mpsc::Receiver<SeenFile>,
    pub(super) probe: Box<dyn Fn() -> Probe + Send + Sync>,
}

impl Outgoing {
    pub(super) async fn run(mut self) {
        let since = now();
        let mut counts: HashMap<(Subject, u16), u64> = HashMap::new();
        let (mut flush, mut health) = (tokio::time::interval(COUNTS_EVERY), tokio::time::interval(HEALTH_EVERY));
        let (mut bans_open, mut files_open) = (true, true);
        let mut changed = Vec::with_capacity(AT_ONCE);
        self.tell_what_is_held().await;
        self.tell_lessons().await;
        self.tell_choices().await;
        loop {
            tokio::select! {
                many = self.changes.recv_many(&mut changed, AT_ONCE) => {
                    if many == 0 {
                        return;
                    }
                    self.tell(&mut changed, &mut counts).await;
                }
                change = self.own_bans.recv(), if bans_open => match change {
                    Some(change) => self.tell_bans(change).await,
                    None => bans_open = false,
                },
                file = self.own_files.recv(), if files_open => match file {
                    Some(file) => {
                        if let Some(fact) = files::fact(&file) {
                            self.post(fact, files::KEEP);
                        }
                    }
                    None => files_open = false,
                },
                _ = flush.tick() => self.tell_counts(&mut counts),
                _ = health.tick() => {
                    self.tell_health(since);
                    self.tell_lessons().await;
                }
            }
        }
    }

    /// What must reach the peers waits for the ledger; what is only useful does not.
    async fn tell(&self, changed: &mut Vec<Change>, counts: &mut HashMap<(Subject, u16), u64>) {
        let mut facts = Vec::new();
        for change in changed.drain(..) {
            match change {
                Change::GreylistPass { client, passed } => self.post(Fact::GreylistPass(client, GreylistPass { passed }), GREYLIST),
                Change::Quarantined(entry) => facts.push(entry_fact(&entry)),
                Change::QuarantineRaised { to: QuarantineState::Held, .. } => {}
                Change::QuarantineRaised { mail, to, by, at } => {
                    facts.push((Fact::QuarantineAction((mail, to), QuarantineAction { at, by: cut(&by, NAME) }), LONGEST));
                }
                Change::UserChoice(chosen) => facts.push(choice_fact(&chosen)),
                Change::Learned { lesson, at } => facts.push((lesson_fact(&lesson, at), LONGEST)),
                Change::Sender { subject, day, mails } => {
                    counts.insert((subject, day), mails);
                }
            }
        }
        if counts.len() >= COUNTS {
            self.tell_counts(counts);
        }
        self.write_all(facts).await;
    }

    async fn tell_bans(&self, change: BanChange) {
        match change {
            BanChange::Set(bans) => {
                let set = |ban: Ban| {
                    let keep = ban.until.since(now()) + HOUR;
                    (bans::set(ban), keep)
                };
                self.write_all(bans.into_iter().map(set).collect()).await;
            }
            BanChange::Lifted(networks) => {
                self.write_all(networks.into_iter().map(|network| (bans::lifted(network, now()), LONGEST)).collect()).await;
            }
        }
    }

    fn tell_counts(&self, counts: &mut HashMap<(Subject, u16), u64>) {
        for ((subject, day), mails) in counts.drain() {
            let key = CellKey { subject, day, life: self.ledger.life() };
            self.post(Fact::Reputation(key, Counts { good: mails, bad: 0 }), LONGEST);
        }
    }

    fn tell_health(&self, since: Timestamp) {
        let Probe { queued, free, trouble } = (self.probe)();
        let trouble = trouble.iter().take(TROUBLE).map(|t| cut(t, 64)).collect();
        let health = Health { at: now(), version: env!("CARGO_PKG_VERSION").to_owned(), since, queued, free, trouble };
        self.post(Fact::Health((), health), HOUR);
    }

    /// Mails that were in quarantine before this node had a cluster, or that were not told when it ended.
    async fn tell_what_is_held(&self) {
        let Some(status) = self.ledger.status().await else { return };
        let mut known: HashSet<MailId> = HashSet::new();
        let mut after = None;
        while let Ok(rows) = self.ledger.of_kind(status.own, Kind::QuarantineEntry, after.as_ref(), PAGE_LIMIT).await {
            let facts = rows.iter().filter_map(|r| Fact::decode(Kind::QuarantineEntry, &r.key.0, &r.value.0));
            known.extend(facts.filter_map(|f| if let Fact::QuarantineEntry(mail, _) = f { Some(mail) } else { None }));
            after = rows.last().map(|r| r.key.clone());
            if rows.len() < PAGE_LIMIT {
                break;
            }
        }
        let mut search = QuarantineSearch { state: Some(QuarantineState::Held), limit: PAGE_LIMIT, ..QuarantineSearch::default() };
        while let Ok(page) = self.database.quarantine().search(&search).await {
            let untold = page.mails.iter().filter(|e| e.holder.is_none() && !known.contains(&e.mail));
            self.write_all(untold.map(entry_fact).collect()).await;
            match page.next {
                Some(next) => search.before = Some(next),
                None => return,
            }
        }
    }

    /// What users chose here before this node had a cluster, or what was not told when it ended.
    async fn tell_choices(&self) {
        let Some(status) = self.ledger.status().await else { return };
        let mut known: HashMap<(String, String), Timestamp> = HashMap::new();
        let mut after = None;
        while let Ok(rows) = self.ledger.of_kind(status.own, Kind::UserChoice, after.as_ref(), PAGE_LIMIT).await {
            for row in &rows {
                if let Some(Fact::UserChoice(of, chosen)) = Fact::decode(Kind::UserChoice, &row.key.0, &row.value.0) {
                    known.insert(of, chosen.at);
                }
            }
            after = rows.last().map(|r| r.key.clone());
            if rows.len() < PAGE_LIMIT {
                break;
            }
        }
        let mut last: Option<UserChoice> = None;
        while let Ok(page) =
            self.database.user_lists().chosen_here(last.as_ref().map(|c| (c.address.as_str(), &c.sender)), PAGE_LIMIT).await
        {
            let is_untold = |c: &&UserChoice| known.get(&(c.address.clone(), c.sender.to_string())).is_none_or(|at| *at < c.at);
            self.write_all(page.iter().filter(is_untold).map(choice_fact).collect()).await;
            last = page.last().cloned();
            if page.len() < PAGE_LIMIT {
                return;
            }
        }
    }

    fn post(&self, fact: Fact, keep: Duration) {
        if self.kinds.contains(fact.kind()) {
            self.ledger.post(fact, keep);
        }
    }

    /// What `postern learn` taught beside this node.
    async fn tell_lessons(&self) {
        while let Ok(lessons) = self.database.tokens().untold(LESSONS).await
            && !lessons.is_empty()
            && self.kinds.contains(Kind::Lesson)
        {
            for (lesson, at) in lessons {
                let told = self.ledger.write(lesson_fact(&lesson, at), LONGEST).await.is_ok();
                if !told || self.database.tokens().told(lesson.mail, at).await.is_err() {
                    return;
                }
            }
        }
    }

    /// In their order, and side by side: the ledger commits what comes within some milliseconds at once.
    async fn write_all(&self, facts: Vec<(Fact, Duration)>) {
        stream::iter(facts).for_each_concurrent(AT_ONCE, |(fact, keep)| self.write(fact, keep)).await;
    }

    async fn write(&self, fact: Fact, keep: Duration) {
        if !self.kinds.contains(fact.kind()) {
            return;
        }
        let kind = fact.kind().name();
        if let Err(error) = self.ledger.write(fact, keep.max(DAY)).await {
            tracing::warn!(kind, %error, "peers are not told");
        }
    }
}

fn entry_fact(entry: &quarantine::QuarantineEntry) -> (Fact, Duration) {
    let header = |text: &Option<String>| text.as_deref().map(|t| cut(t, HEADER));
    let row = fact::QuarantineEntry {
        at: entry.at,
        sender: cut(&entry.sender, ADDRESS),
        recipients: entry.recipients.iter().take(RECIPIENTS).map(|r| cut(r, ADDRESS)).collect(),
        from_header: header(&entry.from_header),
        subject: header(&entry.subject),
        score: entry.score,
        reason: entry.reason.name().to_owned(),
        size: entry.size,
        expires: entry.expires,
    };
    (Fact::QuarantineEntry(entry.mail, row), entry.expires.since(now()) + AFTER_EXPIRY)
}

fn choice_fact(chosen: &UserChoice) -> (Fact, Duration) {
    let UserChoice { address, sender, choice, at } = chosen;
    let keep = if *choice == Choice::None { TAKEN_BACK } else { LONGEST };
    (Fact::UserChoice((address.clone(), sender.to_string()), fact::UserChoice { at: *at, choice: *choice }), keep)
}

fn lesson_fact(lesson: &Lesson, at: Timestamp) -> Fact {
    let features: Vec<u8> = lesson.features.iter().take(MOST_FEATURES).flat_map(|f| f.to_le_bytes()).collect();
    Fact::Lesson(lesson.mail, fact::Lesson { at, is_spam: lesson.is_spam, features: features.into() })
}

/// A lesson's row has 64 KB. A mail of more features is rare; its first ones, which are hashes, are as good a sample as any.
const MOST_FEATURES: usize = 8000;

fn now() -> Timestamp {
    Timestamp::from_system(SystemTime::now())
}
