-- Whom people who receive mail allow or block, each for the own address.
CREATE TABLE IF NOT EXISTS user_lists (
    address TEXT NOT NULL,          -- key of the user's address
    sender  TEXT NOT NULL,          -- an address or a domain, lower case
    choice  TEXT NOT NULL,          -- allow, block, none (taken back)
    at      INTEGER NOT NULL,
    here    INTEGER NOT NULL,       -- 1: chosen on this node, which tells its peers
    PRIMARY KEY (address, sender)
) WITHOUT ROWID;
