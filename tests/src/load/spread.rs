//! How a measured time is spread: counts in steps of 10 µs up to one second, beyond that only the largest.

use super::wire::Nanos;

/// One step.
const STEP: Nanos = 10_000;
/// Steps kept: one second.
const STEPS: usize = 100_000;

/// Many times, in little memory, without sorting.
#[derive(Clone)]
pub(crate) struct Spread {
    steps: Vec<u32>,
    count: u64,
    max: Nanos,
}

impl Default for Spread {
    fn default() -> Self {
        Self {
            steps: vec![0; STEPS],
            count: 0,
            max: 0,
        }
    }
}

impl Spread {
    /// One more.
    pub(crate) fn add(&mut self, time: Nanos) {
        let at = usize::try_from(time / STEP).unwrap_or(STEPS).min(STEPS - 1);
        if let Some(step) = self.steps.get_mut(at) {
            *step += 1;
        }
        self.count += 1;
        self.max = self.max.max(time);
    }

    /// How many.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The largest, in milliseconds.
    pub(crate) fn max_ms(&self) -> f64 {
        self.max as f64 / 1e6
    }

    /// The time, in milliseconds, that this share of them (0 to 1) does not exceed. Rounded up to a step.
    pub(crate) fn ms(&self, share: f64) -> f64 {
        let wanted = (self.count as f64 * share).ceil().max(1.0);
        let mut seen = 0u64;
        for (at, count) in self.steps.iter().enumerate() {
            seen += u64::from(*count);
            if seen as f64 >= wanted {
                let upper = (at as u64 + 1) * STEP;
                return upper.min(self.max.max(1)) as f64 / 1e6;
            }
        }
        self.max_ms()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::wire::MS;

    #[test]
    fn shares_of_a_known_row() {
        let mut spread = Spread::default();
        for ms in 1..=100 {
            spread.add(ms * MS);
        }
        assert_eq!(spread.count(), 100);
        assert!((spread.ms(0.5) - 50.01).abs() < 0.001, "{}", spread.ms(0.5));
        assert!((spread.ms(0.99) - 99.01).abs() < 0.001, "{}", spread.ms(0.99));
        assert!((spread.ms(1.0) - 100.0).abs() < 0.001);
        spread.add(3_000 * MS);
        assert!((spread.max_ms() - 3_000.0).abs() < 0.001);
    }
}
