//! Macros of Excel before VBA (XLM): sheets of their own, whose cells are commands. In the old form (MS-XLS) they are records of the
//! workbook's stream, in the new one parts of the ZIP.

use postern_model::sandbox::FindingName;

use super::fields::Found;
use super::records::{Records, Wide, wide_text};
use super::values::letters;
use crate::dissect::octets::number;

/// MS-XLS 2.4.21, 2.4.28, 2.4.150, 2.4.127.
const BEGIN: u64 = 0x0809;
const BOUND_SHEET: u64 = 0x0085;
const NAME: u64 = 0x0018;
const FORMULA: u64 = 0x0006;
const RECORDS: usize = 500_000;
/// Before Excel 97 a text has no octet for its form.
const BIFF5: u64 = 0x0500;
/// MS-XLSB 2.4.712, 2.4.672 and its neighbours.
const WIDE_NAME: u64 = 39;
const WIDE_FORMULAS: std::ops::RangeInclusive<u64> = 8..=11;
/// A built-in name in one letter: Auto_Open, Auto_Close, Auto_Activate, Auto_Deactivate.
const AUTOSTART: &[(u8, &str)] = &[(0x01, "Auto_Open"), (0x02, "Auto_Close"), (0x0a, "Auto_Activate"), (0x0b, "Auto_Deactivate")];
/// Functions by their number (MS-XLS 2.5.198.17).
const FUNCTIONS: &[(u16, &str)] =
    &[(110, "EXEC"), (149, "REGISTER"), (150, "CALL"), (53, "GOTO"), (61, "HALT"), (132, "FOPEN"), (136, "FWRITELN")];
/// Of these: what starts, loads or writes.
const SUSPICIOUS: &[&str] = &["EXEC", "REGISTER", "CALL", "FOPEN", "FWRITELN"];

/// What a workbook's stream says.
pub fn workbook(stream: &[u8]) -> Found {
    let mut found = Found::new();
    let (mut has_sheet, mut is_biff5) = (false, false);
    for (id, data) in Records(stream).take(RECORDS) {
        // Behind so many octets a text of so many letters.
        let text = |count: usize, at: usize| {
            if is_biff5 { letters(data.get(at..)?, count, 0) } else { letters(data.get(at + 1..)?, count, *data.get(at)?) }
        };
        match id {
            BEGIN => is_biff5 = number(data, 0, 2) == Some(BIFF5),
            // State in the low bits of the fifth octet, kind in the sixth: 1 is a macro sheet.
            BOUND_SHEET if data.get(5) == Some(&1) => {
                has_sheet = true;
                let state = match data[4] & 3 {
                    0 => "",
                    1 => ", hidden",
                    _ => ", hidden from its reader",
                };
                let name = data.get(6).and_then(|count| text(usize::from(*count), 7)).unwrap_or_default();
                found.push((FindingName::Macros, format!("macro sheet {name}{state}")));
            }
            // Flags, a key, how many letters; then what it stands for, and the name. The flag "built-in": a name of one letter.
            NAME => {
                let name = data.get(3).and_then(|count| text(usize::from(*count), 14)).unwrap_or_default();
                let is_built_in = data.first().is_some_and(|flags| flags & 0x20 != 0);
                let known = |(number, known): &&(u8, &str)| {
                    if is_built_in { name == char::from(*number).to_string() } else { begins(&name, known) }
                };
                if let Some((_, name)) = AUTOSTART.iter().find(known) {
                    found.push((FindingName::MacroAutostart, (*name).to_owned()));
                }
            }
            FORMULA => suspicious(functions(data.get(22..).unwrap_or_default()), &mut found),
            _ => {}
        }
    }
    // A cell of a plain sheet has none of these functions; without a macro sheet it was something else that looked so.
    if has_sheet { found } else { Found::new() }
}

/// `Auto_Open`, and what begins so: Excel runs `Auto_Open_1`, too.
fn begins(name: &str, known: &str) -> bool {
    name.get(..known.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(known))
}

/// A name that Excel looks for when it opens or closes a workbook.
pub fn autostart(name: &str) -> Option<(FindingName, String)> {
    AUTOSTART.iter().find(|(_, known)| begins(name, known)).map(|(_, known)| (FindingName::MacroAutostart, (*known).to_owned()))
}

fn suspicious<'a>(functions: impl Iterator<Item = &'a str>, found: &mut Found) {
    for name in functions.filter(|name| SUSPICIOUS.contains(name)) {
        let finding = (FindingName::MacroSuspicious, format!("={name}(…)"));
        if !found.contains(&finding) {
            found.push(finding);
        }
    }
}

/// The same of formulas that are written as text.
pub fn suspicious_text(text: &str, found: &mut Found) {
    let upper = text.to_ascii_uppercase();
    suspicious(SUSPICIOUS.iter().copied().filter(|f| upper.contains(&format!("{f}("))), found);
}

/// Calls with any number of arguments (`PtgFuncVar`, MS-XLS 2.5.198.63): token, count, number.
fn functions(tokens: &[u8]) -> impl Iterator<Item = &'static str> {
    tokens.windows(4).filter(|t| matches!(t[0], 0x22 | 0x42 | 0x62)).filter_map(|t| {
        let number = u16::from_le_bytes([t[2], t[3]]) & 0x7fff;
        FUNCTIONS.iter().find(|(n, _)| *n == number).map(|(_, name)| *name)
    })
}

/// A part of the new forms: a macro sheet, or the workbook with its names.
pub fn part(name: &str, content: &[u8]) -> Found {
    let lower = name.to_ascii_lowercase();
    let mut found = Found::new();
    if lower.starts_with("xl/macrosheets/") && !lower.contains("/_rels/") && !lower.contains("/binaryindex") {
        found.push((FindingName::Macros, format!("macro sheet {name}")));
        if lower.ends_with(".bin") {
            for (_, data) in Wide(content).filter(|(id, _)| WIDE_FORMULAS.contains(id)).take(RECORDS) {
                suspicious(functions(data), &mut found);
            }
        } else {
            suspicious_text(&String::from_utf8_lossy(content), &mut found);
        }
    } else if lower == "xl/workbook.xml" {
        let text = String::from_utf8_lossy(content).to_ascii_lowercase();
        for (_, auto) in AUTOSTART.iter().filter(|(_, auto)| text.contains(&format!("_xlnm.{}", auto.to_ascii_lowercase()))) {
            found.push((FindingName::MacroAutostart, (*auto).to_owned()));
        }
    } else if lower == "xl/workbook.bin" {
        let names = Wide(content).filter(|(id, _)| *id == WIDE_NAME).filter_map(|(_, data)| wide_text(data, 9));
        found.extend(names.filter_map(|(name, _)| autostart(&name)));
    }
    found
}
