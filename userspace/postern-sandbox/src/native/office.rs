//! Documents, opened for real: LibreOffice shows one as a reader would see it, with all that it does by itself let run, and poppler reads
//! what the pages say. Both are the optional office pack; without it nothing is opened.

mod own;

use std::ffi::CStr;
use std::fs;
use std::io;
use std::path::Path;

pub use own::{Deed, Own};
use postern_model::sandbox::Kind;

use super::Language;
use crate::dissect::kind;

/// How the timeline calls where a document was opened.
pub const SURROUNDINGS: &str = "office pack";
/// Octets of memory of the cell: LibreOffice fills some 220 MiB with a letter. With what a cell has beyond it fits into the 768 MiB of the
/// appliance's unit, and leaves room for a cell that reads.
pub const MEMORY: u64 = 512 << 20;
/// Addresses that it may set aside; what it fills is bounded above.
pub const SPACE: u64 = 8 << 30;
/// Documents of a job that are opened, what was made of them included.
pub const MOST: usize = 4;
/// What the programs write for themselves, which is nobody's business.
pub const OWN: &str = "/work/office";
pub const RENDERED: &str = "/work/office/rendered.pdf";
pub const TEXT: &str = "/work/office/text.txt";

const OFFICE: &[&str] = &["/usr/lib/libreoffice/program/soffice.bin"];
const POPPLER: &[&str] = &["/usr/bin/pdftotext"];
/// Pages whose text is read.
const PAGES: &str = "20";
/// Where LibreOffice says which build it is: a profile that another one made has it start a second time.
const VERSION: &str = "/usr/lib/libreoffice/program/setuprc";

pub const ENVIRONMENT: &[&CStr] = &[
    c"PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
    c"HOME=/home/user",
    c"USER=root",
    c"LOGNAME=root",
    c"LANG=C.UTF-8",
    c"TMPDIR=/work/office/tmp",
    c"XDG_CACHE_HOME=/work/office/cache",
];

/// Folders and files of a user who lets everything run.
const FOLDERS: &[&str] = &["tmp", "cache", "user/basic/Standard", "user/extensions"];
const PROFILE: &[(&str, &str)] = &[
    ("user/registrymodifications.xcu", include_str!("office/settings.xcu")),
    ("user/basic/script.xlc", include_str!("office/script.xlc")),
    ("user/basic/Standard/script.xlb", include_str!("office/script.xlb")),
    ("user/basic/Standard/Postern.xba", include_str!("office/Postern.xba")),
];

pub fn interpreters(language: Language) -> &'static [&'static str] {
    match language {
        Language::Document => OFFICE,
        Language::Pages => POPPLER,
        _ => &[],
    }
}

/// Which part of the pack opens it, if any does.
#[must_use]
pub fn language(kind: Kind, content: &[u8]) -> Option<Language> {
    match kind {
        _ if content.len() > super::LARGEST => None,
        Kind::Pdf => Some(Language::Pages),
        Kind::OfficeXml | Kind::Rtf => Some(Language::Document),
        Kind::Zip if is_open_document(content) => Some(Language::Document),
        Kind::Compound if is_office_compound(content) => Some(Language::Document),
        _ => None,
    }
}

/// The first file of an ODF package is its type, not packed (ODF 1.3 part 2, 3.3).
fn is_open_document(content: &[u8]) -> bool {
    content.get(30..).is_some_and(|rest| rest.starts_with(b"mimetypeapplication/vnd.oasis.opendocument."))
}

/// Letters, sheets and slides; mails and installers of the same form are not opened.
fn is_office_compound(content: &[u8]) -> bool {
    ["WordDocument", "Workbook", "Book", "PowerPoint Document"].iter().any(|name| {
        let wide: Vec<u8> = name.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
        kind::find(content, &wide).is_some()
    })
}

/// Makes the profile, below the folder that becomes [`OWN`].
///
/// # Errors
/// What could not be written.
pub fn prepare(own: &Path) -> io::Result<()> {
    for folder in FOLDERS {
        fs::create_dir_all(own.join(folder))?;
    }
    for (name, text) in PROFILE {
        fs::write(own.join(name), text)?;
    }
    let version = fs::read_to_string(VERSION).unwrap_or_default();
    match version.lines().find_map(|line| line.strip_prefix("buildid=")) {
        Some(build) => fs::write(own.join("user/extensions/buildid"), build.trim()),
        None => Ok(()),
    }
}

/// The words behind the program's own name.
#[must_use]
pub fn words(language: Language, document: &Path) -> Vec<String> {
    let document = document.to_string_lossy();
    match language {
        Language::Document => vec![
            format!("-env:UserInstallation=file://{OWN}"),
            "--headless".to_owned(),
            "--norestore".to_owned(),
            "--nologo".to_owned(),
            format!("macro:///Standard.Postern.Show(\"file://{document}\",\"file://{RENDERED}\")"),
        ],
        _ => ["-l", PAGES, "-enc", "UTF-8", "-nopgbrk", &document, TEXT].map(str::to_owned).to_vec(),
    }
}

/// What of the pack is not on this machine.
#[must_use]
pub fn missing() -> Vec<&'static str> {
    [(Language::Document, "LibreOffice"), (Language::Pages, "poppler's pdftotext")]
        .into_iter()
        .filter_map(|(language, name)| (!language.is_here()).then_some(name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_opened() {
        let compound = |name: &str| name.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        let odf = [&b"PK\x03\x04"[..], &[0; 26], b"mimetypeapplication/vnd.oasis.opendocument.text"].concat();
        for (kind, content, opened) in [
            (Kind::Pdf, b"%PDF-1.4".to_vec(), Some(Language::Pages)),
            (Kind::OfficeXml, Vec::new(), Some(Language::Document)),
            (Kind::Rtf, Vec::new(), Some(Language::Document)),
            (Kind::Zip, odf, Some(Language::Document)),
            (Kind::Zip, b"PK\x03\x04".to_vec(), None),
            (Kind::Compound, compound("WordDocument"), Some(Language::Document)),
            (Kind::Compound, compound("__properties_version1.0"), None),
            (Kind::Pdf, vec![0; super::super::LARGEST + 1], None),
        ] {
            assert_eq!(language(kind, &content), opened, "{kind:?}");
        }
    }
}
