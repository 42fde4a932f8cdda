//! Logistic regression with L2 and bounds: coordinate-wise Newton steps, deterministic.

/// A column: what its coefficient may be, and the values of the rows where it is not zero.
#[derive(Clone, Debug, Default)]
pub struct Column {
    pub min: f64,
    pub max: f64,
    /// The coefficient L2 pulls towards.
    pub centre: f64,
    pub values: Vec<(u32, f64)>,
}

impl Column {
    pub fn free(values: Vec<(u32, f64)>) -> Self {
        Self { min: f64::NEG_INFINITY, max: f64::INFINITY, centre: 0.0, values }
    }
}

/// The constant term.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bias {
    Free,
    Fixed(f64),
}

pub struct Fit {
    pub bias: f64,
    pub weights: Vec<f64>,
}

/// Least loss of the labelled rows (true: spam) plus `l2`/2 × the squared distances to the centres.
/// Rows of the rarer class weigh more, so that odds of zero mean "no idea".
pub fn fit(labels: &[bool], columns: &[Column], l2: f64, constant: Bias) -> Fit {
    let spam = labels.iter().filter(|l| **l).count().max(1) as f64;
    let ham = (labels.len() as f64 - spam).max(1.0);
    let half = labels.len() as f64 / 2.0;
    let importance: Vec<f64> = labels.iter().map(|l| if *l { half / spam } else { half / ham }).collect();
    let mut weights: Vec<f64> = columns.iter().map(|c| c.centre.clamp(c.min, c.max)).collect();
    let mut odds = vec![0.0; labels.len()];
    for (column, weight) in columns.iter().zip(&weights) {
        column.values.iter().for_each(|(row, value)| odds[*row as usize] += weight * value);
    }
    let mut bias = match constant {
        Bias::Free => 0.0,
        Bias::Fixed(value) => value,
    };
    odds.iter_mut().for_each(|z| *z += bias);
    for _ in 0..400 {
        let mut moved = if constant == Bias::Free { step_bias(labels, &importance, &mut odds, &mut bias) } else { 0.0 };
        for (column, weight) in columns.iter().zip(&mut weights) {
            let (mut slope, mut curve) = (l2 * (*weight - column.centre), l2);
            for (row, value) in &column.values {
                let row = *row as usize;
                let p = 1.0 / (1.0 + (-odds[row]).exp());
                slope += importance[row] * (p - f64::from(u8::from(labels[row]))) * value;
                // The curvature of the worst case keeps far steps from overshooting.
                curve += importance[row] * (p * (1.0 - p)).max(0.02) * value * value;
            }
            let next = (*weight - slope / curve.max(1e-12)).clamp(column.min, column.max);
            let change = next - *weight;
            if change != 0.0 {
                column.values.iter().for_each(|(row, value)| odds[*row as usize] += change * value);
                moved = moved.max(change.abs());
                *weight = next;
            }
        }
        if moved < 1e-5 {
            break;
        }
    }
    Fit { bias, weights }
}

fn step_bias(labels: &[bool], importance: &[f64], odds: &mut [f64], bias: &mut f64) -> f64 {
    let (mut slope, mut curve) = (0.0, 1e-9);
    for ((label, weight), z) in labels.iter().zip(importance).zip(odds.iter()) {
        let p = 1.0 / (1.0 + (-z).exp());
        slope += weight * (p - f64::from(u8::from(*label)));
        curve += weight * (p * (1.0 - p)).max(0.02);
    }
    let change = -slope / curve;
    odds.iter_mut().for_each(|z| *z += change);
    *bias += change;
    change.abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_telling_column_gets_weight_and_bounds_hold() {
        let labels: Vec<bool> = (0..400).map(|i| i % 4 == 0).collect();
        let telling = (0..400u32).filter(|i| i % 4 == 0 || i % 40 == 1).map(|i| (i, 1.0)).collect();
        let noise: Vec<(u32, f64)> = (0..400u32).filter(|i| i % 7 == 0).map(|i| (i, 1.0)).collect();
        let against: Vec<(u32, f64)> = (0..400u32).filter(|i| i % 4 == 1).map(|i| (i, 1.0)).collect();
        let columns = [Column::free(telling), Column::free(noise), Column { min: 0.0, max: 3.0, centre: 1.0, values: against }];
        let fitted = fit(&labels, &columns, 0.1, Bias::Free);
        assert!(fitted.weights[0] > 3.0, "{:?}", fitted.weights);
        assert!(fitted.weights[1].abs() < 1.0, "{:?}", fitted.weights);
        assert_eq!(fitted.weights[2], 0.0);
    }
}
