//! Documents behind a password (MS-OFFCRYPTO), opened with the words of the mail and with those that Office tries by itself. What was
//! decrypted is a part below the encrypted one, and is taken apart like any other.

mod aes;
mod agile;
mod crypto_api;
mod excel;
mod hash;
mod package;
mod powerpoint;
mod rc4;
mod standard;
mod word;
mod words;
mod xor;

use std::io::{Cursor, Read, Write};

use cfb::CompoundFile;
use postern_model::sandbox::FindingName;

use super::super::{Waiting, Walk};
use super::{Compound, powerpoint as slides};
use words::Tried;
pub use words::time;

/// How the finding calls it.
const DOCUMENT: &str = "an office document behind a password";
const PACKAGE: &str = "EncryptedPackage";
/// Of a document that a server's rights guard: there is no password to it (MS-OFFCRYPTO 1.3.2).
const RIGHTS: [&str; 2] = ["\u{9}DRMContent", "\u{6}DataSpaces/TransformInfo/DRMEncryptedTransform"];

/// What became of it.
#[derive(Default)]
pub struct Seen {
    /// What was decrypted is a part that holds all that is here, too.
    pub is_whole: bool,
    /// Streams that are closed, and noise to who reads them.
    pub noise: Vec<&'static str>,
}

/// What a document is locked by, and where.
struct Locked {
    form: Form,
    lock: Lock,
}

enum Form {
    /// A document in XML, whole in a stream of its own.
    Package(Vec<u8>),
    Excel {
        name: &'static str,
        stream: Vec<u8>,
    },
    Word(word::Streams),
    PowerPoint(powerpoint::Streams),
}

enum Lock {
    Agile(agile::Lock),
    Standard(crypto_api::Header),
    Rc4(rc4::Lock),
    Xor(xor::Lock),
}

enum Key {
    Package(package::Key),
    Rc4(rc4::Key),
    Xor(xor::Key),
}

/// Why a document cannot be opened by any word, in words.
type Why = String;

/// Opens what of it can be opened. A file may hold several documents, of which Office shows the one that it is named by.
pub fn open(walk: &mut Walk<'_>, part: &Waiting, file: &mut Compound<'_>) -> Seen {
    let mut seen = Seen::default();
    for (name, locked) in locked(file, part.content.len()) {
        let content = locked.and_then(|locked| opened(walk, part, &locked).map(|content| (content, locked)));
        match content {
            Ok((Some(content), locked)) => {
                let content = walk.unpack(part, NAME, content.as_slice(), part.content.len() as u64);
                walk.add(Some(part), NAME, content);
                if !matches!(locked.form, Form::Package(_)) {
                    seen.is_whole = true;
                    return seen;
                }
            }
            Ok((None, _)) => walk.find(FindingName::Damaged, part.number, "a document behind a password"),
            Err(why) => {
                walk.find(FindingName::Encrypted, part.number, why);
                seen.noise.push(name);
            }
        }
    }
    seen
}

fn opened(walk: &mut Walk<'_>, part: &Waiting, locked: &Locked) -> Result<Option<Vec<u8>>, Why> {
    match words::try_all(walk, locked) {
        Tried::Opens(word, key) => {
            let finding = if words::is_built_in(&word) { FindingName::DefaultPassword } else { FindingName::PasswordInMail };
            walk.find(finding, part.number, word);
            Ok(locked.decrypted(&key, &part.content))
        }
        Tried::None => Err(DOCUMENT.to_owned()),
        Tried::Late => Err(format!("{DOCUMENT}; the time for trying words is used up")),
    }
}

/// Of the part that comes out.
const NAME: &str = "decrypted";

/// All of them, each by the stream that cannot be read.
fn locked(file: &mut Compound<'_>, most: usize) -> Vec<(&'static str, Result<Locked, Why>)> {
    let is_guarded = RIGHTS.iter().any(|name| file.exists(name));
    let mut stream = |name: &str| stream(file, name, most);
    let mut found = Vec::new();
    let info = stream("EncryptionInfo");
    if let Some(package) = stream(PACKAGE).filter(|_| info.is_some() || !is_guarded) {
        let info = info.unwrap_or_default();
        found.push((PACKAGE, package::lock(&info).map(|lock| Locked { form: Form::Package(package), lock })));
    }
    for name in ["Workbook", "Book"] {
        if let Some(stream) = stream(name)
            && let Some(lock) = excel::lock(&stream)
        {
            found.push((name, lock.map(|lock| Locked { form: Form::Excel { name, stream }, lock })));
        }
    }
    if let Some(locked) = word::Streams::locked(&mut stream) {
        found.push((word::MAIN, locked.map(|(streams, lock)| Locked { form: Form::Word(streams), lock })));
    }
    if let Some(locked) = powerpoint::Streams::locked(&mut stream) {
        found.push((slides::DOCUMENT, locked.map(|(streams, lock)| Locked { form: Form::PowerPoint(streams), lock })));
    }
    if is_guarded {
        found.push((PACKAGE, Err("an office document that is guarded by rights, not by a password".to_owned())));
    }
    found
}

fn stream(file: &mut Compound<'_>, name: &str, most: usize) -> Option<Vec<u8>> {
    let mut octets = Vec::new();
    file.open_stream(name).ok()?.take(most as u64).read_to_end(&mut octets).ok()?;
    Some(octets)
}

impl Lock {
    /// Where it takes long to come from a word to a key, on purpose.
    fn is_slow(&self) -> bool {
        matches!(self, Self::Agile(_) | Self::Standard(_))
    }
}

impl Locked {
    fn decrypted(&self, key: &Key, whole: &[u8]) -> Option<Vec<u8>> {
        let streams = match (&self.form, key) {
            (Form::Package(octets), Key::Package(key)) => return key.open(octets),
            (Form::Excel { name, stream }, key) => vec![(*name, excel::decrypted(stream, key)?)],
            (Form::Word(streams), Key::Rc4(key)) => streams.decrypted(key),
            (Form::PowerPoint(streams), Key::Rc4(key)) => streams.decrypted(key)?,
            _ => return None,
        };
        replaced(whole, &streams)
    }
}

/// The same compound file with other octets in these streams, which stay as long as they are.
fn replaced(whole: &[u8], streams: &[(&str, Vec<u8>)]) -> Option<Vec<u8>> {
    let mut file = CompoundFile::open(Cursor::new(whole.to_vec())).ok()?;
    for (name, octets) in streams {
        let mut stream = file.open_stream(name).ok()?;
        if stream.len() != octets.len() as u64 {
            return None;
        }
        stream.write_all(octets).ok()?;
        stream.flush().ok()?;
    }
    file.flush().ok()?;
    Some(file.into_inner().into_inner())
}

/// A word as all but the oldest forms hash it.
fn utf16(word: &str) -> Vec<u8> {
    word.encode_utf16().flat_map(u16::to_le_bytes).collect()
}
