//! What a media thread tells about itself: counts, its load and how exactly it keeps time.
//!
//! One thread writes, anyone reads; each figure is a relaxed atomic of its own, so writing one is a plain store and a
//! reader sees figures that may be a tick apart. Nothing here waits.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Buckets of the pacing histogram: 16 exact microseconds, then 16 per power of two, up to 2^26 µs (67 s).
const BUCKETS: usize = 16 * 23;

/// The figures of one media thread.
#[derive(Debug)]
pub struct Gauges {
    pub(crate) packets_out: AtomicU64,
    pub(crate) packets_in: AtomicU64,
    pub(crate) strangers: AtomicU64,
    pub(crate) send_failed: AtomicU64,
    pub(crate) frames_skipped: AtomicU64,
    pub(crate) tap_lost: AtomicU64,
    pub(crate) events_held: AtomicU64,
    pub(crate) legs: AtomicU32,
    pub(crate) load_permille: AtomicU32,
    pacing: [AtomicU64; BUCKETS],
    pacing_max_us: AtomicU64,
}

impl Default for Gauges {
    fn default() -> Self {
        Self {
            packets_out: AtomicU64::new(0),
            packets_in: AtomicU64::new(0),
            strangers: AtomicU64::new(0),
            send_failed: AtomicU64::new(0),
            frames_skipped: AtomicU64::new(0),
            tap_lost: AtomicU64::new(0),
            events_held: AtomicU64::new(0),
            legs: AtomicU32::new(0),
            load_permille: AtomicU32::new(0),
            pacing: [const { AtomicU64::new(0) }; BUCKETS],
            pacing_max_us: AtomicU64::new(0),
        }
    }
}

/// One reading of the figures, of one thread or of all of them added up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures {
    /// RTP and RTCP packets sent.
    pub packets_out: u64,
    /// RTP and RTCP packets read, strangers' among them.
    pub packets_in: u64,
    /// Packets refused for where they came from.
    pub strangers: u64,
    /// Packets the kernel would not take.
    pub send_failed: u64,
    /// 20 ms frames not sent because the thread woke too late; it skips and never bursts.
    pub frames_skipped: u64,
    /// 20 ms frames the recorder had no room for; the file holds silence there.
    pub tap_lost: u64,
    /// Times an event waited because the desk was slow to take it.
    pub events_held: u64,
    /// Legs open now.
    pub legs: u32,
    /// Share of the last second the (busiest) thread was at work, in thousandths.
    pub load_permille: u32,
    /// How late packets left after the instant they were due.
    pub pacing: Pacing,
}

/// Lateness of sent packets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pacing {
    buckets: Vec<u64>,
    max_us: u64,
}

impl Gauges {
    /// A packet left `late` after it was due.
    pub(crate) fn paced(&self, late: Duration) {
        let us = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
        if let Some(bucket) = self.pacing.get(bucket(us)) {
            add(bucket, 1);
        }
        if us > self.pacing_max_us.load(Relaxed) {
            self.pacing_max_us.store(us, Relaxed);
        }
    }

    /// The figures as they stand.
    pub fn read(&self) -> Figures {
        Figures {
            packets_out: self.packets_out.load(Relaxed),
            packets_in: self.packets_in.load(Relaxed),
            strangers: self.strangers.load(Relaxed),
            send_failed: self.send_failed.load(Relaxed),
            frames_skipped: self.frames_skipped.load(Relaxed),
            tap_lost: self.tap_lost.load(Relaxed),
            events_held: self.events_held.load(Relaxed),
            legs: self.legs.load(Relaxed),
            load_permille: self.load_permille.load(Relaxed),
            pacing: Pacing {
                buckets: self.pacing.iter().map(|count| count.load(Relaxed)).collect(),
                max_us: self.pacing_max_us.load(Relaxed),
            },
        }
    }
}

/// Adds to a figure only this thread writes: a load and a store, cheaper than the locked addition nobody needs.
pub(crate) fn add(figure: &AtomicU64, more: u64) {
    figure.store(figure.load(Relaxed).wrapping_add(more), Relaxed);
}

impl Figures {
    /// Adds another thread's figures. The load is that of the busiest.
    pub fn add(&mut self, other: &Figures) {
        self.packets_out += other.packets_out;
        self.packets_in += other.packets_in;
        self.strangers += other.strangers;
        self.send_failed += other.send_failed;
        self.frames_skipped += other.frames_skipped;
        self.tap_lost += other.tap_lost;
        self.events_held += other.events_held;
        self.legs += other.legs;
        self.load_permille = self.load_permille.max(other.load_permille);
        self.pacing.buckets.resize(BUCKETS, 0);
        for (ours, theirs) in self.pacing.buckets.iter_mut().zip(&other.pacing.buckets) {
            *ours += theirs;
        }
        self.pacing.max_us = self.pacing.max_us.max(other.pacing.max_us);
    }
}

impl Pacing {
    /// The lateness that `share` of the packets did not exceed, within a sixteenth. Zero when none was sent.
    pub fn quantile(&self, share: f64) -> Duration {
        let total: u64 = self.buckets.iter().sum();
        let wanted = (total as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (at, count) in self.buckets.iter().enumerate() {
            seen += count;
            if *count > 0 && seen >= wanted {
                return Duration::from_micros(upper(at).min(self.max_us));
            }
        }
        Duration::ZERO
    }

    /// The latest packet of all.
    pub fn max(&self) -> Duration {
        Duration::from_micros(self.max_us)
    }

    /// Packets counted.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// What came after an earlier reading, so that a benchmark can leave its warm-up out. The maximum stays.
    pub fn since(&self, earlier: &Pacing) -> Pacing {
        let before = earlier.buckets.iter().copied().chain(std::iter::repeat(0));
        Pacing {
            buckets: self
                .buckets
                .iter()
                .zip(before)
                .map(|(now, then)| now.saturating_sub(then))
                .collect(),
            max_us: self.max_us,
        }
    }
}

/// Which bucket a lateness falls into.
fn bucket(us: u64) -> usize {
    if us < 16 {
        return us as usize;
    }
    let exponent = 63 - us.leading_zeros() as usize;
    let sixteenth = (us >> (exponent - 4)) as usize & 15;
    ((exponent - 3) * 16 + sixteenth).min(BUCKETS - 1)
}

/// The largest lateness of a bucket.
fn upper(bucket: usize) -> u64 {
    if bucket < 16 {
        return bucket as u64;
    }
    let (exponent, sixteenth) = (bucket / 16 + 3, (bucket % 16) as u64);
    ((16 + sixteenth + 1) << (exponent - 4)) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_lateness_lies_in_its_bucket() {
        let mut last = 0;
        for us in (0..100_000).chain([1 << 20, (1 << 25) + 12_345, u64::MAX]) {
            let at = bucket(us);
            assert!(at >= last || us == 0, "buckets are in order at {us}");
            last = at;
            if at < BUCKETS - 1 {
                assert!(us <= upper(at), "{us} above its bucket");
                assert!(at == 0 || us > upper(at - 1), "{us} below its bucket");
            }
        }
        assert_eq!(last, BUCKETS - 1);
    }

    #[test]
    fn quantiles_of_a_known_shape() {
        let gauges = Gauges::default();
        for us in 1..=1000 {
            gauges.paced(Duration::from_micros(us));
        }
        let pacing = gauges.read().pacing;
        let near = |share: f64, want: u64| {
            let is = pacing.quantile(share).as_micros() as u64;
            assert!(is >= want && is <= want + want / 16 + 1, "{share}: {is} for {want}");
        };
        near(0.5, 500);
        near(0.99, 990);
        assert_eq!(pacing.quantile(1.0), Duration::from_micros(1000));
        assert_eq!(pacing.max(), Duration::from_micros(1000));
        assert_eq!(pacing.count(), 1000);
        gauges.paced(Duration::from_micros(7));
        assert_eq!(
            gauges.read().pacing.since(&pacing).quantile(0.5),
            Duration::from_micros(7)
        );
    }

    #[test]
    fn threads_add_up_and_the_busiest_speaks() {
        let (one, two) = (Gauges::default(), Gauges::default());
        one.paced(Duration::from_micros(10));
        add(&one.packets_out, 3);
        one.load_permille.store(100, Relaxed);
        two.paced(Duration::from_micros(300));
        add(&two.packets_out, 4);
        two.load_permille.store(700, Relaxed);
        let mut sum = Figures::default();
        sum.add(&one.read());
        sum.add(&two.read());
        assert_eq!((sum.packets_out, sum.load_permille, sum.pacing.count()), (7, 700, 2));
        assert_eq!(sum.pacing.max(), Duration::from_micros(300));
    }
}
