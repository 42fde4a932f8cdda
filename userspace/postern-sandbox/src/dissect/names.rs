//! What a name promises, and what the content keeps of it.

use postern_model::sandbox::{FindingName, Kind};

use super::archive::split;

/// Endings and what a file of that name may be. An ending that is not here promises nothing.
const PROMISES: &[(&[&str], &[Kind])] = &[
    (&["pdf"], &[Kind::Pdf]),
    (&["doc", "dot", "xls", "xlt", "ppt", "pps"], &[Kind::Compound, Kind::OfficeXml, Kind::Rtf, Kind::Html]),
    (
        &["docx", "xlsx", "pptx", "docm", "xlsm", "pptm", "dotm", "dotx", "xlsb", "odt", "ods"],
        &[Kind::OfficeXml, Kind::Compound, Kind::Zip],
    ),
    (&["rtf"], &[Kind::Rtf]),
    (&["msg"], &[Kind::Compound]),
    (&["png", "jpg", "jpeg", "gif", "bmp", "tif", "tiff", "webp"], &[Kind::Image]),
    (&["zip", "jar", "apk"], &[Kind::Zip, Kind::OfficeXml]),
    (&["7z"], &[Kind::SevenZip]),
    (&["rar"], &[Kind::Rar]),
    (&["lzh", "lha"], &[Kind::Lha]),
    (&["arj"], &[Kind::Arj]),
    (&["cpio"], &[Kind::Cpio]),
    (&["gz", "tgz"], &[Kind::Gzip]),
    (&["tar"], &[Kind::Tar]),
    (&["iso", "img", "vhd", "vhdx", "vmdk", "dmg"], &[Kind::DiskImage]),
    (&["txt", "csv", "log", "ics", "vcf"], &[Kind::Text, Kind::Mail]),
    (&["mp3", "mp4", "wav", "avi", "mov"], &[]),
];

/// The same for what a mail declares.
const DECLARED: &[(&str, &[Kind])] = &[
    ("application/pdf", &[Kind::Pdf]),
    ("application/msword", &[Kind::Compound, Kind::OfficeXml, Kind::Rtf, Kind::Html]),
    ("application/vnd.ms-", &[Kind::Compound, Kind::OfficeXml, Kind::Rtf, Kind::Html, Kind::Text, Kind::Mail]),
    ("application/vnd.openxmlformats-officedocument.", &[Kind::OfficeXml, Kind::Compound, Kind::Zip]),
    ("image/svg", &[Kind::Svg]),
    ("image/", &[Kind::Image]),
    ("audio/", &[]),
    ("video/", &[]),
];

/// Whether the content is what the mail declares it to be. Most of what is declared promises nothing.
pub fn check_type(content_type: &str, kind: Kind) -> Option<(FindingName, String)> {
    let (_, kinds) = DECLARED.iter().find(|(begin, _)| content_type.starts_with(begin))?;
    (kind != Kind::Unknown && !kinds.contains(&kind)).then(|| (FindingName::TypeMismatch, format!("{content_type} is {kind:?}")))
}

/// Endings that the receiver's system runs on a click.
const SCRIPTS: &[&str] = &[
    "js",
    "jse",
    "vbs",
    "vbe",
    "wsf",
    "wsh",
    "wsc",
    "sct",
    "hta",
    "ps1",
    "psm1",
    "bat",
    "cmd",
    "sh",
    "py",
    "pl",
    "jnlp",
    "url",
    "scf",
    "reg",
    "msc",
    "xll",
    "application",
];

/// `inside`: the kind of the container, in which an office document's own parts have names that promise nothing.
pub fn check(name: &str, kind: Kind, inside: Option<Kind>) -> Vec<(FindingName, String)> {
    let mut found = Vec::new();
    if name.split(['/', '\\']).any(|step| step == "..") || name.starts_with(['/', '\\']) {
        found.push((FindingName::PathEscape, name.to_owned()));
    }
    if matches!(kind, Kind::Unknown | Kind::Text) && split::is_named_so(name) {
        found.push((FindingName::SplitArchive, name.to_owned()));
    }
    match kind {
        Kind::WindowsProgram | Kind::LinuxProgram => found.push((FindingName::Program, name.to_owned())),
        Kind::Shortcut => found.push((FindingName::Shortcut, name.to_owned())),
        _ => {}
    }
    if matches!(inside, Some(Kind::Compound)) {
        return found;
    }
    let ending = name.trim_end_matches(['.', ' ']).rsplit_once('.').map(|(_, e)| e.to_ascii_lowercase()).unwrap_or_default();
    let is_text = matches!(kind, Kind::Text | Kind::Html | Kind::Svg | Kind::Script | Kind::Unknown);
    if kind == Kind::Script || (is_text && SCRIPTS.contains(&ending.as_str())) {
        found.push((FindingName::Script, name.to_owned()));
    }
    let promised = PROMISES.iter().find(|(endings, _)| endings.contains(&ending.as_str()));
    // An unknown content breaks no promise: an old or rare form of it, or it is encrypted.
    if let Some((_, kinds)) = promised
        && kind != Kind::Unknown
        && !kinds.contains(&kind)
    {
        found.push((FindingName::TypeMismatch, format!("{name} is {kind:?}")));
    }
    found
}
