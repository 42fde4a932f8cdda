-- What is counted by the day, for reports: names are many, and hours of them of no use.
CREATE TABLE IF NOT EXISTS day_counters (
    day   INTEGER NOT NULL,         -- days since 1970
    name  TEXT NOT NULL,            -- symbol:NAME, domain:DOMAIN:action:ACTION
    count INTEGER NOT NULL,
    PRIMARY KEY (day, name)
) WITHOUT ROWID;
-- Reports that were sent, by whichever node.
CREATE TABLE IF NOT EXISTS reports (
    id   TEXT PRIMARY KEY,          -- in order of time
    body TEXT NOT NULL              -- JSON
) WITHOUT ROWID;
