-- One row for each mail; ids are given by the writer in order of arrival.
CREATE TABLE IF NOT EXISTS journeys (
    id      INTEGER PRIMARY KEY,
    mail    BLOB NOT NULL UNIQUE,   -- 16 octets, in order of time
    at      INTEGER NOT NULL,       -- milliseconds since 1970
    summary TEXT NOT NULL,          -- JSON: JourneySummary
    steps   TEXT NOT NULL           -- one JSON object a line
);
-- Steps that came after the row was written, or without one.
CREATE TABLE IF NOT EXISTS journey_steps (
    mail  BLOB NOT NULL,
    seq   INTEGER NOT NULL,
    steps TEXT NOT NULL,
    PRIMARY KEY (mail, seq)
) WITHOUT ROWID;
-- The inverted index of the search: see terms.rs.
CREATE TABLE IF NOT EXISTS journey_terms (
    id       INTEGER PRIMARY KEY,   -- segment * 256 + bucket
    postings BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS journey_segments (
    id       INTEGER PRIMARY KEY,   -- journeys.id / 4096
    earliest INTEGER NOT NULL,
    latest   INTEGER NOT NULL
);
