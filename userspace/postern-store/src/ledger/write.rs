//! Each step as SQL.

use sqlx::sqlite::SqliteConnection;

use super::LedgerStore;
use super::origin::{LAST_SEQ, Origin};
use super::row::Row;
use super::step::Step;
use crate::sqlite::insert;

/// Distance of two origins' runs of ids.
pub(super) const RUN: i64 = LAST_SEQ as i64;
/// Numbers of origins for which ids are left: 63 bits less 48.
const NUMBERS: i64 = 0x7fff;
/// Rows removed in one step, some tenths of a second of work. The core asks again every minute; what is over is no
/// longer wanted by anybody.
const EXPIRED_AT_ONCE: i64 = 100_000;

/// Rows that have no newer one of their key, from a list of values.
const PUT_HEAD: &str = "WITH new (id, origin, kind, key, value, at, bucket, extra) AS (VALUES ";
const PUT_TAIL: &str = ") INSERT OR REPLACE INTO rows SELECT * FROM new WHERE NOT EXISTS (SELECT 1 FROM rows r WHERE r.origin = new.origin \
     AND r.kind = new.kind AND r.key = new.key AND r.id > new.id)";
const STAGE_TAIL: &str = ") INSERT OR REPLACE INTO staged SELECT * FROM new WHERE NOT EXISTS (SELECT 1 FROM staged r WHERE \
     r.origin = new.origin AND r.kind = new.kind AND r.key = new.key AND r.id > new.id)";
const PROMOTE: &str = "INSERT OR REPLACE INTO rows SELECT * FROM staged AS new WHERE new.id > ?1 AND new.id <= ?2 AND NOT EXISTS \
     (SELECT 1 FROM rows r WHERE r.origin = new.origin AND r.kind = new.kind AND r.key = new.key AND r.id > new.id) ORDER BY new.id";
const MOVE: &str = "INSERT OR REPLACE INTO rows SELECT new.id + ?3, ?4, kind, key, value, at, bucket, extra FROM rows AS new \
     WHERE new.id > ?1 AND new.id <= ?2 AND NOT EXISTS (SELECT 1 FROM rows r WHERE r.origin = ?4 AND r.kind = new.kind \
     AND r.key = new.key AND r.id > new.id + ?3) ORDER BY new.id";

impl LedgerStore {
    pub(super) async fn carry_out(&self, tx: &mut SqliteConnection, step: &Step) -> Result<(), sqlx::Error> {
        match step {
            Step::Put { origin, rows } => {
                let number = self.number(tx, *origin).await?;
                put(tx, number, PUT_TAIL, rows).await
            }
            Step::Stage { origin, rows } => {
                let number = self.number(tx, *origin).await?;
                put(tx, number, STAGE_TAIL, rows).await
            }
            Step::Promote { origin } => {
                let number = self.number(tx, *origin).await?;
                sqlx::query(PROMOTE).bind(number * RUN).bind((number + 1) * RUN).execute(&mut *tx).await?;
                forget(tx, number, "DELETE FROM staged WHERE id > ? AND id <= ?").await
            }
            Step::Discard { origin } => {
                let number = self.number(tx, *origin).await?;
                forget(tx, number, "DELETE FROM staged WHERE id > ? AND id <= ?").await
            }
            Step::Head { origin, head, history } => {
                let number = self.number(tx, *origin).await?;
                let history = postcard::to_stdvec(history).map_err(|e| sqlx::Error::Encode(e.into()))?;
                sqlx::query("UPDATE origins SET seq = ?, life = ?, history = ? WHERE number = ?")
                    .bind(head.seq.cast_signed())
                    .bind(head.life.0.cast_signed())
                    .bind(history)
                    .bind(number)
                    .execute(&mut *tx)
                    .await?;
                Ok(())
            }
            Step::Own { origin } => {
                let number = self.number(tx, *origin).await?;
                sqlx::query("UPDATE origins SET own = (number = ?1) WHERE own = 1 OR number = ?1").bind(number).execute(&mut *tx).await?;
                Ok(())
            }
            Step::Move { from, to } if from == to => Ok(()),
            Step::Move { from, to } => {
                let (from, to) = (self.number(tx, *from).await?, self.number(tx, *to).await?);
                sqlx::query(MOVE).bind(from * RUN).bind((from + 1) * RUN).bind((to - from) * RUN).bind(to).execute(&mut *tx).await?;
                forget(tx, from, "DELETE FROM rows WHERE id > ? AND id <= ?").await
            }
            Step::Forget { origin } => {
                let number = self.number(tx, *origin).await?;
                forget(tx, number, "DELETE FROM rows WHERE id > ? AND id <= ?").await
            }
            Step::Expire { now } => {
                sqlx::query("DELETE FROM rows WHERE id IN (SELECT id FROM rows WHERE bucket < ? LIMIT ?)")
                    .bind(i64::from(now.0))
                    .bind(EXPIRED_AT_ONCE)
                    .execute(&mut *tx)
                    .await?;
                sqlx::query("DELETE FROM staged WHERE bucket < ?").bind(i64::from(now.0)).execute(&mut *tx).await?;
                Ok(())
            }
        }
    }

    /// The origin's number in the file; a new origin is given one.
    async fn number(&self, tx: &mut SqliteConnection, origin: Origin) -> Result<i64, sqlx::Error> {
        if let Some(number) = self.numbers.lock().get(&origin) {
            return Ok(*number);
        }
        let (node, incarnation) = (origin.node.0.to_vec(), origin.incarnation.cast_signed());
        let found: Option<i64> = sqlx::query_scalar("SELECT number FROM origins WHERE node = ? AND incarnation = ?")
            .bind(node.clone())
            .bind(incarnation)
            .fetch_optional(&mut *tx)
            .await?;
        let number = match found {
            Some(number) => number,
            None => {
                let next: i64 = sqlx::query_scalar("SELECT coalesce(max(number), 0) + 1 FROM origins").fetch_one(&mut *tx).await?;
                if next > NUMBERS {
                    return Err(sqlx::Error::Protocol("all numbers of origins are used".to_owned()));
                }
                sqlx::query("INSERT INTO origins (number, node, incarnation) VALUES (?, ?, ?)")
                    .bind(next)
                    .bind(node)
                    .bind(incarnation)
                    .execute(&mut *tx)
                    .await?;
                next
            }
        };
        self.numbers.lock().insert(origin, number);
        Ok(number)
    }
}

async fn put(tx: &mut SqliteConnection, number: i64, tail: &str, rows: &[Row]) -> Result<(), sqlx::Error> {
    let mut rows: Vec<&Row> = rows.iter().collect();
    // Of two rows of a key in one statement the later one stays.
    rows.sort_by_key(|r| r.seq);
    insert(tx, PUT_HEAD, 8, tail, rows, |q, row| {
        q.bind(number * RUN + row.seq.cast_signed())
            .bind(number)
            .bind(i64::from(row.kind))
            .bind(row.key.0.to_vec())
            .bind(row.value.0.to_vec())
            .bind(row.at.0)
            .bind(i64::from(row.bucket.0))
            .bind(row.extra.0.to_vec())
    })
    .await
}

async fn forget(tx: &mut SqliteConnection, number: i64, delete: &'static str) -> Result<(), sqlx::Error> {
    sqlx::query(delete).bind(number * RUN).bind((number + 1) * RUN).execute(&mut *tx).await?;
    Ok(())
}
