//! Tables: names at the left, figures at the right; the heads again on each page.

use super::page::{Flow, LEFT, RIGHT, WIDTH};
use super::type_face::{Face, fitted, width};
use super::{BLACK, SOFT};
use crate::document::Table;

const SIZE: f32 = 9.0;
const ROW: f32 = 15.0;
const GAP: f32 = 12.0;

pub fn draw(flow: &mut Flow, table: &Table) {
    flow.keep(10.0 + 3.0 * ROW);
    flow.text(Face::Bold, 10.0, BLACK, table.title);
    let widths = widths(table);
    heads(flow, table, &widths);
    for row in &table.rows {
        if flow.keep(ROW) {
            heads(flow, table, &widths);
        }
        flow.down(ROW);
        cells(flow, table, &widths, Face::Regular, row.iter().map(String::as_str));
        flow.line(LEFT, RIGHT, flow.y() - 4.5);
    }
    flow.down(4.0);
}

fn heads(flow: &mut Flow, table: &Table, widths: &[f32]) {
    flow.down(ROW + 1.0);
    cells(flow, table, widths, Face::Bold, table.heads.iter().copied());
    flow.line(LEFT, RIGHT, flow.y() - 4.5);
}

fn cells<'a>(flow: &mut Flow, table: &Table, widths: &[f32], face: Face, row: impl Iterator<Item = &'a str>) {
    let (y, mut x) = (flow.y(), LEFT);
    let color = if face == Face::Bold { SOFT } else { BLACK };
    for (at, (cell, wide)) in row.zip(widths).enumerate() {
        // A column that is as wide as its widest cell has room for it, whatever the last bit says.
        let shown = fitted(face, SIZE, cell, wide - GAP + 0.1);
        if at < table.figures_from {
            flow.show(face, SIZE, color, x, y, &shown);
        } else {
            flow.show_before(face, SIZE, color, x + wide, y, &shown);
        }
        x += wide;
    }
}

/// Each column as wide as what is in it; texts share what is left when that is too much.
fn widths(table: &Table) -> Vec<f32> {
    let wanted = |at: usize| {
        let head = table.heads.get(at).map_or(0.0, |h| width(Face::Bold, SIZE, h));
        let cells = table.rows.iter().filter_map(|r| r.get(at)).map(|c| width(Face::Regular, SIZE, c));
        cells.fold(head, f32::max) + GAP
    };
    let mut widths: Vec<f32> = (0..table.heads.len()).map(wanted).collect();
    let texts = table.figures_from.min(widths.len());
    let figures: f32 = widths[texts..].iter().sum();
    let room = WIDTH - figures;
    let sum: f32 = widths[..texts].iter().sum();
    // Short ones keep their width; what a stranger wrote is cut first.
    if sum > room {
        #[expect(clippy::cast_precision_loss, reason = "a handful of columns")]
        let fair = room / texts.max(1) as f32;
        let (short, long): (Vec<usize>, Vec<usize>) = (0..texts).partition(|at| widths[*at] <= fair);
        let kept: f32 = short.iter().map(|at| widths[*at]).sum();
        #[expect(clippy::cast_precision_loss, reason = "a handful of columns")]
        let each = (room - kept) / long.len().max(1) as f32;
        long.into_iter().for_each(|at| widths[at] = each);
    } else if let Some(first) = widths.first_mut() {
        *first += room - sum;
    }
    widths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_fill_the_page_and_no_more() {
        let table = |name: &str| Table {
            title: "",
            heads: vec!["Sender", "Node", "Count"],
            rows: vec![vec![name.to_owned(), "mx1".into(), "1,000".into()]],
            figures_from: 2,
        };
        for name in ["a@b.example", &"w".repeat(3000)] {
            let widths = widths(&table(name));
            assert!((widths.iter().sum::<f32>() - WIDTH).abs() < 0.1, "{widths:?}");
            assert!(widths[1] >= width(Face::Regular, SIZE, "mx1") + GAP, "{widths:?}");
        }
    }
}
