//! What rules look at: a mail that was judged, from whoever knows about it (the session, a file, a stored journey).

use std::net::IpAddr;

use postern_model::address::{Domain, ReversePath};
use postern_model::envelope::Direction;
use postern_model::settings::policy::AuthWord;
use postern_model::time::Timestamp;
use postern_model::verdict::Verdict;

use crate::thresholds::Floor;

/// A fact that may not be known: a stored journey does not have the whole mail.
#[derive(Clone, Debug, PartialEq)]
pub enum Told<T> {
    Known(T),
    /// Why not, in few words.
    Unknown(&'static str),
}

#[derive(Clone, Debug)]
pub struct Mail<'m> {
    /// When it came.
    pub at: Timestamp,
    pub direction: Direction,
    pub client: Told<IpAddr>,
    /// Local port it came in by.
    pub port: Told<u16>,
    pub sender: &'m ReversePath,
    /// Addresses of the header From.
    pub authors: Vec<&'m str>,
    pub verdict: &'m Verdict,
    /// What holds whatever the score is.
    pub floor: Floor,
    pub subject: &'m str,
    /// Names and values of all header fields.
    pub headers: Told<Vec<(&'m str, &'m str)>>,
    /// The text as a reader sees it.
    pub text: Told<&'m str>,
    pub attachments: Told<Vec<Attachment<'m>>>,
    /// Octets.
    pub size: u64,
    pub authentication: Told<Results>,
    /// The sandbox has not looked at an attachment that it was asked about.
    pub is_unopened: bool,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attachment<'m> {
    pub name: Option<&'m str>,
    /// `type/subtype` as declared, lower case.
    pub declared: &'m str,
    /// What its first octets say, as in `office-open-xml`; empty when nothing.
    pub seen: String,
    /// What a zip's directory names.
    pub members: &'m [String],
}

/// Results of sender authentication.
#[derive(Clone, Debug, PartialEq)]
pub struct Results {
    pub spf: AuthWord,
    pub dkim: AuthWord,
    pub dmarc: AuthWord,
    pub arc: AuthWord,
    /// Domains that SPF or a signature confirms.
    pub confirmed: Vec<Domain>,
}

impl Default for Results {
    fn default() -> Self {
        Self { spf: AuthWord::None, dkim: AuthWord::None, dmarc: AuthWord::None, arc: AuthWord::None, confirmed: Vec::new() }
    }
}

impl Results {
    /// Whether mail in the name of this domain is from it.
    pub fn confirm(&self, domain: &Domain) -> bool {
        self.confirmed.iter().any(|c| domain.is_within(c) || c.is_within(domain))
    }
}
