-- The kinds of rows that the marks in ledger_marks were made with: a version that knows more reads everything once more.
CREATE TABLE IF NOT EXISTS ledger_kinds (
    only INTEGER PRIMARY KEY CHECK (only = 0),
    kinds INTEGER NOT NULL
) STRICT;
