-- What the classifier learned. A learned mail keeps its features until they are folded into the pages.
CREATE TABLE IF NOT EXISTS learned_mails (
    id       INTEGER PRIMARY KEY,
    mail     BLOB NOT NULL UNIQUE,  -- 16 octets that name the mail by what the classifier sees of it
    spam     INTEGER NOT NULL,      -- 1 spam, 0 ham
    at       INTEGER NOT NULL,
    features BLOB                   -- 8 octets each, rising; NULL: folded
);
CREATE INDEX IF NOT EXISTS learned_unfolded ON learned_mails (id) WHERE features IS NOT NULL;
-- Sums over the folded mails: a page for each value of the top octet, of (feature 8, spam 4, ham 4) rising.
CREATE TABLE IF NOT EXISTS token_pages (
    page   INTEGER PRIMARY KEY,
    tokens BLOB NOT NULL
);
