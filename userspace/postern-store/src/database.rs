//! SQLite: settings history, tracking, quarantine index, tokens, greylist, logins, audit.
