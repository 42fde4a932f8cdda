//! Waits that double, with a fifth of jitter so that mails that failed together do not come back together.

use std::time::Duration;

use rand::Rng;

/// `first` doubled for every failure after the first one, at most `max`, times 0.8 to 1.2.
pub fn backoff(first: Duration, max: Duration, failures: u32, rng: &mut impl Rng) -> Duration {
    let doubled = first.saturating_mul(1u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
    doubled.min(max).mul_f64(rng.random_range(0.8..=1.2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_maximum() {
        let mut rng = rand::rng();
        for (failures, seconds) in [(0, 60), (1, 60), (2, 120), (3, 240), (7, 3600), (33, 3600), (u32::MAX, 3600)] {
            for _ in 0..50 {
                let wait = backoff(Duration::from_secs(60), Duration::from_secs(3600), failures, &mut rng).as_secs_f64();
                let expected = f64::from(seconds);
                assert!((expected * 0.79..=expected * 1.21).contains(&wait), "{failures} failures: {wait}");
            }
        }
    }
}
