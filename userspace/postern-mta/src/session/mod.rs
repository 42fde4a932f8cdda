//! One SMTP session: octets between the socket and the machine of `postern-smtp`, questions to the [`Host`].
//!
//! What it costs: an idle session holds no buffer. Octets are read into one buffer per thread and handed to the
//! machine there; what is left when a question has to wait is kept until it is answered. Replies to a
//! pipelined group go out in one write. There is one timer per session; it is not moved at each read but
//! looks, when it fires, whether its time has really come.
//!
//! Read first: [`Session::serve`], then `conversation.rs`, then `answers.rs`.

mod answers;
mod arrival;
mod conversation;
mod host;
mod stream;

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use postern_model::envelope::{Client, Direction, Envelope};
use postern_model::reason::Reason;
use postern_model::time::Timestamp;
use postern_smtp::proxy_protocol::Proxied;
use postern_smtp::server::{Ending, Refused, Server};
use postern_store::spool::BodyWriter;
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;

pub use host::Host;

use crate::door::{self, Door, Place, Rules};
use crate::journey::Refusal;
use crate::panics::contained_future;
use crate::sources::SourcePlace;
use crate::visit::Visit;
use arrival::Silence;
use stream::Stream;

/// The timer looks at least this often, so that idle times that shrink under load reach those who sleep.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// A client that connected and has a place.
pub(crate) struct Arrival<H> {
    pub(crate) stream: TcpStream,
    pub(crate) peer: std::net::SocketAddr,
    pub(crate) local: std::net::SocketAddr,
    pub(crate) direction: Direction,
    pub(crate) place: Place<H>,
    /// `None` for a balancer, whose header names the source.
    pub(crate) source: Option<SourcePlace>,
}

/// How a session ended, for the log.
#[derive(Debug)]
enum End {
    Said(Ending),
    /// The client closed.
    Left,
    Lost(std::io::Error),
    Handshake(std::io::Error),
}

pub(crate) struct Session<H: Host> {
    door: Arc<Door<H>>,
    rules: Arc<Rules>,
    stream: Stream,
    server: Server,
    visit: Visit,
    envelope: Option<Box<Envelope>>,
    body: Option<Box<BodyWriter>>,
    /// Octets that came while a question was open, and how many of them are used.
    rest: Vec<u8>,
    rest_at: usize,
    began: Instant,
    /// When the client last said something whole, or was last said something.
    stirred: Instant,
    /// Octets that came since, or since the last that counted.
    crumbs: usize,
    timer: Pin<Box<Sleep>>,
    /// `None` once the node is stopping and this session knows.
    stop: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    /// Errors of the client that its last reply had to wait for.
    punished: u32,
    /// Dropped in this order, the source's place before the one in the house.
    _source: Option<SourcePlace>,
    _place: Place<H>,
}

/// Serves one client from its arrival to its end.
pub(crate) async fn serve<H: Host>(arrival: Arrival<H>) {
    let peer = arrival.peer;
    let session = pin!(async {
        match Box::pin(receive(arrival)).await {
            Ok(Some(mut session)) => {
                let end = session.converse().await;
                session.farewell(end).await;
            }
            Ok(None) => {}
            Err(e) => tracing::debug!(client = %peer, error = %e, "gone before the greeting"),
        }
    });
    if let Err(error) = contained_future(session).await {
        tracing::error!(client = %peer, %error, "a session was lost");
    }
}

/// Everything before the greeting; `None` when the client is already gone or sent away.
async fn receive<H: Host>(arrival: Arrival<H>) -> std::io::Result<Option<Session<H>>> {
    let Arrival { stream, peer, local, direction, place, source } = arrival;
    let door = Arc::clone(&place.0);
    let rules = door.rules();
    let (mut peer, mut local) = (arrival::plain(peer), arrival::plain(local));
    let (mut source, mut early) = (source, Vec::new());
    if source.is_none() {
        let entered = match arrival::proxy_header(&stream).await {
            Ok((proxied, rest)) => {
                early = rest;
                if let Proxied::Client { source, local: to } = proxied {
                    (peer, local) = (arrival::plain(source), arrival::plain(to));
                }
                door.enter_from(peer.ip(), direction)
            }
            Err(e) => {
                tracing::warn!(balancer = %peer, error = %e, "smtp.proxy_protocol_from names this address, but what it sends is of no use");
                Err(e.reason())
            }
        };
        match entered {
            Ok(place) => source = Some(place),
            Err(reason) => {
                refuse(&stream, reason);
                return Ok(None);
            }
        }
    }
    let client = Client { address: peer, local, helo: String::new(), esmtp: false, tls: None, reverse: None, login: None };
    let now = Instant::now();
    let offer = door::start_tls(&door, &rules, client.ip());
    let first_look = LOOK_EVERY.min(rules.smtp.limits.idle.0).min(rules.smtp.limits.data_idle.0);
    let mut session = Session {
        server: Server::new(Arc::clone(&rules.server), offer),
        visit: Visit::new(direction, client),
        stream: Stream::Gone,
        envelope: None,
        body: None,
        rest: early,
        rest_at: 0,
        began: now,
        stirred: now,
        crumbs: 0,
        timer: Box::pin(tokio::time::sleep_until(now + first_look)),
        stop: Some(Box::pin(door.shift().cancelled_owned())),
        punished: 0,
        rules,
        door: Arc::clone(&door),
        _source: source,
        _place: place,
    };
    let mut welcome = door.host.connected(&mut session.visit).await;
    // Our own servers are not put to the test.
    let pause = if direction == Direction::Outbound { Duration::ZERO } else { session.rules.smtp.greeting_pause.0 };
    if welcome.is_ok() {
        let silence = if session.rest.is_empty() { arrival::greeting_pause(&stream, pause).await } else { Silence::Broken };
        match silence {
            Silence::Kept => {}
            Silence::Broken => {
                session.visit.pregreet = true;
                welcome = door.host.pregreeted(&mut session.visit);
            }
            Silence::Gone => {
                door.host.disconnected(&session.visit);
                return Ok(None);
            }
        }
    }
    session.stream = Stream::Plain(stream);
    match welcome {
        Ok(()) => session.server.greet(),
        Err(refusal) => session.server.refuse_client(&refused(refusal)),
    }
    session.stirred = Instant::now();
    Ok(Some(session))
}

/// Tells a client that gets no session why. One try: whoever floods us is not waited for.
pub(crate) fn refuse(stream: &TcpStream, reason: Reason) {
    let (code, enhanced, text) = reason.reply();
    let _ = stream.try_write(format!("{code} {enhanced} {text}\r\n").as_bytes());
}

fn refused(refusal: Refusal) -> Refused {
    let Refusal { reason, code, enhanced, text, close } = refusal;
    Refused { reason, reply: postern_smtp::reply::Reply::new(code, enhanced, text), close }
}

fn now() -> Timestamp {
    Timestamp::from_system(SystemTime::now())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journey::Journey;

    fn size_of_future<A, F>(_: impl FnOnce(A) -> F) -> usize {
        size_of::<F>()
    }

    /// Ten thousand idle sessions have to fit in far less than 200 MB: a few KiB each, all told.
    #[test]
    fn a_session_is_small() {
        let future = size_of_future(serve::<Arc<Journey>>);
        assert!(future <= 2304, "the future of a session takes {future} octets");
    }
}
