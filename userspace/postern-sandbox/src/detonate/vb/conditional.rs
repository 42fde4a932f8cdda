//! `#If`, `#Else`, `#Const` (MS-VBAL 3.4): what a document's code is on Windows with 64 bits. Lines that are left out stay as empty ones.

use std::borrow::Cow;
use std::collections::HashMap;

use super::Dialect;

pub fn chosen(source: &str, dialect: Dialect) -> Cow<'_, str> {
    let is_directive = |line: &str| line.trim_start().starts_with('#');
    if dialect == Dialect::VbScript || !source.lines().any(is_directive) {
        return Cow::Borrowed(source);
    }
    let mut constants: HashMap<String, bool> = ["vba7", "vba6", "win64", "win32"].into_iter().map(|name| (name.to_owned(), true)).collect();
    // Of each `#If`: whether its lines count now, and whether one of its branches was taken.
    let mut open: Vec<(bool, bool)> = Vec::new();
    let mut out = String::with_capacity(source.len());
    for line in source.lines() {
        let lower = line.trim().to_lowercase();
        let counts = open.iter().all(|(counts, _)| *counts);
        match lower.strip_prefix('#').map(str::trim_start) {
            Some(rest) if rest.starts_with("if ") => {
                let is_true = holds(&rest[3..], &constants);
                open.push((is_true, is_true));
            }
            Some(rest) if rest.starts_with("elseif ") => {
                if let Some((counts, taken)) = open.last_mut() {
                    *counts = !*taken && holds(&rest[7..], &constants);
                    *taken |= *counts;
                }
            }
            Some(rest) if rest.starts_with("else") => {
                if let Some((counts, taken)) = open.last_mut() {
                    *counts = !*taken;
                }
            }
            Some(rest) if rest.starts_with("end if") => drop(open.pop()),
            Some(rest) if rest.starts_with("const ") => {
                if let Some((name, value)) = rest[6..].split_once('=') {
                    let value = holds(value, &constants);
                    constants.insert(name.trim().to_owned(), value);
                }
            }
            _ if counts => out.push_str(line),
            _ => {}
        }
        out.push('\n');
    }
    Cow::Owned(out)
}

/// Names, numbers, `Not`, `And`, `Or`, `=` and `<>`, from left to right.
fn holds(condition: &str, constants: &HashMap<String, bool>) -> bool {
    let spaced = condition.replace(['(', ')'], " ").replace("<>", " <> ").replace('=', " = ");
    let (mut result, mut sign, mut is_not) = (false, "or", false);
    for word in spaced.split_whitespace() {
        match word {
            "then" => break,
            "not" => is_not = !is_not,
            "and" | "or" | "=" | "<>" => {
                sign = match word {
                    "and" => "and",
                    "or" => "or",
                    "=" => "=",
                    _ => "<>",
                }
            }
            _ => {
                let value = constants.get(word).copied().unwrap_or_else(|| word == "true" || word.parse().is_ok_and(|n: f64| n != 0.0));
                let value = value != std::mem::take(&mut is_not);
                result = match sign {
                    "and" => result && value,
                    "=" => result == value,
                    "<>" => result != value,
                    _ => result || value,
                };
            }
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_branch_of_windows_is_taken() {
        let source = "#If VBA7 And Not Mac Then\na\n#If Win16 Then\nb\n#End If\n#ElseIf Win32 Then\nc\n#Else\nd\n#End If\n#Const x = 0\n#If x Then\ne\n#Else\nf\n#End If\n";
        let chosen = chosen(source, Dialect::Vba);
        assert_eq!(chosen.split_whitespace().collect::<Vec<_>>(), ["a", "f"]);
        assert_eq!(chosen.lines().count(), source.lines().count());
    }
}
