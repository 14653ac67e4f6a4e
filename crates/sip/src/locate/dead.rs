//! The memory of destinations that did not answer (RFC 3263 §4.3, RFC 3261 §21.5.4).
//!
//! It never forbids anything: what is dead is tried last, so that a call whose every way is dead is still tried.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::Destination;

/// Destinations remembered; beyond it the one that would be forgotten first is.
pub const TARGETS_MAX: usize = 1_024;
/// How long a destination that said nothing, or broke, is dead the first time; each time in a row doubles it.
pub const DEAD_AT_FIRST: Duration = Duration::from_secs(30);
/// The longest a destination is dead, whatever it says in Retry-After.
pub const DEAD_AT_MOST: Duration = Duration::from_secs(600);
/// How long a failure counts as one in a row with the next.
const REMEMBERED: Duration = Duration::from_secs(1_800);

/// Why a request should go to the next destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// 503, with what Retry-After said. Without it only this request moves on (RFC 3261 §21.5.4: as if it were a 500).
    Unavailable {
        /// Seconds.
        retry_after_s: Option<u32>,
    },
    /// 408, or nothing at all until the transaction gave up.
    Silent,
    /// The network refused: no route, nobody there, a broken connection, a handshake that failed.
    Broken,
}

impl Failure {
    /// What a final response says about its destination; `None` when it is an answer, if an unwelcome one.
    pub const fn of(status: u16, retry_after_s: Option<u32>) -> Option<Self> {
        match status {
            503 => Some(Failure::Unavailable { retry_after_s }),
            408 => Some(Failure::Silent),
            _ => None,
        }
    }
}

/// Who failed, until when, and how often in a row.
#[derive(Debug, Clone, Default)]
pub struct DeadTargets {
    known: BTreeMap<Destination, Death>,
}

#[derive(Debug, Clone, Copy)]
struct Death {
    until: Instant,
    forgotten: Instant,
    in_a_row: u32,
}

impl DeadTargets {
    /// Nobody is dead.
    pub const fn new() -> Self {
        Self { known: BTreeMap::new() }
    }

    /// Remembers a failure. Returns until when the destination is dead.
    pub fn failed(&mut self, now: Instant, destination: Destination, failure: Failure) -> Instant {
        self.known.retain(|_, death| death.forgotten > now);
        let in_a_row = self.known.get(&destination).map_or(0, |death| death.in_a_row);
        let doubled = DEAD_AT_FIRST
            .saturating_mul(1_u32.checked_shl(in_a_row).unwrap_or(u32::MAX))
            .min(DEAD_AT_MOST);
        let dead = match failure {
            Failure::Unavailable {
                retry_after_s: Some(seconds),
            } => Duration::from_secs(u64::from(seconds)).min(DEAD_AT_MOST),
            Failure::Unavailable { retry_after_s: None } => Duration::ZERO,
            Failure::Silent | Failure::Broken => doubled,
        };
        if self.known.len() >= TARGETS_MAX && !self.known.contains_key(&destination) {
            let first = self.known.iter().min_by_key(|(_, death)| death.forgotten);
            if let Some(first) = first.map(|(first, _)| *first) {
                self.known.remove(&first);
            }
        }
        let (until, forgotten) = (now + dead, now + dead + REMEMBERED);
        let in_a_row = in_a_row.saturating_add(1);
        self.known.insert(
            destination,
            Death {
                until,
                forgotten,
                in_a_row,
            },
        );
        until
    }

    /// Any answer brings a destination back to life.
    pub fn answered(&mut self, destination: Destination) {
        self.known.remove(&destination);
    }

    /// Until when it is dead; `None` when it is alive.
    pub fn dead_until(&self, now: Instant, destination: Destination) -> Option<Instant> {
        let until = self.known.get(&destination)?.until;
        (until > now).then_some(until)
    }

    /// The same destinations: the living in their order, then the dead, who is back soonest first.
    pub fn arrange(&self, now: Instant, destinations: &[Destination]) -> Vec<Destination> {
        let mut arranged = destinations.to_vec();
        // The sort is stable, and nobody alive has an instant.
        arranged.sort_by_key(|destination| self.dead_until(now, *destination));
        arranged
    }

    /// How many failures are remembered.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether nobody failed lately.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::Transport;

    #[allow(
        clippy::disallowed_methods,
        reason = "an Instant can only be had from the clock; its value is not used"
    )]
    fn epoch() -> Instant {
        Instant::now()
    }

    fn destination(last: u8) -> Destination {
        Destination {
            transport: Transport::Udp,
            address: ([192, 0, 2, last], 5060).into(),
        }
    }

    /// The table of what is remembered after what, in seconds.
    #[test]
    fn each_failure_has_its_time() {
        let now = epoch();
        let unavailable = |retry_after_s| Failure::Unavailable { retry_after_s };
        for (failure, expected_s) in [
            (unavailable(None), 0),
            (unavailable(Some(5)), 5),
            (unavailable(Some(86_400)), 600),
            (Failure::Silent, 30),
            (Failure::Broken, 30),
        ] {
            let mut dead = DeadTargets::new();
            let until = dead.failed(now, destination(1), failure);
            assert_eq!(until - now, Duration::from_secs(expected_s), "{failure:?}");
            let expected = (expected_s > 0).then_some(until);
            assert_eq!(dead.dead_until(now, destination(1)), expected);
            assert_eq!(dead.dead_until(until, destination(1)), None, "over is over");
        }
        assert_eq!(Failure::of(503, Some(7)), Some(unavailable(Some(7))));
        assert_eq!(Failure::of(408, None), Some(Failure::Silent));
        for status in [200, 404, 480, 486, 500, 603] {
            assert_eq!(Failure::of(status, None), None);
        }
    }

    #[test]
    fn failures_in_a_row_double_and_an_answer_ends_the_row() {
        let mut now = epoch();
        let mut dead = DeadTargets::new();
        for expected in [30, 60, 120, 240, 480, 600, 600] {
            let until = dead.failed(now, destination(1), Failure::Silent);
            assert_eq!((until - now).as_secs(), expected);
            now = until;
        }
        dead.answered(destination(1));
        assert!(dead.is_empty());
        let until = dead.failed(now, destination(1), Failure::Broken);
        assert_eq!((until - now).as_secs(), 30);
        // A row is forgotten half an hour after it ended.
        let later = until + REMEMBERED;
        assert_eq!(
            (dead.failed(later, destination(1), Failure::Broken) - later).as_secs(),
            30
        );
    }

    #[test]
    fn the_dead_are_tried_last_and_never_left_out() {
        let now = epoch();
        let mut dead = DeadTargets::new();
        let all = [1, 2, 3, 4].map(destination);
        dead.failed(
            now,
            all[0],
            Failure::Unavailable {
                retry_after_s: Some(60),
            },
        );
        dead.failed(now, all[2], Failure::Broken);
        assert_eq!(dead.arrange(now, &all), [all[1], all[3], all[2], all[0]]);
        let later = now + Duration::from_secs(31);
        assert_eq!(dead.arrange(later, &all), [all[1], all[2], all[3], all[0]]);
        for destination in all {
            dead.failed(now, destination, Failure::Silent);
        }
        assert_eq!(dead.arrange(now, &all).len(), 4);
    }

    #[test]
    fn the_memory_has_an_end() {
        let now = epoch();
        let mut dead = DeadTargets::new();
        for n in 0..=u16::MAX {
            let address = ([198, 51, (n >> 8) as u8, n as u8], 5060).into();
            let transport = Transport::Tcp;
            dead.failed(now, Destination { transport, address }, Failure::Silent);
        }
        assert_eq!(dead.len(), TARGETS_MAX);
    }
}
