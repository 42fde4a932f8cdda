-- Lessons that were learned beside a node's running, and are told to its peers when it runs. With their features, for those in
-- learned_mails may be folded by then.
CREATE TABLE IF NOT EXISTS untold_lessons (
    mail     BLOB PRIMARY KEY,
    spam     INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    features BLOB NOT NULL
);
