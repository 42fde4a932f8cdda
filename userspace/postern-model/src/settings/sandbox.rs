//! `[sandbox]`: attachments taken apart before the verdict, each in a cell of its own.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::Span;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SandboxSettings {
    /// Ask the role `sandbox` about the attachments of each mail that is judged.
    pub enabled: bool,
    /// What becomes of a mail with an attachment that could not be taken apart because the role is away, has no free place or is too slow.
    pub when_unavailable: WhenNotOpened,
    /// Mails that wait for the sandbox behind their 250: by `when_unavailable = "hold"`, or by a rule that decides `hold`.
    pub hold: HoldSettings,
    /// How long all attachments of a mail together may take, waiting for a place included. A single one that works for half of it is
    /// ended, and that is a finding.
    pub timeout: Span,
    /// Run the scripts in attachments and pages, among objects that only write down what is done with them.
    pub run_scripts: bool,
    /// Run programs and scripts of Linux (ELF, shell, Python, Perl) in a cell of their own with a network that leads nowhere, where this machine
    /// has what runs them.
    pub run_programs: bool,
    /// Which documents (Office, ODF, RTF, PDF) are opened in a cell of their own with such a network, their macros run, where this machine has the
    /// office pack (LibreOffice, poppler).
    pub open_documents: OpenDocuments,
    /// Look for patterns in all that comes out of attachments, by the YARA rules that Postern brings and those of `rules` and `yara_rules`.
    pub yara: bool,
    /// YARA rules of your own. A change is in force within seconds; with an error in any of them, or in a file of `yara_rules`, the rules before it
    /// stay.
    pub rules: Vec<RuleText>,
    /// Folder with YARA rules of your own (`*.yar`, `*.yara`, in folders of it too), on this machine. A change in it is in force within seconds;
    /// with an error in any file the rules before it stay. Empty: none. Node-local.
    pub yara_rules: PathBuf,
    /// Kinds of attachments that are not taken apart. What a thing is, its content says and not its name.
    pub skip: Vec<Skipped>,
    /// Attachments above this many octets are not taken apart; the mail gets SANDBOX_LEFT_OUT, whatever `when_unavailable` says.
    pub max_size: u64,
    /// Attachments of a mail that are taken apart; the others are left out as those that are too large.
    pub max_attachments: usize,
    /// Cells at a time. Node-local.
    pub at_once: usize,
    /// Attachments that may wait for a cell; more are not taken, and `when_unavailable` decides.
    pub waiting: usize,
    /// Octets of memory that a cell may have. Node-local.
    pub memory: u64,
}

impl Default for SandboxSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            when_unavailable: WhenNotOpened::Pass,
            hold: HoldSettings::default(),
            timeout: Span::seconds(20),
            run_scripts: true,
            run_programs: true,
            open_documents: OpenDocuments::default(),
            yara: true,
            rules: Vec::new(),
            yara_rules: PathBuf::new(),
            skip: vec![Skipped::Text, Skipped::Image, Skipped::Media],
            max_size: 25 * 1024 * 1024,
            max_attachments: 20,
            at_once: 4,
            waiting: 64,
            memory: 256 * 1024 * 1024,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OpenDocuments {
    /// None of them.
    None,
    /// Those in which something was found.
    #[default]
    Active,
    /// Each.
    All,
}

/// Texts of `sandbox.rules`; octets of one; octets of all of them, which go to all nodes with each change.
pub const RULE_TEXTS_MOST: usize = 100;
pub const RULE_TEXT_SIZE: usize = 256 << 10;
pub const RULE_TEXTS_SIZE: usize = 1 << 20;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleText {
    /// What errors and findings call it: letters, digits, `-` and `_`.
    pub name: String,
    /// YARA rules, at most 256 KiB.
    pub text: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HoldSettings {
    /// How long after its 250 a mail is held at most.
    pub time: Span,
    /// Mails that are held at a time; of one more `then` decides at once. Node-local.
    pub max_mails: usize,
    /// Octets of all mails that are held at a time. Node-local.
    pub max_size: u64,
    /// What becomes of a mail whose time is over, or for which there is no room.
    pub then: AfterHold,
}

impl Default for HoldSettings {
    fn default() -> Self {
        Self { time: Span::seconds(15 * 60), max_mails: 1000, max_size: 1 << 30, then: AfterHold::Quarantine }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AfterHold {
    /// Delivered with SANDBOX_UNAVAILABLE.
    Deliver,
    /// Kept in the quarantine.
    #[default]
    Quarantine,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WhenNotOpened {
    /// The mail passes with SANDBOX_UNAVAILABLE.
    #[default]
    Pass,
    /// The mail is taken and held; the sandbox is asked again, and the mail is delivered or kept in the quarantine by what it then says.
    Hold,
    /// The mail is taken and kept in the quarantine.
    Quarantine,
    /// The mail gets 451.
    Defer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Skipped {
    /// Plain text, calendars and cards, unless the name makes it a script.
    Text,
    /// Pictures, SVG not among them.
    Image,
    /// Sound and film.
    Media,
    /// PDF.
    Pdf,
}
