//! What each statistic is worth: the coefficients of a logistic regression, fitted by the tool `fit`
//! on labelled mail, every mail left out of the counts it was judged by.

use super::statistics::{self, STATISTICS, Statistics};

#[derive(Clone, Debug, PartialEq)]
pub struct Combiner {
    pub bias: f64,
    pub weights: [f64; STATISTICS],
}

impl Combiner {
    /// Log odds of spam.
    pub fn log_odds(&self, statistics: &Statistics) -> f64 {
        self.bias + self.weights.iter().zip(&statistics.values).map(|(w, v)| w * v).sum::<f64>()
    }
}

#[derive(Debug, thiserror::Error)]
pub enum CombinerError {
    #[error("line {0} is not `name<TAB>number`")]
    Line(usize),
    #[error("the table names {found} where {expected} belongs")]
    Name { found: String, expected: String },
    #[error("the table has {0} lines; {expected} belong there", expected = STATISTICS + 1)]
    Length(usize),
}

impl Combiner {
    /// Reads `name<TAB>weight` lines: `bias`, then the statistics in their order.
    ///
    /// # Errors
    /// When the table is not of this version's statistics.
    pub fn parse(text: &str) -> Result<Self, CombinerError> {
        let mut expected = vec!["bias".to_owned()];
        expected.extend(statistics::names());
        let mut values = Vec::new();
        for (at, line) in text.lines().filter(|l| !l.starts_with('#') && !l.trim().is_empty()).enumerate() {
            let (name, value) = line.split_once('\t').ok_or(CombinerError::Line(at + 1))?;
            let value: f64 = value.trim().parse().map_err(|_| CombinerError::Line(at + 1))?;
            if let Some(expected) = expected.get(at).filter(|e| *e != name) {
                return Err(CombinerError::Name { found: name.to_owned(), expected: expected.clone() });
            }
            values.push(value);
        }
        let length = values.len();
        let (bias, rest) = values.split_first().ok_or(CombinerError::Length(0))?;
        let weights = rest.try_into().map_err(|_| CombinerError::Length(length))?;
        Ok(Self { bias: *bias, weights })
    }

    /// The form [`Combiner::parse`] reads.
    pub fn to_text(&self) -> String {
        let mut out = format!("bias\t{:.6}\n", self.bias);
        for (name, weight) in statistics::names().iter().zip(&self.weights) {
            out.push_str(&format!("{name}\t{weight:.6}\n"));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_table_reads_back_and_a_wrong_one_says_what_is_wrong() {
        let mut combiner = Combiner { bias: -1.5, weights: [0.25; STATISTICS] };
        combiner.weights[3] = -2.0;
        assert_eq!(Combiner::parse(&combiner.to_text()).unwrap(), combiner);
        let swapped = combiner.to_text().replace("top-30", "top-31");
        assert!(Combiner::parse(&swapped).unwrap_err().to_string().contains("top-30"));
        assert!(matches!(Combiner::parse("bias\t1\n"), Err(CombinerError::Length(1))));
        assert!(matches!(Combiner::parse("bias 1\n"), Err(CombinerError::Line(1))));
    }
}
