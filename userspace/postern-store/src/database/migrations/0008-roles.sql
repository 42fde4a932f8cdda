-- What each login may do. One that is not here was made before there were roles: an admin, for everything.
CREATE TABLE IF NOT EXISTS admin_rights (
    name  TEXT PRIMARY KEY,
    role  TEXT NOT NULL,            -- admin, operator, helpdesk, auditor
    reach TEXT NOT NULL             -- *, or domains separated by spaces
) WITHOUT ROWID;
-- The same for API tokens.
CREATE TABLE IF NOT EXISTS token_rights (
    id    INTEGER PRIMARY KEY,
    role  TEXT NOT NULL,
    reach TEXT NOT NULL
);
