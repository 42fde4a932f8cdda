//! In the background: mails whose holder is gone, or that were accepted alone, are copied to a peer that is there; when none is
//! left of those in the queue, those in quarantine ([`super::kept`]). And the
//! end of it, on a node that drains: the peers are asked to deliver what they hold.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;
use postern_model::id::MailId;
use postern_model::node::NodeId;
use postern_model::queue::{QueueChange, QueuedMail};
use postern_store::spool::SpoolError;

use super::Inner;
use super::bounds::{ADOPT_BATCH, MOVE_BATCH, MOVE_RATE};
use super::link::Link;

/// Copies on their way at once.
const AT_ONCE: usize = 16;
/// A holder adopts a batch within this time, or is not asked again.
const TAKE_TIMEOUT: Duration = Duration::from_secs(60);

/// What a draining node could give away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HandedOver {
    /// Mails that other nodes deliver from now on.
    pub given: usize,
    /// Mails nobody took: this node has to stay, or to come back, until they are delivered.
    pub kept: usize,
}

/// Until the node stops.
pub async fn run(inner: Weak<Inner>) {
    loop {
        let Some(inner) = inner.upgrade() else { return };
        let start = Instant::now();
        let octets = match inner.move_some().await {
            None => inner.move_kept().await,
            some => some,
        };
        let pause = match octets {
            // Nothing to do, or nobody to do it with.
            None => inner.pace.tick,
            Some(octets) => Duration::from_micros(octets.saturating_mul(1_000_000) / MOVE_RATE).saturating_sub(start.elapsed()),
        };
        tokio::select! {
            () = inner.stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
            () = inner.moving.notified(), if octets.is_none() => {}
        }
    }
}

impl Inner {
    /// Copies some mails that lack a holder; how many octets. `None`: nothing could be done.
    async fn move_some(self: &Arc<Self>) -> Option<u64> {
        let chosen = self.choose();
        if chosen.is_empty() {
            return None;
        }
        if self.spool.settle().await.is_err() {
            let mut desk = self.desk.lock();
            chosen.iter().for_each(|(id, _)| drop(desk.copying.remove(id)));
            return None;
        }
        let moved = stream::iter(chosen).map(|(id, link)| self.move_one(id, link)).buffer_unordered(AT_ONCE);
        let octets: Vec<Option<u64>> = moved.collect().await;
        let some = octets.iter().flatten().count() > 0;
        some.then(|| octets.iter().flatten().sum())
    }

    /// Mails to be copied and to whom; from now on their changes are kept for the new holder.
    fn choose(&self) -> Vec<(MailId, Arc<Link>)> {
        let withdrawing = self.withdrawing.lock();
        let mut desk = self.desk.lock();
        desk.lose(Instant::now());
        let wanted = self.wanted();
        if wanted == 0 || desk.candidates(self.me, |_| false).is_empty() {
            return Vec::new();
        }
        let (mut chosen, mut settled) = (Vec::new(), Vec::new());
        for id in &desk.lacking {
            let tracked = desk.mails.get(id).copied().filter(|t| t.holders().count() < wanted);
            let Some(tracked) = tracked else {
                settled.push(*id);
                continue;
            };
            // A mail that is just being accepted is not in the spool yet; one another node took over is not ours to copy.
            if !self.spool.contains(*id) || withdrawing.contains(id) {
                continue;
            }
            match desk.candidates(self.me, |peer| tracked.has(peer)).into_iter().next() {
                Some(link) => chosen.push((*id, link)),
                // The only peers there are hold it; so it is with all others that lack one.
                None => break,
            }
            if chosen.len() >= MOVE_BATCH {
                break;
            }
        }
        for id in &settled {
            desk.lacking.remove(id);
        }
        for (id, _) in &chosen {
            desk.copying.insert(*id, Vec::new());
        }
        chosen
    }

    async fn move_one(self: &Arc<Self>, id: MailId, link: Arc<Link>) -> Option<u64> {
        let spool = self.spool.clone();
        let read = tokio::task::spawn_blocking(move || Some((spool.mail(id).ok()?, spool.read(id).ok()?.shared()))).await;
        let Ok(Some((mail, body))) = read else {
            // Done meanwhile, or damaged, which the delivery finds as well.
            let mut desk = self.desk.lock();
            desk.copying.remove(&id);
            desk.lacking.remove(&id);
            return None;
        };
        let is_held = self.put_again(&mail, &body, &link).await;
        let mut desk = self.desk.lock();
        desk.copying.remove(&id);
        let wanted = self.wanted();
        if !is_held {
            return None;
        }
        self.counters.moved.fetch_add(1, Ordering::Relaxed);
        if desk.mails.get(&id).is_none_or(|t| t.holders().count() >= wanted) {
            desk.lacking.remove(&id);
        }
        Some(body.len() as u64)
    }

    pub async fn put_again(&self, mail: &QueuedMail, body: &Bytes, link: &Arc<Link>) -> bool {
        let meta = postcard::to_stdvec(mail).unwrap_or_default();
        if meta.is_empty() || meta.len() > super::bounds::MAIL_OCTETS {
            return false;
        }
        self.put(link, mail.id, &meta, body, || self.desk.lock().begun(mail.id, link)).await
    }

    /// Gives everything queued to peers to deliver. The queue must have been stopped.
    pub async fn hand_over(self: &Arc<Self>) -> HandedOver {
        self.is_draining.store(true, Ordering::Release);
        // Whatever has no holder yet gets one first.
        while self.move_some().await.is_some() {}
        let mut by_holder: BTreeMap<NodeId, (Arc<Link>, Vec<MailId>)> = BTreeMap::new();
        {
            let desk = self.desk.lock();
            for (id, tracked) in &desk.mails {
                if let Some(link) = tracked.holders().find_map(|h| desk.links.get(&h)) {
                    by_holder.entry(link.peer).or_insert_with(|| (Arc::clone(link), Vec::new())).1.push(*id);
                }
            }
        }
        let mut given = 0;
        for (link, ids) in by_holder.into_values() {
            for page in ids.chunks(ADOPT_BATCH) {
                let Ok(Ok(taken)) = tokio::time::timeout(TAKE_TIMEOUT, link.take(page.to_vec())).await else { break };
                for id in taken {
                    // A crash before it is on disk: the holder tells it again after the start.
                    match self.spool.record(id, QueueChange::Done).await {
                        // Its holder said so on the other stream before.
                        Ok(()) | Err(SpoolError::Unknown(_)) => given += 1,
                        Err(error) => tracing::warn!(mail = %id, %error, "a mail that was handed over stays in the spool"),
                    }
                }
            }
        }
        HandedOver { given, kept: self.spool.ids().len() }
    }
}
