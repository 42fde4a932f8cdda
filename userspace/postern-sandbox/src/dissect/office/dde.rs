//! What a sheet asks another program for (DDE: `cmd|'/c calc'!A1`): Excel starts it, when the reader lets it.

use postern_model::sandbox::FindingName;

use super::fields::Found;
use super::marks::{Mark, attribute, marks};
use super::records::{Records, Wide, wide_text};
use super::values::letters;
use crate::dissect::octets::number;

/// MS-XLS 2.4.271, 2.4.105, 2.4.21; in the form before that (BIFF5) what is outside stands in another record.
const OUTSIDE: u64 = 0x01ae;
const OUTSIDE_NAME: u64 = 0x0023;
const OLD_OUTSIDE: u64 = 0x0017;
const BEGIN: u64 = 0x0809;
const BIFF5: u64 = 0x0500;
/// Between program and topic (MS-XLS 2.5.277).
const TOPIC: char = '\u{3}';
/// An object that is linked, no DDE (MS-XLS 2.4.105).
const IS_OBJECT: u64 = 0x10;
/// MS-XLSB 2.4.12: of a file, DDE, an object.
const WIDE_OUTSIDE: u64 = 360;
const WIDE_DDE: u64 = 1;
const MOST: usize = 64;
/// Octets of a text that are looked through; of a program's name, of what is calculated before it, of a topic.
const TEXT: usize = 1 << 20;
const NAME: usize = 64;
const CALCULATION: usize = 128;
const TOPIC_MOST: usize = 400;

fn call(program: &str, topic: &str) -> (FindingName, String) {
    (FindingName::Dde, format!("{program}|{topic}"))
}

/// The stream of Excel's old form.
pub fn of_workbook(stream: &[u8]) -> Found {
    let mut found = Found::new();
    let mut asked: Option<(FindingName, String)> = None;
    let mut is_biff5 = false;
    for (id, data) in Records(stream) {
        let outside = match id {
            BEGIN => {
                is_biff5 = number(data, 0, 2) == Some(BIFF5);
                continue;
            }
            OUTSIDE => number(data, 2, 2).and_then(|count| letters(data.get(5..)?, count as usize, data[4])),
            OLD_OUTSIDE if is_biff5 => data.first().and_then(|count| letters(data.get(1..)?, usize::from(*count), 0)),
            OUTSIDE_NAME if number(data, 0, 2).is_some_and(|flags| flags & IS_OBJECT != 0) => {
                asked = None;
                continue;
            }
            _ => continue,
        };
        found.extend(asked.take());
        asked = outside
            .as_deref()
            .and_then(|text| text.split_once(TOPIC))
            .filter(|(program, _)| !program.is_empty())
            .map(|(program, topic)| call(program, topic));
        if found.len() >= MOST {
            break;
        }
    }
    found.extend(asked);
    found
}

/// A file of the newer forms' folder `xl/externalLinks`.
pub fn of_link(name: &str, content: &[u8]) -> Found {
    let mut found = Found::new();
    if name.ends_with(".bin") {
        for (_, data) in Wide(content).filter(|(id, data)| *id == WIDE_OUTSIDE && number(data, 0, 2) == Some(WIDE_DDE)).take(MOST) {
            if let Some((program, end)) = wide_text(data, 2)
                && let Some((topic, _)) = wide_text(data, end)
            {
                found.push(call(&program, &topic));
            }
        }
        return found;
    }
    marks(content, |mark| {
        if let Mark::Open(tag, "ddeLink") = mark {
            found.push(call(&attribute(tag, "ddeService").unwrap_or_default(), &attribute(tag, "ddeTopic").unwrap_or_default()));
        }
        found.len() < MOST
    });
    found
}

/// Documents of OpenDocument (ODF 1.3 part 3 §9.4.11, §14.6).
pub fn of_open_document(content: &[u8]) -> Found {
    let mut found = Found::new();
    marks(content, |mark| {
        if let Mark::Open(tag, "dde-source" | "dde-connection-decl") = mark {
            found.push(call(&attribute(tag, "dde-application").unwrap_or_default(), &attribute(tag, "dde-topic").unwrap_or_default()));
        }
        found.len() < MOST
    });
    found
}

/// A table in text (CSV), and formulas in other texts.
pub fn of_text(content: &[u8]) -> Found {
    let text = content.get(..TEXT.min(content.len())).unwrap_or_default();
    let bars = text.iter().enumerate().filter(|(_, b)| **b == b'|').map(|(at, _)| at);
    bars.filter_map(|at| asked_at(text, at)).take(MOST).collect()
}

/// Around a bar: a program's name in a cell that is a formula, and a topic behind which an item is named.
fn asked_at(text: &[u8], bar: usize) -> Option<(FindingName, String)> {
    let (before, after) = (text.get(..bar)?, text.get(bar + 1..)?);
    let name = before.iter().rev().take(NAME).take_while(|b| b.is_ascii_alphanumeric() || b"_.\\/:".contains(b)).count();
    let (before, program) = before.split_at(bar - name);
    let calculation =
        before.iter().rev().take(CALCULATION).take_while(|b| b.is_ascii_alphanumeric() || b"+-*/^&()=@_.,;$:!\t \"'".contains(b)).count();
    let calculation = before.get(bar - name - calculation..)?;
    let begins = |at: usize| match at.checked_sub(1).map(|before| calculation[before]) {
        None => before.len() == calculation.len() || b"\r\n".contains(&before[before.len() - calculation.len() - 1]),
        Some(separator) => b",;\t\"".contains(&separator),
    };
    let is_formula = calculation.iter().enumerate().any(|(at, b)| b"=+-@".contains(b) && begins(at));
    let (topic, rest) = match after.strip_prefix(b"'") {
        Some(quoted) => quoted.split_at(quoted.iter().take(TOPIC_MOST).position(|b| b"'\r\n".contains(b))?),
        None => after.split_at(after.iter().take(NAME).position(|b| !b.is_ascii_alphanumeric() && !b"_.".contains(b))?),
    };
    let rest = rest.strip_prefix(b"'").unwrap_or(rest).strip_prefix(b"!")?;
    let has_item = rest.first().is_some_and(|b| b.is_ascii_alphanumeric() || b"_'$".contains(b));
    let text = |octets| String::from_utf8_lossy(octets).into_owned();
    (is_formula && has_item && !program.is_empty() && !topic.is_empty()).then(|| call(&text(program), &text(topic)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: u64, data: &[u8]) -> Vec<u8> {
        [&(id as u16).to_le_bytes()[..], &(data.len() as u16).to_le_bytes(), data].concat()
    }

    #[test]
    fn old_workbooks() {
        let outside = |text: &str| record(OUTSIDE, &[&[1, 0, text.len() as u8, 0, 0], text.as_bytes()].concat());
        let name = |flags: u8| record(OUTSIDE_NAME, &[flags, 0, 0, 0, 0, 0, 0]);
        let eight = record(BEGIN, &[0, 6, 5, 0]);
        let dde = [(FindingName::Dde, "cmd|/c calc".to_owned())];
        assert_eq!(of_workbook(&[eight.clone(), outside("cmd\u{3}/c calc"), name(2)].concat()), dde);
        assert_eq!(of_workbook(&[eight.clone(), outside("Word.Document.8\u{3}a.doc"), name(IS_OBJECT as u8)].concat()), []);
        assert_eq!(of_workbook(&[eight, outside("other.xls"), record(OLD_OUTSIDE, b"\x0bcmd\x03/c calc")].concat()), []);
        let five = record(BEGIN, &[0, 5, 5, 0]);
        assert_eq!(of_workbook(&[five.clone(), record(OLD_OUTSIDE, b"\x0bcmd\x03/c calc")].concat()), dde);
        assert_eq!(of_workbook(&[five, record(OLD_OUTSIDE, b"\x07\x03Macro1")].concat()), [], "a sheet of its own");
        for cut in 0..20 {
            of_workbook(&outside("cmd\u{3}/c calc")[..cut]);
        }
    }

    #[test]
    fn tables_in_text() {
        for text in [
            "=cmd|'/c calc.exe'!A0",
            "name,=cmd|'/c calc.exe'!A0,x",
            "name;\"=cmd|'/c calc.exe'!A0\"",
            "a\n+cmd|'/c calc.exe'!A0",
            "@SUM(1+1)*cmd|'/c calc.exe'!A0",
            "@SUM(cmd|'/c calc.exe'!A0)",
            "-2+3+cmd|'/c calc.exe'!A0",
            "=cmd|'/c calc.exe'!''",
            "=IF(1,cmd|'/c calc.exe'!A0)",
        ] {
            assert_eq!(of_text(text.as_bytes()), [(FindingName::Dde, "cmd|/c calc.exe".to_owned())], "{text}");
        }
        for text in [
            "| a | b |\n|---|---|\n| -x | y! |",
            "cat x | grep 'y'! z",
            "if (a || b) return !c;",
            "- one|two! three",
            "=SUM(A1:B2)",
            "x = a|b!=c",
        ] {
            assert_eq!(of_text(text.as_bytes()), [], "{text}");
        }
    }
}
