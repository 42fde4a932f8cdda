//! RAR, from its first version to its seventh, also behind a program that unpacks itself. With passwords: keys are derived by 32,768 rounds of
//! SHA-256 or 262,144 of SHA-1, so few are tried.

use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;

use postern_model::sandbox::FindingName;
use rars::{
    Archive, ArchiveMember, ArchiveMemberDetail, ArchiveReadOptions, ArchiveReader, Error, ErrorKind, ExtractionDecision,
    ExtractionErrorAction,
};

use super::super::holes::Content;
use super::super::{Waiting, Walk};
use super::split;

const PASSWORDS: usize = 8;
/// Octets that an unpacker may look back, by the head of the file: RAR's "best" takes 32 MiB, and the format knows 64 GiB.
const DICTIONARY: u64 = 128 << 20;
/// Octets of memory of an unpacker in all.
const WORKSPACE: u64 = 192 << 20;
/// Octets of all heads of an archive.
const HEADS: u64 = 16 << 20;

pub fn open(walk: &mut Walk<'_>, part: &Waiting) {
    match read(walk, part, None) {
        Ok(archive) => unpack(walk, part, &archive, None),
        // Names are encrypted, too.
        Err(error) if needs_password(&error) => {
            let found = words(walk).into_iter().find_map(|word| read(walk, part, Some(&word)).ok().map(|archive| (archive, word)));
            let Some((archive, word)) = found else { return walk.find(FindingName::Encrypted, part.number, "names and contents") };
            walk.find(FindingName::PasswordInMail, part.number, &word);
            unpack(walk, part, &archive, Some(&word));
        }
        Err(error) => split::broken(walk, part, error.to_string()),
    }
}

/// A program with an archive behind it. One that only holds its signature is none, and that is no damage.
pub fn open_program(walk: &mut Walk<'_>, part: &Waiting) {
    if rars::find_archive_start(&part.content, rars::SFX_SCAN_LIMIT).is_some_and(|found| found.offset > 0)
        && let Ok(archive) = read(walk, part, None)
    {
        unpack(walk, part, &archive, None);
    }
}

fn read(walk: &Walk<'_>, part: &Waiting, password: Option<&str>) -> Result<Archive, Error> {
    ArchiveReader::read_with_options(&part.content, options(walk, password))
}

fn options<'a>(walk: &Walk<'_>, password: Option<&'a str>) -> ArchiveReadOptions<'a> {
    ArchiveReadOptions::with_optional_password(password.map(str::as_bytes))
        .with_max_header_count(2 * walk.job.limits.parts as u64 + 100)
        .with_max_header_bytes(HEADS)
        .with_max_reader_workspace_bytes(WORKSPACE)
        .with_rar50_dictionary_size_limit(DICTIONARY)
        .with_max_total_output_bytes(walk.left)
}

fn words(walk: &Walk<'_>) -> Vec<String> {
    walk.job.passwords.iter().take(PASSWORDS).cloned().collect()
}

fn needs_password(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::PasswordRequired | ErrorKind::BadPassword)
}

/// What came out, and what is to be said of it.
#[derive(Default)]
struct Out {
    files: Vec<(String, u64, Rc<RefCell<Content>>)>,
    said: Vec<(FindingName, String)>,
    encrypted: usize,
}

/// As much of a file as may come out, and somewhat more: so that it is seen to be too large. An archive goes on behind it.
struct Sink(Rc<RefCell<Content>>);

impl Write for Sink {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().push(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn unpack(walk: &mut Walk<'_>, part: &Waiting, archive: &Archive, password: Option<&str>) {
    let mut out = extract(walk, part, archive, password);
    if out.encrypted > 0 && password.is_none() {
        match words(walk).into_iter().find(|word| opens(walk, archive, word)) {
            Some(word) => {
                walk.find(FindingName::PasswordInMail, part.number, &word);
                out = extract(walk, part, archive, Some(&word));
            }
            None => walk.find(FindingName::Encrypted, part.number, format!("{} files", out.encrypted)),
        }
    }
    for (name, evidence) in out.said {
        walk.find(name, part.number, evidence);
    }
    for (name, packed, content) in out.files {
        if walk.is_full {
            return;
        }
        let content = content.borrow_mut().take();
        let content = walk.unpack(part, &name, content.as_slice(), packed);
        walk.add(Some(part), &name, content);
    }
}

fn extract(walk: &Walk<'_>, part: &Waiting, archive: &Archive, password: Option<&str>) -> Out {
    let out = RefCell::new(Out::default());
    let is_solid = archive.members().any(|member| member.is_solid());
    let most = walk.job.limits.parts.saturating_sub(walk.report.parts.len());
    let decide = |member: &ArchiveMember| {
        let mut out = out.borrow_mut();
        let name = name(member);
        if let Some(target) = leads_out(member) {
            out.said.push((FindingName::PathEscape, format!("{name} leads to {target}")));
        }
        if member.meta.is_directory || member.meta.is_redirection {
            return Ok(ExtractionDecision::Skip);
        }
        if member.meta.is_split_before || member.meta.is_split_after {
            out.said.push((FindingName::SplitArchive, format!("{name}: its other part is in another file")));
            return Ok(if is_solid { ExtractionDecision::Stop } else { ExtractionDecision::Skip });
        }
        if member.meta.is_encrypted && password.is_none() {
            out.encrypted += 1;
            return Ok(if is_solid { ExtractionDecision::Stop } else { ExtractionDecision::Skip });
        }
        // One more, so that it is seen that there were too many.
        if out.files.len() > most {
            return Ok(ExtractionDecision::Stop);
        }
        // Of a solid archive no entry tells what it was packed to.
        let packed = if is_solid { part.content.len() as u64 } else { member.meta.packed_size };
        let content = Rc::new(RefCell::new(Content::new(walk.room(packed), walk.left)));
        out.files.push((name, packed, Rc::clone(&content)));
        Ok(ExtractionDecision::Extract(Box::new(Sink(content))))
    };
    let on_error = |member: &ArchiveMember, error: &Error| {
        out.borrow_mut().said.push(said(&name(member), error));
        Ok(ExtractionErrorAction::Continue)
    };
    if let Err(error) = archive.extract_with_control_and_errors(options(walk, password), decide, on_error) {
        let finding = said("", &error);
        out.borrow_mut().said.push(finding);
    }
    out.into_inner()
}

fn said(name: &str, error: &Error) -> (FindingName, String) {
    let finding = match error.kind() {
        ErrorKind::ResourceLimit => FindingName::TooLarge,
        ErrorKind::UnsupportedFeature | ErrorKind::UnsupportedFormat => FindingName::NotOpened,
        _ if needs_password(error) => FindingName::Encrypted,
        _ => FindingName::Damaged,
    };
    (finding, if name.is_empty() { error.to_string() } else { format!("{name}: {error}") })
}

/// Whether the smallest file comes out as it should by this password: the older cipher has no other check.
fn opens(walk: &Walk<'_>, archive: &Archive, word: &str) -> bool {
    // What is empty comes out by any word.
    let files = archive.members().enumerate().filter(|(_, m)| m.meta.is_encrypted && !m.meta.is_directory && m.meta.unpacked_size > 0);
    let Some((index, _)) = files.min_by_key(|(_, member)| member.meta.unpacked_size) else { return false };
    archive.read_member_at_with_options(index, options(walk, Some(word))).is_ok_and(|content| content.is_some())
}

/// Folders are told apart as everywhere; before version 5 they were by a backslash.
fn name(member: &ArchiveMember) -> String {
    let name = member.decoded_name(None).map_or_else(|_| member.meta.name_lossy(), |name| String::from_utf8_lossy(&name).into_owned());
    if matches!(member.detail, ArchiveMemberDetail::Rar50Plus { .. }) { name } else { name.replace('\\', "/") }
}

/// Where a link leads that leads out of the folder.
fn leads_out(member: &ArchiveMember) -> Option<String> {
    let ArchiveMemberDetail::Rar50Plus { redirection: Some(link), .. } = &member.detail else { return None };
    let target = String::from_utf8_lossy(&link.target_name).into_owned();
    let steps = |path: &str| path.split(['/', '\\']).map(str::to_owned).collect::<Vec<_>>();
    let mut folders = steps(&name(member)).len() as i64 - 1;
    let is_out = steps(&target).iter().any(|step| {
        folders += if step == ".." { -1 } else { 1 };
        folders < 0
    });
    (is_out || target.starts_with(['/', '\\']) || target.contains(':')).then_some(target)
}
