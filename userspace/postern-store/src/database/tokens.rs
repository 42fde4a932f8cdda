//! What the classifier learned: a log of mails with their features, and the sums of old ones.
//!
//! A learned mail is one row with its features (8 KB): cheap to write, exact to take back, and never
//! counted twice, because the row's key is the mail. When [`FOLD_AT`] such rows have gathered they are
//! folded into pages of sums, which is also when the least useful tokens are forgotten. Loading reads
//! pages and log in large blobs: some millions of tokens in well under a second.
//!
//! Counts only ever are sums over mails, so nodes can add up theirs in any order.

use std::collections::HashMap;

use postern_model::time::Timestamp;
use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Sqlite, SqliteConnection};

use super::changes::Change;
use super::{Database, DatabaseError};
use crate::sqlite;

/// Unfolded mails from which [`Tokens::needs_folding`] says yes: some 32 MB of log.
pub const FOLD_AT: u64 = 4000;
/// Octets of a feature with its two counts in a page.
const ENTRY: usize = 16;
/// Share of the allowed tokens that is left after forgetting, so that it is not done at every folding.
const LEFT_AFTER_FORGETTING: f64 = 0.9;

/// One mail to learn.
#[derive(Clone, Debug)]
pub struct Lesson {
    /// Names the mail; the same for copies of it.
    pub mail: [u8; 16],
    pub is_spam: bool,
    /// Rising, each once.
    pub features: Vec<u64>,
}

/// What became of a lesson.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    New,
    /// This mail was learned as the same before: nothing was counted.
    Known,
    /// It was learned as the other class before; that is taken back.
    Changed,
}

/// Mails learned of each class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LearnedMails {
    pub spam: u64,
    pub ham: u64,
}

pub struct Tokens<'a>(&'a Database);

impl Database {
    pub fn tokens(&self) -> Tokens<'_> {
        Tokens(self)
    }
}

type Sums = HashMap<u64, (i64, i64), ahash::RandomState>;

impl Tokens<'_> {
    /// Learns mails in one transaction; the outcomes are in the order of the lessons.
    ///
    /// # Errors
    /// When the database cannot be written; nothing is learned then.
    pub async fn learn(&self, lessons: &[Lesson], at: Timestamp) -> Result<Vec<Outcome>, DatabaseError> {
        let shared = &self.0.shared;
        let told: Vec<(&Lesson, Timestamp)> = lessons.iter().map(|lesson| (lesson, at)).collect();
        let done = self.learn_all(&told, Rule::Later, Peers::Hear).await.map_err(shared.failed("learn mails"))?;
        for (lesson, (outcome, at)) in lessons.iter().zip(&done) {
            if *outcome != Outcome::Known {
                shared.outlet.tell(|| Change::Learned { lesson: Box::new(lesson.clone()), at: *at });
            }
        }
        Ok(done.into_iter().map(|(outcome, _)| outcome).collect())
    }

    /// The same beside a node that does not run, or runs in another process: its peers are told when it runs.
    ///
    /// # Errors
    /// When the database cannot be written; nothing is learned then.
    pub async fn learn_untold(&self, lessons: &[Lesson], at: Timestamp) -> Result<Vec<Outcome>, DatabaseError> {
        let told: Vec<(&Lesson, Timestamp)> = lessons.iter().map(|lesson| (lesson, at)).collect();
        let done = self.learn_all(&told, Rule::Later, Peers::Wait).await.map_err(self.0.shared.failed("learn mails"))?;
        Ok(done.into_iter().map(|(outcome, _)| outcome).collect())
    }

    /// Some lessons that peers were not told yet.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn untold(&self, limit: u32) -> Result<Vec<(Lesson, Timestamp)>, DatabaseError> {
        let shared = &self.0.shared;
        let rows: Vec<(Vec<u8>, bool, i64, Vec<u8>)> = sqlx::query_as("SELECT mail, spam, at, features FROM untold_lessons LIMIT ?")
            .bind(limit)
            .fetch_all(&shared.readers())
            .await
            .map_err(shared.failed("read lessons that peers do not have"))?;
        let lesson = |(mail, is_spam, at, octets): (Vec<u8>, bool, i64, Vec<u8>)| {
            let mail = mail.as_slice().try_into().ok()?;
            Some((Lesson { mail, is_spam, features: features(&octets).collect() }, Timestamp(at)))
        };
        Ok(rows.into_iter().filter_map(lesson).collect())
    }

    /// Peers have this one, unless it was given again since.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn told(&self, mail: [u8; 16], at: Timestamp) -> Result<(), DatabaseError> {
        let shared = &self.0.shared;
        let gone = sqlx::query("DELETE FROM untold_lessons WHERE mail = ? AND at = ?").bind(mail.as_slice()).bind(at.0);
        gone.execute(&shared.writer()).await.map_err(shared.failed("note that peers have a lesson"))?;
        Ok(())
    }

    /// Learns what peers learned, and nobody is told again. Of two lessons on one mail the later counts, of two at once spam.
    ///
    /// # Errors
    /// When the database cannot be written; nothing is learned then.
    pub async fn merge(&self, lessons: &[(Lesson, Timestamp)]) -> Result<Vec<Outcome>, DatabaseError> {
        let told: Vec<(&Lesson, Timestamp)> = lessons.iter().map(|(lesson, at)| (lesson, *at)).collect();
        let done = self.learn_all(&told, Rule::AsTold, Peers::Hear).await.map_err(self.0.shared.failed("learn what peers learned"))?;
        Ok(done.into_iter().map(|(outcome, _)| outcome).collect())
    }

    async fn learn_all(
        &self,
        lessons: &[(&Lesson, Timestamp)],
        rule: Rule,
        peers: Peers,
    ) -> Result<Vec<(Outcome, Timestamp)>, sqlx::Error> {
        let mut tx = sqlite::begin(&self.0.shared.writer()).await?;
        let mut outcomes = Vec::with_capacity(lessons.len());
        let mut back = Sums::default();
        for (lesson, at) in lessons {
            let (outcome, at) = learn_one(&mut tx, lesson, *at, rule, &mut back).await?;
            if peers == Peers::Wait && outcome != Outcome::Known {
                let put = sqlx::query("INSERT OR REPLACE INTO untold_lessons (mail, spam, at, features) VALUES (?, ?, ?, ?)");
                bind_lesson(put, lesson, at).execute(&mut *tx).await?;
            }
            outcomes.push((outcome, at));
        }
        if !back.is_empty() {
            let mut sums = read_pages(&mut tx).await?;
            add_up(&mut sums, &back);
            write_pages(&mut tx, &sums).await?;
        }
        tx.commit().await?;
        Ok(outcomes)
    }

    /// Gives every token with its counts (a token may come several times: they add up).
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn load(&self, mut token: impl FnMut(u64, i64, i64)) -> Result<LearnedMails, DatabaseError> {
        let shared = &self.0.shared;
        let work = async {
            let mut tx = shared.readers().begin().await?;
            let pages: Vec<i64> = sqlx::query_scalar("SELECT page FROM token_pages ORDER BY page").fetch_all(&mut *tx).await?;
            for page in pages {
                let octets: Vec<u8> =
                    sqlx::query_scalar("SELECT tokens FROM token_pages WHERE page = ?").bind(page).fetch_one(&mut *tx).await?;
                entries(&octets).for_each(|(feature, spam, ham)| token(feature, spam, ham));
            }
            let mut after = 0i64;
            loop {
                let rows = unfolded(&mut tx, after).await?;
                let Some((last, ..)) = rows.last() else { break };
                after = *last;
                for (_, is_spam, octets) in &rows {
                    features(octets).for_each(|f| if *is_spam { token(f, 1, 0) } else { token(f, 0, 1) });
                }
            }
            count_mails(&mut tx).await
        };
        work.await.map_err(shared.failed("load the classifier's tokens"))
    }

    /// Mails learned of each class.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn learned(&self) -> Result<LearnedMails, DatabaseError> {
        let shared = &self.0.shared;
        let work = async { count_mails(&mut *shared.readers().acquire().await?).await };
        work.await.map_err(shared.failed("count learned mails"))
    }

    /// Enough mails were learned since the last folding.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn needs_folding(&self) -> Result<bool, DatabaseError> {
        let shared = &self.0.shared;
        let count: Result<i64, _> =
            sqlx::query_scalar("SELECT count(*) FROM learned_mails WHERE features IS NOT NULL").fetch_one(&shared.readers()).await;
        Ok(count.map_err(shared.failed("count learned mails"))? >= FOLD_AT as i64)
    }

    /// Adds the log's mails to the sums and, when there are more than `max_tokens`, forgets the tokens
    /// seen in the fewest mails. Returns the tokens kept.
    ///
    /// # Errors
    /// When the database cannot be written; nothing is changed then.
    pub async fn fold(&self, max_tokens: u64) -> Result<u64, DatabaseError> {
        let shared = &self.0.shared;
        let work = async {
            let mut tx = sqlite::begin(&shared.writer()).await?;
            let mut sums = read_pages(&mut tx).await?;
            let mut after = 0i64;
            loop {
                let rows = unfolded(&mut tx, after).await?;
                let Some((last, ..)) = rows.last() else { break };
                after = *last;
                for (_, is_spam, octets) in &rows {
                    for feature in features(octets) {
                        let slot = sums.entry(feature).or_default();
                        if *is_spam { slot.0 += 1 } else { slot.1 += 1 }
                    }
                }
            }
            sums.retain(|_, (spam, ham)| *spam + *ham > 0);
            forget(&mut sums, usize::try_from(max_tokens).unwrap_or(usize::MAX));
            write_pages(&mut tx, &sums).await?;
            sqlx::query("UPDATE learned_mails SET features = NULL WHERE features IS NOT NULL").execute(&mut *tx).await?;
            tx.commit().await?;
            Ok(sums.len() as u64)
        };
        work.await.map_err(shared.failed("fold the classifier's tokens"))
    }
}

/// When peers hear of a lesson.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Peers {
    /// Now, by whoever listens to changes; or they have it already.
    Hear,
    /// When the node runs.
    Wait,
}

/// When a lesson counts that says otherwise than one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// Always: it was given now, whatever the clock says. It is dated later than the one before, so that peers agree.
    Later,
    AsTold,
}

async fn learn_one(
    tx: &mut SqliteConnection,
    lesson: &Lesson,
    mut at: Timestamp,
    rule: Rule,
    back: &mut Sums,
) -> Result<(Outcome, Timestamp), sqlx::Error> {
    let before: Option<(i64, bool, bool, i64)> = sqlx::query_as("SELECT id, spam, features IS NULL, at FROM learned_mails WHERE mail = ?")
        .bind(lesson.mail.as_slice())
        .fetch_optional(&mut *tx)
        .await?;
    let outcome = match before {
        Some((id, was_spam, ..)) if was_spam == lesson.is_spam => {
            if rule == Rule::AsTold {
                sqlx::query("UPDATE learned_mails SET at = max(at, ?) WHERE id = ?").bind(at.0).bind(id).execute(&mut *tx).await?;
            }
            return Ok((Outcome::Known, at));
        }
        Some((_, was_spam, _, then)) if rule == Rule::AsTold && (then, was_spam) >= (at.0, lesson.is_spam) => {
            return Ok((Outcome::Known, at));
        }
        Some((id, was_spam, is_folded, then)) => {
            if rule == Rule::Later {
                at = at.max(Timestamp(then.saturating_add(1)));
            }
            if is_folded {
                // Its features are known from the mail that is here again.
                for feature in &lesson.features {
                    let slot = back.entry(*feature).or_default();
                    if was_spam { slot.0 -= 1 } else { slot.1 -= 1 }
                }
            }
            sqlx::query("DELETE FROM learned_mails WHERE id = ?").bind(id).execute(&mut *tx).await?;
            Outcome::Changed
        }
        None => Outcome::New,
    };
    let put = sqlx::query("INSERT INTO learned_mails (mail, spam, at, features) VALUES (?, ?, ?, ?)");
    bind_lesson(put, lesson, at).execute(&mut *tx).await?;
    Ok((outcome, at))
}

/// A lesson's columns: mail, spam, at, features.
fn bind_lesson<'q>(put: Query<'q, Sqlite, SqliteArguments>, lesson: &'q Lesson, at: Timestamp) -> Query<'q, Sqlite, SqliteArguments> {
    put.bind(lesson.mail.as_slice()).bind(lesson.is_spam).bind(at.0).bind(octets(&lesson.features))
}

/// Some unfolded mails after a row, in their order.
async fn unfolded(tx: &mut SqliteConnection, after: i64) -> Result<Vec<(i64, bool, Vec<u8>)>, sqlx::Error> {
    sqlx::query_as("SELECT id, spam, features FROM learned_mails WHERE features IS NOT NULL AND id > ? ORDER BY id LIMIT 200")
        .bind(after)
        .fetch_all(tx)
        .await
}

async fn count_mails(tx: &mut SqliteConnection) -> Result<LearnedMails, sqlx::Error> {
    let (all, spam): (i64, i64) = sqlx::query_as("SELECT count(*), coalesce(sum(spam), 0) FROM learned_mails").fetch_one(tx).await?;
    Ok(LearnedMails { spam: u64::try_from(spam).unwrap_or(0), ham: u64::try_from(all - spam).unwrap_or(0) })
}

async fn read_pages(tx: &mut SqliteConnection) -> Result<Sums, sqlx::Error> {
    let pages: Vec<Vec<u8>> = sqlx::query_scalar("SELECT tokens FROM token_pages").fetch_all(tx).await?;
    let mut sums = Sums::default();
    for page in &pages {
        entries(page).for_each(|(feature, spam, ham)| {
            sums.insert(feature, (spam, ham));
        });
    }
    Ok(sums)
}

async fn write_pages(tx: &mut SqliteConnection, sums: &Sums) -> Result<(), sqlx::Error> {
    let mut sorted: Vec<(u64, i64, i64)> = sums.iter().map(|(f, (spam, ham))| (*f, *spam, *ham)).collect();
    sorted.sort_unstable();
    sqlx::query("DELETE FROM token_pages").execute(&mut *tx).await?;
    for page in sorted.chunk_by(|a, b| a.0 >> 56 == b.0 >> 56) {
        let mut octets = Vec::with_capacity(page.len() * ENTRY);
        for (feature, spam, ham) in page {
            octets.extend(feature.to_le_bytes());
            octets.extend(u32::try_from(*spam).unwrap_or(0).to_le_bytes());
            octets.extend(u32::try_from(*ham).unwrap_or(0).to_le_bytes());
        }
        let number = page.first().map_or(0, |(f, ..)| i64::try_from(f >> 56).unwrap_or(0));
        sqlx::query("INSERT INTO token_pages (page, tokens) VALUES (?, ?)").bind(number).bind(octets).execute(&mut *tx).await?;
    }
    Ok(())
}

fn add_up(sums: &mut Sums, more: &Sums) {
    for (feature, (spam, ham)) in more {
        let slot = sums.entry(*feature).or_default();
        *slot = ((slot.0 + spam).max(0), (slot.1 + ham).max(0));
    }
    sums.retain(|_, (spam, ham)| *spam + *ham > 0);
}

/// Drops the tokens seen in the fewest mails until there is room again.
fn forget(sums: &mut Sums, max: usize) {
    if sums.len() <= max {
        return;
    }
    let mut sizes: Vec<(i64, u64)> = sums.iter().map(|(f, (spam, ham))| (spam + ham, *f)).collect();
    let left = ((max as f64) * LEFT_AFTER_FORGETTING) as usize;
    let out = sizes.len() - left;
    sizes.select_nth_unstable(out.saturating_sub(1));
    for (_, feature) in &sizes[..out] {
        sums.remove(feature);
    }
}

fn octets(features: &[u64]) -> Vec<u8> {
    features.iter().flat_map(|f| f.to_le_bytes()).collect()
}

fn features(octets: &[u8]) -> impl Iterator<Item = u64> + '_ {
    octets.chunks_exact(8).filter_map(|o| o.try_into().ok().map(u64::from_le_bytes))
}

fn entries(octets: &[u8]) -> impl Iterator<Item = (u64, i64, i64)> + '_ {
    octets.chunks_exact(ENTRY).filter_map(|o| {
        let feature = o.get(..8)?.try_into().ok().map(u64::from_le_bytes)?;
        let spam = o.get(8..12)?.try_into().ok().map(u32::from_le_bytes)?;
        let ham = o.get(12..)?.try_into().ok().map(u32::from_le_bytes)?;
        Some((feature, i64::from(spam), i64::from(ham)))
    })
}
