//! The loop of a session: read, let the machine speak, write, and keep to the time limits.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use postern_model::reason::Reason;
use postern_smtp::server::{Action, Ending, Question, Refused};
use tokio::io::ReadBuf;
use tokio::time::Instant;

use super::stream::Stream;
use super::{End, Host, LOOK_EVERY, Session};
use crate::tls;

/// Octets read at once. One buffer for each thread, whatever the number of sessions.
const READ: usize = 64 * 1024;
/// A handshake that takes longer is none.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(30);
/// Errors after which the tarpit does not get any slower.
const SLOWEST: u32 = 10;
/// Replies are not held back longer than this while questions of the same group are answered.
const HOLD_REPLIES: Duration = Duration::from_secs(2);
/// Octets of a mail within `data_idle`: three a second by default. A line too slow for that carries no mail today.
const LEAST_DATA: usize = 512;
/// After a refusal the client's last octets are read for so long, else the reset for unread octets
/// may overtake our reply.
const LINGER: Duration = Duration::from_secs(2);

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; READ]);
}

/// What the machine wants next.
#[derive(Debug)]
pub(super) enum Step {
    Read,
    Write,
    Ask(Question),
    StartTls,
    Close(Ending),
}

/// What ended a wait for the client.
enum Event {
    Step(Step),
    Left,
    Lost(io::Error),
    Late,
    Stop,
}

impl<H: Host> Session<H> {
    /// From the greeting to the end.
    pub(super) async fn converse(&mut self) -> End {
        let mut step = self.go_on();
        loop {
            step = match step {
                Step::Ask(question) => {
                    if !self.server.output().is_empty()
                        && self.stirred.elapsed() > HOLD_REPLIES
                        && let Err(e) = self.write().await
                    {
                        return End::Lost(e);
                    }
                    self.answer(question).await;
                    self.go_on()
                }
                Step::Write => match self.write().await {
                    Ok(()) => self.go_on(),
                    Err(e) => return End::Lost(e),
                },
                Step::Read => {
                    if let Err(e) = self.write().await {
                        return End::Lost(e);
                    }
                    if self.stop.is_none() && self.server.is_between_mails() {
                        self.server.end(Reason::ShuttingDown);
                        self.go_on()
                    } else {
                        match poll_fn(|cx| self.poll_event(cx)).await {
                            Event::Step(step) => step,
                            Event::Left => return End::Left,
                            Event::Lost(e) => return End::Lost(e),
                            Event::Late => {
                                self.door.timed_out.fetch_add(1, Relaxed);
                                self.server.end(Reason::Timeout);
                                self.go_on()
                            }
                            Event::Stop => {
                                self.stop = None;
                                self.server.drain();
                                Step::Read
                            }
                        }
                    }
                }
                Step::StartTls => {
                    if let Err(e) = self.write().await {
                        return End::Lost(e);
                    }
                    if let Err(e) = self.handshake().await {
                        return End::Handshake(e);
                    }
                    self.go_on()
                }
                Step::Close(ending) => {
                    return match self.write().await {
                        Ok(()) => End::Said(ending),
                        Err(e) => End::Lost(e),
                    };
                }
            };
        }
    }

    /// Feeds the machine what is left of the last read.
    fn go_on(&mut self) -> Step {
        if self.rest.is_empty() {
            return self.digest(&mut &[][..]);
        }
        let rest = std::mem::take(&mut self.rest);
        let mut input = &rest[self.rest_at..];
        let step = self.digest(&mut input);
        let used = rest.len() - input.len();
        if used < rest.len() {
            self.rest = rest;
            self.rest_at = used;
        } else {
            self.rest_at = 0;
        }
        step
    }

    /// Lets the machine work on `input` until it needs something that has to be waited for.
    fn digest(&mut self, input: &mut &[u8]) -> Step {
        loop {
            match self.server.next(input) {
                // `Wait` is the state before an answer; every question is answered before coming here.
                Action::Read | Action::Wait => return Step::Read,
                Action::Write => return Step::Write,
                Action::Ask(question) => return Step::Ask(question),
                Action::StartTls => return Step::StartTls,
                Action::Close(ending) => return Step::Close(ending),
                Action::Forget(why) => {
                    self.body = None;
                    if let (envelope, Some(reason)) = (self.envelope.take(), why) {
                        tracing::info!(client = %self.visit.client.address, %reason, "a mail was refused while it came in");
                        self.door.host.refused_early(&self.visit, envelope.map(|e| *e), reason);
                    }
                }
                Action::Body(octets) => {
                    if let Some(body) = &mut self.body
                        && let Err(e) = body.write(octets)
                    {
                        self.body = None;
                        self.server.refuse_body(Refused::of(super::answers::storage(&e)));
                    }
                }
            }
        }
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        let read = BUFFER.with_borrow_mut(|buffer| {
            let mut buffer = ReadBuf::new(buffer);
            ready!(self.stream.poll_read(cx, &mut buffer)).map_or_else(
                |e| Poll::Ready(Event::Lost(e)),
                |()| {
                    let mut input = buffer.filled();
                    if input.is_empty() {
                        return Poll::Ready(Event::Left);
                    }
                    self.crumbs += input.len();
                    let step = self.digest(&mut input);
                    // Who sends an octet now and then to keep his place is idle: a command counts when it is whole (its reply
                    // moves the clock), data when there is something of them.
                    if self.server.is_receiving() && self.crumbs >= LEAST_DATA {
                        self.crumbs = 0;
                        self.stirred = Instant::now();
                    }
                    self.rest.extend_from_slice(input);
                    Poll::Ready(Event::Step(step))
                },
            )
        });
        if read.is_ready() {
            return read;
        }
        if let Some(stop) = &mut self.stop
            && stop.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Event::Stop);
        }
        self.poll_late(cx).map(|()| Event::Late)
    }

    /// Ready when the client has used up its time.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let now = Instant::now();
            let limits = &self.rules.smtp.limits;
            let usual = if self.server.is_receiving() { limits.data_idle.0 } else { limits.idle.0 };
            let patience = self.door.patience(&self.rules, usual);
            let end = (self.stirred + patience).min(self.began + limits.session.0);
            if now >= end {
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(end.min(now + LOOK_EVERY));
        }
    }

    /// Writes what the machine has said, after the wait that a client with errors has earned.
    async fn write(&mut self) -> io::Result<()> {
        let output = std::mem::take(self.server.output());
        if output.is_empty() {
            return Ok(());
        }
        self.tarpit().await;
        let mut at = 0;
        self.stirred = Instant::now();
        let wrote = poll_fn(|cx| {
            match self.stream.poll_write_all(cx, &output, &mut at) {
                Poll::Ready(done) => return Poll::Ready(done),
                Poll::Pending => {}
            }
            // A client that does not read what we say is idle, too.
            self.poll_late(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
        })
        .await;
        self.stirred = Instant::now();
        self.crumbs = 0;
        wrote
    }

    /// Under load nobody is kept for punishment: the place is worth more.
    async fn tarpit(&mut self) {
        let errors = self.server.errors().saturating_add(self.visit.unknown_recipients);
        let wait = self.rules.smtp.tarpit.0;
        if errors > self.punished && !wait.is_zero() && !self.door.is_busy() {
            tokio::time::sleep(wait * errors.min(SLOWEST)).await;
        }
        self.punished = errors;
    }

    async fn handshake(&mut self) -> io::Result<()> {
        let (Some(tls), Stream::Plain(tcp)) = (&self.door.tls, std::mem::replace(&mut self.stream, Stream::Gone)) else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        let accept = Box::pin(tokio::time::timeout(HANDSHAKE_WITHIN, tls.acceptor().accept(tcp)));
        let stream = accept.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
        self.visit.client.tls = Some(tls::info(stream.get_ref().1));
        self.visit.client.helo.clear();
        self.stream = Stream::Tls(Box::new(stream));
        self.stirred = Instant::now();
        self.server.tls_started();
        Ok(())
    }

    /// After the last word.
    pub(super) async fn farewell(&mut self, end: End) {
        self.envelope = None;
        self.body = None;
        self.visit.errors = self.server.errors();
        self.door.host.disconnected(&self.visit);
        let client = self.visit.client.address;
        match &end {
            End::Said(Ending::Quit) | End::Left => tracing::debug!(%client, ?end, "a session ended"),
            End::Lost(e) => tracing::debug!(%client, error = %e, "a connection was lost"),
            End::Handshake(e) => tracing::info!(%client, error = %e, "TLS could not be agreed on"),
            End::Said(ending) => tracing::info!(%client, ?ending, errors = self.visit.errors, "a session was ended"),
        }
        if let End::Said(ending) = end {
            let _ = poll_fn(|cx| self.stream.poll_shutdown(cx)).await;
            if ending != Ending::Quit && !self.door.is_busy() {
                let _ = tokio::time::timeout(LINGER, poll_fn(|cx| self.poll_drain(cx))).await;
            }
        }
    }

    /// Reads and drops, until the client closes.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        BUFFER.with_borrow_mut(|buffer| {
            // At most a few buffers in one go, so that a client that sends without end does not keep the thread.
            for _ in 0..4 {
                let mut buffer = ReadBuf::new(buffer);
                match ready!(self.stream.poll_read(cx, &mut buffer)) {
                    Ok(()) if !buffer.filled().is_empty() => {}
                    Ok(()) | Err(_) => return Poll::Ready(()),
                }
            }
            Poll::Ready(())
        })
    }
}
