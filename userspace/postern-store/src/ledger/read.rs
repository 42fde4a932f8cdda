//! Reading: pages for peers and for the application, and what a node finds when it starts.

use futures_util::TryStreamExt;
use postern_model::node::NodeId;
use postern_model::time::Timestamp;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::origin::{Head, History, LAST_SEQ, Life, Origin};
use super::row::{Bucket, Octets, Row};
use super::step::{More, Page};
use super::write::RUN;
use super::{Found, LedgerStore, LedgerStoreError};

impl LedgerStore {
    /// Visible rows of `origin` with `seq > after`, ascending, up to these bounds (one row at least), and its head, from one
    /// snapshot.
    ///
    /// # Errors
    /// See [`LedgerStoreError`].
    pub async fn read(&self, origin: Origin, after: u64, rows: usize, octets: usize) -> Result<Page, LedgerStoreError> {
        self.try_read(origin, after, rows, octets).await.map_err(self.error("reading a page"))
    }

    /// Rows of one kind of an origin by their keys, at most `limit`, after the key `after`.
    ///
    /// # Errors
    /// See [`LedgerStoreError`].
    pub async fn of_kind(&self, origin: Origin, kind: u16, after: Option<&Octets>, limit: usize) -> Result<Vec<Row>, LedgerStoreError> {
        let found = sqlx::query(
            "SELECT r.id, r.kind, r.key, r.value, r.at, r.bucket, r.extra FROM rows r JOIN origins o ON r.origin = o.number \
             WHERE o.node = ?1 AND o.incarnation = ?2 AND r.kind = ?3 AND (?4 IS NULL OR r.key > ?4) ORDER BY r.key LIMIT ?5",
        )
        .bind(origin.node.0.to_vec())
        .bind(origin.incarnation.cast_signed())
        .bind(i64::from(kind))
        .bind(after.map(|k| k.0.to_vec()))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&self.readers)
        .await;
        found.and_then(|rows| rows.iter().map(row).collect()).map_err(self.error("reading rows of a kind"))
    }

    /// Rows that are visible.
    ///
    /// # Errors
    /// See [`LedgerStoreError`].
    pub async fn count(&self) -> Result<u64, LedgerStoreError> {
        let count: Result<i64, _> = sqlx::query_scalar("SELECT count(*) FROM rows").fetch_one(&self.readers).await;
        Ok(count.map_err(self.error("counting rows"))?.cast_unsigned())
    }

    pub(super) async fn begin(&self) -> Result<Found, sqlx::Error> {
        sqlx::query("DELETE FROM staged").execute(&self.writer).await?;
        let mut found = Found::default();
        for row in sqlx::query("SELECT node, incarnation, seq, life, history, own FROM origins").fetch_all(&self.writer).await? {
            let node: Vec<u8> = row.try_get(0)?;
            let node = NodeId(node.as_slice().try_into().map_err(|e: std::array::TryFromSliceError| sqlx::Error::Decode(e.into()))?);
            let origin = Origin { node, incarnation: row.try_get::<i64, _>(1)?.cast_unsigned() };
            if let Some(known) = head(&row, 2)? {
                found.heads.insert(origin, known);
            }
            if row.try_get::<bool, _>(5)? {
                found.own = Some(origin);
            }
        }
        Ok(found)
    }

    async fn try_read(&self, origin: Origin, after: u64, rows: usize, octets: usize) -> Result<Page, sqlx::Error> {
        let mut tx = self.readers.begin().await?;
        let found = sqlx::query("SELECT number, seq, life, history FROM origins WHERE node = ? AND incarnation = ?")
            .bind(origin.node.0.to_vec())
            .bind(origin.incarnation.cast_signed())
            .fetch_optional(&mut *tx)
            .await?;
        let mut page = Page::default();
        let Some(found) = found else { return Ok(page) };
        (page.head, page.history) = head(&found, 1)?.unwrap_or_default();
        let number: i64 = found.try_get(0)?;
        let first = number * RUN + after.min(LAST_SEQ).cast_signed();
        let mut stream =
            sqlx::query("SELECT id, kind, key, value, at, bucket, extra FROM rows WHERE id > ? AND id <= ? ORDER BY id LIMIT ?")
                .bind(first)
                .bind((number + 1) * RUN)
                .bind(i64::try_from(rows.saturating_add(1)).unwrap_or(i64::MAX))
                .fetch(&mut *tx);
        let mut size = 0;
        while let Some(found) = stream.try_next().await? {
            if page.rows.len() >= rows || (size >= octets && !page.rows.is_empty()) {
                page.more = More::Follows;
                break;
            }
            let row = row(&found)?;
            size += row.size();
            page.rows.push(row);
        }
        Ok(page)
    }
}

/// The three columns of a head from `first` on; `None`: none was told.
fn head(row: &SqliteRow, first: usize) -> Result<Option<(Head, History)>, sqlx::Error> {
    let Some(history) = row.try_get::<Option<Vec<u8>>, _>(first + 2)? else { return Ok(None) };
    let history = postcard::from_bytes(&history).map_err(|e| sqlx::Error::Decode(e.into()))?;
    let head = Head { seq: row.try_get::<i64, _>(first)?.cast_unsigned(), life: Life(row.try_get::<i64, _>(first + 1)?.cast_unsigned()) };
    Ok(Some((head, history)))
}

fn row(found: &SqliteRow) -> Result<Row, sqlx::Error> {
    let number = |n: i64| u32::try_from(n).map_err(|e| sqlx::Error::Decode(e.into()));
    let octets = |column: usize| found.try_get::<Vec<u8>, _>(column).map(Octets::from);
    let id: i64 = found.try_get(0)?;
    // A seq of 2^48 would be the next run's zero, which nobody has.
    let seq = (id - 1).rem_euclid(RUN) + 1;
    Ok(Row {
        seq: seq.cast_unsigned(),
        kind: found.try_get::<i64, _>(1)?.try_into().map_err(|e: std::num::TryFromIntError| sqlx::Error::Decode(e.into()))?,
        key: octets(2)?,
        value: octets(3)?,
        at: Timestamp(found.try_get(4)?),
        bucket: Bucket(number(found.try_get(5)?)?),
        extra: octets(6)?,
    })
}
