//! What is known about one client while its connection lasts: filled by the journey step by step,
//! carried by the session.

use postern_filter::facts::{Asked, ListHit};
use postern_mail::dns::Reverse;
use postern_model::envelope::{Client, Direction};
use postern_model::score::Score;
use tokio::task::JoinHandle;

/// Answers about a client's address, asked while it waits for the greeting.
#[derive(Debug, Default, Clone)]
pub(crate) struct ClientAnswers {
    pub reverse: Asked<Reverse>,
    pub lists: Vec<ListHit>,
}

#[derive(Debug)]
pub struct Visit {
    pub direction: Direction,
    pub client: Client,
    /// Spoke before the greeting.
    pub pregreet: bool,
    /// Errors of the protocol so far.
    pub errors: u32,
    pub unknown_recipients: u32,
    /// Whether the mails of this client are judged at all.
    pub(crate) is_judged: bool,
    pub(crate) sender_domain_exists: Asked<bool>,
    pub(crate) sender_null_mx: bool,
    /// The questions that are still under way.
    lookups: Option<JoinHandle<ClientAnswers>>,
    known: ClientAnswers,
    helo_lookup: Option<JoinHandle<Asked<bool>>>,
    helo_resolves: Asked<bool>,
}

impl Visit {
    pub fn new(direction: Direction, client: Client) -> Self {
        Self {
            direction,
            client,
            pregreet: false,
            errors: 0,
            unknown_recipients: 0,
            is_judged: true,
            sender_domain_exists: Asked::No,
            sender_null_mx: false,
            lookups: None,
            known: ClientAnswers::default(),
            helo_lookup: None,
            helo_resolves: Asked::No,
        }
    }

    pub(crate) fn expect(&mut self, answers: JoinHandle<ClientAnswers>) {
        self.lookups = Some(answers);
    }

    /// Waits for the answers about the client's address; each question has its own time limit.
    pub(crate) async fn answers(&mut self) -> &ClientAnswers {
        if let Some(task) = self.lookups.take() {
            self.known = task.await.unwrap_or_default();
            if let Asked::Yes(reverse) = &self.known.reverse {
                self.client.reverse.clone_from(&reverse.confirmed);
            }
        }
        &self.known
    }

    /// A new HELO: what was found out about an earlier one does not count any more.
    pub(crate) fn expect_helo(&mut self, answer: Option<JoinHandle<Asked<bool>>>) {
        if let Some(old) = std::mem::replace(&mut self.helo_lookup, answer) {
            old.abort();
        }
        self.helo_resolves = Asked::No;
    }

    /// Whether the name in HELO leads to the client's address.
    pub(crate) async fn helo_resolves(&mut self) -> Asked<bool> {
        if let Some(task) = self.helo_lookup.take() {
            self.helo_resolves = task.await.unwrap_or(Asked::Failed);
        }
        self.helo_resolves.clone()
    }

    /// Sum of the weights of the lists that name the client.
    pub(crate) async fn list_score(&mut self) -> Score {
        self.answers().await.lists.iter().map(|hit| hit.weight).sum()
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        if let Some(task) = &self.lookups {
            task.abort();
        }
        if let Some(task) = &self.helo_lookup {
            task.abort();
        }
    }
}
