//! Why a connection, a recipient or a mail was treated as it was: one closed list. The kebab-case
//! name is the same in logs, headers, metrics, the API and the console.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $code:literal, $enhanced:literal, $text:literal;)*) => {
        /// See the module's documentation. Each has the reply a client gets when this reason
        /// refuses it; for reasons that refuse nobody the reply is never sent.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum Reason {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)*
        }

        impl Reason {
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Stable kebab-case name.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Reply code, enhanced status code (RFC 3463) and text for the client.
            pub fn reply(self) -> (u16, &'static str, &'static str) {
                match self { $(Self::$variant => ($code, $enhanced, $text),)* }
            }
        }
    };
}

// Spools and quarantines on disk hold a reason as its place in this list: new ones go to the end.
reasons! {
    /// Nothing against it.
    Clean = "clean", 250, "2.0.0", "accepted";
    /// The score reached the threshold for a mark.
    ScoreTag = "score-tag", 250, "2.0.0", "accepted";
    /// The score reached the threshold for quarantine.
    ScoreQuarantine = "score-quarantine", 250, "2.0.0", "accepted";
    /// The score reached the threshold for refusal.
    ScoreReject = "score-reject", 550, "5.7.1", "message refused: it was judged to be spam";
    /// An antivirus engine named a virus.
    Virus = "virus", 550, "5.7.1", "message refused: it contains a virus";
    /// The policy of the author's domain (DMARC p=reject).
    DmarcReject = "dmarc-reject", 550, "5.7.26", "message refused by the DMARC policy of the author's domain";
    /// The policy of the author's domain (DMARC p=quarantine).
    DmarcQuarantine = "dmarc-quarantine", 250, "2.0.0", "accepted";
    /// SPF -all and the settings say to refuse at once.
    SpfFail = "spf-fail", 550, "5.7.23", "sender refused: SPF says this host may not send for the domain";
    /// An operator's allow list decided.
    Allowed = "allowed", 250, "2.0.0", "accepted";
    /// An operator's block list decided.
    Blocked = "blocked", 550, "5.7.1", "refused by local policy";
    /// Listed by DNS lists with enough weight.
    DnsList = "dns-list", 554, "5.7.1", "connection refused: your address is on a block list";
    /// Spoke before our greeting (RFC 5321 §3.1).
    Pregreet = "pregreet", 554, "5.5.1", "you spoke before the greeting";
    /// Banned by this cluster.
    Banned = "banned", 554, "5.7.1", "connection refused: too many bad attempts, try again later";
    /// Too many connections or commands from one source.
    RateLimit = "rate-limit", 421, "4.7.0", "too much from your address, try again later";
    /// All our places are taken.
    Overload = "overload", 421, "4.3.2", "too busy, try again later";
    /// We are about to stop, or drained.
    ShuttingDown = "shutting-down", 421, "4.3.2", "service is closing down, try again";
    /// First contact of this client, sender and recipient.
    Greylisted = "greylisted", 451, "4.7.1", "greylisted, try again in a few minutes";
    /// Relaying to a domain that is not ours.
    RelayDenied = "relay-denied", 550, "5.7.1", "relaying denied";
    /// The backend or the table does not know this recipient.
    UnknownRecipient = "unknown-recipient", 550, "5.1.1", "no such mailbox here";
    /// The recipient could not be checked now.
    RecipientUnverified = "recipient-unverified", 451, "4.1.1", "the recipient can't be checked now, try again later";
    /// Many unknown recipients from one client.
    DictionaryAttack = "dictionary-attack", 421, "4.7.1", "too many unknown recipients";
    /// Sender's domain does not exist.
    SenderDomainUnknown = "sender-domain-unknown", 550, "5.1.8", "the sender's domain does not exist";
    /// HELO is no host name, or claims to be us.
    HeloRefused = "helo-refused", 550, "5.7.1", "the name in HELO or EHLO is not acceptable";
    /// Larger than we take.
    TooLarge = "too-large", 552, "5.3.4", "message too large";
    /// More recipients than we take in one transaction.
    TooManyRecipients = "too-many-recipients", 452, "4.5.3", "too many recipients, send the rest in another transaction";
    /// Bare CR or LF: how smuggling begins (RFC 5321 §2.3.8).
    BareNewline = "bare-newline", 550, "5.6.0", "message refused: bare CR or LF (RFC 5321 2.3.8)";
    /// More Received lines than hops we believe in (RFC 5321 §6.3).
    MailLoop = "mail-loop", 554, "5.4.6", "too many hops: this mail goes in circles";
    /// Too many errors in one session.
    TooManyErrors = "too-many-errors", 421, "4.7.0", "too many errors";
    /// A time limit of the session passed.
    Timeout = "timeout", 421, "4.4.2", "timeout, closing";
    /// TLS is needed here.
    TlsRequired = "tls-required", 530, "5.7.0", "issue STARTTLS first";
    /// The login was wrong.
    LoginFailed = "login-failed", 535, "5.7.8", "authentication failed";
    /// No space or no reserve left on the disk.
    StorageFull = "storage-full", 452, "4.3.1", "not enough storage, try again later";
    /// Writing to the disk failed.
    StorageError = "storage-error", 451, "4.3.0", "local error, try again later";
    /// A check that must not be skipped could not be made.
    CheckUnavailable = "check-unavailable", 451, "4.7.1", "a check can't be made now, try again later";
    /// The backend refused for good a mail from outside that we had accepted: held, not bounced (ADR 0003).
    Undeliverable = "undeliverable", 550, "5.0.0", "could not be delivered";
    /// A rule of the operator's policy.
    Policy = "policy", 550, "5.7.1", "refused by local policy";
    /// An operator's feed of bad networks.
    Feed = "feed", 554, "5.7.1", "connection refused: your network is on a block list";
    /// Repeatedly sent mail that was refused.
    RepeatedRejects = "repeated-rejects", 554, "5.7.1", "connection refused: too many refused mails";
    /// Banned by hand.
    Manual = "manual", 554, "5.7.1", "connection refused";
    /// No other node takes a copy of the mail, and the settings say not to accept without one.
    NoPeer = "no-peer", 451, "4.3.0", "no second copy can be kept now, try again later";
    /// The recipient allows the sender, and it is really from there.
    UserAllowed = "user-allowed", 250, "2.0.0", "accepted";
    /// The recipient blocks the sender: kept in quarantine.
    UserBlocked = "user-blocked", 250, "2.0.0", "accepted";
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Reason {
    type Err = UnknownReason;
    fn from_str(text: &str) -> Result<Self, UnknownReason> {
        Self::ALL.iter().copied().find(|r| r.name() == text).ok_or_else(|| UnknownReason(text.to_owned()))
    }
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a reason")]
pub struct UnknownReason(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kebab_case_and_unique_and_codes_agree() {
        let mut seen = std::collections::HashSet::new();
        for r in Reason::ALL {
            assert!(seen.insert(r.name()), "{r} stands twice");
            assert!(r.name().bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{r}");
            let (code, enhanced, text) = r.reply();
            assert_eq!(code / 100, u16::from(enhanced.as_bytes()[0] - b'0'), "{r}: {code} {enhanced}");
            assert!(text.is_ascii() && text.len() <= 120, "{r}: {text}");
            assert_eq!(r.name().parse(), Ok(*r));
        }
    }
}
