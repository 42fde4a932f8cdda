//! What Windows' packager puts into a document: a file, or a command that a click starts (MS-OLEDS 2.3.6 leaves the form to it).

use postern_model::sandbox::FindingName;

use super::super::octets::number;
use super::super::{Waiting, Walk, scripts};

pub enum Packed {
    File {
        label: String,
        content: Vec<u8>,
    },
    /// No file, but what is started: a program that lies there already, with what is said to it.
    Command {
        label: String,
        command: String,
    },
}

/// Of an object: what kind it is.
const COMMAND: u64 = 1;

/// Two octets, label, path of the icon, its number and the kind. Of a file: length and path of where it came from, then the length of the file
/// and the file. `from`: in a compound file a length comes before.
pub fn read(octets: &[u8], from: usize) -> Option<Packed> {
    let text = |from: usize| -> Option<(String, usize)> {
        let rest = octets.get(from..)?;
        let end = rest.iter().position(|b| *b == 0)?;
        Some((String::from_utf8_lossy(rest.get(..end)?).into_owned(), from + end + 1))
    };
    let n = |at: usize, width| number(octets, at as u64, width);
    if n(from, 2)? != 2 {
        return None;
    }
    let (label, at) = text(from + 2)?;
    let (_, at) = text(at)?;
    if n(at + 2, 2)? == COMMAND {
        // Behind whether it is a path alone.
        let (command, _) = text(at + 6)?;
        return Some(Packed::Command { label, command });
    }
    let data = (at + 8).checked_add(n(at + 4, 4)? as usize)?;
    let content = octets.get(data.checked_add(4)?..)?;
    let content = content.get(..(n(data, 4)? as usize).min(content.len()))?.to_vec();
    Some(Packed::File { label, content })
}

/// Says what a click on the object starts.
pub fn tell_command(walk: &mut Walk<'_>, part: &Waiting, label: &str, command: &str) {
    walk.find(FindingName::ShortcutCommand, part.number, format!("{label}: {command}"));
    scripts::command_line(walk, part, command);
}
