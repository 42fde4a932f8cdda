//! Named, forward-only, idempotent changes of the schema, applied in order at every opening.
//!
//! To add one: a new file under `migrations/` and a line at the end of [`ALL`]. A file that was
//! released is never edited. Each statement says IF NOT EXISTS, so that a crash between the script
//! and its entry in the table `migrations` does no harm.

use sqlx::SqlitePool;

/// Name and script, in the order in which they are applied.
pub const ALL: &[(&str, &str)] = &[
    ("0001-journeys", include_str!("migrations/0001-journeys.sql")),
    ("0002-mail-memory", include_str!("migrations/0002-mail-memory.sql")),
    ("0003-administration", include_str!("migrations/0003-administration.sql")),
    ("0004-tokens", include_str!("migrations/0004-tokens.sql")),
    ("0005-cluster", include_str!("migrations/0005-cluster.sql")),
    ("0006-ledger-kinds", include_str!("migrations/0006-ledger-kinds.sql")),
    ("0007-untold-lessons", include_str!("migrations/0007-untold-lessons.sql")),
    ("0008-roles", include_str!("migrations/0008-roles.sql")),
    ("0009-second-factors", include_str!("migrations/0009-second-factors.sql")),
    ("0010-users", include_str!("migrations/0010-users.sql")),
    ("0011-alerts", include_str!("migrations/0011-alerts.sql")),
    ("0012-user-lists", include_str!("migrations/0012-user-lists.sql")),
    ("0013-reports", include_str!("migrations/0013-reports.sql")),
];

/// Applies what is missing; all of it in one transaction.
pub async fn apply(writer: &SqlitePool, migrations: &[(&'static str, &'static str)]) -> Result<(), sqlx::Error> {
    let mut tx = writer.begin_with("BEGIN IMMEDIATE").await?;
    sqlx::raw_sql("CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY) WITHOUT ROWID").execute(&mut *tx).await?;
    let applied: Vec<String> = sqlx::query_scalar("SELECT name FROM migrations").fetch_all(&mut *tx).await?;
    for (name, script) in migrations {
        if !applied.iter().any(|a| a == name) {
            sqlx::raw_sql(*script).execute(&mut *tx).await?;
            sqlx::query("INSERT INTO migrations (name) VALUES (?)").bind(*name).execute(&mut *tx).await?;
        }
    }
    for name in applied.iter().filter(|a| !migrations.iter().any(|(name, _)| a == name)) {
        tracing::warn!(migration = %name, "the database was made by a newer version; what it knows more is left alone");
    }
    tx.commit().await
}
