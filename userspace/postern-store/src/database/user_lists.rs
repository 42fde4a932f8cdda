//! Whom people who receive mail allow or block for themselves. What was taken back stays as such for a while, so that a peer that
//! comes late does not bring it back.

use postern_model::own_list::{Choice, Sender};
use postern_model::time::Timestamp;
use sqlx::FromRow;

use super::changes::Change;
use super::{Database, DatabaseError};
use crate::sqlite;

/// Senders that one user may have chosen about, so that a login cannot fill the disk.
pub const MOST: usize = 200;

/// One choice of one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserChoice {
    /// Key of the user's address.
    pub address: String,
    pub sender: Sender,
    pub choice: Choice,
    pub at: Timestamp,
}

#[derive(FromRow)]
struct Row {
    address: String,
    sender: String,
    choice: String,
    at: i64,
}

impl Row {
    /// What a later version wrote and this one does not understand is left out.
    fn read(self) -> Option<UserChoice> {
        let (sender, choice) = (self.sender.parse().ok()?, Choice::parse(&self.choice)?);
        Some(UserChoice { address: self.address, sender, choice, at: Timestamp(self.at) })
    }
}

/// What became of a choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chosen {
    Done,
    /// There are [`MOST`] already.
    TooMany,
}

pub struct UserLists<'a>(&'a Database);

impl Database {
    pub fn user_lists(&self) -> UserLists<'_> {
        UserLists(self)
    }
}

const PUT: &str = "INSERT INTO user_lists (address, sender, choice, at, here) VALUES (?1, ?2, ?3, ?4, ?5) \
                   ON CONFLICT (address, sender) DO UPDATE SET choice = ?3, at = ?4, here = ?5";

impl UserLists<'_> {
    /// Chooses anew; peers are told. A clock that went back does not make the new choice the older one.
    ///
    /// # Errors
    /// When the database cannot be written; nothing is chosen then.
    pub async fn choose(&self, address: &str, sender: &Sender, choice: Choice, now: Timestamp) -> Result<Chosen, DatabaseError> {
        let shared = &self.0.shared;
        let work = async {
            let mut tx = sqlite::begin(&shared.writer()).await?;
            let known: Vec<(String, i64)> =
                sqlx::query_as("SELECT sender, at FROM user_lists WHERE address = ? AND (choice <> 'none' OR sender = ?)")
                    .bind(address)
                    .bind(sender.as_str())
                    .fetch_all(&mut *tx)
                    .await?;
            let before = known.iter().find(|(s, _)| s == sender.as_str()).map(|(_, at)| *at);
            let others = known.iter().filter(|(s, _)| s != sender.as_str()).count();
            if choice != Choice::None && others >= MOST {
                return Ok(None);
            }
            let at = Timestamp(before.map_or(now.0, |before| now.0.max(before + 1)));
            sqlx::query(PUT).bind(address).bind(sender.as_str()).bind(choice.name()).bind(at.0).bind(1).execute(&mut *tx).await?;
            tx.commit().await?;
            Ok(Some(at))
        };
        let Some(at) = work.await.map_err(shared.failed("keep whom a user allows or blocks"))? else { return Ok(Chosen::TooMany) };
        let chosen = UserChoice { address: address.to_owned(), sender: sender.clone(), choice, at };
        shared.outlet.tell(|| Change::UserChoice(Box::new(chosen)));
        Ok(Chosen::Done)
    }

    /// What a peer's user chose: the later counts, of two at once the stronger. Applied again it changes nothing.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn merge(&self, chosen: &UserChoice) -> Result<(), DatabaseError> {
        let shared = &self.0.shared;
        let work = async {
            let mut tx = sqlite::begin(&shared.writer()).await?;
            let known: Option<Row> = sqlx::query_as("SELECT address, sender, choice, at FROM user_lists WHERE address = ? AND sender = ?")
                .bind(&chosen.address)
                .bind(chosen.sender.as_str())
                .fetch_optional(&mut *tx)
                .await?;
            let is_newer = known.and_then(Row::read).is_none_or(|k| (k.at, k.choice) < (chosen.at, chosen.choice));
            if is_newer {
                let put = sqlx::query(PUT).bind(&chosen.address).bind(chosen.sender.as_str()).bind(chosen.choice.name());
                put.bind(chosen.at.0).bind(0).execute(&mut *tx).await?;
            }
            tx.commit().await
        };
        work.await.map_err(shared.failed("take over whom a user allows or blocks"))
    }

    /// What these users chose and did not take back.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn of(&self, addresses: &[String]) -> Result<Vec<UserChoice>, DatabaseError> {
        let shared = &self.0.shared;
        let addresses = serde_json::to_string(addresses).unwrap_or_default();
        let ask = "SELECT address, sender, choice, at FROM user_lists \
                   WHERE address IN (SELECT value FROM json_each(?)) AND choice <> 'none' ORDER BY address, sender";
        let rows: Result<Vec<Row>, _> = sqlx::query_as(ask).bind(addresses).fetch_all(&shared.readers()).await;
        Ok(rows.map_err(shared.failed("read whom users allow and block"))?.into_iter().filter_map(Row::read).collect())
    }

    /// What was chosen on this node, also what was taken back, in order, behind a user and sender.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn chosen_here(&self, after: Option<(&str, &Sender)>, limit: usize) -> Result<Vec<UserChoice>, DatabaseError> {
        let shared = &self.0.shared;
        let ask = "SELECT address, sender, choice, at FROM user_lists WHERE here = 1 AND (address, sender) > (?, ?) \
                   ORDER BY address, sender LIMIT ?";
        let (address, sender) = after.map_or(("", ""), |(address, sender)| (address, sender.as_str()));
        let rows: Result<Vec<Row>, _> =
            sqlx::query_as(ask).bind(address).bind(sender).bind(limit as i64).fetch_all(&shared.readers()).await;
        Ok(rows.map_err(shared.failed("read what users chose here"))?.into_iter().filter_map(Row::read).collect())
    }

    /// Forgets what was taken back before.
    pub(super) async fn prune(&self, before: Timestamp) -> Result<u64, DatabaseError> {
        let shared = &self.0.shared;
        let done = sqlx::query("DELETE FROM user_lists WHERE choice = 'none' AND at < ?").bind(before.0).execute(&shared.writer()).await;
        Ok(done.map_err(shared.failed("forget what users took back"))?.rows_affected())
    }
}
