//! What came out when attachments were taken apart. Each name of a finding is a symbol of the same name.
//!
//! Weights: what no honest mail has may quarantine alone or in twos; what many have (a PDF that opens on a page, an invoice with its
//! data enclosed) is only said. The symbols of names and first octets (`attachment.rs`, `attachment_content.rs`) fire beside these.

use postern_model::sandbox::FindingName;

use crate::symbols;
use crate::symbols::{Findings, Symbol};
use crate::view::View;

symbols! { Sandbox:
    SANDBOX_TYPE_MISMATCH = 1.5, "The name promises another kind of file than the content is.";
    SANDBOX_PROGRAM = 5.0, "A program, however deep it is packed.";
    SANDBOX_SCRIPT = 2.0, "A script that the receiver's system would run when it is opened.";
    SANDBOX_SHORTCUT = 4.0, "A shortcut, which starts what it names.";
    SANDBOX_ENCRYPTED = 0.3, "The content is encrypted and no word of the mail opens it.";
    SANDBOX_PASSWORD_IN_MAIL = 1.5, "The content is encrypted, and the mail itself holds the password.";
    SANDBOX_DEFAULT_PASSWORD = 1.0, "The document is encrypted with a password that Office tries by itself: it opens without a question.";
    SANDBOX_TOO_DEEP = 3.0, "Containers lie in containers beyond the limit.";
    SANDBOX_TOO_MANY = 0.5, "More files than the limit: the rest were not opened.";
    SANDBOX_TOO_LARGE = 1.0, "More comes out than the limit: a bomb, or as good as one.";
    SANDBOX_DAMAGED = 0.2, "A container that cannot be read to its end.";
    SANDBOX_NOT_OPENED = 0.01, "A container whose format is known and not taken apart.";
    SANDBOX_SPLIT_ARCHIVE = 0.5, "One of several files that are an archive together: what lies across them was not opened.";
    SANDBOX_PATH_ESCAPE = 4.0, "A name in an archive that leads out of the folder it is unpacked in.";
    SANDBOX_MACROS = 0.5, "The document holds macros.";
    SANDBOX_MACRO_AUTOSTART = 1.5, "A macro starts by itself when the document is opened or closed.";
    SANDBOX_MACRO_SUSPICIOUS = 5.0, "A macro starts programs, loads from the network or makes objects that do.";
    SANDBOX_DDE = 3.0, "The document asks another program for its data (DDE), which is started for that.";
    SANDBOX_EXTERNAL_TARGET = 3.0, "The document loads its template or an object from elsewhere when it is opened.";
    SANDBOX_EMBEDDED_OBJECT = 0.3, "A file is packed into the document.";
    SANDBOX_HTML_SMUGGLING = 4.0, "A script in an attached page makes a file out of its own text.";
    SANDBOX_HTML_FILE = 2.0, "An attached page holds a program, an archive or a document as text.";
    SANDBOX_HTML_PASSWORD_FORM = 4.0, "An attached page, or one in an archive, asks for a password.";
    SANDBOX_HTML_REDIRECT = 2.0, "An attached page, or one in an archive, leads to another one by itself.";
    SANDBOX_PDF_SCRIPT = 1.0, "The PDF holds a script.";
    SANDBOX_PDF_AUTOSTART = 0.01, "The PDF does something when it is opened: most often it goes to a page.";
    SANDBOX_PDF_LAUNCH = 3.0, "The PDF starts a program or sends a form.";
    SANDBOX_SHORTCUT_COMMAND = 2.0, "What a shortcut starts.";
    SANDBOX_SCRIPT_LAYERS = 1.0, "A script makes further script out of text and runs that.";
    SANDBOX_SCRIPT_STARTS = 3.0, "A script, run in a cell, starts a program or a command.";
    SANDBOX_SCRIPT_LOADS = 2.0, "A script, run in a cell, loads something from the network.";
    SANDBOX_SCRIPT_WRITES = 0.5, "A script, run in a cell, writes a file.";
    SANDBOX_SCRIPT_DROPPER = 3.0, "A script, run in a cell, writes a file and starts it: a dropper.";
    SANDBOX_SCRIPT_PERSISTS = 2.0, "A script, run in a cell, arranges to be started again.";
    SANDBOX_SCRIPT_WAITS = 0.5, "A script, run in a cell, waits long before it goes on.";
    SANDBOX_SCRIPT_STOPPED = 0.5, "A script was ended before its end: it took more steps, time or memory than it may.";
    SANDBOX_SCRIPT_SUSPICIOUS = 3.0, "A script of Visual Basic, PowerShell or a batch file names what starts programs or loads them.";
    SANDBOX_HTML_HAND_OVER = 4.0, "A script in an attached page, run in a cell, made a file and handed it to the reader.";
    SANDBOX_HTML_LOADS = 0.5, "A script in an attached page, run in a cell, loads or sends something when the page is opened.";
    SANDBOX_COMMAND_ENCODED = 3.0, "A command line for PowerShell is written so that nobody can read it.";
    SANDBOX_COMMAND_LOADS = 2.0, "A command line loads something from the network.";
    SANDBOX_NATIVE_STARTS = 0.1, "A program or script of Linux, run in a cell, starts another program: most of them do.";
    SANDBOX_NATIVE_LOADS = 1.5, "A program or script of Linux, run in a cell, speaks to the network.";
    SANDBOX_NATIVE_WRITES = 0.1, "A program or script of Linux, run in a cell, writes a file.";
    SANDBOX_NATIVE_DROPPER = 3.0, "A program or script of Linux, run in a cell, writes a file and starts it.";
    SANDBOX_NATIVE_PERSISTS = 3.0, "A program or script of Linux, run in a cell, arranges to be started again, or to be let in.";
    SANDBOX_NATIVE_REMOVES_ITSELF = 2.0, "A program or script of Linux, run in a cell, removes itself.";
    SANDBOX_NATIVE_ESCAPE = 5.0, "A program of Linux, run in a cell, made a call that only who wants out of it makes.";
    SANDBOX_NATIVE_STOPPED = 0.5, "A program of Linux was ended before its end: it took more time, memory or processes than it may.";
    SANDBOX_NATIVE_DECEIVES = 5.0, "A program of Linux, run in a cell, changed what a call names while it was under way, to fool who watches.";
    SANDBOX_NOT_RUN = 0.1, "A program or document was not run, though it could be: no place was free, or no time was left.";
    SANDBOX_YARA = 6.0, "A YARA rule matches in the attachment.";
    SANDBOX_YARA_SUSPICIOUS = 2.0, "A YARA rule that is tagged suspicious matches in the attachment.";
    SANDBOX_YARA_INFO = 0.01, "A YARA rule that is tagged info matches in the attachment.";
    SANDBOX_YARA_STOPPED = 0.1, "YARA rules were ended before their end: they took more time than they may, or matched too often.";
    SANDBOX_CELL_BROKEN = 5.0, "What took the attachment apart broke a rule of its cell: the content may have taken it over.";
    SANDBOX_CELL_FAILED = 0.5, "What took the attachment apart ended without a report.";
    SANDBOX_CELL_TIMEOUT = 0.5, "Taking the attachment apart did not end in time.";
    SANDBOX_LEFT_OUT = 0.01, "An attachment was not taken apart: it is too large, or there are too many.";
    SANDBOX_UNAVAILABLE = 0.01, "The sandbox gave no answer: an attachment was not taken apart.";
}

pub fn check(view: &View<'_>, found: &mut Findings) {
    let sandbox = &view.facts.sandbox;
    for finding in &sandbox.findings {
        let evidence = if finding.evidence.is_empty() || finding.place.ends_with(&finding.evidence) {
            finding.place.clone()
        } else {
            format!("{}: {}", finding.place, finding.evidence)
        };
        found.add(symbol(finding.name), evidence);
    }
    for why in &sandbox.left_out {
        found.add(&SANDBOX_LEFT_OUT, why);
    }
    for why in &sandbox.unanswered {
        found.add(&SANDBOX_UNAVAILABLE, why);
    }
}

fn symbol(name: FindingName) -> &'static Symbol {
    match name {
        FindingName::TypeMismatch => &SANDBOX_TYPE_MISMATCH,
        FindingName::Program => &SANDBOX_PROGRAM,
        FindingName::Script => &SANDBOX_SCRIPT,
        FindingName::Shortcut => &SANDBOX_SHORTCUT,
        FindingName::Encrypted => &SANDBOX_ENCRYPTED,
        FindingName::PasswordInMail => &SANDBOX_PASSWORD_IN_MAIL,
        FindingName::DefaultPassword => &SANDBOX_DEFAULT_PASSWORD,
        FindingName::TooDeep => &SANDBOX_TOO_DEEP,
        FindingName::TooMany => &SANDBOX_TOO_MANY,
        FindingName::TooLarge => &SANDBOX_TOO_LARGE,
        FindingName::Damaged => &SANDBOX_DAMAGED,
        FindingName::NotOpened => &SANDBOX_NOT_OPENED,
        FindingName::SplitArchive => &SANDBOX_SPLIT_ARCHIVE,
        FindingName::PathEscape => &SANDBOX_PATH_ESCAPE,
        FindingName::Macros => &SANDBOX_MACROS,
        FindingName::MacroAutostart => &SANDBOX_MACRO_AUTOSTART,
        FindingName::MacroSuspicious => &SANDBOX_MACRO_SUSPICIOUS,
        FindingName::Dde => &SANDBOX_DDE,
        FindingName::ExternalTarget => &SANDBOX_EXTERNAL_TARGET,
        FindingName::EmbeddedObject => &SANDBOX_EMBEDDED_OBJECT,
        FindingName::HtmlSmuggling => &SANDBOX_HTML_SMUGGLING,
        FindingName::HtmlFile => &SANDBOX_HTML_FILE,
        FindingName::HtmlPasswordForm => &SANDBOX_HTML_PASSWORD_FORM,
        FindingName::HtmlRedirect => &SANDBOX_HTML_REDIRECT,
        FindingName::PdfScript => &SANDBOX_PDF_SCRIPT,
        FindingName::PdfAutostart => &SANDBOX_PDF_AUTOSTART,
        FindingName::PdfLaunch => &SANDBOX_PDF_LAUNCH,
        FindingName::ShortcutCommand => &SANDBOX_SHORTCUT_COMMAND,
        FindingName::ScriptLayers => &SANDBOX_SCRIPT_LAYERS,
        FindingName::ScriptStarts => &SANDBOX_SCRIPT_STARTS,
        FindingName::ScriptLoads => &SANDBOX_SCRIPT_LOADS,
        FindingName::ScriptWrites => &SANDBOX_SCRIPT_WRITES,
        FindingName::ScriptDropper => &SANDBOX_SCRIPT_DROPPER,
        FindingName::ScriptPersists => &SANDBOX_SCRIPT_PERSISTS,
        FindingName::ScriptWaits => &SANDBOX_SCRIPT_WAITS,
        FindingName::ScriptStopped => &SANDBOX_SCRIPT_STOPPED,
        FindingName::ScriptSuspicious => &SANDBOX_SCRIPT_SUSPICIOUS,
        FindingName::HtmlHandOver => &SANDBOX_HTML_HAND_OVER,
        FindingName::HtmlLoads => &SANDBOX_HTML_LOADS,
        FindingName::CommandEncoded => &SANDBOX_COMMAND_ENCODED,
        FindingName::CommandLoads => &SANDBOX_COMMAND_LOADS,
        FindingName::NativeStarts => &SANDBOX_NATIVE_STARTS,
        FindingName::NativeLoads => &SANDBOX_NATIVE_LOADS,
        FindingName::NativeWrites => &SANDBOX_NATIVE_WRITES,
        FindingName::NativeDropper => &SANDBOX_NATIVE_DROPPER,
        FindingName::NativePersists => &SANDBOX_NATIVE_PERSISTS,
        FindingName::NativeRemovesItself => &SANDBOX_NATIVE_REMOVES_ITSELF,
        FindingName::NativeEscape => &SANDBOX_NATIVE_ESCAPE,
        FindingName::NativeStopped => &SANDBOX_NATIVE_STOPPED,
        FindingName::NativeDeceives => &SANDBOX_NATIVE_DECEIVES,
        FindingName::NotRun => &SANDBOX_NOT_RUN,
        FindingName::Yara => &SANDBOX_YARA,
        FindingName::YaraSuspicious => &SANDBOX_YARA_SUSPICIOUS,
        FindingName::YaraInfo => &SANDBOX_YARA_INFO,
        FindingName::YaraStopped => &SANDBOX_YARA_STOPPED,
        FindingName::CellBroken => &SANDBOX_CELL_BROKEN,
        FindingName::CellFailed => &SANDBOX_CELL_FAILED,
        FindingName::CellTimeout => &SANDBOX_CELL_TIMEOUT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_have_their_findings_names() {
        for name in FindingName::ALL {
            assert_eq!(symbol(*name).name, format!("SANDBOX_{}", name.name()));
        }
    }
}
