//! What nodes that share an address tell each other several times a second: that they live, and whether they take connections.
//!
//! The link's own liveness (four seconds) is made for mail, which waits; a client that connects does not. A pulse is said on a
//! stream of its own, so that nothing else is in front of it, and only while there is something to share.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use postern_link::stream::{Receiver, Sender, StreamError};
use postern_model::node::NodeId;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, watch};

/// Between two pulses.
pub const BEAT: Duration = Duration::from_millis(100);
/// A pulse names a few addresses.
const LONGEST: usize = 4096;

/// What a node says of itself. Fields of later versions are passed over, missing ones have their defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pulse {
    /// It takes new connections.
    pub ready: bool,
    /// Its share beside the others' weights, at this moment.
    pub weight: u32,
    /// Where packets can be sent to it: its addresses where peers meet.
    pub addresses: Vec<IpAddr>,
    /// Of its plan of who serves whom.
    pub digest: u64,
}

#[derive(Clone, Debug)]
pub struct Heard {
    pub pulse: Pulse,
    pub at: Instant,
}

/// The pulses of this node and its peers; clones are the same.
#[derive(Clone, Default)]
pub struct Pulses(Arc<Inner>);

#[derive(Default)]
struct Inner {
    own: watch::Sender<Option<Pulse>>,
    heard: Mutex<BTreeMap<NodeId, Heard>>,
    news: Notify,
}

impl Pulses {
    /// What is said from now on; `None`: nothing.
    pub fn set_own(&self, pulse: Option<Pulse>) {
        self.0.own.send_if_modified(|old| {
            let is_new = *old != pulse;
            if is_new {
                *old = pulse;
            }
            is_new
        });
    }

    /// The last pulse of each node that was ever heard.
    pub fn heard(&self) -> BTreeMap<NodeId, Heard> {
        self.0.heard.lock().clone()
    }

    /// A node said something new.
    pub async fn news(&self) {
        self.0.news.notified().await;
    }

    /// This process stood still for so long: it could not have heard anything meanwhile.
    pub fn forgive(&self, pause: Duration) {
        self.0.heard.lock().values_mut().for_each(|h| h.at += pause);
    }

    /// Comes back when there is something to say.
    pub(crate) async fn wanted(&self) {
        let _ = self.0.own.subscribe().wait_for(Option::is_some).await;
    }

    /// Says this node's pulse until there is none any more.
    pub(crate) async fn say(&self, to: &mut Sender) -> Result<(), StreamError> {
        let mut own = self.0.own.subscribe();
        loop {
            let Some(pulse) = own.borrow_and_update().clone() else { return to.finish().await };
            let text = serde_json::to_vec(&pulse).map_err(std::io::Error::from)?;
            to.send(&text).await?;
            // What changed is said at once.
            let _ = tokio::time::timeout(BEAT, own.changed()).await;
        }
    }

    pub(crate) async fn listen(&self, from: NodeId, receiver: &mut Receiver) -> Result<(), StreamError> {
        while let Some(message) = receiver.receive(LONGEST).await? {
            let pulse: Pulse = serde_json::from_slice(&message).map_err(std::io::Error::from)?;
            let mut heard = self.0.heard.lock();
            let before = heard.insert(from, Heard { pulse: pulse.clone(), at: Instant::now() });
            if before.is_none_or(|b| b.pulse != pulse || b.at.elapsed() > BEAT * 2) {
                self.0.news.notify_one();
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use postern_link::stream::Stream;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pulses_come_while_there_is_something_to_say_and_changes_at_once() {
        let (here, there) = (Pulses::default(), Pulses::default());
        let (mut from, mut to) = Stream::pair(4096);
        let me = NodeId([1; 16]);
        here.set_own(Some(Pulse { ready: true, weight: 100, ..Pulse::default() }));
        let saying = tokio::spawn({
            let here = here.clone();
            async move { here.say(&mut from.sender).await }
        });
        let listening = tokio::spawn({
            let there = there.clone();
            async move { there.listen(me, &mut to.receiver).await }
        });
        there.news().await;
        assert!(there.heard()[&me].pulse.ready);
        here.set_own(Some(Pulse { ready: false, weight: 100, ..Pulse::default() }));
        there.news().await;
        assert!(!there.heard()[&me].pulse.ready);
        here.set_own(None);
        saying.await.unwrap().unwrap();
        listening.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn what_is_no_pulse_ends_the_stream() {
        for bad in [&b"{"[..], b"7", b"{\"weight\":-1}"] {
            let (mut from, mut to) = Stream::pair(4096);
            from.sender.send(bad).await.unwrap();
            from.sender.finish().await.unwrap();
            Pulses::default().listen(NodeId([1; 16]), &mut to.receiver).await.unwrap_err();
        }
    }
}
