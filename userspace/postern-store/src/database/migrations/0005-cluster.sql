-- Mails of the quarantine that lie with a peer; all others are ours.
CREATE TABLE IF NOT EXISTS quarantine_peers (
    mail   BLOB PRIMARY KEY,
    holder BLOB NOT NULL            -- 16 octets: the node
) WITHOUT ROWID;
-- Actions of peers on mails whose entry did not arrive yet.
CREATE TABLE IF NOT EXISTS quarantine_early (
    mail     BLOB PRIMARY KEY,
    state    INTEGER NOT NULL,
    state_by TEXT,
    state_at INTEGER NOT NULL
) WITHOUT ROWID;
-- Mails accepted from an address by peers: a cell for each day and each life of a node; what counts is their sum.
CREATE TABLE IF NOT EXISTS sender_cells (
    subject BLOB NOT NULL,          -- 16 octets of BLAKE3 over the address in lower case
    day     INTEGER NOT NULL,       -- days since 1970
    life    INTEGER NOT NULL,       -- 64 random bits
    mails   INTEGER NOT NULL,
    PRIMARY KEY (subject, day, life)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS sender_cells_day ON sender_cells (day);
-- Our own cells of this life, as they are told to peers; emptied at every start.
CREATE TABLE IF NOT EXISTS sender_own (
    subject BLOB NOT NULL,
    day     INTEGER NOT NULL,
    mails   INTEGER NOT NULL,
    PRIMARY KEY (subject, day)
) WITHOUT ROWID;
-- How far the rows of each origin were applied here.
CREATE TABLE IF NOT EXISTS ledger_marks (
    node        BLOB NOT NULL,
    incarnation INTEGER NOT NULL,
    through     INTEGER NOT NULL,
    PRIMARY KEY (node, incarnation)
) WITHOUT ROWID;
