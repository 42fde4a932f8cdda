//! Excel's binary form in a ZIP (MS-XLSB): records with numbers and lengths of growing width.

use super::Room;
use super::workbook::rk;
use crate::detonate::document::{CELLS_MOST, Sheet, Value};
use crate::dissect::octets::number;
use crate::dissect::text::utf16;

const ROW: u64 = 0;
const SHARED_ITEM: u64 = 19;
const SHEET_PROPERTIES: u64 = 147;
const BUNDLE_SHEET: u64 = 156;
/// Octets of a cell before its value: column, style.
const CELL: u64 = 8;

struct Records<'a>(&'a [u8]);

impl Records<'_> {
    fn number(&mut self, most: usize) -> Option<u64> {
        let mut value = 0;
        for n in 0..most {
            let (octet, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(octet & 0x7f) << (7 * n);
            if octet & 0x80 == 0 {
                break;
            }
        }
        Some(value)
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = (u64, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (id, length) = (self.number(2)?, self.number(4)? as usize);
        let (data, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some((id, data))
    }
}

/// A text behind its count of letters, and where it ends.
fn text(data: &[u8], at: u64) -> Option<(String, u64)> {
    let end = at + 4 + number(data, at, 4)? * 2;
    Some((utf16(data.get(at as usize + 4..usize::try_from(end).ok()?)?), end))
}

/// Relation and name of each sheet.
pub fn sheets(workbook: &[u8]) -> Vec<(String, String)> {
    let sheet = |data: &[u8]| {
        let (relation, end) = text(data, 8)?;
        Some((relation, text(data, end)?.0))
    };
    Records(workbook).filter(|(id, _)| *id == BUNDLE_SHEET).filter_map(|(_, data)| sheet(data)).collect()
}

pub fn shared_texts(octets: &[u8], room: &mut Room) -> Vec<String> {
    let items = Records(octets).filter(|(id, _)| *id == SHARED_ITEM);
    items.map_while(|(_, data)| room.take(text(data, 1)?.0)).collect()
}

pub fn read_sheet(octets: &[u8], texts: &[String], room: &mut Room, sheet: &mut Sheet) {
    let mut row = 0;
    for (id, data) in Records(octets) {
        let n = |at, width| number(data, at, width);
        let own = |room: &mut Room| text(data, CELL).and_then(|(text, _)| room.take(text)).map(Value::Text);
        let value = match id {
            ROW => {
                row = n(0, 4).unwrap_or(0) as u32;
                None
            }
            SHEET_PROPERTIES => {
                sheet.code_name = text(data, 19).map(|(name, _)| name).unwrap_or_default();
                None
            }
            2 => n(CELL, 4).map(|octets| Value::Number(rk(octets))),
            4 | 10 => n(CELL, 1).map(|value| Value::Truth(value != 0)),
            5 | 9 => n(CELL, 8).map(|bits| Value::Number(f64::from_bits(bits))),
            6 | 8 => own(room),
            7 => n(CELL, 4).and_then(|of| texts.get(of as usize)).and_then(|text| room.take(text.clone())).map(Value::Text),
            _ => None,
        };
        if let (Some(value), Some(column)) = (value, n(0, 4)) {
            if sheet.cells.len() >= CELLS_MOST {
                return;
            }
            sheet.cells.push((row.saturating_add(1), (column as u32).saturating_add(1), value));
        }
    }
}
