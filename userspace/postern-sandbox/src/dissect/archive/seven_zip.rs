//! 7z (7zFormat.txt), with AES: the key is derived by half a million rounds of SHA-256, so few passwords are tried.
//!
//! Block by block, with one thread: the library's own reader asks the machine for its cores, which a cell does not answer.

use std::io::{Cursor, Read};

use postern_model::sandbox::FindingName;
use sevenz_rust2::{Archive, BlockDecoder, Error, Password};

use super::super::{Waiting, Walk};

const PASSWORDS: usize = 8;
/// Memory for a decoder's dictionary, in KiB: 7-Zip's "ultra" takes 64 MiB.
const MEMORY: usize = 256 * 1024;

pub fn open(walk: &mut Walk<'_>, part: &Waiting) {
    let mut names = 0;
    let mut read = unpack_all(walk, part, "", &mut names);
    if names == 0 && matches!(read, Err(Error::PasswordRequired | Error::MaybeBadPassword(_))) {
        let room = walk.room(part.content.len() as u64);
        let opens = |word: &&String| opens(&part.content, word, room);
        let Some(word) = walk.job.passwords.iter().take(PASSWORDS).find(opens).cloned() else {
            return walk.find(FindingName::Encrypted, part.number, "7z");
        };
        walk.find(FindingName::PasswordInMail, part.number, &word);
        read = unpack_all(walk, part, &word, &mut names);
    }
    if let Err(error) = read {
        super::split::broken(walk, part, format!("after {names} entries: {error}"));
    }
}

fn unpack_all(walk: &mut Walk<'_>, part: &Waiting, password: &str, names: &mut u32) -> Result<(), Error> {
    entries(&part.content, password, &mut |name, from| {
        if walk.is_full || walk.left == 0 {
            return false;
        }
        *names += 1;
        // Of a solid archive no entry tells what it was packed to.
        let content = walk.unpack(part, name, from, part.content.len() as u64);
        walk.add(Some(part), name, content);
        true
    })
}

/// Gives every file to `each`, until that says no.
fn entries(octets: &[u8], password: &str, each: &mut dyn FnMut(&str, &mut dyn Read) -> bool) -> Result<(), Error> {
    let password = Password::from(password);
    let mut source = Cursor::new(octets);
    let archive = Archive::read_with_memory_limit(&mut source, &password, MEMORY)?;
    for block in 0..archive.blocks.len() {
        let decoder = BlockDecoder::new_with_memory_limit(1, MEMORY, block, &archive, &password, &mut source);
        let goes_on = decoder.for_each_entries(&mut |entry, from| Ok(entry.is_directory() || each(entry.name(), from)))?;
        if !goes_on {
            break;
        }
    }
    Ok(())
}

/// Whether names and first content can be read: of a wrong key comes noise, which is no packed stream.
fn opens(octets: &[u8], password: &str, room: u64) -> bool {
    let mut read = Ok(0);
    let opened = entries(octets, password, &mut |_, from| {
        read = from.take(room).read_to_end(&mut Vec::new());
        false
    });
    opened.is_ok() && read.is_ok()
}
