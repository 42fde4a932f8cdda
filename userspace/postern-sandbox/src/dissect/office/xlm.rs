//! Macros of Excel before VBA (XLM): sheets of their own, whose cells are commands. In the old form (MS-XLS) they are records of the
//! workbook's stream, in the new one parts of the ZIP.

use postern_model::sandbox::FindingName;

use crate::dissect::text::utf16;

/// MS-XLS 2.4.28, 2.4.150, 2.4.127.
const BOUND_SHEET: u16 = 0x0085;
const NAME: u16 = 0x0018;
const FORMULA: u16 = 0x0006;
const RECORDS: usize = 500_000;
/// A built-in name in one letter: Auto_Open, Auto_Close, Auto_Activate, Auto_Deactivate.
const AUTOSTART: &[(u8, &str)] = &[(0x01, "Auto_Open"), (0x02, "Auto_Close"), (0x0a, "Auto_Activate"), (0x0b, "Auto_Deactivate")];
/// Functions by their number (MS-XLS 2.5.198.17).
const FUNCTIONS: &[(u16, &str)] =
    &[(110, "EXEC"), (149, "REGISTER"), (150, "CALL"), (53, "GOTO"), (61, "HALT"), (132, "FOPEN"), (136, "FWRITELN")];
/// Of these: what starts, loads or writes.
const SUSPICIOUS: &[&str] = &["EXEC", "REGISTER", "CALL", "FOPEN", "FWRITELN"];

/// What a workbook's stream says.
pub fn workbook(stream: &[u8]) -> Vec<(FindingName, String)> {
    let mut found = Vec::new();
    let mut has_sheet = false;
    let mut rest = stream;
    for _ in 0..RECORDS {
        let Some((head, after)) = rest.split_first_chunk::<4>() else { break };
        let (id, length) = (u16::from_le_bytes([head[0], head[1]]), usize::from(u16::from_le_bytes([head[2], head[3]])));
        let Some(data) = after.get(..length) else { break };
        rest = &after[length..];
        match id {
            // State in the low bits of the fifth octet, kind in the sixth: 1 is a macro sheet.
            BOUND_SHEET if data.get(5) == Some(&1) => {
                has_sheet = true;
                let state = match data[4] & 3 {
                    0 => "",
                    1 => ", hidden",
                    _ => ", hidden from its reader",
                };
                found.push((FindingName::Macros, format!("macro sheet {}{state}", name_of(&data[6..]))));
            }
            // The flag "built-in" and a name of one letter behind fourteen octets and the form of the text.
            NAME if data.first().is_some_and(|flags| flags & 0x20 != 0) && data.get(3) == Some(&1) => {
                if let Some((_, name)) = data.get(15).and_then(|b| AUTOSTART.iter().find(|(n, _)| n == b)) {
                    found.push((FindingName::MacroAutostart, (*name).to_owned()));
                }
            }
            FORMULA => {
                for name in functions(data.get(22..).unwrap_or_default()) {
                    let finding = (FindingName::MacroSuspicious, format!("={name}(…)"));
                    if SUSPICIOUS.contains(&name) && !found.contains(&finding) {
                        found.push(finding);
                    }
                }
            }
            _ => {}
        }
    }
    // A cell of a plain sheet has none of these functions; without a macro sheet it was something else that looked so.
    if has_sheet { found } else { Vec::new() }
}

/// A short text: how long, of which form, its letters.
fn name_of(octets: &[u8]) -> String {
    let (Some(length), Some(form)) = (octets.first(), octets.get(1)) else { return String::new() };
    let length = usize::from(*length);
    let letters = octets.get(2..).unwrap_or_default();
    if form & 1 == 0 {
        return letters.iter().take(length).map(|b| char::from(*b)).collect();
    }
    utf16(&letters[..letters.len().min(2 * length)])
}

/// Calls with any number of arguments (`PtgFuncVar`, MS-XLS 2.5.198.63): token, count, number.
fn functions(tokens: &[u8]) -> impl Iterator<Item = &'static str> {
    tokens.windows(4).filter(|t| matches!(t[0], 0x22 | 0x42 | 0x62)).filter_map(|t| {
        let number = u16::from_le_bytes([t[2], t[3]]) & 0x7fff;
        FUNCTIONS.iter().find(|(n, _)| *n == number).map(|(_, name)| *name)
    })
}

/// A part of the new form: a macro sheet, or the workbook with its names.
pub fn part(name: &str, content: &[u8]) -> Vec<(FindingName, String)> {
    let lower = name.to_ascii_lowercase();
    let mut found = Vec::new();
    if lower.starts_with("xl/macrosheets/") && !lower.contains("/_rels/") {
        found.push((FindingName::Macros, format!("macro sheet {name}")));
        let text = String::from_utf8_lossy(content).to_ascii_uppercase();
        for function in SUSPICIOUS.iter().filter(|f| text.contains(&format!("{f}("))) {
            found.push((FindingName::MacroSuspicious, format!("={function}(…)")));
        }
    } else if lower == "xl/workbook.xml" {
        let text = String::from_utf8_lossy(content).to_ascii_lowercase();
        for auto in ["_xlnm.auto_open", "_xlnm.auto_close", "_xlnm.auto_activate"].iter().filter(|a| text.contains(**a)) {
            found.push((FindingName::MacroAutostart, auto.trim_start_matches("_xlnm.").to_owned()));
        }
    }
    found
}
