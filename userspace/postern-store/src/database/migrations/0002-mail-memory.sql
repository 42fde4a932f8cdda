-- What is remembered about mail: quarantine index, greylist, senders, recipients, hourly counters.
CREATE TABLE IF NOT EXISTS quarantine (
    mail        BLOB PRIMARY KEY,
    at          INTEGER NOT NULL,
    sender      TEXT NOT NULL,
    recipients  TEXT NOT NULL,      -- one a line
    from_header TEXT,
    subject     TEXT,
    score       REAL NOT NULL,
    reason      TEXT NOT NULL,
    size        INTEGER NOT NULL,
    expires     INTEGER NOT NULL,
    state       INTEGER NOT NULL,   -- 0 held, 1 deleted, 2 released: the higher one wins
    state_by    TEXT,
    state_at    INTEGER
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS quarantine_state ON quarantine (state, mail);
CREATE INDEX IF NOT EXISTS quarantine_expires ON quarantine (state, expires);
CREATE TABLE IF NOT EXISTS greylist (
    key   BLOB PRIMARY KEY,         -- 16 octets of BLAKE3 over the triplet, or over the client alone
    first INTEGER NOT NULL,
    passed INTEGER,                 -- last pass; NULL: not yet
    last  INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS greylist_last ON greylist (last);
CREATE TABLE IF NOT EXISTS senders (
    address TEXT PRIMARY KEY,
    mails   INTEGER NOT NULL,
    last    INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS senders_last ON senders (last);
CREATE TABLE IF NOT EXISTS recipients (
    address TEXT PRIMARY KEY,
    present INTEGER NOT NULL,
    until   INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS recipients_until ON recipients (until);
CREATE TABLE IF NOT EXISTS counters (
    hour  INTEGER NOT NULL,         -- hours since 1970
    name  TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (hour, name)
) WITHOUT ROWID;
