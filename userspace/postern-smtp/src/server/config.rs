//! What one listener's sessions have in common.

use postern_model::address::Domain;
use postern_model::settings::smtp::SmtpLimits;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Smtp,
    /// RFC 2033: LHLO, and one reply for each recipient after the data.
    Lmtp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Newlines {
    /// A mail with a bare CR or LF is refused, a command line that ends in a bare LF too.
    Refuse,
    /// They become CR LF.
    Mend,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartTls {
    NotOffered,
    Offered,
    /// MAIL is refused before it.
    Required,
}

#[derive(Clone, Debug)]
pub struct Config {
    /// Our name: in the greeting, in the reply to EHLO, and the domain of `<postmaster>`.
    pub hostname: Domain,
    pub dialect: Dialect,
    pub newlines: Newlines,
    pub limits: SmtpLimits,
}
