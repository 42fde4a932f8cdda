//! Dialing one member until there is a connection, again and again while it is a member.

use std::sync::Arc;
use std::time::Duration;

use iroh::endpoint::ConnectionError;
use iroh::{EndpointAddr, PublicKey, TransportAddr};
use postern_model::node::{NodeId, NodeKey};
use rand::Rng;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::debug;

use crate::endpoint::{Closing, MEMBERS};
use crate::greeting::{Dialed, Greeted, GreetingError};
use crate::link::Shared;
use crate::refusals::Refusal;
use crate::session::{closed_for, words};
use crate::supervisor::Notice;

/// The first wait after an attempt that failed; it doubles up to the longest.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// A peer that speaks no version of ours is asked so seldom: until one side is updated nothing changes.
const OTHER_VERSION_WAIT: Duration = Duration::from_secs(30);

/// An attempt that takes longer failed. The engine gives up by itself after its idle time.
const ATTEMPT: Duration = Duration::from_secs(6);

/// The node with the higher id lets the other dial first, so that at a start one connection is made and not two.
const COURTESY: Duration = Duration::from_millis(400);

/// What the dialer of a member has to know, as it changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    pub addresses: Vec<std::net::SocketAddr>,
    pub connected: bool,
}

#[derive(Debug)]
pub enum DialError {
    OtherVersion(String),
    Failed(String),
}

/// Up to a fifth more or less: nodes that lost each other at the same moment do not come back at the same moment.
fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(rand::rng().random_range(0.8..1.2))
}

/// Runs until the member is removed, which drops the sender of `target`.
pub async fn keep_dialing(shared: Arc<Shared>, key: NodeKey, mut target: watch::Receiver<Target>) {
    let node = key.id();
    let is_higher = shared.node > node;
    loop {
        // Until there is something to do.
        if target.wait_for(|t| !t.connected && !t.addresses.is_empty()).await.is_err() {
            return;
        }
        if is_higher && timeout(jittered(COURTESY), target.wait_for(|t| t.connected)).await.is_ok() {
            continue;
        }
        let mut wait = FIRST_WAIT;
        loop {
            let now = target.borrow_and_update().clone();
            if now.connected || now.addresses.is_empty() {
                break;
            }
            let outcome = tokio::select! {
                outcome = dial(&shared, key, &now) => outcome,
                // Other addresses, a connection that they made, or removed.
                changed = target.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    wait = FIRST_WAIT;
                    continue;
                }
            };
            let pause = match outcome {
                Ok(greeted) => {
                    if shared.notices.send(Notice::Greeted(key, Box::new(greeted))).await.is_err() {
                        return;
                    }
                    wait
                }
                Err(DialError::OtherVersion(why)) => {
                    shared.failed(node, why);
                    OTHER_VERSION_WAIT
                }
                Err(DialError::Failed(why)) => {
                    debug!(%node, why, "dialing");
                    shared.failed(node, why);
                    wait
                }
            };
            wait = (wait * 2).min(LONGEST_WAIT);
            tokio::select! {
                () = sleep(jittered(pause)) => {}
                changed = target.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    wait = FIRST_WAIT;
                }
            }
        }
    }
}

pub(crate) async fn dial(shared: &Shared, key: NodeKey, target: &Target) -> Result<Greeted, DialError> {
    let failed = |e: &dyn std::fmt::Display| DialError::Failed(e.to_string());
    let id = PublicKey::from_bytes(&key.0).map_err(|e| failed(&e))?;
    let places: Vec<_> = {
        let correspondents = shared.udp.correspondents.lock();
        target.addresses.iter().filter_map(|a| correspondents.place_of(*a)).map(|p| TransportAddr::Custom(p.to_custom())).collect()
    };
    let connecting = shared.endpoint.connect(EndpointAddr::from_parts(id, places), MEMBERS);
    let connection =
        timeout(ATTEMPT, connecting).await.map_err(|_| failed(&"no answer"))?.map_err(|e| DialError::Failed(format!("{e:#}")))?;
    let greeted = shared.greeting.exchange(connection.clone(), Dialed::ByUs).await;
    greeted.map_err(|e| ungreeted(shared, key.id(), &connection, &e))
}

/// Counts and closes, and says it in words; on both sides alike.
pub fn ungreeted(shared: &Shared, node: NodeId, connection: &iroh::endpoint::Connection, error: &GreetingError) -> DialError {
    let why = error.to_string();
    let theirs = closed_for(connection, Closing::NoCommonVersion);
    if theirs || matches!(error, GreetingError::NoCommonVersion { .. }) {
        let why = match connection.close_reason() {
            Some(reason) if theirs => words(&reason),
            _ => why,
        };
        shared.refusals.note(Refusal::NoCommonVersion, format_args!("{node}: {why}"));
        connection.close(Closing::NoCommonVersion.code(), why.as_bytes());
        return DialError::OtherVersion(why);
    }
    if !matches!(error, GreetingError::Broken(_)) {
        shared.refusals.note(Refusal::BadGreeting, format_args!("{node}: {why}"));
    }
    let why = match connection.close_reason() {
        Some(reason @ ConnectionError::ApplicationClosed(_)) => words(&reason),
        _ => why,
    };
    connection.close(Closing::BadGreeting.code(), why.as_bytes());
    DialError::Failed(why)
}
