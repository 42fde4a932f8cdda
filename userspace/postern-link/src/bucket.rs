//! So many a second, and not more than so many at once.

use std::time::Instant;

use parking_lot::Mutex;

/// A bucket of tokens.
pub struct Bucket {
    a_second: f64,
    most: f64,
    left: Mutex<(f64, Instant)>,
}

impl Bucket {
    pub fn new(a_second: u32, most: u32) -> Self {
        Self { a_second: f64::from(a_second), most: f64::from(most), left: Mutex::new((f64::from(most), Instant::now())) }
    }

    /// Takes one, if there is one.
    pub fn take(&self) -> bool {
        self.take_at(Instant::now())
    }

    fn take_at(&self, now: Instant) -> bool {
        let mut left = self.left.lock();
        let (tokens, at) = *left;
        let tokens = now.saturating_duration_since(at).as_secs_f64().mul_add(self.a_second, tokens).min(self.most);
        let taken = tokens >= 1.0;
        *left = (if taken { tokens - 1.0 } else { tokens }, now);
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_burst_then_the_rate() {
        let bucket = Bucket::new(10, 5);
        let start = Instant::now();
        assert_eq!((0..100).filter(|_| bucket.take_at(start)).count(), 5);
        let second = (1..=1000).filter(|ms| bucket.take_at(start + Duration::from_millis(*ms))).count();
        assert!((9..=11).contains(&second), "{second} in a second");
    }
}
