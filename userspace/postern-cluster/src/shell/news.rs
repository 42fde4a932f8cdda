//! News for the application: what origins wrote, read from the store in order and at the application's pace.
//!
//! The shell only marks origins that have something new. A listener's own task reads on from where it was and hands batches over;
//! nothing piles up, however long a delta was or the application takes. An application that keeps how far it came
//! ([`Batch::through`]) goes on there after a restart; what it applied since and did not note down comes again, and
//! applying a row twice changes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use postern_model::time::Timestamp;
use postern_store::ledger::LedgerStore;
use tokio::sync::{Notify, mpsc};

use crate::ledger::bounds::{PAGE_OCTETS, PAGE_ROWS};
use crate::ledger::fact::Fact;
use crate::ledger::kind::Kind;
use crate::ledger::origin::Origin;
use crate::ledger::output::{Applied, More};
use crate::ledger::row::{Bucket, Row};

/// Batches read ahead of the application.
const AHEAD: usize = 2;
/// A page that could not be read is tried again after this.
const AGAIN: Duration = Duration::from_millis(500);

#[derive(Clone, Debug, PartialEq)]
pub enum News {
    Batch(Batch),
    /// Forget what was applied of this origin as far as that can be done; it comes again from its beginning.
    Forget(Origin),
}

/// Rows of one origin in the order in which they were written, without those that were replaced or are over.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    pub origin: Origin,
    pub facts: Vec<Applied>,
    /// All rows up to this one were told.
    pub through: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mark {
    More,
    /// From the beginning.
    Anew,
}

/// Origins that have something new for a listener.
#[derive(Debug, Default)]
pub(super) struct Marks {
    marked: Mutex<BTreeMap<Origin, Mark>>,
    woken: Notify,
}

impl Marks {
    /// False: nobody listens any more.
    pub(super) fn mark(self: &Arc<Self>, origin: Origin, mark: Mark) -> bool {
        let mut marked = self.marked.lock();
        let slot = marked.entry(origin).or_insert(mark);
        *slot = mark.max(*slot);
        self.woken.notify_one();
        Arc::strong_count(self) > 1
    }
}

pub(super) fn listen(store: Arc<ArcSwap<LedgerStore>>, marks: Arc<Marks>, told: BTreeMap<Origin, u64>) -> mpsc::Receiver<News> {
    let (news, receiver) = mpsc::channel(AHEAD);
    let listener = Listener { store, told, news };
    tokio::spawn(async move {
        let closed = listener.news.clone();
        tokio::select! { () = listener.run(marks) => {}, () = closed.closed() => {} }
    });
    receiver
}

struct Listener {
    store: Arc<ArcSwap<LedgerStore>>,
    told: BTreeMap<Origin, u64>,
    news: mpsc::Sender<News>,
}

impl Listener {
    async fn run(mut self, marks: Arc<Marks>) {
        loop {
            let next = marks.marked.lock().pop_first();
            let Some((origin, mark)) = next else {
                marks.woken.notified().await;
                continue;
            };
            if mark == Mark::Anew {
                self.told.remove(&origin);
                if self.news.send(News::Forget(origin)).await.is_err() {
                    return;
                }
            }
            if self.tell(origin).await.is_none() {
                marks.mark(origin, Mark::More);
                tokio::time::sleep(AGAIN).await;
            }
        }
    }

    /// `None`: not all could be read or told.
    async fn tell(&mut self, origin: Origin) -> Option<()> {
        loop {
            let told = self.told.get(&origin).copied().unwrap_or(0);
            let store = self.store.load_full();
            let page = store.read(origin, told, PAGE_ROWS, PAGE_OCTETS).await;
            let page = page.inspect_err(|error| tracing::debug!(%error, "news could not be read")).ok()?;
            let last = page.rows.last().map(|r| r.seq);
            let through = if page.more == More::Nothing { last.max(Some(page.head.seq)) } else { last };
            if let Some(through) = through.filter(|t| *t > told) {
                let now = Bucket::of(Timestamp::from_system(SystemTime::now()));
                let facts = page.rows.iter().filter(|r| !r.bucket.is_over(now)).filter_map(applied).collect();
                self.news.send(News::Batch(Batch { origin, facts, through })).await.ok()?;
                self.told.insert(origin, through);
            }
            if page.more == More::Nothing {
                return Some(());
            }
        }
    }
}

/// `None`: of a kind of a later version.
fn applied(row: &Row) -> Option<Applied> {
    let fact = Fact::decode(Kind::from_number(row.kind)?, &row.key.0, &row.value.0)?;
    Some(Applied { seq: row.seq, at: row.at, bucket: row.bucket, fact })
}
