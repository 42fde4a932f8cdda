//! A report as HTML for mail programs: tables and no pictures, for many show none before they are asked, and all of them show these.

use std::fmt::Write as _;

use postern_mail::letter::escaped;

use crate::document::{Block, Color, Document, Plot, Table};
use crate::numbers::{share, whole};

const FONT: &str = "font-family:Helvetica,Arial,sans-serif;font-size:14px;color:#151515";
const HEAD: &str = "text-align:left;font-weight:bold;padding:4px 12px 4px 0;border-bottom:1px solid #8a8d90";
const CELL: &str = "padding:4px 12px 4px 0;border-bottom:1px solid #e0e0e0;vertical-align:top;word-break:break-word";
const FIGURE: &str = "text-align:right;white-space:nowrap;";
/// Pixels of the longest bar.
const BAR: u64 = 360;

pub fn write(document: &Document) -> String {
    let mut out = format!(
        "<div style=\"{FONT}\"><h1 style=\"font-size:22px;margin:0\">{}</h1><p style=\"margin:4px 0 16px\">{}</p>",
        escaped(&document.title),
        escaped(&document.about)
    );
    for warning in &document.warnings {
        let _ = write!(out, "<p style=\"border-left:4px solid #f0ab00;padding:4px 12px\">{}</p>", escaped(warning));
    }
    for section in &document.sections {
        let _ = write!(out, "<h2 style=\"font-size:18px;margin:28px 0 8px\">{}</h2>", escaped(section.title));
        for block in &section.blocks {
            match block {
                Block::Text(text) => _ = write!(out, "<p>{}</p>", escaped(text)),
                Block::Figures(figures) => tiles(&mut out, figures),
                Block::Plot(plot) => bars(&mut out, plot),
                Block::Table(table) => rows(&mut out, table),
            }
        }
    }
    let _ = write!(out, "<p style=\"color:#6a6e73;margin-top:28px\">{}</p></div>", escaped(&document.foot));
    out
}

fn title(out: &mut String, text: &str) {
    let _ = write!(out, "<h3 style=\"font-size:15px;margin:20px 0 6px\">{}</h3>", escaped(text));
}

fn tiles(out: &mut String, figures: &[(&'static str, String)]) {
    out.push_str("<table border=\"0\" cellpadding=\"0\" cellspacing=\"0\" role=\"presentation\"><tr>");
    for (name, value) in figures {
        let _ = write!(
            out,
            "<td style=\"padding:4px 24px 8px 0;vertical-align:bottom\"><div style=\"font-size:20px\">{}</div><div style=\"color:#6a6e73\">{}</div></td>",
            escaped(value),
            escaped(name)
        );
    }
    out.push_str("</tr></table>");
}

fn hex([r, g, b]: Color) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

fn bars(out: &mut String, plot: &Plot) {
    title(out, plot.title);
    if plot.bars.len() > 1 {
        out.push_str("<p style=\"margin:0 0 6px\">");
        for bars in &plot.bars {
            let _ = write!(out, "<span style=\"color:{}\">&#9632;</span> {}&emsp;", hex(bars.color), escaped(&bars.name));
        }
        out.push_str("</p>");
    }
    let sums = plot.sums();
    let most = sums.iter().copied().max().unwrap_or(0).max(1);
    out.push_str("<table border=\"0\" cellpadding=\"0\" cellspacing=\"0\">");
    for (at, (time, sum)) in plot.times.iter().zip(&sums).enumerate() {
        let _ = write!(
            out,
            "<tr><td style=\"padding:1px 10px 1px 0;color:#6a6e73;white-space:nowrap\">{}</td><td style=\"padding:1px 10px 1px 0;{FIGURE}\">{}</td><td>",
            escaped(time),
            whole(*sum, plot.language)
        );
        let width = sum.saturating_mul(BAR).div_ceil(most);
        if width > 0 {
            let _ = write!(out, "<table border=\"0\" cellpadding=\"0\" cellspacing=\"0\" width=\"{width}\" role=\"presentation\"><tr>");
            for bars in &plot.bars {
                let value = bars.values.get(at).copied().unwrap_or(0);
                if value > 0 {
                    let color = hex(bars.color);
                    let part = share(value, *sum);
                    let _ = write!(
                        out,
                        "<td bgcolor=\"{color}\" width=\"{part:.1}%\" height=\"12\" style=\"background:{color};font-size:1px\">&nbsp;</td>"
                    );
                }
            }
            out.push_str("</tr></table>");
        }
        out.push_str("</td></tr>");
    }
    out.push_str("</table>");
}

fn rows(out: &mut String, table: &Table) {
    title(out, table.title);
    out.push_str("<table border=\"0\" cellpadding=\"0\" cellspacing=\"0\"><tr>");
    let align = |at: usize| if at < table.figures_from { "" } else { FIGURE };
    for (at, head) in table.heads.iter().enumerate() {
        let _ = write!(out, "<th scope=\"col\" style=\"{HEAD};{}\">{}</th>", align(at), escaped(head));
    }
    out.push_str("</tr>");
    for row in &table.rows {
        out.push_str("<tr>");
        for (at, cell) in row.iter().enumerate() {
            let _ = write!(out, "<td style=\"{CELL};{}\">{}</td>", align(at), escaped(cell));
        }
        out.push_str("</tr>");
    }
    out.push_str("</table>");
}

#[cfg(test)]
mod tests {
    use postern_model::settings::users::Language;

    use super::*;
    use crate::figures::tests::report;

    #[test]
    fn what_a_sender_wrote_is_text_and_nothing_is_fetched() {
        for language in [Language::En, Language::De] {
            let html = write(&Document::of(&report(), language, "mx1.example"));
            assert!(!html.contains("<script") && html.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{html}");
            assert!(!html.contains('\u{202e}') && !html.contains('\r') && !html.contains('{'), "{html}");
            assert!(!html.contains("<img") && !html.contains("http") && !html.contains("url("), "{html}");
            for tag in ["table", "tr", "td", "th", "p", "div", "h2"] {
                assert_eq!(
                    html.matches(&format!("<{tag}>")).count() + html.matches(&format!("<{tag} ")).count(),
                    html.matches(&format!("</{tag}>")).count(),
                    "{tag}"
                );
            }
            // Seven days of two colours: a bar of full length each, for all days are alike.
            assert_eq!(html.matches("width=\"360\"").count(), html.matches(" role=\"presentation\"><tr><td bgcolor").count());
        }
    }
}
