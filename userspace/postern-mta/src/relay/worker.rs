//! A worker: serves one destination over one connection, mail after mail.

use std::time::Instant;

use postern_store::spool::SpoolError;

use super::attempt::{self, Attempt};
use super::connect::ConnectError;
use super::connection::Connection;
use crate::queue::schedule::{LaneId, Take, Turn};
use crate::queue::{Fate, Lease, Queue, Report};

/// Gives the worker's place back however it ends.
struct Place {
    queue: Queue,
    lane: LaneId,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.queue.worker_gone(self.lane);
    }
}

pub(crate) async fn run(queue: Queue, lane: LaneId) {
    let _place = Place { queue: queue.clone(), lane };
    let mut connection: Option<Connection> = None;
    let mut turn = Turn::First;
    let mut served = 0;
    loop {
        match queue.with_schedule(|s| s.take(lane, turn)) {
            Take::Leave => break,
            Take::Idle => turn = wait(&queue, lane).await,
            Take::Job { mail, recipients } => {
                let lease = Lease::new(queue.clone(), lane, mail, recipients);
                if !serve(&queue, lane, &mut connection, lease).await {
                    // Already counted as leaving.
                    break;
                }
                served += 1;
                turn = Turn::Next(served);
            }
        }
    }
    if let Some(connection) = connection {
        connection.quit().await;
    }
}

async fn wait(queue: &Queue, lane: LaneId) -> Turn {
    let bell = queue.0.schedule.lock().lane(lane).map(|l| l.wake.clone());
    let keep = queue.0.settings.load().delivery.keep_idle.0;
    match bell {
        Some(bell) if tokio::time::timeout(keep, bell.notified()).await.is_ok() => Turn::Woken,
        _ => Turn::TimedOut,
    }
}

/// Sends one mail. False: the destination cannot be reached and the worker leaves.
async fn serve(queue: &Queue, lane: LaneId, slot: &mut Option<Connection>, lease: Lease) -> bool {
    let settings = queue.0.settings.load_full();
    let stored = match queue.0.spool.read(lease.mail.id) {
        Ok(stored) => stored,
        Err(e) => {
            tracing::error!(mail = %lease.mail.id, error = %e, "a mail cannot be read from the spool");
            let fate = match e {
                SpoolError::Damaged(_) | SpoolError::Unknown(_) => Fate::Failed(format!("554 5.3.0 {e}")),
                _ => Fate::Deferred(format!("451 4.3.0 the mail cannot be read: {e}")),
            };
            let report = Report::own(&lease, &fate);
            queue.settle(lease, report).await;
            return true;
        }
    };
    // Twice at most: a kept connection that turns out dead is replaced by a fresh one, without counting an attempt.
    for _ in 0..2 {
        if slot.as_ref().is_some_and(|c| c.mails() >= settings.delivery.max_mails_per_connection)
            && let Some(worn) = slot.take()
        {
            worn.quit().await;
        }
        let mut connection = match slot.take().and_then(|mut c| c.is_usable().then_some(c)) {
            Some(kept) => kept,
            None => {
                let Some(destination) = queue.0.schedule.lock().lane(lane).map(|l| l.destination.clone()) else { return true };
                match queue.0.connector.connect(&destination).await {
                    Ok(fresh) => {
                        queue.with_schedule(|s| s.connected(lane));
                        fresh
                    }
                    Err(ConnectError::Unreachable(trouble)) => {
                        queue.put_back(lease, &trouble);
                        return false;
                    }
                    Err(ConnectError::Impossible(last)) => {
                        let report = Report { host: last.host, ..Report::own(&lease, &Fate::Failed(last.reply)) };
                        queue.settle(lease, report).await;
                        return true;
                    }
                }
            }
        };
        let was_kept = connection.mails() > 0;
        let begun = Instant::now();
        match attempt::send(&mut connection, &lease, &settings.delivery, stored.bytes()).await {
            Attempt::DeadOnArrival(_) if was_kept => {}
            Attempt::DeadOnArrival(words) => {
                let fates = vec![Fate::Deferred(words); lease.recipients.len()];
                let report = report(&connection, &lease, begun, fates);
                return end_broken(queue, lane, lease, report).await;
            }
            Attempt::Done(fates) => {
                let report = report(&connection, &lease, begun, fates);
                *slot = Some(connection);
                queue.settle(lease, report).await;
                return true;
            }
            Attempt::Broken(fates) => {
                let report = report(&connection, &lease, begun, fates);
                drop(connection);
                if was_kept {
                    queue.settle(lease, report).await;
                    return true;
                }
                return end_broken(queue, lane, lease, report).await;
            }
        }
    }
    // Two kept connections in a row cannot be: the second one is fresh. Dropping the lease gives it back.
    true
}

/// A fresh connection broke in its first transaction: this mail is put off by itself, and the destination rests too.
async fn end_broken(queue: &Queue, lane: LaneId, lease: Lease, report: Report) -> bool {
    let words = report.fates.iter().find_map(|f| match f {
        Fate::Deferred(reply) => Some(reply.clone()),
        _ => None,
    });
    let at = crate::queue::now();
    let trouble = words.map(|reply| postern_model::queue::LastReply { at, host: report.host.clone(), reply });
    queue.settle(lease, report).await;
    let Some(trouble) = trouble else { return true };
    queue.with_schedule(|s| {
        s.unreachable(lane, trouble, at);
        s.leave(lane);
    });
    false
}

fn report(connection: &Connection, lease: &Lease, begun: Instant, fates: Vec<Fate>) -> Report {
    debug_assert_eq!(fates.len(), lease.recipients.len());
    Report {
        host: connection.label().to_owned(),
        tls: connection.tls().map(str::to_owned),
        milliseconds: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        fates,
        passes_dsn: connection.offers_dsn(),
        is_final_hop: connection.protocol() == postern_model::settings::delivery::Protocol::Lmtp,
    }
}
