//! Excel's binary form in a ZIP (MS-XLSB): records with numbers and lengths of growing width.

use super::Room;
use super::workbook::rk;
use crate::detonate::document::{CELLS_MOST, Sheet, Value};
use crate::dissect::octets::number;
use crate::dissect::office::records::{Wide, wide_text as text};

const ROW: u64 = 0;
const SHARED_ITEM: u64 = 19;
const SHEET_PROPERTIES: u64 = 147;
const BUNDLE_SHEET: u64 = 156;
/// Octets of a cell before its value: column, style.
const CELL: u64 = 8;

/// Relation and name of each sheet.
pub fn sheets(workbook: &[u8]) -> Vec<(String, String)> {
    let sheet = |data: &[u8]| {
        let (relation, end) = text(data, 8)?;
        Some((relation, text(data, end)?.0))
    };
    Wide(workbook).filter(|(id, _)| *id == BUNDLE_SHEET).filter_map(|(_, data)| sheet(data)).collect()
}

pub fn shared_texts(octets: &[u8], room: &mut Room) -> Vec<String> {
    let items = Wide(octets).filter(|(id, _)| *id == SHARED_ITEM);
    items.map_while(|(_, data)| room.take(text(data, 1)?.0)).collect()
}

pub fn read_sheet(octets: &[u8], texts: &[String], room: &mut Room, sheet: &mut Sheet) {
    let mut row = 0;
    for (id, data) in Wide(octets) {
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
