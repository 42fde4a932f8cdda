//! A report as plain text, for mails and terminals.

use std::fmt::Write as _;

use postern_mail::letter::one_line;

use crate::document::{Block, Document, Plot, Table};
use crate::numbers::whole;

/// Characters of the longest bar.
const BAR: u64 = 40;
/// The first column is cut here: what a sender wrote does not push the figures out of sight.
const WIDEST: usize = 48;

pub fn write(document: &Document) -> String {
    let mut out = format!("{}\n{}\n", document.title, one_line(&document.about));
    for warning in &document.warnings {
        let _ = write!(out, "\n! {}\n", one_line(warning));
    }
    for section in &document.sections {
        let _ = write!(out, "\n\n{}\n{}\n", section.title, "=".repeat(section.title.chars().count()));
        for block in &section.blocks {
            out.push('\n');
            match block {
                Block::Text(text) => _ = writeln!(out, "{}", one_line(text)),
                Block::Figures(figures) => figures.iter().for_each(|(name, value)| _ = writeln!(out, "{name}: {value}")),
                Block::Plot(plot) => bars(&mut out, plot),
                Block::Table(table) => rows(&mut out, table),
            }
        }
    }
    let _ = write!(out, "\n\n-- \n{}\n", one_line(&document.foot));
    out
}

fn bars(out: &mut String, plot: &Plot) {
    let _ = writeln!(out, "{}", plot.title);
    let sums = plot.sums();
    let most = sums.iter().copied().max().unwrap_or(0).max(1);
    let figures: Vec<String> = sums.iter().map(|n| whole(*n, plot.language)).collect();
    let wide = figures.iter().map(String::len).max().unwrap_or(0);
    for ((time, figure), sum) in plot.times.iter().zip(&figures).zip(&sums) {
        let length = usize::try_from(sum.saturating_mul(BAR).div_ceil(most)).unwrap_or(0);
        let _ = writeln!(out, "{}", format!("{time}  {figure:>wide$}  {}", "#".repeat(length)).trim_end());
    }
}

fn rows(out: &mut String, table: &Table) {
    let _ = writeln!(out, "{}", table.title);
    let heads: Vec<String> = table.heads.iter().map(|h| (*h).to_owned()).collect();
    let lines: Vec<Vec<String>> =
        std::iter::once(&heads).chain(&table.rows).map(|row| row.iter().map(|cell| cut(cell)).collect()).collect();
    let width = |column: usize| lines.iter().filter_map(|l| l.get(column)).map(|c| c.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    for line in &lines {
        let cells = line
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(at, (cell, wide))| if at < table.figures_from { format!("{cell:<wide$}") } else { format!("{cell:>wide$}") });
        let _ = writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}

fn cut(cell: &str) -> String {
    let line = one_line(cell);
    if line.chars().count() <= WIDEST {
        return line;
    }
    line.chars().take(WIDEST - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use postern_model::settings::users::Language;

    use super::*;
    use crate::figures::tests::{HOSTILE, report};

    #[test]
    fn both_languages_say_all_and_a_sender_starts_no_line() {
        for (language, accepted) in [(Language::En, "Accepted: 4,200"), (Language::De, "Angenommen: 4.200")] {
            let text = write(&Document::of(&report(), language, "mx1.example"));
            assert!(text.contains(accepted) && text.contains("mx3.example") && text.contains(&"#".repeat(40)), "{text}");
            assert!(!text.contains('{') && !text.contains('\r') && !text.contains('\u{202e}'), "{text}");
            assert!(!text.lines().any(|l| l.starts_with("Bcc")), "{text}");
            assert!(text.contains("<script>alert(1)</script>  Bcc"), "{text}");
        }
        assert!(HOSTILE.contains("\r\n"));
    }
}
