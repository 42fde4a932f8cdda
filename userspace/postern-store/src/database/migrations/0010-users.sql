-- Links that were sent to people who receive mail, each good once.
CREATE TABLE IF NOT EXISTS user_links (
    digest  BLOB PRIMARY KEY,       -- BLAKE3 of what stands in the link
    address TEXT NOT NULL,
    until   INTEGER NOT NULL
) WITHOUT ROWID;
-- Their logins.
CREATE TABLE IF NOT EXISTS user_sessions (
    id      BLOB PRIMARY KEY,       -- BLAKE3 of the cookie
    address TEXT NOT NULL,
    csrf    TEXT NOT NULL,
    used    INTEGER NOT NULL
) WITHOUT ROWID;
