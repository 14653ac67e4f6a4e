//! What arrived of a stream, as RFC 3550 §A.1, §A.3 and §A.8 count it, and exact duplicates besides.

use std::time::{Duration, Instant};

/// RFC 3550 §A.1: a jump forward by this much is a restart, unless the next packet disagrees.
const DROPOUT_MAX: u16 = 3000;

/// How far back a packet may come and still be known as new or duplicate: the width of the window.
const WINDOW_PACKETS: u64 = 64;

/// The reception of one SSRC.
#[derive(Debug, Default)]
pub struct Reception {
    stream: Option<Stream>,
    /// Counts of streams that ended with a change of SSRC.
    before: Counts,
}

/// Totals of a leg.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets that arrived, duplicates not counted.
    pub received: u64,
    /// Packets expected by their numbers and not (yet) arrived.
    pub lost: u64,
    /// Packets that arrived again.
    pub duplicated: u64,
}

/// A packet's place in its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// The newest so far. The number is the sequence number extended by its wraps.
    Newest(u64),
    /// Older than the newest, and not seen before.
    Overtaken(u64),
    /// Seen before.
    Duplicate,
    /// Too far from everything: the first packet of a restart, believed when a second follows (§A.1).
    Suspect,
    /// The stream starts, or starts anew: whatever was kept of it is void.
    Restarted(u64),
}

#[derive(Debug)]
struct Stream {
    ssrc: u32,
    first: u64,
    highest: u64,
    /// Bit n: `highest - n` has arrived.
    seen: u64,
    received: u64,
    duplicated: u64,
    suspect: Option<u16>,
    epoch: Instant,
    transit: Option<i64>,
    /// In timestamp units, scaled by 16 (§A.8).
    jitter: u64,
    expected_before: u64,
    received_before: u64,
}

impl Reception {
    /// Notes the arrival of a packet. Audio gives its `timestamp` for the jitter; an event does not: its timestamp
    /// stands still (RFC 4733 §2.2.1).
    pub fn arrive(&mut self, now: Instant, ssrc: u32, sequence: u16, timestamp: Option<u32>) -> Arrival {
        let stream = match &mut self.stream {
            Some(stream) if stream.ssrc == ssrc => stream,
            _ => {
                self.before = self.counts();
                self.stream = Some(Stream::start(now, ssrc, sequence, timestamp));
                return Arrival::Restarted(u64::from(sequence) | FIRST_CYCLE);
            }
        };
        let ahead = sequence.wrapping_sub(stream.highest as u16);
        let arrival = if ahead == 0 {
            Arrival::Duplicate
        } else if ahead < DROPOUT_MAX {
            let shift = u64::from(ahead);
            stream.seen = if shift < WINDOW_PACKETS {
                (stream.seen << shift) | 1
            } else {
                1
            };
            stream.highest += shift;
            Arrival::Newest(stream.highest)
        } else {
            let behind = u64::from(ahead.wrapping_neg());
            if behind < WINDOW_PACKETS {
                let bit = 1 << behind;
                // Before the first packet of the stream there is nothing we could have lost.
                if stream.seen & bit != 0 {
                    Arrival::Duplicate
                } else {
                    stream.seen |= bit;
                    stream.first = stream.first.min(stream.highest - behind);
                    Arrival::Overtaken(stream.highest - behind)
                }
            } else if stream.suspect == Some(sequence) {
                self.before = self.counts();
                self.stream = Some(Stream::start(now, ssrc, sequence, timestamp));
                return Arrival::Restarted(u64::from(sequence) | FIRST_CYCLE);
            } else {
                stream.suspect = Some(sequence.wrapping_add(1));
                return Arrival::Suspect;
            }
        };
        if arrival == Arrival::Duplicate {
            stream.duplicated += 1;
            return arrival;
        }
        stream.suspect = None;
        stream.received += 1;
        if let Some(timestamp) = timestamp {
            stream.note_jitter(now, timestamp);
        }
        arrival
    }

    /// Totals over the life of the leg.
    pub fn counts(&self) -> Counts {
        let Some(stream) = &self.stream else { return self.before };
        Counts {
            received: self.before.received + stream.received,
            lost: self.before.lost + stream.expected().saturating_sub(stream.received),
            duplicated: self.before.duplicated + stream.duplicated,
        }
    }

    /// Interarrival jitter in milliseconds (§6.4.1).
    pub fn jitter_ms(&self) -> f32 {
        self.stream
            .as_ref()
            .map_or(0.0, |stream| (stream.jitter >> 4) as f32 / 8.0)
    }

    /// The stream's SSRC.
    pub fn ssrc(&self) -> Option<u32> {
        self.stream.as_ref().map(|stream| stream.ssrc)
    }

    /// The stream's newest number, extended by its wraps.
    pub fn highest(&self) -> Option<u64> {
        self.stream.as_ref().map(|stream| stream.highest)
    }

    /// What a report block says, and a new interval for its fraction lost (§A.3).
    pub fn report(&mut self) -> Option<ReportBlock> {
        let stream = self.stream.as_mut()?;
        let expected = stream.expected();
        let expected_now = expected - stream.expected_before;
        let lost_now = expected_now.saturating_sub(stream.received - stream.received_before);
        stream.expected_before = expected;
        stream.received_before = stream.received;
        Some(ReportBlock {
            ssrc: stream.ssrc,
            fraction_lost: (lost_now * 256).checked_div(expected_now).unwrap_or(0).min(255) as u8,
            // §6.4.1: signed 24 bits; never negative here because duplicates are not counted.
            total_lost: expected.saturating_sub(stream.received).min(0x7F_FFFF) as u32,
            highest_sequence: (stream.highest - FIRST_CYCLE) as u32,
            jitter: (stream.jitter >> 4) as u32,
        })
    }
}

/// The receiver's half of a report block; the sender report it answers is added by [`super::report`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportBlock {
    /// Whose stream.
    pub ssrc: u32,
    /// Lost since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Lost since the start.
    pub total_lost: u32,
    /// Extended highest sequence number.
    pub highest_sequence: u32,
    /// In timestamp units.
    pub jitter: u32,
}

/// Extended numbers start one cycle up, so that a packet from before the first is still a positive number.
const FIRST_CYCLE: u64 = 1 << 16;

impl Stream {
    fn start(now: Instant, ssrc: u32, sequence: u16, timestamp: Option<u32>) -> Self {
        let first = u64::from(sequence) | FIRST_CYCLE;
        let mut stream = Self {
            ssrc,
            first,
            highest: first,
            seen: 1,
            received: 1,
            duplicated: 0,
            suspect: None,
            epoch: now,
            transit: None,
            jitter: 0,
            expected_before: 0,
            received_before: 0,
        };
        if let Some(timestamp) = timestamp {
            stream.note_jitter(now, timestamp);
        }
        stream
    }

    fn expected(&self) -> u64 {
        self.highest - self.first + 1
    }

    fn note_jitter(&mut self, now: Instant, timestamp: u32) {
        let elapsed = now.saturating_duration_since(self.epoch);
        let arrival = samples(elapsed) as u32;
        let transit = i64::from(arrival.wrapping_sub(timestamp) as i32);
        if let Some(before) = self.transit.replace(transit) {
            // Modulo 2³² like the clocks themselves; a restarted clock must not ring for minutes.
            let difference = u64::from((transit as i32).wrapping_sub(before as i32).unsigned_abs()).min(SECOND_SAMPLES);
            self.jitter = self.jitter + difference - ((self.jitter + 8) >> 4);
        }
    }
}

const SECOND_SAMPLES: u64 = crate::codec::CLOCK_RATE as u64;

/// A duration in 8 kHz samples.
pub(crate) fn samples(elapsed: Duration) -> u64 {
    elapsed.as_micros() as u64 * SECOND_SAMPLES / 1_000_000
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests need one instant to count from")]
mod tests {
    use super::*;

    #[test]
    fn loss_duplicates_and_reordering_across_the_wrap() {
        let now = Instant::now();
        let mut reception = Reception::default();
        let mut arrive = |sequence: u16| reception.arrive(now, 7, sequence, None);
        assert!(matches!(arrive(65_534), Arrival::Restarted(_)));
        assert!(matches!(arrive(0), Arrival::Newest(_)));
        assert!(matches!(arrive(65_535), Arrival::Overtaken(_)));
        assert_eq!(arrive(65_535), Arrival::Duplicate);
        assert_eq!(arrive(0), Arrival::Duplicate);
        assert!(matches!(arrive(3), Arrival::Newest(_)));
        assert_eq!(
            reception.counts(),
            Counts {
                received: 4,
                lost: 2,
                duplicated: 2
            }
        );
        let report = reception.report().expect("a stream");
        assert_eq!(
            (report.highest_sequence, report.total_lost, report.fraction_lost),
            (65_536 + 3, 2, 85)
        );
        assert_eq!(
            reception.report().map(|report| report.fraction_lost),
            Some(0),
            "a new interval"
        );
    }

    #[test]
    fn one_wild_packet_is_suspect_and_two_are_a_restart() {
        let now = Instant::now();
        let mut reception = Reception::default();
        reception.arrive(now, 7, 100, None);
        assert_eq!(reception.arrive(now, 7, 40_000, None), Arrival::Suspect);
        assert!(matches!(reception.arrive(now, 7, 101, None), Arrival::Newest(_)));
        assert_eq!(reception.arrive(now, 7, 40_000, None), Arrival::Suspect);
        assert!(matches!(reception.arrive(now, 7, 40_001, None), Arrival::Restarted(_)));
        assert_eq!(reception.counts().lost, 0);
    }

    #[test]
    fn jitter_is_that_of_the_rfc() {
        let start = Instant::now();
        let mut reception = Reception::default();
        // Every second packet comes 10 ms late: |D| is 80 samples each time, so J tends to 80 samples, 10 ms.
        for n in 0..400_u32 {
            let at = start + Duration::from_millis(u64::from(n * 20 + (n % 2) * 10));
            reception.arrive(at, 7, n as u16, Some(n * 160));
        }
        assert!(
            (9.0..=10.5).contains(&reception.jitter_ms()),
            "{}",
            reception.jitter_ms()
        );
    }
}
