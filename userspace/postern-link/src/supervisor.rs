//! Which connection counts. One task decides, so that what is told of a member comes in order: up, down, up.
//!
//! Both sides may dial. Of two connections between the same two lives of two nodes the one that the lower id dialed stays; both
//! sides judge by this alone, so they keep the same one. A newer connection in the same direction replaces an older one, and
//! so does one of a later life of the peer: it would not have dialed if it still had the other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use postern_model::node::{NodeId, NodeKey};
use postern_model::time::Timestamp;
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};

use crate::dial::{Target, keep_dialing};
use crate::endpoint::Closing;
use crate::greeting::{Dialed, Greeted};
use crate::link::{Event, Shared};
use crate::roster::{MOST_ADDRESSES, MOST_MEMBERS, Roster};
use crate::session::Session;

pub enum Notice {
    /// A connection with a member is ready, whoever dialed.
    Greeted(NodeKey, Box<Greeted>),
    /// A connection ended; the number tells it from later ones.
    Ended { node: NodeId, number: u64, why: String },
}

/// What is known of a member.
pub struct Peer {
    pub key: NodeKey,
    pub session: Option<Active>,
    pub last_error: Option<String>,
    /// Dropping it ends the dialing.
    target: watch::Sender<Target>,
}

pub struct Active {
    pub session: Session,
    pub since: Timestamp,
    number: u64,
    dialed: Dialed,
    life: u64,
}

/// Whether a connection takes the place of the one there is.
fn replaces(dialed: Dialed, life: u64, old: (Dialed, u64), ours_is_lower: bool) -> bool {
    let by_lower = (dialed == Dialed::ByUs) == ours_is_lower;
    life != old.1 || dialed == old.0 || by_lower
}

pub async fn supervise(shared: Arc<Shared>, mut notices: mpsc::Receiver<Notice>, mut roster: watch::Receiver<Arc<Roster>>) {
    let mut count = 0;
    let first = roster.borrow_and_update().clone();
    follow(&shared, &first).await;
    loop {
        tokio::select! {
            () = shared.closing.cancelled() => return,
            changed = roster.changed() => {
                if changed.is_err() {
                    // Whoever owns the roster is gone; the last one stays in force.
                    shared.closing.cancelled().await;
                    return;
                }
                let now = roster.borrow_and_update().clone();
                follow(&shared, &now).await;
            }
            notice = notices.recv() => match notice {
                Some(Notice::Greeted(key, greeted)) => {
                    count += 1;
                    adopt(&shared, key, *greeted, count).await;
                }
                Some(Notice::Ended { node, number, why }) => ended(&shared, node, number, why).await,
                None => return,
            },
        }
    }
}

/// Makes the peers those of the roster.
async fn follow(shared: &Arc<Shared>, roster: &Roster) {
    if roster.0.len() > MOST_MEMBERS {
        warn!("{} members, of which {MOST_MEMBERS} are connected", roster.0.len());
    }
    let members: BTreeMap<NodeId, _> =
        roster.0.iter().filter(|(id, _)| **id != shared.node).take(MOST_MEMBERS).map(|(id, p)| (*id, p)).collect();
    let of = |addresses: &[std::net::SocketAddr]| addresses.iter().take(MOST_ADDRESSES).copied().collect::<Vec<_>>();
    let named: BTreeSet<_> = members.values().flat_map(|p| of(&p.addresses)).collect();
    shared.udp.correspondents.lock().name(&named.into_iter().collect::<Vec<_>>(), Instant::now());

    let mut gone = Vec::new();
    {
        let mut peers = shared.peers.lock();
        peers.retain(|id, peer| {
            let stays = members.get(id).is_some_and(|p| p.key == peer.key);
            if !stays {
                gone.extend(peer.session.take().map(|active| (*id, active.session.connection)));
            }
            stays
        });
        for (id, member) in members {
            let addresses = of(&member.addresses);
            let peer = peers.entry(id).or_insert_with(|| {
                let (target, watched) = watch::channel(Target::default());
                shared.tasks.spawn(keep_dialing(shared.clone(), member.key, watched));
                Peer { key: member.key, session: None, last_error: None, target }
            });
            peer.target.send_if_modified(|t| std::mem::replace(&mut t.addresses, addresses.clone()) != addresses);
        }
    }
    for (node, connection) in gone {
        connection.close(Closing::Removed.code(), b"no member any more");
        shared.tell(Event::Down { node, why: "it is no member any more".into() }).await;
    }
}

async fn adopt(shared: &Arc<Shared>, key: NodeKey, greeted: Greeted, number: u64) {
    let node = key.id();
    let Greeted { connection, dialed, version, life, sender, receiver } = greeted;
    let session = Session { node, connection: connection.clone(), version };
    let replaced = {
        let mut peers = shared.peers.lock();
        // It may have been removed while we greeted.
        let Some(peer) = peers.get_mut(&node).filter(|p| p.key == key) else {
            connection.close(Closing::NotAMember.code(), b"not a member");
            return;
        };
        if let Some(old) = &peer.session
            && !replaces(dialed, life, (old.dialed, old.life), shared.node < node)
        {
            connection.close(Closing::Duplicate.code(), b"there is a connection already");
            return;
        }
        let active = Active { session: session.clone(), since: shared.now(), number, dialed, life };
        let replaced = peer.session.replace(active);
        peer.last_error = None;
        peer.target.send_modify(|t| t.connected = true);
        replaced
    };
    if let Some(old) = replaced {
        old.session.connection.close(Closing::Replaced.code(), b"replaced by another connection");
        shared.tell(Event::Down { node, why: "replaced by another connection".into() }).await;
    }
    info!(%node, version, ?dialed, "connected");
    shared.tell(Event::Up { node, version }).await;
    let shared = shared.clone();
    shared.clone().tasks.spawn(async move {
        let why = session.serve(sender, receiver, shared.refusals.clone(), shared.events.clone()).await;
        // The supervisor is gone when the link is closed.
        let _ = shared.notices.send(Notice::Ended { node, number, why }).await;
    });
}

async fn ended(shared: &Shared, node: NodeId, number: u64, why: String) {
    {
        let mut peers = shared.peers.lock();
        let Some(peer) = peers.get_mut(&node) else { return };
        if peer.session.as_ref().is_none_or(|active| active.number != number) {
            return;
        }
        peer.session = None;
        peer.last_error = Some(why.clone());
        peer.target.send_modify(|t| t.connected = false);
    }
    info!(%node, why, "connection ended");
    shared.tell(Event::Down { node, why }).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two connections, each known to both sides: whatever order either side learns of them in, both keep the same one.
    #[test]
    fn both_sides_keep_the_same_connection() {
        let by_lower = |ours_is_lower| if ours_is_lower { Dialed::ByUs } else { Dialed::ByThem };
        let by_higher = |ours_is_lower| if ours_is_lower { Dialed::ByThem } else { Dialed::ByUs };
        for ours_is_lower in [true, false] {
            let (low, high) = (by_lower(ours_is_lower), by_higher(ours_is_lower));
            assert!(replaces(low, 1, (high, 1), ours_is_lower));
            assert!(!replaces(high, 1, (low, 1), ours_is_lower));
            assert!(replaces(high, 2, (low, 1), ours_is_lower), "a later life");
            assert!(replaces(low, 1, (low, 1), ours_is_lower) && replaces(high, 1, (high, 1), ours_is_lower), "the newer one");
        }
    }
}
