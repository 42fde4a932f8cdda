//! Attachments by name and type (by what is inside: `attachment_content.rs`).

use postern_mail::message::{Part, TrueType};

use super::Findings;
use crate::evidence::is_invisible;
use crate::symbols;
use crate::themes::Theme;
use crate::view::View;

symbols! { Attachment:
    ATTACHMENT_EXECUTABLE = 6.0, "A program.";
    ATTACHMENT_SCRIPT = 5.5, "A script that runs when it is opened.";
    ATTACHMENT_SHORTCUT = 6.0, "A shortcut (.lnk, .url, .library-ms and the like).";
    ATTACHMENT_DOUBLE_EXTENSION = 5.0, "A name with two endings, the last of which runs: invoice.pdf.exe.";
    ATTACHMENT_NAME_TURNED = 5.0, "A name with direction-changing or invisible characters: it ends otherwise than it seems.";
    ATTACHMENT_NAME_PADDED = 4.0, "A name with many blanks before its ending.";
    ATTACHMENT_DISK_IMAGE = 4.5, "A disk image (ISO, IMG, VHD).";
    ATTACHMENT_ONENOTE = 3.5, "A OneNote section, which may carry programs.";
    ATTACHMENT_UNUSUAL_ARCHIVE = 2.5, "An archive in a format that people hardly send: ace, arj, cab, lzh, gz, r00, uue.";
    ATTACHMENT_ARCHIVE = 0.2, "A zip, rar or 7z archive from outside.";
    ATTACHMENT_ENCRYPTED = 1.5, "An archive with a password: no scanner sees into it.";
    ATTACHMENT_PASSWORD_IN_TEXT = 3.0, "An archive with a password, and the password stands in the mail.";
    ATTACHMENT_HTML = 1.5, "A web page as an attachment.";
    ATTACHMENT_SVG = 1.5, "An SVG picture as an attachment: it can hold scripts and forms.";
    ATTACHMENT_TYPE_LIES = 2.0, "The content is of another kind than the name says.";
    ATTACHMENT_GENERIC_TYPE = 0.3, "A document sent as application/octet-stream.";
    ATTACHMENT_CALENDAR_STRANGER = 0.6, "A calendar invitation from a free mailer or an unconfirmed sender.";
    ATTACHMENT_WINMAIL = 0.01, "A winmail.dat (TNEF): its content is not seen.";
    ATTACHMENT_MAIL = 0.3, "A mail as an attachment.";
    ATTACHMENT_IMAGE_ONLY = 0.8, "Only a picture is attached, and there is hardly any text.";
    ATTACHMENT_LURE_NAME = 0.8, "A name such as invoice, payment or voicemail on a page or archive.";
    ATTACHMENT_NAMES_RECIPIENT = 1.5, "The recipient's name or domain is in the name of an attached page or archive.";
    ATTACHMENT_DOCUMENT_ALONE = 0.3, "A PDF and hardly any text from a stranger.";
}

const EXECUTABLE: &[&str] = &[
    "exe", "scr", "com", "pif", "cpl", "dll", "msi", "msix", "appx", "xll", "jar", "apk", "app", "dmg", "pkg", "deb", "rpm", "ocx", "sys",
    "msp", "gadget", "ade", "mde", "ax",
];
const SCRIPT: &[&str] = &[
    "js",
    "jse",
    "vbs",
    "vbe",
    "vb",
    "wsf",
    "wsh",
    "wsc",
    "hta",
    "ps1",
    "psm1",
    "ps1xml",
    "bat",
    "cmd",
    "sct",
    "chm",
    "reg",
    "msc",
    "jnlp",
    "slk",
    "iqy",
    "ws",
    "settingcontent-ms",
    "application",
];
const SHORTCUT: &[&str] = &["lnk", "url", "website", "library-ms", "search-ms", "scf", "desktop", "webloc", "appref-ms", "rdp", "contact"];
const IMAGE_OF_DISK: &[&str] = &["iso", "img", "vhd", "vhdx", "udf", "cue", "daa", "vmdk"];
const RARE_ARCHIVE: &[&str] = &[
    "ace", "arj", "lzh", "lha", "cab", "r00", "r01", "r13", "uue", "uu", "z", "zipx", "xxe", "b64", "bz", "lz", "alz", "egg", "arc", "paq",
];
const ARCHIVE: &[&str] = &["zip", "rar", "7z", "gz", "tgz", "tar", "bz2", "xz"];
const DOCUMENT: &[&str] = &[
    "pdf", "doc", "docx", "xls", "xlsx", "ppt", "pptx", "txt", "rtf", "jpg", "jpeg", "png", "gif", "htm", "html", "csv", "mp3", "mp4",
    "odt",
];

/// What runs when somebody double-clicks it.
pub fn runs(extension: &str) -> bool {
    EXECUTABLE.contains(&extension) || SCRIPT.contains(&extension) || SHORTCUT.contains(&extension)
}

/// The last ending in lower case, without trailing dots and blanks (Windows drops them).
pub fn extension(name: &str) -> String {
    let bare = name.trim_end_matches(['.', ' ', '"']);
    bare.rsplit_once('.').map_or(String::new(), |(_, e)| e.trim().to_lowercase())
}

pub fn check(view: &View<'_>, found: &mut Findings) {
    let mut attached = 0;
    for part in view.attachments().take(100) {
        if part.is_attachment {
            attached += 1;
        }
        if let Some(name) = &part.filename {
            by_name(view, part, name, found);
        }
        by_type(view, part, found);
    }
    whole(view, attached, found);
}

fn by_name(view: &View<'_>, part: &Part, name: &str, found: &mut Findings) {
    let end = extension(name);
    let end = end.as_str();
    if EXECUTABLE.contains(&end) {
        found.add(&ATTACHMENT_EXECUTABLE, name);
    } else if SCRIPT.contains(&end) {
        // Programmers send each other scripts as text over their lists.
        if !(view.is_list && part.true_type == TrueType::Text && matches!(end, "js" | "vb" | "ps1" | "bat" | "cmd")) {
            found.add(&ATTACHMENT_SCRIPT, name);
        }
    } else if SHORTCUT.contains(&end) {
        // An Internet shortcut opens a page; the others start programs.
        let strength = if matches!(end, "url" | "webloc" | "website") { 0.4 } else { 1.0 };
        found.add_scaled(&ATTACHMENT_SHORTCUT, strength, name);
    } else if IMAGE_OF_DISK.contains(&end) {
        found.add(&ATTACHMENT_DISK_IMAGE, name);
    } else if RARE_ARCHIVE.contains(&end) {
        found.add(&ATTACHMENT_UNUSUAL_ARCHIVE, name);
    } else if end == "one" || end == "onepkg" {
        found.add(&ATTACHMENT_ONENOTE, name);
    }
    let before = extension(&name[..name.trim_end_matches(['.', ' ', '"']).len().saturating_sub(end.len() + 1)]);
    if DOCUMENT.contains(&before.as_str())
        && (runs(end)
            || IMAGE_OF_DISK.contains(&end)
            || (ARCHIVE.contains(&end) && matches!(end, "rar" | "7z") || RARE_ARCHIVE.contains(&end)))
    {
        found.add(&ATTACHMENT_DOUBLE_EXTENSION, name);
    }
    if name.chars().any(|c| is_invisible(c) && c != '\u{ad}') {
        found.add(&ATTACHMENT_NAME_TURNED, name);
    }
    if name.contains("          ") {
        found.add(&ATTACHMENT_NAME_PADDED, name);
    }
    let lower = name.to_lowercase();
    let page_or_archive =
        matches!(end, "htm" | "html" | "shtml" | "xhtml" | "svg" | "eml") || ARCHIVE.contains(&end) || RARE_ARCHIVE.contains(&end);
    if page_or_archive {
        let words = [
            "invoice",
            "payment",
            "remittance",
            "voicemail",
            "voice",
            "audio",
            "scan",
            "fax",
            "receipt",
            "order",
            "swift",
            "statement",
            "document",
            "secure",
            "encrypted",
            "rechnung",
            "mahnung",
            "factura",
            "facture",
            "fattura",
            "boleto",
            "salary",
            "payroll",
            "contract",
            "signed",
            "play_",
            "wav",
        ];
        if words.iter().any(|w| lower.contains(w)) {
            found.add(&ATTACHMENT_LURE_NAME, name);
        }
        let named = view.recipients.iter().any(|(l, d)| {
            l.len() >= 4 && lower.contains(l.as_str()) || d.split('.').next().is_some_and(|d| d.len() >= 5 && lower.contains(d))
        });
        if named && view.from_outside {
            found.add(&ATTACHMENT_NAMES_RECIPIENT, name);
        }
    }
}

fn by_type(view: &View<'_>, part: &Part, found: &mut Findings) {
    let name = part.filename.as_deref().unwrap_or(&part.content_type);
    let end = extension(name);
    match part.true_type {
        TrueType::Executable | TrueType::Elf | TrueType::MachO => found.add(&ATTACHMENT_EXECUTABLE, name),
        TrueType::Lnk => found.add(&ATTACHMENT_SHORTCUT, name),
        TrueType::Iso => found.add(&ATTACHMENT_DISK_IMAGE, name),
        TrueType::OneNote => found.add(&ATTACHMENT_ONENOTE, name),
        TrueType::Cab => found.add(&ATTACHMENT_UNUSUAL_ARCHIVE, name),
        TrueType::Svg if part.is_attachment => found.add(&ATTACHMENT_SVG, name),
        TrueType::Calendar | TrueType::Unknown | TrueType::Text if part.content_type == "text/calendar" || end == "ics" => {
            stranger_invites(view, found)
        }
        _ => {}
    }
    if end == "svg" || end == "svgz" {
        found.add(&ATTACHMENT_SVG, name);
    }
    let is_page = matches!(end.as_str(), "htm" | "html" | "shtml" | "xhtml" | "mht" | "mhtml");
    if part.is_attachment && !view.is_list && (is_page || part.content_type == "text/html" || part.true_type == TrueType::Html) {
        found.add(&ATTACHMENT_HTML, name);
    }
    if let Some(expected) = kind_of(&end)
        && part.true_type != TrueType::Unknown
        && !expected.contains(&part.true_type)
    {
        found.add(&ATTACHMENT_TYPE_LIES, format!("{name} is {:?}", part.true_type));
    }
    if part.content_type == "application/octet-stream" && DOCUMENT.contains(&end.as_str()) {
        found.add(&ATTACHMENT_GENERIC_TYPE, name);
    }
    let is_archive = ARCHIVE.contains(&end.as_str()) || matches!(part.true_type, TrueType::Zip | TrueType::Rar | TrueType::SevenZip);
    if is_archive && view.from_outside && !view.is_list {
        found.add(&ATTACHMENT_ARCHIVE, name);
    }
    if part.is_encrypted_archive {
        found.add(&ATTACHMENT_ENCRYPTED, name);
        if view.themes.has(Theme::ArchivePassword) {
            found.add(&ATTACHMENT_PASSWORD_IN_TEXT, view.themes.evidence(Theme::ArchivePassword));
        }
    }
    if end == "dat" && name.eq_ignore_ascii_case("winmail.dat") || part.content_type == "application/ms-tnef" {
        found.add(&ATTACHMENT_WINMAIL, name);
    }
    if (part.is_message && part.is_attachment || end == "eml" || end == "msg")
        && !view.is_list
        && view.facts.mail_from.address().is_some()
        && !view.is_reply
    {
        found.add(&ATTACHMENT_MAIL, name);
    }
}

fn stranger_invites(view: &View<'_>, found: &mut Findings) {
    let known = view.facts.history.mails_from_sender.is_some_and(|n| n > 0);
    if view.from_outside
        && !known
        && !view.is_reply
        && (view.from_is_authentic() == Some(false)
            || (view.is_free_mailer(view.from_domain)
                && view.links().count() > 0
                && view.themes.first_of(super::lure::CREDENTIAL).is_some()))
    {
        found.add(&ATTACHMENT_CALENDAR_STRANGER, &view.from_address);
    }
}

/// What a file with this ending begins with.
fn kind_of(extension: &str) -> Option<&'static [TrueType]> {
    Some(match extension {
        "pdf" => &[TrueType::Pdf],
        "docx" | "xlsx" | "pptx" | "docm" | "xlsm" => &[TrueType::OfficeOpenXml, TrueType::Zip, TrueType::Ole],
        "doc" | "xls" | "ppt" => &[TrueType::Ole, TrueType::Rtf, TrueType::OfficeOpenXml, TrueType::Text, TrueType::Html],
        "zip" => &[TrueType::Zip, TrueType::OfficeOpenXml],
        "rar" => &[TrueType::Rar],
        "7z" => &[TrueType::SevenZip],
        "jpg" | "jpeg" | "png" | "gif" | "bmp" | "webp" => &[TrueType::Image],
        "rtf" => &[TrueType::Rtf],
        _ => return None,
    })
}

fn whole(view: &View<'_>, attached: usize, found: &mut Findings) {
    if attached == 0 || view.is_reply || view.is_list || !view.from_outside || view.text_length() >= 120 {
        return;
    }
    let files: Vec<&Part> = view.attachments().filter(|p| p.is_attachment).collect();
    if files.iter().all(|p| p.true_type == TrueType::Image || p.content_type.starts_with("image/")) {
        found.add(&ATTACHMENT_IMAGE_ONLY, files[0].filename.as_deref().unwrap_or(""));
    } else if files.len() == 1
        && files[0].true_type == TrueType::Pdf
        && view.from_is_authentic() != Some(true)
        && view.is_free_mailer(view.from_domain)
    {
        found.add(&ATTACHMENT_DOCUMENT_ALONE, files[0].filename.as_deref().unwrap_or(""));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings() {
        assert_eq!(extension("Invoice.PDF.exe "), "exe");
        assert_eq!(extension("readme"), "");
        assert!(runs("lnk") && runs("hta") && !runs("pdf"));
    }
}
