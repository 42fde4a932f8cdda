//! Mail for a cluster, and the account of it: what was answered with 250, what arrived, and how often.
//!
//! Each mail has a number in its subject. A client that got no answer to its data does not know whether the mail was taken
//! (RFC 1047): it sends it again under a new number, and the old one may arrive once or never.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::host::Host;
use crate::backend::Taken;
use crate::smtp::Smtp;

const BEGIN: &str = "Subject: load-";

/// Senders on a client host, until [`Load::stop`].
pub struct Load {
    shared: Arc<Shared>,
    senders: Vec<JoinHandle<()>>,
}

struct Shared {
    doors: Mutex<Vec<SocketAddr>>,
    next: AtomicU64,
    next_door: AtomicUsize,
    stop: AtomicBool,
    pause: Duration,
    body: String,
    account: Mutex<Account>,
}

/// What the clients know.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// Answered with 250.
    pub taken: BTreeSet<u64>,
    /// Sent whole and never answered.
    pub unanswered: BTreeSet<u64>,
    /// Refused with words, or not even begun.
    pub refused: u64,
    /// The longest time without a mail taken by anybody.
    pub longest_gap: Duration,
    last: Option<Instant>,
}

/// What became of the mails that were answered with 250.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    pub taken: usize,
    pub lost: Vec<u64>,
    /// Arrived more than once: the number, and when it arrived first.
    pub twice: Vec<(u64, Instant)>,
    /// Of these: the answer of the mail server was read by the node that sent it first.
    pub repeated: Vec<u64>,
    /// Arrived without ever having been sent.
    pub strange: usize,
}

impl Load {
    /// `sessions` senders, each with a pause between its mails; a mail has `size` octets of text.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn start(client: &Host, doors: Vec<SocketAddr>, sessions: usize, pause: Duration, size: usize) -> anyhow::Result<Self> {
        let shared = Arc::new(Shared {
            doors: Mutex::new(doors),
            next: AtomicU64::new(1),
            next_door: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
            pause,
            body: "A line of the load's text, sixty-two octets long with its end.\r\n".repeat(size / 64),
            account: Mutex::default(),
        });
        let senders = thread::scope(|scope| {
            let starting = scope.spawn(|| -> anyhow::Result<Vec<JoinHandle<()>>> {
                client.enter()?;
                let one = |_| {
                    let shared = Arc::clone(&shared);
                    Ok(thread::Builder::new().name("load".into()).spawn(move || shared.send_until_stopped())?)
                };
                (0..sessions).map(one).collect()
            });
            starting.join().map_err(|_| anyhow::anyhow!("the load's thread ended"))?
        })?;
        Ok(Self { shared, senders })
    }

    /// Where mails go from now on.
    pub fn set_doors(&self, doors: Vec<SocketAddr>) {
        *self.shared.doors.lock().unwrap_or_else(PoisonError::into_inner) = doors;
    }

    pub fn account(&self) -> Account {
        self.shared.account()
    }

    /// Ends the senders and returns what they know.
    pub fn stop(self) -> Account {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.senders.into_iter().for_each(|s| drop(s.join()));
        self.shared.account()
    }
}

impl Shared {
    fn account(&self) -> Account {
        self.account.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, change: impl FnOnce(&mut Account)) {
        change(&mut self.account.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn send_until_stopped(&self) {
        while !self.stop.load(Ordering::Relaxed) {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            match self.send(number) {
                Sent::Taken => self.note(|a| {
                    a.taken.insert(number);
                    let now = Instant::now();
                    a.longest_gap = a.longest_gap.max(a.last.map_or(Duration::ZERO, |l| now - l));
                    a.last = Some(now);
                }),
                Sent::Unanswered => self.note(|a| _ = a.unanswered.insert(number)),
                Sent::Refused => {
                    self.note(|a| a.refused += 1);
                    thread::sleep(Duration::from_millis(20));
                }
            }
            thread::sleep(self.pause);
        }
    }

    fn send(&self, number: u64) -> Sent {
        let door = {
            let doors = self.doors.lock().unwrap_or_else(PoisonError::into_inner);
            let turn = self.next_door.fetch_add(1, Ordering::Relaxed);
            doors.get(turn % doors.len().max(1)).copied()
        };
        let Some(Ok(mut smtp)) = door.map(Smtp::connect_soon) else { return Sent::Refused };
        let begun = ["EHLO client.example", "MAIL FROM:<sender@load.example>", "RCPT TO:<user@backend.example>", "DATA"];
        for line in begun {
            match smtp.say(line) {
                Ok(reply) if reply.starts_with(['2', '3']) => {}
                _ => return Sent::Refused,
            }
        }
        let text = format!("From: <sender@load.example>\r\nTo: <user@backend.example>\r\n{BEGIN}{number}\r\n\r\n{}.", self.body);
        match smtp.say(&text) {
            Ok(reply) if reply.starts_with('2') => {
                let _ = smtp.say("QUIT");
                Sent::Taken
            }
            Ok(_) => Sent::Refused,
            Err(_) => Sent::Unanswered,
        }
    }
}

enum Sent {
    Taken,
    Unanswered,
    Refused,
}

impl Outcome {
    /// Mails that arrived twice, without those whose delivery was under way when a node was lost at one of these moments: the mail
    /// server had them and nobody had heard its answer yet. Nobody can know then whether to send them again (RFC 1047).
    pub fn twice_beyond(&self, losses: &[Instant], gap: Duration) -> Vec<u64> {
        let in_the_gap = |first: Instant| losses.iter().any(|loss| first <= *loss + gap / 10 && first + gap >= *loss);
        self.twice.iter().filter(|(_, first)| !in_the_gap(*first)).map(|(n, _)| *n).collect()
    }
}

impl Account {
    /// Compares what was promised with what arrived.
    pub fn settle(&self, arrived: &[Taken]) -> Outcome {
        let mut times: BTreeMap<u64, Vec<(Instant, bool)>> = BTreeMap::new();
        let mut strange = 0;
        for mail in arrived {
            match number(&mail.data) {
                Some(n) => times.entry(n).or_default().push((mail.at, mail.heard.get() != Some(&false))),
                None => strange += 1,
            }
        }
        times.values_mut().for_each(|t| t.sort_unstable());
        let firsts: Vec<(u64, Instant, bool)> =
            times.iter().filter(|(_, t)| t.len() > 1).filter_map(|(n, t)| t.first().map(|(at, heard)| (*n, *at, *heard))).collect();
        Outcome {
            taken: self.taken.len(),
            lost: self.taken.iter().copied().filter(|n| !times.contains_key(n)).collect(),
            twice: firsts.iter().map(|(n, at, _)| (*n, *at)).collect(),
            repeated: firsts.iter().filter(|(_, _, heard)| *heard).map(|(n, ..)| *n).collect(),
            strange,
        }
    }

    /// How many of those answered with 250 have arrived.
    pub fn arrived(&self, arrived: &[Taken]) -> usize {
        let here: BTreeSet<u64> = arrived.iter().filter_map(|m| number(&m.data)).collect();
        self.taken.intersection(&here).count()
    }
}

fn number(data: &str) -> Option<u64> {
    data.lines().find_map(|l| l.strip_prefix(BEGIN)?.trim().parse().ok())
}
