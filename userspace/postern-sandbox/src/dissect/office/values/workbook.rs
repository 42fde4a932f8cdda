//! Excel's old form (MS-XLS): records of a sheet's cells, and the table of texts that they share.

use super::Room;
use crate::detonate::document::{CELLS_MOST, Document, Sheet, Value};
use crate::dissect::octets::number;
use crate::dissect::office::records::Records;
use crate::dissect::text::utf16;

const END: u64 = 0x000a;
const EXTERN_SHEET: u64 = 0x0017;
const NAME: u64 = 0x0018;
const FORMULA: u64 = 0x0006;
const FILE_PASS: u64 = 0x002f;
const CONTINUE: u64 = 0x003c;
const BOUND_SHEET: u64 = 0x0085;
const MUL_RK: u64 = 0x00bd;
const RSTRING: u64 = 0x00d6;
const TEXTS: u64 = 0x00fc;
const SHARED_TEXT: u64 = 0x00fd;
const CODE_NAME: u64 = 0x01ba;
const NUMBER: u64 = 0x0203;
const LABEL: u64 = 0x0204;
const TRUTH: u64 = 0x0205;
const STRING: u64 = 0x0207;
const RK: u64 = 0x027e;
const RECORDS: usize = 500_000;

pub fn read(stream: &[u8], document: &mut Document) {
    let mut room = Room::new();
    let mut cells = CELLS_MOST;
    let mut texts = Vec::new();
    let mut sheets = Vec::new();
    let (mut places, mut names) = (Vec::new(), Vec::new());
    let mut records = Records(stream);
    while let Some((id, data)) = records.next() {
        match id {
            // Encrypted: what follows is noise.
            FILE_PASS => return,
            END => break,
            EXTERN_SHEET => places = data.get(2..).unwrap_or_default().to_vec(),
            NAME => names.extend(name(data)),
            BOUND_SHEET => sheets.extend(number(data, 0, 4).zip(short_text(data.get(6..).unwrap_or_default()))),
            TEXTS => texts = shared_texts(data, &mut records, &mut room),
            _ => {}
        }
    }
    for (name, place, range) in names {
        let sheet = number(&places, place * 6 + 2, 2).and_then(|of| sheets.get(of as usize));
        if let Some((_, sheet)) = sheet {
            document.names.insert(name.to_lowercase(), format!("'{sheet}'!{range}"));
        }
    }
    for (at, name) in sheets {
        let mut sheet = Sheet { name, ..Sheet::default() };
        read_sheet(stream.get(at as usize..).unwrap_or_default(), &texts, &mut cells, &mut room, &mut sheet);
        document.sheets.push(sheet);
    }
}

fn read_sheet(octets: &[u8], texts: &[String], cells: &mut usize, room: &mut Room, sheet: &mut Sheet) {
    // Of a formula that has a text as its value: where the text will belong.
    let mut waits = None;
    for (id, data) in Records(octets).take(RECORDS) {
        if id == END || *cells == 0 {
            return;
        }
        let n = |at, width| number(data, at, width);
        let place = n(0, 2).zip(n(2, 2)).map(|(row, column)| (row as u32 + 1, column as u32 + 1));
        if id == CODE_NAME {
            sheet.code_name = long_text(data).unwrap_or_default();
            continue;
        }
        if id == STRING {
            if let (Some((row, column)), Some(text)) = (waits.take(), long_text(data).and_then(|text| room.take(text))) {
                sheet.cells.push((row, column, Value::Text(text)));
                *cells -= 1;
            }
            continue;
        }
        let Some((row, column)) = place else { continue };
        let value = match id {
            SHARED_TEXT => n(6, 4).and_then(|of| texts.get(of as usize)).and_then(|text| room.take(text.clone())).map(Value::Text),
            LABEL | RSTRING => data.get(6..).and_then(long_text).and_then(|text| room.take(text)).map(Value::Text),
            NUMBER => n(6, 8).map(|bits| Value::Number(f64::from_bits(bits))),
            RK => n(6, 4).map(|rk| Value::Number(self::rk(rk))),
            TRUTH if n(7, 1) == Some(0) => n(6, 1).map(|value| Value::Truth(value != 0)),
            // A formula's value: a double, or a mark and what kind of other value it is (MS-XLS 2.5.133).
            FORMULA if n(12, 2) == Some(0xffff) => match n(6, 1) {
                Some(0) => {
                    waits = Some((row, column));
                    None
                }
                Some(1) => n(8, 1).map(|value| Value::Truth(value != 0)),
                _ => None,
            },
            FORMULA => n(6, 8).map(|bits| Value::Number(f64::from_bits(bits))),
            MUL_RK => {
                for of in 0..(data.len() as u64).saturating_sub(6) / 6 {
                    if let (Some(rk), true) = (n(4 + of * 6 + 2, 4), *cells > 0) {
                        sheet.cells.push((row, column + of as u32, Value::Number(self::rk(rk))));
                        *cells -= 1;
                    }
                }
                None
            }
            _ => None,
        };
        if let (Some(value), true) = (value, *cells > 0) {
            sheet.cells.push((row, column, value));
            *cells -= 1;
        }
    }
}

/// A number in four octets: whole or the higher half of a double, perhaps by a hundred (MS-XLS 2.5.218).
pub fn rk(octets: u64) -> f64 {
    let octets = octets as u32;
    let value = if octets & 2 == 0 { f64::from_bits(u64::from(octets & !3) << 32) } else { f64::from(octets as i32 >> 2) };
    if octets & 1 == 0 { value } else { value / 100.0 }
}

/// A name for a cell or several: the name, by which of the places its sheet is found, the address (MS-XLS 2.4.150, 2.5.198.84, .28).
fn name(data: &[u8]) -> Option<(String, u64, String)> {
    let letters = usize::from(*data.get(3)?);
    let form = *data.get(14)?;
    let name = self::letters(data.get(15..)?, letters, form)?;
    let formula = data.get(15 + letters * (1 + usize::from(form & 1))..)?;
    let n = |at, width| number(formula, at, width);
    let cell = |row: u64, column: u64| {
        let (row, column) = (n(row, 2)? + 1, n(column, 2)? & 0x3fff);
        // Columns of two letters at most: there are 256.
        let letter = |n: u64| char::from(b'A' + (n % 26) as u8);
        let first = (column / 26).checked_sub(1).map(letter).map_or_else(String::new, String::from);
        Some(format!("{first}{}{row}", letter(column)))
    };
    let range = match n(0, 1)? {
        0x3a => cell(3, 5)?,
        0x3b => format!("{}:{}", cell(3, 7)?, cell(5, 9)?),
        _ => return None,
    };
    Some((name, n(1, 2)?, range))
}

/// How many letters, of which form, and they.
fn short_text(octets: &[u8]) -> Option<String> {
    letters(octets.get(2..)?, usize::from(*octets.first()?), octets[1])
}

fn long_text(octets: &[u8]) -> Option<String> {
    letters(octets.get(3..)?, number(octets, 0, 2)? as usize, octets[2])
}

pub fn letters(octets: &[u8], count: usize, form: u8) -> Option<String> {
    Some(if form & 1 == 0 { octets.get(..count)?.iter().map(|b| char::from(*b)).collect() } else { utf16(octets.get(..2 * count)?) })
}

/// The table of texts, over as many records as it needs: a text that goes on in the next one says its form anew there (MS-XLS 2.5.293).
fn shared_texts(first: &[u8], records: &mut Records<'_>, room: &mut Room) -> Vec<String> {
    let count = number(first, 4, 4).unwrap_or(0) as usize;
    let mut pieces = vec![first.get(8..).unwrap_or_default()];
    let mut ahead = Records(records.0);
    while let Some((CONTINUE, data)) = ahead.next() {
        pieces.push(data);
        records.0 = ahead.0;
    }
    let mut pieces = Texts { pieces, at: 0 };
    std::iter::from_fn(|| pieces.text().and_then(|text| room.take(text))).take(count).collect()
}

struct Texts<'a> {
    pieces: Vec<&'a [u8]>,
    /// Of the pieces.
    at: usize,
}

impl<'a> Texts<'a> {
    /// So many octets of one piece; an empty one is passed over.
    fn octets(&mut self, count: usize) -> Option<&'a [u8]> {
        while self.pieces.get(self.at)?.is_empty() {
            self.at += 1;
        }
        let (octets, rest) = self.pieces[self.at].split_at_checked(count)?;
        self.pieces[self.at] = rest;
        Some(octets)
    }

    fn skip(&mut self, mut count: usize) -> Option<()> {
        while count > 0 {
            let most = self.pieces.get(self.at)?.len().min(count);
            self.pieces[self.at] = &self.pieces[self.at][most..];
            count -= most;
            if count > 0 {
                self.at += 1;
            }
        }
        Some(())
    }

    fn text(&mut self) -> Option<String> {
        let head = self.octets(3)?;
        let (mut left, mut form) = (number(head, 0, 2)? as usize, head[2]);
        let runs = if form & 8 == 0 { 0 } else { number(self.octets(2)?, 0, 2)? as usize };
        let more = if form & 4 == 0 { 0 } else { number(self.octets(4)?, 0, 4)? as usize };
        let mut text = String::new();
        while left > 0 {
            if self.pieces.get(self.at)?.is_empty() {
                self.at += 1;
                form = *self.octets(1)?.first()?;
            }
            let width = 1 + usize::from(form & 1);
            let count = left.min(self.pieces.get(self.at)?.len() / width);
            if count == 0 {
                return None;
            }
            text.push_str(&letters(self.octets(count * width)?, count, form)?);
            left -= count;
        }
        self.skip(runs * 4 + more)?;
        Some(text)
    }
}
