//! One press is one digit (BRF-03). A trunk may tell of a press as an event, as a tone it did not strip, and as INFO,
//! all at once; the first to come is the digit, the others are echoes of it. Two tellings the *same* way are two
//! presses, however quick: each way keeps its own books about that.

use super::Digit;
use std::time::{Duration, Instant};

/// How far apart two ways may tell of the same press: jitter buffer, tone detection and a lost INFO's retransmission.
pub const ECHO_WINDOW: Duration = Duration::from_millis(1200);

/// How many recent presses are remembered. Nobody presses faster than ten keys a second.
const RECENT: usize = 16;

/// A way a press reaches us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// RFC 4733.
    Event,
    /// In the audio.
    Tone,
    /// SIP INFO.
    Info,
}

impl Way {
    const fn bit(self) -> u8 {
        match self {
            Self::Event => 1,
            Self::Tone => 2,
            Self::Info => 4,
        }
    }
}

/// Recent presses and the ways each was told.
#[derive(Debug, Default)]
pub struct Presses {
    recent: [Option<Press>; RECENT],
    next: usize,
}

#[derive(Clone, Copy, Debug)]
struct Press {
    digit: Digit,
    began: Instant,
    /// The key was down until here at least.
    until: Instant,
    told: u8,
}

impl Presses {
    /// True when this telling is a new press, false when it echoes one. `began`: when the key went down, as far as
    /// this way knows.
    pub fn is_new(&mut self, way: Way, digit: Digit, began: Instant) -> bool {
        // The oldest press that still lacks this way: several quick presses are echoed in their order.
        let echoed = self
            .recent
            .iter_mut()
            .flatten()
            .filter(|press| press.digit == digit && press.told & way.bit() == 0 && press.apart(began) <= ECHO_WINDOW)
            .min_by_key(|press| press.began);
        if let Some(press) = echoed {
            press.told |= way.bit();
            return false;
        }
        if let Some(slot) = self.recent.get_mut(self.next) {
            *slot = Some(Press {
                digit,
                began,
                until: began,
                told: way.bit(),
            });
        }
        self.next = (self.next + 1) % RECENT;
        true
    }

    /// The key is still down: an INFO that comes at its release, without its duration, is still its echo.
    pub fn held(&mut self, way: Way, digit: Digit, now: Instant) {
        let newest = self
            .recent
            .iter_mut()
            .flatten()
            .filter(|press| press.digit == digit && press.told & way.bit() != 0)
            .max_by_key(|press| press.began);
        if let Some(press) = newest {
            press.until = press.until.max(now);
        }
    }
}

impl Press {
    /// How far an instant lies from the time the key was down.
    fn apart(&self, at: Instant) -> Duration {
        if at < self.began {
            self.began.duration_since(at)
        } else {
            at.saturating_duration_since(self.until)
        }
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests need one instant to count from")]
mod tests {
    use super::*;

    /// Tells `(ms, way, key)` in turn and draws what was new.
    fn told(tellings: &[(u64, Way, char)]) -> String {
        let start = Instant::now();
        let mut presses = Presses::default();
        tellings
            .iter()
            .filter(|(ms, way, key)| {
                let digit = Digit::from_char(*key).expect("a key");
                presses.is_new(*way, digit, start + Duration::from_millis(*ms))
            })
            .map(|(_, _, key)| *key)
            .collect()
    }

    #[test]
    fn three_ways_are_one_press() {
        assert_eq!(
            told(&[(0, Way::Event, '1'), (60, Way::Tone, '1'), (900, Way::Info, '1')]),
            "1"
        );
        assert_eq!(
            told(&[(0, Way::Info, '1'), (60, Way::Tone, '1'), (70, Way::Event, '1')]),
            "1"
        );
    }

    #[test]
    fn two_quick_presses_of_one_key_are_two_with_their_echoes() {
        let tellings = [
            (0, Way::Event, '5'),
            (50, Way::Info, '5'),
            (150, Way::Event, '5'),
            (200, Way::Info, '5'),
            (210, Way::Event, '5'),
            (400, Way::Info, '5'),
        ];
        assert_eq!(told(&tellings), "555");
        let late_echoes = [
            (0, Way::Event, '5'),
            (150, Way::Event, '5'),
            (600, Way::Info, '5'),
            (700, Way::Info, '5'),
            (800, Way::Info, '5'),
        ];
        assert_eq!(told(&late_echoes), "555");
    }

    #[test]
    fn other_keys_and_later_presses_are_not_echoes() {
        assert_eq!(
            told(&[(0, Way::Event, '1'), (10, Way::Info, '2'), (1300, Way::Info, '1')]),
            "121"
        );
    }

    #[test]
    fn a_long_press_is_echoed_at_its_release() {
        let start = Instant::now();
        let mut presses = Presses::default();
        let digit = Digit::from_char('0').expect("a key");
        let at = |ms| start + Duration::from_millis(ms);
        assert!(presses.is_new(Way::Event, digit, at(0)));
        for ms in (0..5000).step_by(20) {
            presses.held(Way::Event, digit, at(ms));
        }
        assert!(!presses.is_new(Way::Info, digit, at(5100)));
        assert!(presses.is_new(Way::Info, digit, at(5300)), "told twice the same way");
    }

    #[test]
    fn memory_is_bounded_and_forgets_the_oldest() {
        let many: Vec<(u64, Way, char)> = (0..100).map(|n| (n * 20, Way::Event, '9')).collect();
        assert_eq!(told(&many).len(), 100);
    }
}
