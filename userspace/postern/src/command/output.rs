//! What is printed: tables for people, JSON for programs. What a sender wrote cannot move the cursor.

use std::io::{IsTerminal, Write};

use postern_model::time::Timestamp;
use serde_json::Value;

use super::client::CommandError;

/// Prints a text as it is. A reader that went away (`| head`) is no error.
pub fn text(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    if !text.ends_with('\n') {
        let _ = out.write_all(b"\n");
    }
    let _ = out.flush();
}

pub fn json(value: &Value) {
    text(&serde_json::to_string_pretty(value).unwrap_or_default());
}

pub fn error(error: &CommandError, as_json: bool) {
    let mut err = std::io::stderr().lock();
    if as_json {
        let problem = match error {
            CommandError::Refused(problem) => problem.clone(),
            other => serde_json::json!({ "title": other.to_string(), "advice": other.advice() }),
        };
        let _ = writeln!(err, "{problem}");
        return;
    }
    let _ = writeln!(err, "postern: {}", plain(&error.to_string(), true));
    if let Some(advice) = error.advice() {
        let _ = writeln!(err, "{}", plain(&advice, true));
    }
}

/// Rows under headings, columns as wide as what is in them, the last one cut at the terminal's edge.
pub fn table(headings: &[&str], rows: &[Vec<String>]) {
    let rows: Vec<Vec<String>> = rows.iter().map(|r| r.iter().map(|c| plain(c, false)).collect()).collect();
    let width = |column: usize| {
        let longest = rows.iter().filter_map(|r| r.get(column)).map(|c| c.chars().count()).max().unwrap_or(0);
        longest.max(headings.get(column).map_or(0, |h| h.len())).min(60)
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let mut out = String::new();
    let mut line = |cells: &mut dyn Iterator<Item = &str>| {
        let last = widths.len().saturating_sub(1);
        for (i, cell) in cells.enumerate().take(widths.len()) {
            let wide = widths.get(i).copied().unwrap_or(0);
            if i == last {
                out.push_str(cell);
            } else {
                let cut: String = if cell.chars().count() > wide {
                    cell.chars().take(wide.saturating_sub(1)).chain(['…']).collect()
                } else {
                    cell.to_owned()
                };
                out.push_str(&format!("{cut:<wide$}  "));
            }
        }
        while out.ends_with(' ') {
            out.pop();
        }
        out.push('\n');
    };
    line(&mut headings.iter().copied());
    for row in &rows {
        line(&mut row.iter().map(String::as_str));
    }
    text(&out);
}

/// Name and value, one a line; empty values are left out.
pub fn facts(pairs: &[(&str, String)]) {
    let widest = pairs.iter().filter(|(_, v)| !v.is_empty()).map(|(k, _)| k.len()).max().unwrap_or(0);
    let mut out = String::new();
    for (key, value) in pairs.iter().filter(|(_, v)| !v.is_empty()) {
        out.push_str(&format!("{key:<widest$}  {}\n", plain(value, false)));
    }
    text(&out);
}

/// Without control characters and characters that turn the writing direction: a subject must not be able to
/// rewrite the screen (escape sequences) or show `exe.fdp` for `pdf.exe`.
pub fn plain(text: &str, keep_lines: bool) -> String {
    let shown = |c: char| match c {
        '\n' if keep_lines => '\n',
        '\t' => ' ',
        c if c.is_control() => '\u{fffd}',
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => '\u{fffd}',
        c => c,
    };
    text.chars().map(shown).collect()
}

pub fn string(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(s) => s.clone(),
        Value::Array(list) => list.iter().map(string).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// Milliseconds since 1970 as people read it, in UTC.
pub fn when(value: &Value) -> String {
    let Some(ms) = value.as_i64() else { return String::new() };
    let text = Timestamp(ms).to_string();
    text.split_once('.').map_or(text.clone(), |(seconds, _)| format!("{}Z", seconds.replace('T', " ")))
}

pub fn octets(value: &Value) -> String {
    let mut n = value.as_f64().unwrap_or(0.0);
    for unit in ["B", "KB", "MB", "GB"] {
        if n < 1000.0 {
            return if unit == "B" { format!("{n} B") } else { format!("{n:.1} {unit}") };
        }
        n /= 1000.0;
    }
    format!("{n:.1} TB")
}

pub fn score(value: &Value) -> String {
    value.as_f64().map_or_else(String::new, |s| format!("{s:.2}"))
}

/// The list in a field of an answer.
pub fn list<'v>(answer: &'v Value, field: &str) -> &'v [Value] {
    answer[field].as_array().map_or(&[], Vec::as_slice)
}

/// A remark that is no part of the answer: only where somebody reads it.
pub fn remark(text: &str) {
    if std::io::stdout().is_terminal() {
        let _ = writeln!(std::io::stderr(), "{text}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_senders_write_cannot_move_the_cursor() {
        assert_eq!(plain("a\u{1b}[2Jb\r\nc\u{202e}fdp.exe\u{7}", false), "a\u{fffd}[2Jb\u{fffd}\u{fffd}c\u{fffd}fdp.exe\u{fffd}");
    }

    #[test]
    fn figures_for_people() {
        assert_eq!(octets(&serde_json::json!(999)), "999 B");
        assert_eq!(octets(&serde_json::json!(1_500_000)), "1.5 MB");
        assert_eq!(when(&serde_json::json!(1_795_291_902_000_i64)), "2026-11-21 20:11:42Z");
    }
}
