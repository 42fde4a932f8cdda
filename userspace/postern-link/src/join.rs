//! Joining: the handshake of a node that has a token with the node that issued it.
//!
//! One stream: the joiner sends which invitation, the proof of its secret, and what it says of itself; the issuer answers
//! with a refusal in words, or with the length and hash of a snapshot and then the snapshot. Who cannot prove the secret
//! learns nothing but "refused".

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use iroh::endpoint::{BeforeConnectOutcome, Connection, EndpointHooks};
use iroh::{EndpointAddr, EndpointId, PublicKey, TransportAddr};
use postern_model::node::NodeKey;
use postern_model::time::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use crate::endpoint::{self, Closing, JOINING};
use crate::identity::Identity;
use crate::invitations::{ClaimError, Invitations};
use crate::proof::{SIGNATURE, SecretId, Statement};
use crate::refusals::Refusals;
use crate::session::{closed_for, words};
use crate::stream::{Stream, StreamError};
use crate::token::Token;
use crate::udp::Udp;

/// What a node says of itself when it joins: its name, its addresses.
pub const MOST_HELLO: usize = 64 << 10;

/// A snapshot of what the cluster shares; the configuration document with its history.
pub const MOST_SNAPSHOT: usize = 64 << 20;

/// The first message of either side, without the hello.
const MOST_FRAME: usize = 1 << 10;

/// A snapshot comes in messages of this size.
const CHUNK: usize = 256 << 10;

/// The issuer is dialed so long.
const CONNECT: Duration = Duration::from_secs(8);

/// A joiner says at once what it wants, and goes when it is refused. Nothing is known of it until then.
const REQUEST: Duration = Duration::from_secs(2);
const FAREWELL: Duration = Duration::from_secs(2);

/// The issuer may have to ask others, and to write.
const WELCOME: Duration = Duration::from_secs(30);

/// No octet for so long: the other side is gone, or does not mean it.
const STALL: Duration = Duration::from_secs(10);

/// All of a snapshot: 64 MiB at 2 Mbit/s.
const HANDOVER: Duration = Duration::from_secs(300);

#[derive(Serialize, Deserialize)]
struct Request {
    id: SecretId,
    proof: Vec<u8>,
    hello: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
enum Answer {
    Refused { why: String },
    Snapshot { octets: u64, hash: [u8; 32] },
}

/// A node that proved an invitation.
#[derive(Clone, Debug)]
pub struct JoinRequest {
    /// Proven by the connection.
    pub key: NodeKey,
    /// What it says of itself.
    pub hello: Vec<u8>,
    pub invitation: SecretId,
}

/// Why a node with a good invitation is not let in, in words for its operator. The invitation stays good.
#[derive(Clone, Debug)]
pub struct Declined(pub String);

type Welcome = dyn Fn(JoinRequest) -> BoxFuture<'static, Result<Vec<u8>, Declined>> + Send + Sync;

/// Answers those who join: what this node issued, and what is done with a node that proved one.
#[derive(Clone)]
pub struct Greeter {
    invitations: Arc<Invitations>,
    welcome: Arc<Welcome>,
}

#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    #[error("cannot open a socket on {listen:?}")]
    Bind {
        listen: Vec<SocketAddr>,
        #[source]
        source: std::io::Error,
    },
    #[error("the QUIC endpoint cannot be made: {0}")]
    Endpoint(String),
    #[error("what this node says of itself is {octets} octets, {MOST_HELLO} are the most")]
    HelloTooLong { octets: usize },
    #[error("the node that issued the token cannot be reached at {addresses:?}, or another node answers there: {why}")]
    Unreachable { addresses: Vec<SocketAddr>, why: String },
    #[error("refused by the node that issued the token: {why}")]
    Refused { why: String },
    #[error("the node that issued the token is busy with others who want to join: try again in some seconds")]
    Busy,
    #[error("the node that issued the token went away ({why}): the token may count as used, so ask for a new one if it is refused")]
    Broken { why: String },
    #[error("the node that issued the token does not keep to the protocol: {why}")]
    Senseless { why: String },
}

/// Why an attempt to join failed on the issuer's side: for the log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AnswerError {
    #[error("the joiner went away: {0}")]
    Broken(String),
    #[error("the joiner does not keep to the protocol")]
    Senseless,
    #[error("not redeemed: {0}")]
    Claim(#[from] ClaimError),
    #[error("declined: {0}")]
    Declined(String),
}

impl Greeter {
    /// `welcome` is called for each node that proved an invitation, after that was marked used; what it returns is handed over.
    pub fn new(
        invitations: Arc<Invitations>,
        welcome: impl Fn(JoinRequest) -> BoxFuture<'static, Result<Vec<u8>, Declined>> + Send + Sync + 'static,
    ) -> Self {
        Self { invitations, welcome: Arc::new(welcome) }
    }

    /// Answers on a connection, and waits until the joiner has all.
    ///
    /// # Errors
    /// Whenever the joiner did not get a snapshot.
    pub(crate) async fn answer(&self, ours: EndpointId, connection: &Connection, now: Timestamp) -> Result<(), AnswerError> {
        let broken = |e: StreamError| AnswerError::Broken(e.to_string());
        let (mut stream, request) = timeout(REQUEST, requested(connection)).await.map_err(|_| AnswerError::Broken("silent".into()))??;
        let outcome = match request {
            Some(request) => self.welcome(ours, connection, request, now).await,
            None => Err(AnswerError::Senseless),
        };
        let (answer, snapshot) = match &outcome {
            Ok(snapshot) => (Answer::Snapshot { octets: snapshot.len() as u64, hash: *blake3::hash(snapshot).as_bytes() }, &snapshot[..]),
            Err(AnswerError::Claim(e)) => (Answer::Refused { why: e.to_string() }, &[][..]),
            Err(AnswerError::Declined(why)) => (Answer::Refused { why: why.clone() }, &[][..]),
            Err(_) => (Answer::Refused { why: ClaimError::Unproven.to_string() }, &[][..]),
        };
        let answer = postcard::to_allocvec(&answer).map_err(|e| AnswerError::Broken(e.to_string()))?;
        let handover = async {
            stream.sender.send(&answer).await.map_err(broken)?;
            for chunk in snapshot.chunks(CHUNK) {
                stream.sender.send(chunk).await.map_err(broken)?;
            }
            stream.sender.finish().await.map_err(broken)?;
            // The joiner closes when it has all; closing first could take the end of it away.
            connection.closed().await;
            Ok::<_, AnswerError>(())
        };
        let within = if outcome.is_ok() { HANDOVER } else { FAREWELL };
        timeout(within, handover).await.unwrap_or_else(|_| Err(AnswerError::Broken("too slow".into()))).and(outcome.map(|_| ()))
    }

    async fn welcome(&self, ours: EndpointId, connection: &Connection, request: Request, now: Timestamp) -> Result<Vec<u8>, AnswerError> {
        let Request { id, proof, hello } = request;
        let proof: [u8; SIGNATURE] = proof.try_into().map_err(|_| AnswerError::Senseless)?;
        let key = NodeKey(*connection.remote_id().as_bytes());
        let statement = Statement::new(connection, NodeKey(*ours.as_bytes()), key, &hello).ok_or(AnswerError::Senseless)?;
        let invitations = self.invitations.clone();
        blocking(move || invitations.claim(id, &statement, &proof, key, now)).await?.map_err(AnswerError::Claim)?;

        let request = JoinRequest { key, hello, invitation: id };
        let welcomed = match timeout(WELCOME, (self.welcome)(request)).await {
            Ok(Ok(snapshot)) if snapshot.len() > MOST_SNAPSHOT => Err(format!("the snapshot is too large: {} octets", snapshot.len())),
            Ok(other) => other.map_err(|declined| declined.0),
            // It may be a member by now, or become one: the invitation stays used.
            Err(_) => return Err(AnswerError::Declined("the cluster did not decide in time".into())),
        };
        match welcomed {
            Ok(snapshot) => Ok(snapshot),
            Err(why) => {
                let invitations = self.invitations.clone();
                if let Err(e) = blocking(move || invitations.give_back(id, key)).await? {
                    tracing::warn!("invitation {id} stays used: {e}");
                }
                Err(AnswerError::Declined(why))
            }
        }
    }
}

/// The joiner's stream and its first message; `None`: no request.
async fn requested(connection: &Connection) -> Result<(Stream, Option<Request>), AnswerError> {
    let (sender, receiver) = connection.accept_bi().await.map_err(|e| AnswerError::Broken(words(&e)))?;
    let mut stream = Stream::new(receiver, sender);
    let message = match stream.receiver.receive(MOST_HELLO + MOST_FRAME).await {
        Ok(message) => message,
        Err(StreamError::TooLong { .. }) => None,
        Err(StreamError::Broken(e)) => return Err(AnswerError::Broken(e.to_string())),
    };
    Ok((stream, message.and_then(|m| postcard::from_bytes(&m).ok())))
}

/// Files are written on threads that may wait.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, AnswerError> {
    tokio::task::spawn_blocking(work).await.map_err(|e| AnswerError::Broken(e.to_string()))
}

/// A joiner takes no connections.
#[derive(Debug)]
struct OnlyTheIssuer(EndpointId);

impl EndpointHooks for OnlyTheIssuer {
    async fn before_connect<'a>(&'a self, to: &'a EndpointAddr, _: &'a [u8]) -> BeforeConnectOutcome {
        if to.id == self.0 { BeforeConnectOutcome::Accept } else { BeforeConnectOutcome::Reject }
    }
}

/// Redeems a token: dials its issuer from sockets of its own (the ports of `listen` do not matter), proves the secret, says
/// `hello`, and returns the snapshot.
///
/// # Errors
/// When the issuer cannot be reached, refuses, or goes away before the end.
pub async fn redeem(identity: &Identity, listen: &[SocketAddr], token: &Token, hello: Vec<u8>) -> Result<Vec<u8>, JoinError> {
    if hello.len() > MOST_HELLO {
        return Err(JoinError::HelloTooLong { octets: hello.len() });
    }
    let unreachable = |why: String| JoinError::Unreachable { addresses: token.addresses.clone(), why };
    let issuer = PublicKey::from_bytes(&token.issuer.0).map_err(|e| unreachable(e.to_string()))?;
    let listen: Vec<_> = listen.iter().map(|a| SocketAddr::new(a.ip(), 0)).collect();
    let udp = Udp::bind(&listen, identity.key(), Arc::new(Refusals::default())).map_err(|source| JoinError::Bind { listen, source })?;
    let places = udp.correspondents.lock().name(&token.addresses, std::time::Instant::now());
    let endpoint = endpoint::bind(identity, udp, Vec::new(), OnlyTheIssuer(issuer)).await.map_err(JoinError::Endpoint)?;
    let address = EndpointAddr::from_parts(issuer, places.into_iter().map(|p| TransportAddr::Custom(p.to_custom())));
    let joined = async {
        let connected = timeout(CONNECT, endpoint.connect(address, JOINING)).await;
        let connection = connected.map_err(|_| unreachable("no answer".into()))?.map_err(|e| unreachable(format!("{e:#}")))?;
        let snapshot = ask(identity, token, &connection, hello).await;
        connection.close(Closing::Done.code(), b"done");
        snapshot
    };
    let snapshot = joined.await;
    endpoint::close(&endpoint).await;
    snapshot
}

async fn ask(identity: &Identity, token: &Token, connection: &Connection, hello: Vec<u8>) -> Result<Vec<u8>, JoinError> {
    // When the issuer closed the connection, its words say more than the stream's.
    let broken = |e: &dyn std::fmt::Display| match connection.close_reason() {
        Some(_) if closed_for(connection, Closing::TooMany) => JoinError::Busy,
        Some(reason) => JoinError::Broken { why: words(&reason) },
        None => JoinError::Broken { why: e.to_string() },
    };
    let senseless = |why: &str| JoinError::Senseless { why: why.to_owned() };
    let statement = Statement::new(connection, token.issuer, identity.key(), &hello)
        .ok_or_else(|| senseless("no keys can be derived from the channel"))?;
    let request = Request { id: SecretId::of(&token.secret), proof: statement.sign(&token.secret).to_vec(), hello };
    let request = postcard::to_allocvec(&request).map_err(|e| senseless(&e.to_string()))?;
    let (sender, receiver) = connection.open_bi().await.map_err(|e| broken(&e))?;
    let mut stream = Stream::new(receiver, sender);
    stream.sender.send(&request).await.map_err(|e| broken(&e))?;

    let first = timeout(WELCOME + STALL, stream.receiver.receive(MOST_FRAME)).await.map_err(|_| broken(&"no answer"))?;
    let first = first.map_err(|e| broken(&e))?.ok_or_else(|| broken(&"no answer"))?;
    let (octets, hash) = match postcard::from_bytes(&first) {
        Ok(Answer::Snapshot { octets, hash }) => (octets, hash),
        Ok(Answer::Refused { why }) => return Err(JoinError::Refused { why: why.chars().filter(|c| !c.is_control()).collect() }),
        Err(e) => return Err(senseless(&e.to_string())),
    };
    let octets = usize::try_from(octets).ok().filter(|n| *n <= MOST_SNAPSHOT).ok_or_else(|| senseless("the snapshot is too large"))?;
    // Memory is taken as it comes, not as it was announced.
    let mut snapshot = Vec::new();
    while snapshot.len() < octets {
        let chunk = timeout(STALL, stream.receiver.receive(CHUNK)).await.map_err(|_| broken(&"it stalled"))?;
        let chunk = chunk.map_err(|e| broken(&e))?.ok_or_else(|| broken(&"the snapshot is cut off"))?;
        if chunk.is_empty() || snapshot.len() + chunk.len() > octets {
            return Err(senseless("the snapshot is not as long as announced"));
        }
        snapshot.extend_from_slice(&chunk);
    }
    if blake3::hash(&snapshot) != hash {
        return Err(senseless("the snapshot is not the one that was announced"));
    }
    Ok(snapshot)
}
