//! Word's old form (MS-DOC): the text by its table of pieces, and the document's variables.

use super::Room;
use crate::detonate::document::Document;
use crate::dissect::octets::number;
use crate::dissect::office::vba;
use crate::dissect::text::utf16;

/// Where the information block says which table is the one, where the pieces are, and the variables (MS-DOC 2.5.2, 2.5.6).
const FLAGS: u64 = 0x0a;
const PIECES: u64 = 0x1a2;
const VARIABLES: u64 = 0x27a;
const PIECES_MOST: u64 = 20_000;
const VARIABLES_MOST: u64 = 5_000;

/// The name of the stream that its tables are in.
pub fn table(main: &[u8]) -> Option<&'static str> {
    Some(if number(main, FLAGS, 2)? & 0x200 == 0 { "0Table" } else { "1Table" })
}

pub fn read(main: &[u8], tables: &[u8], document: &mut Document) {
    let table = |at| {
        let (begin, length) = (number(main, at, 4)? as usize, number(main, at + 4, 4)? as usize);
        tables.get(begin..begin + length)
    };
    let mut room = Room::new();
    if let Some(octets) = table(PIECES).and_then(|pieces| text(main, pieces)) {
        document.text = room.take(octets).unwrap_or_default();
    }
    if let Some(octets) = table(VARIABLES) {
        for (name, value) in variables(octets).unwrap_or_default() {
            if let Some(value) = room.take(value) {
                document.variables.insert(name.to_lowercase(), value);
            }
        }
    }
}

/// Behind what is said of styles: places in the text, and for each where its letters are, in one octet each or two.
fn text(main: &[u8], mut table: &[u8]) -> Option<String> {
    while table.first()? == &1 {
        table = table.get(3 + number(table, 1, 2)? as usize..)?;
    }
    let table = table.strip_prefix(&[2])?.get(4..)?;
    let count = (table.len() as u64).checked_sub(4)? / 12;
    let mut out = String::new();
    for n in 0..count.min(PIECES_MOST) {
        let letters = number(table, n * 4 + 4, 4)?.checked_sub(number(table, n * 4, 4)?)? as usize;
        let place = number(table, (count + 1) * 4 + n * 8 + 2, 4)?;
        let (at, is_short) = ((place & 0x3fff_ffff) as usize, place & 0x4000_0000 != 0);
        let octets = if is_short { main.get(at / 2..at / 2 + letters) } else { main.get(at..at + 2 * letters) }?;
        out.push_str(&if is_short { vba::text(octets, 1252) } else { utf16(octets) });
        if out.len() > crate::detonate::document::TEXT_MOST {
            break;
        }
    }
    Some(out)
}

/// A table of names with four octets more each, and then their values (MS-DOC 2.9.287).
fn variables(octets: &[u8]) -> Option<Vec<(String, String)>> {
    let count = number(octets, 2, 2)?.min(VARIABLES_MOST);
    let more = number(octets, 4, 2)?;
    let mut at = 6;
    let mut text = |more: u64| {
        let length = number(octets, at, 2)? as usize * 2;
        let text = utf16(octets.get(at as usize + 2..at as usize + 2 + length)?);
        at += 2 + length as u64 + more;
        Some(text)
    };
    let names: Vec<String> = (0..count).map_while(|_| text(more)).collect();
    Some(names.into_iter().map_while(|name| Some((name, text(0)?))).collect())
}
