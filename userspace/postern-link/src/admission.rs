//! Who gets in: what is checked before a handshake costs anything, and the member hook after it.
//!
//! A key is known only when the handshake is over, so what happens before it is bounded by where a packet comes from. Members'
//! addresses have room of their own; whoever comes from elsewhere first proves that the address is its own (a retry, which
//! costs us no memory), and then shares a rate and a few places with all others from elsewhere. A flood of strangers can
//! thus delay a member that comes from an unknown address, and no other.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use iroh::Endpoint;
use iroh::endpoint::{AfterHandshakeOutcome, Connection, EndpointHooks, Incoming, IncomingAddr, Side};
use postern_model::node::NodeKey;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;
use tracing::debug;

use crate::bucket::Bucket;
use crate::correspondents::Place;
use crate::endpoint::{Closing, JOINING, MEMBERS};
use crate::refusals::{Refusal, Refusals};
use crate::roster::Roster;
use crate::udp::Udp;

/// Handshakes under way with members' addresses: all of a large cluster after a restart, over some round trips.
const MEMBER_HANDSHAKES: usize = 64;

/// From so many on, members' addresses have to prove themselves too: somebody may forge them.
const TRUSTING_HANDSHAKES: usize = 8;

/// Handshakes under way with all other addresses.
const STRANGER_HANDSHAKES: usize = 16;

/// Handshakes a second with all other addresses, and at once. Each leaves some kilobytes in the engine for a minute.
const STRANGERS_A_SECOND: u32 = 10;
const STRANGERS_AT_ONCE: u32 = 20;

/// A handshake takes three round trips; who needs longer comes again.
const HANDSHAKE: Duration = Duration::from_secs(4);

/// Attempts to join a second, and at once. A person types a token.
const JOINS_A_SECOND: u32 = 5;
const JOINS_AT_ONCE: u32 = 5;

/// The member hook, and the limits. Whoever passes it is a member, or has yet to prove an invitation.
pub struct Gate {
    udp: Arc<Udp>,
    refusals: Arc<Refusals>,
    roster: watch::Receiver<Arc<Roster>>,
    members: Arc<Semaphore>,
    strangers: Arc<Semaphore>,
    strangers_rate: Bucket,
    joins_rate: Bucket,
}

impl Gate {
    pub fn new(udp: Arc<Udp>, refusals: Arc<Refusals>, roster: watch::Receiver<Arc<Roster>>) -> Self {
        Self {
            udp,
            refusals,
            roster,
            members: Arc::new(Semaphore::new(MEMBER_HANDSHAKES)),
            strangers: Arc::new(Semaphore::new(STRANGER_HANDSHAKES)),
            strangers_rate: Bucket::new(STRANGERS_A_SECOND, STRANGERS_AT_ONCE),
            joins_rate: Bucket::new(JOINS_A_SECOND, JOINS_AT_ONCE),
        }
    }

    /// Takes connections until the endpoint is closed, and hands on those that passed.
    pub async fn serve(self: Arc<Self>, endpoint: Endpoint, tasks: TaskTracker, passed: impl Fn(Connection) + Clone + Send + 'static) {
        while let Some(incoming) = endpoint.accept().await {
            let Some((incoming, permit, from)) = self.consider(incoming) else { continue };
            let (gate, passed) = (self.clone(), passed.clone());
            tasks.spawn(async move {
                let handshake = async { incoming.accept().map_err(|e| e.to_string())?.await.map_err(|e| format!("{e:#}")) };
                match timeout(HANDSHAKE, handshake).await {
                    Ok(Ok(connection)) => passed(connection),
                    Ok(Err(why)) => {
                        // Those that the hook refused are among these and were counted by it.
                        debug!(%from, why, "handshake");
                        gate.refusals.count(Refusal::BrokenHandshake);
                    }
                    Err(_) => gate.refusals.note(Refusal::BrokenHandshake, format_args!("{from}: the handshake took too long")),
                }
                drop(permit);
            });
        }
    }

    /// Before any cost.
    fn consider(&self, incoming: Incoming) -> Option<(Incoming, OwnedSemaphorePermit, SocketAddr)> {
        let IncomingAddr::Custom(address) = incoming.remote_addr() else {
            incoming.ignore();
            return None;
        };
        let place = Place::from_custom(&address).unwrap_or(Place::NOBODY);
        let (named, from) = {
            let correspondents = self.udp.correspondents.lock();
            (correspondents.is_named(place), correspondents.address(place))
        };
        let Some(from) = from else {
            incoming.ignore();
            return None;
        };
        let places = if named { &self.members } else { &self.strangers };
        let trusted = named && MEMBER_HANDSHAKES - places.available_permits() < TRUSTING_HANDSHAKES;
        if !trusted && !incoming.remote_addr_validated() {
            if let Err(e) = incoming.retry() {
                e.into_incoming().ignore();
            }
            return None;
        }
        if !named && !self.strangers_rate.take() {
            self.refusals.note(Refusal::TooManyAttempts, from);
            incoming.ignore();
            return None;
        }
        let Ok(permit) = places.clone().try_acquire_owned() else {
            self.refusals.note(Refusal::TooManyHandshakes, from);
            incoming.ignore();
            return None;
        };
        Some((incoming, permit, from))
    }

    fn judge(&self, key: NodeKey, protocol: &[u8]) -> Result<(), (Refusal, Closing, &'static str)> {
        match protocol {
            MEMBERS if self.roster.borrow().member(key).is_some() => Ok(()),
            MEMBERS => Err((Refusal::NotAMember, Closing::NotAMember, "not a member")),
            JOINING if self.joins_rate.take() => Ok(()),
            JOINING => Err((Refusal::TooManyJoins, Closing::TooMany, "too many attempts to join, try again in some seconds")),
            _ => Err((Refusal::BrokenHandshake, Closing::Refused, "no such protocol")),
        }
    }
}

/// What iroh calls after each handshake.
pub struct MemberHook(pub Arc<Gate>);

impl fmt::Debug for MemberHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemberHook")
    }
}

impl EndpointHooks for MemberHook {
    async fn after_handshake<'a>(&'a self, connection: &'a Connection) -> AfterHandshakeOutcome {
        // Whom we dialed has the key that we dialed.
        if connection.side() == Side::Client {
            return AfterHandshakeOutcome::Accept;
        }
        let key = NodeKey(*connection.remote_id().as_bytes());
        match self.0.judge(key, connection.alpn()) {
            Ok(()) => AfterHandshakeOutcome::Accept,
            Err((why, closing, words)) => {
                self.0.refusals.note(why, format_args!("{key}"));
                AfterHandshakeOutcome::Reject { error_code: closing.code(), reason: words.as_bytes().to_vec() }
            }
        }
    }
}
