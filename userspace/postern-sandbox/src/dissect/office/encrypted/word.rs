//! Texts of the old form (MS-DOC 2.2.6): the block in front says that it is encrypted, its table begins with how.

use super::{DOCUMENT, Lock, Why, rc4};
use crate::dissect::octets::number;

pub const MAIN: &str = "WordDocument";
const FLAGS: u64 = 0x0a;
const IS_ENCRYPTED: u64 = 0x0100;
const IS_SECOND_TABLE: u64 = 0x0200;
const IS_XOR: u64 = 0x8000;
/// Of a table: octets that say how.
const HEADER: u64 = 0x0e;
/// Octets in front that are never encrypted.
const PLAIN: usize = 0x44;
/// Octets that RC4 has one key for.
const BLOCK: usize = 512;
/// Word 97's, and later ones'.
const VERSION: u64 = 0x00c1;

pub struct Streams {
    main: Vec<u8>,
    table_name: &'static str,
    table: Vec<u8>,
    /// Octets of the table that say how it is encrypted.
    header: usize,
    data: Option<Vec<u8>>,
}

impl Streams {
    /// `None` where it is not encrypted.
    pub fn locked(stream: &mut impl FnMut(&str) -> Option<Vec<u8>>) -> Option<Result<(Self, Lock), Why>> {
        let main = stream(MAIN)?;
        let flags = number(&main, FLAGS, 2)?;
        if flags & IS_ENCRYPTED == 0 {
            return None;
        }
        if flags & IS_XOR != 0 || number(&main, 2, 2)? < VERSION {
            return Some(Err(format!("{DOCUMENT}, encrypted in the way of old Word (XOR), which is not opened here")));
        }
        let table_name = if flags & IS_SECOND_TABLE == 0 { "0Table" } else { "1Table" };
        let table = stream(table_name).unwrap_or_default();
        let header = usize::try_from(number(&main, HEADER, 4)?).unwrap_or(usize::MAX);
        let lock = rc4::Lock::read(table.get(..header).unwrap_or(&table)).map(Lock::Rc4);
        let data = stream("Data");
        Some(lock.map(|lock| (Self { main, table_name, table, header, data }, lock)))
    }

    pub fn decrypted(&self, key: &rc4::Key) -> Vec<(&'static str, Vec<u8>)> {
        let after = |plain: usize, octets: &[u8]| {
            let decrypted = key.stream(BLOCK, octets)?;
            Some(octets.iter().take(plain).chain(decrypted.iter().skip(plain)).copied().collect::<Vec<u8>>())
        };
        let main = after(PLAIN, &self.main).map(|mut main| {
            let flags = number(&main, FLAGS, 2).unwrap_or(0) & !IS_ENCRYPTED;
            put(&mut main, FLAGS as usize, &(flags as u16).to_le_bytes());
            put(&mut main, HEADER as usize, &[0; 4]);
            main
        });
        let streams = [
            (MAIN, main),
            (self.table_name, after(self.header, &self.table)),
            ("Data", self.data.as_ref().and_then(|data| after(0, data))),
        ];
        streams.into_iter().filter_map(|(name, octets)| Some((name, octets?))).collect()
    }
}

fn put(into: &mut [u8], at: usize, octets: &[u8]) {
    if let Some(place) = into.get_mut(at..at + octets.len()) {
        place.copy_from_slice(octets);
    }
}
