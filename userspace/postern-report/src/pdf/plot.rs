//! Stacked bars with an axis.

use super::page::{Flow, LEFT, RIGHT};
use super::type_face::{Face, width};
use super::{BLACK, SOFT};
use crate::document::Plot;
use crate::numbers::whole;

const HIGH: f32 = 120.0;
const SIZE: f32 = 8.0;
/// Room for the axis' figures.
const AXIS: f32 = 46.0;
const LINES: u64 = 4;

/// A round figure that nothing is above, which [`LINES`] divide.
fn top(most: u64) -> u64 {
    let least = most.div_ceil(LINES).max(1);
    let mut unit = 1_u64;
    loop {
        for factor in [1, 2, 5] {
            let step = unit.saturating_mul(factor);
            if step >= least {
                return step.saturating_mul(LINES);
            }
        }
        unit = unit.saturating_mul(10);
    }
}

#[expect(clippy::cast_precision_loss, reason = "a point on paper is no exact figure")]
pub fn draw(flow: &mut Flow, plot: &Plot) {
    flow.keep(HIGH + 56.0);
    flow.text(Face::Bold, 10.0, BLACK, plot.title);
    if plot.bars.len() > 1 {
        legend(flow, plot);
    }
    flow.down(10.0 + HIGH);
    let (floor, left) = (flow.y(), LEFT + AXIS);
    let highest = top(plot.sums().into_iter().max().unwrap_or(0));
    for n in 0..=LINES {
        let y = floor + HIGH * n as f32 / LINES as f32;
        flow.line(left, RIGHT, y);
        flow.show_before(Face::Regular, SIZE, SOFT, left - 6.0, y - SIZE * 0.3, &whole(highest / LINES * n, plot.language));
    }
    let each = (RIGHT - left) / plot.times.len().max(1) as f32;
    for at in 0..plot.times.len() {
        let x = left + each * at as f32 + each * 0.15;
        let mut y = floor;
        for bars in &plot.bars {
            let high = HIGH * bars.values.get(at).copied().unwrap_or(0) as f32 / highest as f32;
            if high > 0.0 {
                flow.block(bars.color, x, y, each * 0.7, high);
            }
            y += high;
        }
    }
    // As many times as stand beside each other.
    let widest = plot.times.iter().map(|t| width(Face::Regular, SIZE, t)).fold(1.0, f32::max) + 6.0;
    let mut free = left - 3.0;
    for (at, time) in plot.times.iter().enumerate() {
        let (middle, wide) = (left + each * (at as f32 + 0.5), width(Face::Regular, SIZE, time));
        if middle - widest / 2.0 >= free - 3.0 {
            flow.show(Face::Regular, SIZE, SOFT, middle - wide / 2.0, floor - 11.0, time);
            free = middle + widest / 2.0;
        }
    }
    flow.down(14.0);
}

fn legend(flow: &mut Flow, plot: &Plot) {
    flow.down(14.0);
    let y = flow.y();
    let mut x = LEFT;
    for bars in &plot.bars {
        flow.block(bars.color, x, y, 7.0, 7.0);
        flow.show(Face::Regular, SIZE, BLACK, x + 10.0, y, &bars.name);
        x += 24.0 + width(Face::Regular, SIZE, &bars.name);
    }
}

#[cfg(test)]
mod tests {
    use super::top;

    #[test]
    fn the_axis_ends_at_a_round_figure() {
        assert_eq!([0, 1, 4, 5, 8, 20, 21, 399, 401].map(top), [4, 4, 4, 8, 8, 20, 40, 400, 800]);
        assert_eq!(top(u64::MAX), u64::MAX);
    }
}
