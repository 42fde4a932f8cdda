//! What the sandbox says of an attachment: plain data, made by a process that nobody trusts; and what its role is asked.

mod opened;
mod rules;
mod timeline;

use serde::{Deserialize, Serialize};

pub use opened::{Opened, Room, Seen, SeenFile};
pub use rules::{PROBLEMS_MOST, RULES_MOST, RuleProblem, RulesId, RulesReport};
pub use timeline::{Action, EVENT_TEXT_MOST, EVENTS_MOST, Event};

/// A report as it comes out of a cell. Every text in it is the sender's: it is shown as text, nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// In the order they were opened: the first is the attachment itself, each other one lies in an earlier one.
    pub parts: Vec<Part>,
    pub findings: Vec<Finding>,
    /// What its scripts did when they were run.
    #[serde(default)]
    pub timeline: Vec<Event>,
    /// Whether the kernel watched.
    #[serde(default)]
    pub watch: Watched,
}

/// What the kernel's watch over the job's cells came to. A report of before it says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Watched {
    /// Cells that were watched from beginning to end.
    pub cells: u32,
    /// What was seen in them.
    pub seen: u64,
    /// What happened in them and was not seen: too much of it, or too fast.
    pub lost: u64,
    /// Why a cell was not watched.
    pub without: Option<String>,
    /// What this kernel does not let be seen.
    pub partly: Option<String>,
}

impl Watched {
    pub fn add(&mut self, other: Self) {
        self.cells += other.cells;
        self.seen += other.seen;
        self.lost += other.lost;
        self.without = self.without.take().or(other.without);
        self.partly = self.partly.take().or(other.partly);
    }
}

impl Report {
    /// A worker may lie about everything but the shape: parts lie in earlier parts, findings and events name parts that are there.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let in_order = self.parts.iter().enumerate().all(|(n, part)| match part.inside {
            None => n == 0,
            Some(outer) => (outer as usize) < n,
        });
        let is_there = |part: u32| (part as usize) < self.parts.len();
        let names_parts = self.findings.iter().all(|f| is_there(f.part)) && self.timeline.iter().all(|e| is_there(e.part));
        in_order && !self.parts.is_empty() && names_parts && self.timeline.len() <= EVENTS_MOST
    }

    /// Names and addresses on the network that its scripts spoke to or led to, each once, in their order.
    #[must_use]
    pub fn contacted(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for name in self.timeline.iter().filter_map(Event::contacted) {
            if !names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                names.push(name);
            }
        }
        names
    }

    /// How many parts it lies in.
    #[must_use]
    pub fn depth(&self, part: u32) -> u32 {
        let outer = |part: u32| self.parts.get(part as usize).and_then(|p| p.inside);
        std::iter::successors(outer(part), |part| outer(*part)).count() as u32
    }

    /// The names from the attachment down to a part: `invoice.zip/inner.zip/run.js`.
    #[must_use]
    pub fn path(&self, part: u32) -> String {
        let mut names = Vec::new();
        let mut next = Some(part);
        while let Some(part) = next.and_then(|n| self.parts.get(n as usize)) {
            names.push(part.name.as_str());
            next = part.inside;
        }
        names.reverse();
        names.join("/")
    }
}

/// Longest line that the role reads, and that it answers.
pub const MAX_REQUEST: usize = 4096;
pub const MAX_REPLY: u64 = 32 << 20;

/// `node` → `sandbox` over a unix socket: one connection, one line, one reply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum SandboxRequest {
    /// Take apart what is enclosed with the line (SCM_RIGHTS): a sealed memfd with the order and the content.
    Open {
        places: Places,
        /// With these rules; with none without it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rules: Option<RulesId>,
        /// A connection to edge is enclosed, too, by which its cells are watched ([`crate::watch`]).
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_watched: bool,
    },
    /// Make the YARA rules ready whose sources are enclosed in the same way, for the requests that name them.
    Rules,
    /// Say what is wrong with YARA rules that are enclosed in the same way, and forget them.
    TryRules,
    Status,
}

/// How much the role does side by side; each request says it anew, so that a change of the settings needs no restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Places {
    pub at_once: usize,
    /// Requests that may wait for a place.
    pub waiting: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum SandboxReply {
    Report {
        report: Report,
    },
    /// So many run and wait already.
    Busy {
        running: usize,
        waiting: usize,
    },
    /// No cell could be had; nothing of the content was looked at.
    Failed {
        why: String,
    },
    /// The request is none.
    Refused {
        why: String,
    },
    /// It names rules that are not ready: nothing was looked at, and the sources are to be sent first.
    UnknownRules,
    Rules {
        report: RulesReport,
    },
    Status {
        status: SandboxStatus,
    },
}

/// What the role did since it started, and does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxStatus {
    pub running: usize,
    pub waiting: usize,
    pub opened: u64,
    pub busy: u64,
    pub failed: u64,
    pub refused: u64,
    /// Whoever asked was gone before the answer.
    pub abandoned: u64,
    /// The YARA rules that it was sent last, usable or not.
    #[serde(default)]
    pub rules: Option<RulesReport>,
    #[serde(default)]
    pub cgroups: CgroupStatus,
    /// Jobs all of whose cells the kernel watched, and those of which it did not watch all.
    #[serde(default)]
    pub watched: u64,
    #[serde(default)]
    pub unwatched: u64,
    /// Why not, the last time.
    #[serde(default)]
    pub unwatched_because: Option<String>,
}

/// Whether each cell has a cgroup of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CgroupStatus {
    /// What it bounds there: memory, pids, cpu.
    pub bounded: Vec<String>,
    /// Why there is none; what a process may have is limited in any case.
    pub without: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The number of the part it lies in.
    pub inside: Option<u32>,
    /// As it is called there.
    pub name: String,
    pub kind: Kind,
    pub size: u64,
    /// BLAKE3 of the content, as of bodies.
    #[serde(with = "hexadecimal")]
    pub hash: [u8; 32],
}

/// A hash as people write it, where people may read it.
mod hexadecimal {
    use std::fmt::Write;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(hash: &[u8; 32], to: S) -> Result<S::Ok, S::Error> {
        if !to.is_human_readable() {
            return hash.serialize(to);
        }
        let mut text = String::with_capacity(64);
        for octet in hash {
            write!(text, "{octet:02x}").map_err(serde::ser::Error::custom)?;
        }
        to.serialize_str(&text)
    }

    pub fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<[u8; 32], D::Error> {
        if !from.is_human_readable() {
            return <[u8; 32]>::deserialize(from);
        }
        let text = String::deserialize(from)?;
        let mut hash = [0; 32];
        for (n, octet) in hash.iter_mut().enumerate() {
            let digits = text.get(2 * n..2 * n + 2).filter(|_| text.len() == 64);
            *octet = digits
                .and_then(|d| u8::from_str_radix(d, 16).ok())
                .ok_or_else(|| serde::de::Error::custom("a hash is 64 hexadecimal digits"))?;
        }
        Ok(hash)
    }
}

/// What something is by its content, whatever its name says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    Zip,
    Gzip,
    Bzip2,
    Xz,
    Zstandard,
    Tar,
    SevenZip,
    Rar,
    Cabinet,
    /// LHA, LZH.
    Lha,
    Arj,
    Cpio,
    /// What `compress` makes: `.Z`.
    Compress,
    /// An archive of a format that is known by its first octets alone.
    RareArchive,
    DiskImage,
    /// Office as ZIP and XML.
    OfficeXml,
    /// A compound file: Word, Excel and PowerPoint until 2003, Outlook's mails, installers.
    Compound,
    Rtf,
    OneNote,
    /// What Outlook packs a mail into: `winmail.dat`.
    Tnef,
    Pdf,
    Html,
    Svg,
    Mail,
    Shortcut,
    WindowsProgram,
    LinuxProgram,
    Script,
    Image,
    Text,
    #[default]
    Unknown,
}

/// Something an admin would want to know. The name is stable: rules and scores refer to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    pub name: FindingName,
    /// The part's number.
    pub part: u32,
    /// What was seen, at most [`EVIDENCE_MOST`] octets.
    pub evidence: String,
}

pub const EVIDENCE_MOST: usize = 300;

macro_rules! findings {
    ($($(#[doc = $text:literal])+ $variant:ident = $name:literal,)+) => {
        /// Every name a finding can have.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum FindingName { $($(#[doc = $text])+ #[serde(rename = $name)] $variant,)+ }

        impl FindingName {
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// In a sentence, for people.
            pub fn text(self) -> &'static str {
                match self { $(Self::$variant => concat!($($text),+).trim_ascii(),)+ }
            }
        }
    };
}

findings! {
    /// The name promises another kind of file than the content is.
    TypeMismatch = "TYPE_MISMATCH",
    /// A program for Windows or Linux.
    Program = "PROGRAM",
    /// A script that the receiver's system would run when it is opened.
    Script = "SCRIPT",
    /// A shortcut, which starts what it names.
    Shortcut = "SHORTCUT",
    /// The content is encrypted and no password of the mail opens it.
    Encrypted = "ENCRYPTED",
    /// The content is encrypted, and the mail itself holds the password.
    PasswordInMail = "PASSWORD_IN_MAIL",
    /// The document is encrypted with a password that Office tries by itself: it opens without a question.
    DefaultPassword = "DEFAULT_PASSWORD",
    /// Containers lie in containers beyond the limit; the innermost ones were not opened.
    TooDeep = "TOO_DEEP",
    /// More files than the limit; the rest were not opened.
    TooMany = "TOO_MANY",
    /// More octets come out than the limit, in all or for what goes in: a bomb, or as good as one.
    TooLarge = "TOO_LARGE",
    /// A container that cannot be read to its end.
    Damaged = "DAMAGED",
    /// A container whose format is known and not taken apart here.
    NotOpened = "NOT_OPENED",
    /// One of several files that are an archive together; what lies across them was not opened.
    SplitArchive = "SPLIT_ARCHIVE",
    /// A name that leads out of the folder it is unpacked in.
    PathEscape = "PATH_ESCAPE",
    /// The document holds macros (VBA).
    Macros = "MACROS",
    /// A macro starts by itself when the document is opened or closed.
    MacroAutostart = "MACRO_AUTOSTART",
    /// A macro starts programs, loads from the network or makes objects that do.
    MacroSuspicious = "MACRO_SUSPICIOUS",
    /// The document asks another program for its data (DDE), which is started for that.
    Dde = "DDE",
    /// The document loads its template or an object from elsewhere when it is opened.
    ExternalTarget = "EXTERNAL_TARGET",
    /// A file is packed into the document and is opened by a click on its picture.
    EmbeddedObject = "EMBEDDED_OBJECT",
    /// A script in the page makes a file out of its own text and hands it to the reader.
    HtmlSmuggling = "HTML_SMUGGLING",
    /// The page holds a program, an archive or a document as text.
    HtmlFile = "HTML_FILE",
    /// The page asks for a password.
    HtmlPasswordForm = "HTML_PASSWORD_FORM",
    /// The page leads to another one by itself.
    HtmlRedirect = "HTML_REDIRECT",
    /// The PDF holds a script.
    PdfScript = "PDF_SCRIPT",
    /// The PDF does something when it is opened.
    PdfAutostart = "PDF_AUTOSTART",
    /// The PDF starts a program or sends a form.
    PdfLaunch = "PDF_LAUNCH",
    /// What a shortcut starts.
    ShortcutCommand = "SHORTCUT_COMMAND",
    /// A script makes further script out of text and runs that.
    ScriptLayers = "SCRIPT_LAYERS",
    /// A script starts a program or a command.
    ScriptStarts = "SCRIPT_STARTS",
    /// A script loads something from the network.
    ScriptLoads = "SCRIPT_LOADS",
    /// A script writes a file.
    ScriptWrites = "SCRIPT_WRITES",
    /// A script writes a file and starts it: a dropper.
    ScriptDropper = "SCRIPT_DROPPER",
    /// A script arranges to be started again: by the registry, a task, a service or a start-up folder.
    ScriptPersists = "SCRIPT_PERSISTS",
    /// A script waits long before it goes on.
    ScriptWaits = "SCRIPT_WAITS",
    /// A script was ended before its end: it took more steps, time or memory than it may.
    ScriptStopped = "SCRIPT_STOPPED",
    /// A script of Visual Basic, PowerShell or a batch file names what starts programs or loads them.
    ScriptSuspicious = "SCRIPT_SUSPICIOUS",
    /// A script in the page made a file and handed it to the reader.
    HtmlHandOver = "HTML_HAND_OVER",
    /// A script in the page loads or sends something when the page is opened.
    HtmlLoads = "HTML_LOADS",
    /// A command line for PowerShell is written so that nobody can read it.
    CommandEncoded = "COMMAND_ENCODED",
    /// A command line loads something from the network.
    CommandLoads = "COMMAND_LOADS",
    /// A program or script of Linux, run in a cell, starts another program.
    NativeStarts = "NATIVE_STARTS",
    /// A program, run in a cell, speaks to the network.
    NativeLoads = "NATIVE_LOADS",
    /// A program, run in a cell, writes a file.
    NativeWrites = "NATIVE_WRITES",
    /// A program, run in a cell, writes a file and starts it.
    NativeDropper = "NATIVE_DROPPER",
    /// A program, run in a cell, arranges to be started again, or to be let in.
    NativePersists = "NATIVE_PERSISTS",
    /// A program, run in a cell, removes itself.
    NativeRemovesItself = "NATIVE_REMOVES_ITSELF",
    /// A program, run in a cell, made a call that only who wants out of it makes.
    NativeEscape = "NATIVE_ESCAPE",
    /// A program was ended before its end: it took more time, memory or processes than it may.
    NativeStopped = "NATIVE_STOPPED",
    /// A program changed what a call names while it was under way: it wants to fool who watches.
    NativeDeceives = "NATIVE_DECEIVES",
    /// A program or document was not run, though it could be: no place was free, or no time was left.
    NotRun = "NOT_RUN",
    /// A YARA rule matches.
    Yara = "YARA",
    /// A YARA rule matches that is tagged `suspicious`: what it looks for is in honest files, too.
    YaraSuspicious = "YARA_SUSPICIOUS",
    /// A YARA rule matches that is tagged `info`.
    YaraInfo = "YARA_INFO",
    /// YARA rules were ended before their end: they took more time than they may, or matched too often.
    YaraStopped = "YARA_STOPPED",
    /// The worker broke a rule of its cell and was killed.
    CellBroken = "CELL_BROKEN",
    /// The worker crashed or ended without a report.
    CellFailed = "CELL_FAILED",
    /// The worker did not end in time and was killed.
    CellTimeout = "CELL_TIMEOUT",
}

impl Finding {
    pub fn new(name: FindingName, part: u32, evidence: impl Into<String>) -> Self {
        let mut evidence = evidence.into();
        let mut end = EVIDENCE_MOST.min(evidence.len());
        while !evidence.is_char_boundary(end) {
            end -= 1;
        }
        evidence.truncate(end);
        Self { name, part, evidence }
    }
}
