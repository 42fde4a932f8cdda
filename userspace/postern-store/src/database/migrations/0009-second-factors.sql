-- Authenticators of logins.
CREATE TABLE IF NOT EXISTS second_factors (
    name   TEXT PRIMARY KEY,
    factor TEXT NOT NULL            -- secret, then BLAKE3 of the recovery codes that are left
) WITHOUT ROWID;
-- What can be had once, while somebody could still want it: codes of authenticators, digests.
CREATE TABLE IF NOT EXISTS claims (
    name  TEXT NOT NULL,
    what  TEXT NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (name, what)
) WITHOUT ROWID;
