//! SYLK, a table as text (`.slk`) that Excel opens without a word, macro sheets and all.

use postern_model::sandbox::FindingName;

use super::fields::Found;
use super::xlm;

const LINES: usize = 100_000;

pub fn is_one(content: &[u8]) -> bool {
    content.starts_with(b"ID;P")
}

/// Records of fields behind semicolons: `O;E` says that it is a macro sheet, `NN;NAuto_Open;ER1C1` names a place, `C;Y1;X1;EEXEC("calc")`
/// is a cell with a formula.
pub fn read(content: &[u8]) -> Found {
    let mut found = Found::new();
    let text: String = content.iter().map(|b| char::from(*b)).collect();
    let lines = || text.split(['\r', '\n']).take(LINES);
    let is_macro = lines().any(|line| line.strip_prefix("O;").is_some_and(|options| fields(options).any(|option| option == "E")));
    if !is_macro {
        return found;
    }
    found.push((FindingName::Macros, "macro sheet".to_owned()));
    for line in lines() {
        if let Some(name) = line.strip_prefix("NN;") {
            found.extend(fields(name).find_map(|field| xlm::autostart(field.strip_prefix('N')?)));
        } else if let Some(cell) = line.strip_prefix("C;") {
            fields(cell)
                .filter_map(|field| field.strip_prefix('E').map(str::to_owned))
                .for_each(|formula| xlm::suspicious_text(&formula, &mut found));
        }
    }
    found
}

/// Two semicolons are one of the text.
fn fields(line: &str) -> impl Iterator<Item = String> {
    let whole = line.replace(";;", "\u{0}");
    whole.split(';').map(|field| field.replace('\u{0}', ";")).collect::<Vec<_>>().into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn macros_are_found_and_tables_are_not() {
        let of = |text: &str| read(text.as_bytes());
        assert_eq!(
            of("ID;PWXL;N;E\r\nO;L;E;D\r\nNN;NAuto_Open;ER1C1\r\nC;Y1;X1;K0;EEXEC(\"calc;;exe\")\r\nE\r\n"),
            [
                (FindingName::Macros, "macro sheet".to_owned()),
                (FindingName::MacroAutostart, "Auto_Open".to_owned()),
                (FindingName::MacroSuspicious, "=EXEC(…)".to_owned()),
            ]
        );
        assert_eq!(of("ID;PWXL\r\nO;L\r\nC;Y1;X1;K\"EXEC(\"\r\nE\r\n"), []);
    }
}
