-- What was wrong, from when until when.
CREATE TABLE IF NOT EXISTS alerts (
    id     TEXT NOT NULL,
    raised INTEGER NOT NULL,
    ended  INTEGER,               -- NULL: it goes on
    body   TEXT NOT NULL,         -- JSON
    PRIMARY KEY (id, raised)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS alerts_raised ON alerts (raised);
