CREATE TABLE IF NOT EXISTS admins (
    name     TEXT PRIMARY KEY,
    password TEXT NOT NULL,         -- argon2id, PHC string
    one_time INTEGER NOT NULL,      -- made by us, to be changed
    created  INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sessions (
    id      BLOB PRIMARY KEY,       -- BLAKE3 of the cookie
    admin   TEXT NOT NULL,
    csrf    TEXT NOT NULL,
    address TEXT NOT NULL,
    created INTEGER NOT NULL,
    used    INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS api_tokens (
    id      INTEGER PRIMARY KEY,
    name    TEXT NOT NULL,
    digest  BLOB NOT NULL UNIQUE,   -- BLAKE3 of the token
    admin   TEXT NOT NULL,
    scope   TEXT NOT NULL,          -- full, read, metrics
    created INTEGER NOT NULL,
    used    INTEGER,
    expires INTEGER
);
CREATE TABLE IF NOT EXISTS audit (
    id      INTEGER PRIMARY KEY,
    at      INTEGER NOT NULL,
    who     TEXT NOT NULL,
    address TEXT NOT NULL,
    action  TEXT NOT NULL,
    subject TEXT NOT NULL,
    before  TEXT,
    after   TEXT
);
CREATE TABLE IF NOT EXISTS settings_history (
    id      INTEGER PRIMARY KEY,
    at      INTEGER NOT NULL,
    author  TEXT NOT NULL,
    message TEXT NOT NULL,
    digest  TEXT NOT NULL,
    text    TEXT NOT NULL
);
