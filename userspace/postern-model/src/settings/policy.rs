//! `[policy]`: what becomes of a mail for each of its recipients, by rules of who, what and when.
//!
//! What the patterns in here mean, and whether they are any, is the business of `postern-policy`, which reads them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::filter::Thresholds;
use super::{Problem, SettingsError, wording};
use crate::address::Address;
use crate::envelope::Direction;
use crate::reason::Reason;
use crate::score::Score;
use crate::verdict::Action;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PolicySettings {
    /// Tried from the first to the last, for each recipient by itself.
    pub rules: Vec<PolicyRule>,
    /// Named lists of addresses, domains and networks.
    pub lists: Vec<PolicyList>,
    /// What becomes of a mail that is refused for some of its recipients and taken for others: SMTP has one reply for all of them.
    pub when_mixed: WhenMixed,
    /// Whether rules may discard: take a mail, tell nobody, and drop it. Nobody can look for such a mail later.
    pub allow_discard: bool,
    /// Time zone of the rules' `when`, as in `Europe/Berlin`.
    pub time_zone: String,
}

impl Default for PolicySettings {
    fn default() -> Self {
        Self { rules: Vec::new(), lists: Vec::new(), when_mixed: WhenMixed::Quarantine, allow_discard: false, time_zone: "UTC".to_owned() }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WhenMixed {
    /// The mail is taken; where it is refused it is kept in the quarantine.
    #[default]
    Quarantine,
    /// The mail is refused for all.
    Reject,
}

/// Reads rules and lists as the API takes them.
///
/// # Errors
/// What is wrong with their form, with the path in the settings and the rule's name.
pub fn read(policy: Value) -> Result<PolicySettings, SettingsError> {
    serde_path_to_error::deserialize(&policy).map_err(|e| {
        let path = e.path().to_string();
        let path = if path == "." { "policy".to_owned() } else { format!("policy.{}", path.trim_end_matches(".?")) };
        let message = wording::plain(&e.into_inner().to_string());
        let message = with_name(&policy, &path, message);
        SettingsError(vec![Problem { path, message }])
    })
}

/// A message about something in a rule or a list, with its name: people count no blocks.
pub(super) fn with_name(policy: &Value, path: &str, message: String) -> String {
    let name = || {
        let rest = path.strip_prefix("policy.")?;
        let (kind, rest) = rest.split_once('[')?;
        let index: usize = rest.split_once(']')?.0.parse().ok()?;
        let name = policy.get(kind)?.get(index)?.get("name")?.as_str()?;
        Some(format!("{} `{name}`: {message}", kind.trim_end_matches('s')))
    };
    name().unwrap_or(message)
}

/// A named list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyList {
    /// Rules name it as `list:NAME`.
    pub name: String,
    /// For people.
    #[serde(default)]
    pub comment: String,
    /// `user@example.org`, `user@*`, `example.org`, `*.example.org` (all below it), `192.0.2.0/24`, `<>` (the null sender), `/regex/`.
    pub entries: Vec<String>,
    /// What it does by itself.
    #[serde(default)]
    pub role: ListRole,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ListRole {
    /// Nothing: rules name it.
    #[default]
    Rules,
    /// Mail of these senders and clients is accepted whatever its score; of a sender only when SPF, DKIM or DMARC agrees.
    Allow,
    /// Mail of these senders and clients is refused.
    Block,
}

/// A rule. All conditions that are set must hold, and none of `unless`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyRule {
    /// Stands in the journey, in explanations and in the history.
    pub name: String,
    /// For people.
    #[serde(default)]
    pub comment: String,
    /// False: passed over.
    #[serde(default = "yes")]
    pub enabled: bool,
    #[serde(default)]
    pub who: Who,
    #[serde(default)]
    pub what: What,
    #[serde(default)]
    pub when: When,
    #[serde(default)]
    pub unless: Unless,
    #[serde(default)]
    pub action: RuleAction,
}

fn yes() -> bool {
    true
}

/// Who sends to whom. Within one list any entry is enough. Entries are written as in `[[policy.lists]]`, or as `list:NAME`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Who {
    /// The listener it came in by: `inbound` for `smtp.listen`, `outbound` for `smtp.trusted_listen`.
    pub direction: Option<Direction>,
    /// Local ports it came in by.
    pub ports: Vec<u16>,
    /// The client's networks.
    pub clients: Vec<String>,
    /// Senders of the envelope (MAIL FROM).
    pub senders: Vec<String>,
    /// Authors: the addresses in the header From.
    pub authors: Vec<String>,
    /// The recipient in question (RCPT TO).
    pub recipients: Vec<String>,
}

/// What the mail is. Texts match where they stand, in any case; with `*` and `?` as a whole; as `/regex/` where it matches.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct What {
    /// What the filter would do.
    pub verdicts: Vec<Action>,
    /// Why, as in `score-quarantine`, `virus`, `dmarc-reject`.
    pub reasons: Vec<Reason>,
    /// The score is this or more.
    pub min_score: Option<Score>,
    /// The score is below this.
    pub below_score: Option<Score>,
    /// One of these symbols fired; `SANDBOX_*` for all that begin so.
    pub symbols: Vec<String>,
    /// Each of these symbols fired.
    pub all_symbols: Vec<String>,
    /// The subject.
    pub subject: Vec<String>,
    /// Header fields as `Name: text`, or `Name` for any value.
    pub headers: Vec<String>,
    /// The text as a reader sees it.
    pub text: Vec<String>,
    /// Names of attachments, and of what a zip's directory names: `*.exe`, `/regex/`.
    pub attachment_names: Vec<String>,
    /// Types of attachments, as declared (`application/zip`, `image/*`) or as their first octets say (`executable`, `office-open-xml`).
    pub attachment_types: Vec<String>,
    /// The mail has this many octets or more.
    pub min_size: Option<u64>,
    /// The mail has fewer octets than this.
    pub below_size: Option<u64>,
    /// Results of SPF.
    pub spf: Vec<AuthWord>,
    /// Results of DKIM: `pass` when one signature passes.
    pub dkim: Vec<AuthWord>,
    /// Results of DMARC.
    pub dmarc: Vec<AuthWord>,
    /// Results of ARC.
    pub arc: Vec<AuthWord>,
}

/// A result of RFC 8601; `none` also where nothing was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AuthWord {
    None,
    Pass,
    Fail,
    Softfail,
    Neutral,
    Policy,
    Temperror,
    Permerror,
}

/// When the mail came.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct When {
    /// A window that reaches past midnight belongs to the day on which it begins.
    pub weekdays: Vec<Weekday>,
    /// `08:00`: the window begins. Later than `until`: it reaches past midnight.
    pub from: Option<String>,
    /// `17:30`: the window ends, this minute not included.
    pub until: Option<String>,
    /// In place of `policy.time_zone`.
    pub time_zone: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Weekday {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

/// Exceptions: the rule does not match when one of these conditions holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Unless {
    pub who: Who,
    pub what: What,
    pub when: When,
}

/// What a rule does with the mail for this recipient.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RuleAction {
    /// Decides in place of the filter. A virus, and a check that could not be made, are only passed over by a rule that names the
    /// reason in `what.reasons`.
    pub decide: Option<Decide>,
    /// The text after 550 when it decides `reject`.
    pub reply: Option<String>,
    /// Own thresholds for the score.
    pub thresholds: Option<Thresholds>,
    /// The score does not count; what the sender's domain asks for still does.
    pub skip_thresholds: bool,
    /// Put before the subject.
    pub subject_prefix: Option<String>,
    /// Header fields as `Name: value`; fields of this name that the mail brought are taken out.
    pub add_headers: Vec<String>,
    /// Delivered to these in place of the recipient.
    pub redirect_to: Vec<Address>,
    /// Delivered to these too; who they are the mail does not tell.
    pub add_recipients: Vec<Address>,
    /// Whether the rules after it are tried. Default: not after a rule that decides, otherwise they are.
    pub then: Option<Then>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Decide {
    /// Delivered.
    Accept,
    /// Delivered with a mark.
    Tag,
    /// Where the sandbox has not looked at an attachment yet: taken, and delivered or kept when it has. Otherwise the rule decides nothing.
    Hold,
    /// Kept until somebody releases or deletes it.
    Quarantine,
    /// Answered with 550.
    Reject,
    /// Answered with 250 and dropped; needs `policy.allow_discard`.
    Discard,
}

impl Decide {
    pub fn action(self) -> Action {
        match self {
            Self::Accept => Action::Accept,
            Self::Tag => Action::Tag,
            Self::Hold => Action::Hold,
            Self::Quarantine => Action::Quarantine,
            Self::Reject => Action::Reject,
            Self::Discard => Action::Discard,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Then {
    /// No further rule is tried.
    Stop,
    /// The next rule is tried; a later decision replaces an earlier one.
    GoOn,
}
