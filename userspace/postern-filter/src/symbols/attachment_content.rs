//! What is inside attachments, as far as it is seen without unpacking.

use super::Findings;
use super::attachment::{extension, runs};
use crate::symbols;
use crate::themes::Theme;
use crate::view::View;

symbols! { Attachment:
    ARCHIVE_EXECUTABLE = 5.5, "An archive with a program, script or shortcut in it.";
    ARCHIVE_DISK_IMAGE = 4.0, "An archive with a disk image in it.";
    ARCHIVE_NESTED = 1.5, "An archive in an archive.";
    ARCHIVE_DOUBLE_EXTENSION = 5.0, "An archive with a file of two endings in it, the last of which runs.";
    ARCHIVE_PAGE = 2.5, "An archive with nothing but a web page in it.";
    ATTACHMENT_MACROS = 3.5, "An office file with macros.";
    ATTACHED_PAGE_SCRIPT = 3.0, "An attached web page with a script.";
    ATTACHED_PAGE_BUILDS_FILE = 4.0, "An attached web page whose script builds a file or unpacks itself (HTML smuggling).";
    ATTACHED_PAGE_FORM = 3.0, "An attached web page with a form.";
    ATTACHED_PAGE_PASSWORD = 5.0, "An attached web page that asks for a password.";
    ATTACHED_PAGE_FORWARDS = 3.0, "An attached web page that forwards its reader.";
    SVG_SCRIPT = 5.0, "An SVG picture with a script or a forward in it.";
    PDF_SCRIPT = 2.5, "A PDF with JavaScript.";
    PDF_LAUNCHES = 4.0, "A PDF that starts a program.";
    PDF_CARRIES_FILE = 1.5, "A PDF with another file in it.";
    PDF_ENCRYPTED = 0.6, "A PDF with a password.";
    PDF_PASSWORD_IN_TEXT = 1.5, "A PDF with a password, and the password stands in the mail: to hide it from scanners.";
}

pub fn check(view: &View<'_>, found: &mut Findings) {
    for part in view.attachments().take(100) {
        let name = part.filename.as_deref().unwrap_or(&part.content_type);
        members(name, &part.member_names, found);
        if part.has_macros {
            found.add(&ATTACHMENT_MACROS, name);
        }
        for pdf in &part.pdf_names {
            match pdf.trim_start_matches('/') {
                "JavaScript" | "JS" => found.add(&PDF_SCRIPT, name),
                "Launch" => found.add(&PDF_LAUNCHES, name),
                "EmbeddedFile" | "EmbeddedFiles" => found.add(&PDF_CARRIES_FILE, name),
                "Encrypt" => {
                    found.add(&PDF_ENCRYPTED, name);
                    if view.themes.has(Theme::ArchivePassword) && !view.is_reply {
                        found.add(&PDF_PASSWORD_IN_TEXT, view.themes.evidence(Theme::ArchivePassword));
                    }
                }
                _ => {}
            }
        }
    }
    pages(view, found);
}

fn members(archive: &str, names: &[String], found: &mut Findings) {
    // A program's library (jar, docx) is a zip too; its own members are no news.
    if matches!(extension(archive).as_str(), "docx" | "xlsx" | "pptx" | "jar" | "apk" | "odt" | "ods" | "epub") {
        return;
    }
    let files: Vec<&str> = names.iter().map(String::as_str).filter(|n| !n.ends_with('/')).collect();
    for member in &files {
        let end = extension(member);
        let shown = || format!("{member} in {archive}");
        if runs(&end) {
            // One script among many files is a program's source; alone it is a trap.
            if !(files.len() > 5
                && matches!(
                    end.as_str(),
                    "js" | "bat" | "cmd" | "ps1" | "jar" | "dll" | "reg" | "com" | "vb" | "app" | "application" | "desktop" | "url"
                ))
            {
                found.add(&ARCHIVE_EXECUTABLE, shown());
            }
            let stem = &member[..member.len().saturating_sub(end.len() + 1)];
            if ["pdf", "doc", "docx", "xls", "xlsx", "jpg", "png", "txt"].contains(&extension(stem).as_str()) {
                found.add(&ARCHIVE_DOUBLE_EXTENSION, shown());
            }
        }
        match end.as_str() {
            "iso" | "img" | "vhd" | "vhdx" => found.add(&ARCHIVE_DISK_IMAGE, shown()),
            "zip" | "rar" | "7z" | "ace" | "cab" => found.add(&ARCHIVE_NESTED, shown()),
            "htm" | "html" | "shtml" | "svg" if files.len() <= 2 => found.add(&ARCHIVE_PAGE, shown()),
            _ => {}
        }
    }
}

/// Names in scripts by which a page makes a file out of its own text or unpacks itself.
const BUILDERS: &[&str] = &["blob", "atob", "mssaveoropenblob", "createobjecturl", "unescape", "fromcharcode", "eval", "document.write"];

fn pages(view: &View<'_>, found: &mut Findings) {
    for (page, part) in view.attached_html() {
        let name = part.filename.as_deref().unwrap_or(&part.content_type);
        let is_svg = extension(name) == "svg" || part.content_type.contains("svg");
        let scripted = page.scripts > 0 || page.event_handlers > 0;
        if is_svg && (scripted || page.meta_refresh.is_some() || page.iframes > 0) {
            found.add(&SVG_SCRIPT, name);
        } else if page.scripts > 0 && page.script_octets > 0 {
            found.add(&ATTACHED_PAGE_SCRIPT, format!("{name}: {} octets of script", page.script_octets));
        }
        let builders: Vec<&str> =
            page.script_names.iter().map(String::as_str).filter(|n| BUILDERS.contains(&n.to_ascii_lowercase().as_str())).collect();
        if !builders.is_empty() {
            found.add(&ATTACHED_PAGE_BUILDS_FILE, format!("{name}: {}", builders.join(" ")));
        }
        if page.password_inputs > 0 || page.forms.iter().any(|f| f.has_password) {
            found.add(&ATTACHED_PAGE_PASSWORD, name);
        } else if page.forms.iter().any(|f| f.inputs > 0) {
            found.add(&ATTACHED_PAGE_FORM, name);
        }
        if let Some(target) = &page.meta_refresh {
            found.add(&ATTACHED_PAGE_FORWARDS, format!("{name}: {target}"));
        }
    }
}
