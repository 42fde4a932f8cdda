//! The holder's end of a stream: says what it knows of the origin's mails, then takes copies and changes.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use postern_link::stream::Stream;
use postern_model::id::MailId;
use postern_model::node::NodeId;
use postern_model::queue::{QueueChange, QueuedMail};
use postern_store::spool::BodyWriter;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::berth::{Berth, Change, decode, refusal};
use super::bounds::{FETCHES, HOLDS_AT_ONCE, LARGE_AT_ONCE, MESSAGE_OCTETS, PAGE};
use super::origin::Present;
use super::outbox::{Gone, Outbox};
use super::protocol::{Answer, Message, Odd, Place};
use super::{Inner, adopt, regain};

/// Answers sent in one message.
const ANSWERS: usize = 512;

struct Session<'a> {
    inner: &'a Arc<Inner>,
    origin: NodeId,
    berth: Arc<Berth>,
    outbox: Arc<Outbox>,
    answers: mpsc::UnboundedSender<(u64, Answer)>,
    holds: Arc<Semaphore>,
    fetches: mpsc::Sender<(Place, MailId)>,
    /// Bodies that come in pieces.
    large: HashMap<u64, Large>,
}

struct Large {
    mail: QueuedMail,
    writer: BodyWriter,
    size: u64,
    permit: OwnedSemaphorePermit,
}

impl Inner {
    /// Serves a stream an origin opened, until it breaks.
    pub async fn serve(self: &Arc<Self>, origin: NodeId, stream: Stream) {
        let Some(berth) = self.berth(origin) else {
            tracing::warn!(%origin, "too many origins have copies here: a stream is refused");
            return;
        };
        let stop = self.stop.child_token();
        let _ends = stop.clone().drop_guard();
        if let Some(old) = berth.session.lock().replace(stop.clone()) {
            old.cancel();
        }
        let _present = Present::new(self, origin);
        berth.stop_adopting();
        let _turn = berth.turn.lock().await;
        // What the last session was given is listed in this one.
        berth.tasks.close();
        berth.tasks.wait().await;
        berth.tasks.reopen();
        let Stream { sender, mut receiver } = stream;
        let outbox = Arc::new(Outbox::start(sender, stop.clone()));
        let (answers, waiting) = mpsc::unbounded_channel();
        tokio::spawn(answer(waiting, Arc::clone(&outbox)));
        let holds = Arc::new(Semaphore::new(HOLDS_AT_ONCE));
        let (fetches, wanted) = mpsc::channel(FETCHES);
        berth.tasks.spawn(regain::give_back(Arc::clone(&berth), Arc::clone(&outbox), wanted));
        let mut session =
            Session { inner: self, origin, berth: Arc::clone(&berth), outbox, answers, holds, fetches, large: HashMap::new() };
        if session.greet().await.is_ok() {
            loop {
                let message = tokio::select! {
                    () = stop.cancelled() => break,
                    message = receiver.receive(MESSAGE_OCTETS) => message,
                };
                let Ok(Some(octets)) = message else { break };
                match Message::decode(&octets) {
                    Ok(message) => session.take(message).await,
                    Err(Odd::Unknown) => {}
                    Err(Odd::Unreadable) => {
                        tracing::warn!(%origin, "an origin's message cannot be read: the stream is given up");
                        break;
                    }
                }
            }
        }
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        self.large.values().for_each(|large| self.berth.abandoned(large.mail.id));
    }
}

impl Session<'_> {
    /// All that is known of the origin's mails, before it delivers any.
    async fn greet(&self) -> Result<(), Gone> {
        if let Some(mark) = self.berth.mark.get() {
            self.outbox.send(&Message::Mark(mark)).await?;
        }
        for ids in self.berth.adopted_ids().chunks(PAGE) {
            let news = Message::Adopted { origin: self.origin, ids: ids.to_vec(), more: super::protocol::More::Ended };
            self.outbox.send(&news).await?;
        }
        for (id, change) in self.berth.recent() {
            let change = postcard::to_stdvec(&change).unwrap_or_default();
            self.outbox.send(&Message::Told { id, change: &change }).await?;
        }
        if let Some(spool) = self.berth.existing() {
            for ids in spool.ids().chunks(PAGE) {
                self.outbox.send(&Message::Holding { place: Place::Queue, ids: ids.to_vec() }).await?;
            }
            let quarantine = spool.quarantine().clone();
            let listed = tokio::task::spawn_blocking(move || quarantine.list().flatten().map(|m| m.id).collect::<Vec<_>>()).await;
            for ids in listed.unwrap_or_default().chunks(PAGE) {
                self.outbox.send(&Message::Holding { place: Place::Quarantine, ids: ids.to_vec() }).await?;
            }
        }
        self.outbox.send(&Message::Ready).await
    }

    async fn take(&mut self, message: Message<'_>) {
        match message {
            Message::Copy { number, format, mail, body } => {
                if let Some((mail, mut writer, permit)) = self.begin(number, format, mail).await {
                    match writer.write(body) {
                        Ok(()) => self.store(number, mail, writer, permit),
                        Err(error) => self.refuse(number, mail.id, refusal(&error)).await,
                    }
                }
            }
            Message::Begin { number, format, mail, size } => {
                if self.large.len() >= LARGE_AT_ONCE || self.large.contains_key(&number) {
                    let _ = self.answers.send((number, Answer::BUSY));
                } else if let Some((mail, writer, permit)) = self.begin(number, format, mail).await {
                    self.large.insert(number, Large { mail, writer, size, permit });
                }
            }
            Message::Piece { number, body } => self.piece(number, body).await,
            Message::GiveUp { number } => {
                if let Some(large) = self.large.remove(&number) {
                    self.berth.arrived(large.mail.id).await;
                }
            }
            Message::Change { id, change } => {
                if let Ok(change) = postcard::from_bytes::<QueueChange>(change) {
                    self.berth.change(id, Change::Queue(change)).await;
                }
            }
            Message::Drop { id } => self.berth.change(id, Change::Drop).await,
            Message::Quarantined { id } => self.berth.change(id, Change::Quarantined).await,
            Message::Unquarantined { id } => {
                if let Some(quarantine) = self.berth.existing().map(|s| s.quarantine().clone()) {
                    let gone = tokio::task::spawn_blocking(move || quarantine.delete(id)).await;
                    if let Ok(Err(error)) = gone {
                        tracing::warn!(mail = %id, %error, "the copy of a quarantined mail stays");
                    }
                }
            }
            Message::Mark(mark) => self.berth.mark.set(mark),
            // An origin asks for one at a time; who asks for more than wait here gets no answer.
            Message::Fetch { place, id } => drop(self.fetches.try_send((place, id))),
            Message::Take { number, ids } => {
                let ids = adopt::hand_over(self.inner, self.origin, &self.berth, ids).await;
                let _ = self.outbox.send(&Message::Taken { number, ids }).await;
            }
            Message::Adopted { origin, ids, more } => adopt::heard(self.inner, self.origin, origin, ids, more).await,
            _ => {}
        }
    }

    /// A mail that may come in, and where its body goes.
    async fn begin(&self, number: u64, format: u8, mail: &[u8]) -> Option<(QueuedMail, BodyWriter, OwnedSemaphorePermit)> {
        let answer = |answer| {
            let _ = self.answers.send((number, answer));
        };
        let Some(mail) = decode(format, mail) else {
            answer(Answer::DAMAGED);
            return None;
        };
        if self.inner.is_draining.load(Ordering::Acquire) {
            answer(Answer::BUSY);
            return None;
        }
        if self.inner.spool.contains(mail.id) {
            answer(Answer::MINE);
            return None;
        }
        let writer = match self.berth.spool().await {
            Ok(spool) => spool.body().map_err(|error| refusal(&error)),
            Err(error) => {
                tracing::error!(origin = %self.origin, %error, "copies cannot be kept");
                Err(Answer::FAILED)
            }
        };
        self.inner.takeover(super::takeover::Input::Watch(self.origin));
        let permit = Arc::clone(&self.holds).acquire_owned().await.ok()?;
        match writer {
            Ok(_) if !self.berth.arrives(mail.id) => {
                answer(Answer::BUSY);
                None
            }
            Ok(writer) => Some((mail, writer, permit)),
            Err(refusal) => {
                answer(refusal);
                None
            }
        }
    }

    async fn refuse(&self, number: u64, id: MailId, answer: Answer) {
        self.berth.arrived(id).await;
        let _ = self.answers.send((number, answer));
    }

    fn store(&self, number: u64, mail: QueuedMail, writer: BodyWriter, permit: OwnedSemaphorePermit) {
        let (berth, answers) = (Arc::clone(&self.berth), self.answers.clone());
        self.berth.tasks.spawn(async move {
            let id = mail.id;
            let answer = match writer.finish() {
                Ok(body) => berth.store(mail, body).await,
                Err(error) => refusal(&error),
            };
            berth.arrived(id).await;
            let _ = answers.send((number, answer));
            drop(permit);
        });
    }

    /// Pieces of one body go to its file one after the other.
    async fn piece(&mut self, number: u64, body: &[u8]) {
        // After a refusal the rest of the pieces may still be on the way.
        let Some(Large { mail, writer, size, permit }) = self.large.remove(&number) else { return };
        if writer.size() + body.len() as u64 > size {
            return self.refuse(number, mail.id, Answer::DAMAGED).await;
        }
        match writer.append(body.to_vec()).await {
            Ok(writer) if writer.size() == size => self.store(number, mail, writer, permit),
            Ok(writer) => drop(self.large.insert(number, Large { mail, writer, size, permit })),
            Err(error) => self.refuse(number, mail.id, refusal(&error)).await,
        }
    }
}

/// What was synced together is answered together.
async fn answer(mut waiting: mpsc::UnboundedReceiver<(u64, Answer)>, outbox: Arc<Outbox>) {
    let mut answers = Vec::with_capacity(ANSWERS);
    while waiting.recv_many(&mut answers, ANSWERS).await > 0 {
        if outbox.send(&Message::Answers(std::mem::take(&mut answers))).await.is_err() {
            return;
        }
    }
}
