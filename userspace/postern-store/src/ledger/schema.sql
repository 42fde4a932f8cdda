-- An origin is one writer of rows; `history` is NULL until its first head was told.
CREATE TABLE IF NOT EXISTS origins (
    number      INTEGER PRIMARY KEY,  -- 1 to 32767, never given twice
    node        BLOB NOT NULL,        -- 16 octets
    incarnation INTEGER NOT NULL,     -- 64 bits, as they are
    own         INTEGER NOT NULL DEFAULT 0,
    seq         INTEGER NOT NULL DEFAULT 0,
    life        INTEGER NOT NULL DEFAULT 0,
    history     BLOB,
    UNIQUE (node, incarnation)
);
-- A row's id is its origin's number times 2^48, plus its seq: what an origin wrote is one run of the table, in order.
CREATE TABLE IF NOT EXISTS rows (
    id     INTEGER PRIMARY KEY,
    origin INTEGER NOT NULL,
    kind   INTEGER NOT NULL,
    key    BLOB NOT NULL,
    value  BLOB NOT NULL,
    at     INTEGER NOT NULL,
    bucket INTEGER NOT NULL,          -- the hour after which it is gone
    extra  BLOB NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS rows_key ON rows (origin, kind, key);
CREATE INDEX IF NOT EXISTS rows_bucket ON rows (bucket);
-- The same, of deltas whose last page is not here yet.
CREATE TABLE IF NOT EXISTS staged (
    id     INTEGER PRIMARY KEY,
    origin INTEGER NOT NULL,
    kind   INTEGER NOT NULL,
    key    BLOB NOT NULL,
    value  BLOB NOT NULL,
    at     INTEGER NOT NULL,
    bucket INTEGER NOT NULL,
    extra  BLOB NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS staged_key ON staged (origin, kind, key);
