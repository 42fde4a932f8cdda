//! Scores: finite numbers, printed with two digits.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A symbol's weight or a mail's sum. Never NaN or infinite.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Score(f64);

impl Score {
    pub const ZERO: Self = Self(0.0);

    /// `value`, or zero when it is NaN or infinite; limited to ±1,000.
    pub const fn new(value: f64) -> Self {
        if value.is_finite() { Self(value.clamp(-1000.0, 1000.0)) } else { Self(0.0) }
    }

    pub const fn get(self) -> f64 {
        self.0
    }
}

impl<'de> Deserialize<'de> for Score {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let value = f64::deserialize(d)?;
        if value.is_finite() && value.abs() <= 1000.0 {
            Ok(Self(value))
        } else {
            Err(serde::de::Error::custom(format!("{value} is not a score: write a number from -1000 to 1000")))
        }
    }
}

impl Add for Score {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self::new(self.0 + other.0)
    }
}

impl AddAssign for Score {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Score {
    fn sum<I: Iterator<Item = Self>>(scores: I) -> Self {
        scores.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2}", self.0)
    }
}
