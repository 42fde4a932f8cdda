//! The way of journey events to whoever writes them down.
//!
//! Tracking must never hold up mail: sending does not wait, and when the writer falls behind by
//! the length of the channel the events are counted as lost and dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use postern_model::id::MailId;
use postern_model::journey::{JourneyEvent, Step};
use postern_model::time::Timestamp;
use tokio::sync::mpsc;

/// Sending half; clones share one channel.
#[derive(Clone, Debug)]
pub struct Events {
    sender: mpsc::Sender<JourneyEvent>,
    lost: Arc<AtomicU64>,
}

impl Events {
    /// A channel for `capacity` events (about 300 octets each) and the half that is drained by the database writer.
    pub fn channel(capacity: usize) -> (Self, mpsc::Receiver<JourneyEvent>) {
        let (sender, receiver) = mpsc::channel(capacity.max(1));
        (Self { sender, lost: Arc::default() }, receiver)
    }

    /// Sends without waiting.
    pub fn send(&self, event: JourneyEvent) {
        if self.sender.try_send(event).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Sends a step that happens now.
    pub fn step(&self, mail: MailId, step: Step) {
        self.send(JourneyEvent { mail, at: Timestamp::from_system(SystemTime::now()), step });
    }

    /// Events dropped because the writer was behind, since the start.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_full_channel_loses_events_and_counts_them() {
        let (events, mut receiver) = Events::channel(2);
        let mail = MailId::new(Timestamp(1), 1);
        for _ in 0..5 {
            events.step(mail, Step::Accepted { size: 1 });
        }
        assert_eq!(events.lost(), 3);
        assert_eq!(receiver.try_recv().unwrap().mail, mail);
        events.step(mail, Step::Accepted { size: 1 });
        assert_eq!(events.lost(), 3);
    }
}
