//! Telephone-events (RFC 4733), heard and sent.
//!
//! A press is named by its RTP timestamp, so the three end packets, lost starts, lost ends and reordering need no
//! timers: the first packet that arrives of a press is the press. The rest of this file is about senders that give one
//! press several timestamps, or two presses one.

use super::Digit;
use std::time::{Duration, Instant};

/// Bytes of a telephone-event payload (RFC 4733 §2.3).
pub const PAYLOAD_BYTES: usize = 4;

/// Presses remembered, so that a packet of an earlier press that was overtaken is still known.
const RECENT: usize = 8;

/// Some senders start every press at the same timestamp. After the end and this much quiet, it is another press.
const REUSE_QUIET: Duration = Duration::from_millis(100);

/// RFC 4733 §2.5.1.3: a press longer than the duration field goes on as a new segment this much later.
const SEGMENT: u32 = 0xFFFF;

/// Listens to the event packets of one stream.
#[derive(Debug, Default)]
pub struct Events {
    recent: [Option<Seen>; RECENT],
    newest: usize,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    event: u8,
    /// The timestamp of its first packet, and of its latest; equal unless the sender errs or the press is very long.
    first: u32,
    latest: u32,
    duration: u16,
    ended: bool,
    at: Instant,
}

/// What an event packet was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// The first we hear of a press.
    Pressed(Digit),
    /// More of a press we heard of.
    Held(Digit),
    /// An event that is no key.
    Nothing,
    /// Not four bytes.
    Malformed,
}

impl Events {
    /// Hears one packet.
    pub fn receive(&mut self, now: Instant, timestamp: u32, marker: bool, payload: &[u8]) -> Told {
        // §2.3: longer payloads would be several events, which only redundancy (§2.5.1.4) makes; the first is newest.
        let Some(&[event, flags, d0, d1]) = payload.first_chunk::<PAYLOAD_BYTES>() else {
            return Told::Malformed;
        };
        let duration = u16::from_be_bytes([d0, d1]);
        let ended = flags & 0x80 != 0;
        let known = self
            .recent
            .iter_mut()
            .flatten()
            .find(|seen| seen.event == event && seen.has(timestamp));
        if let Some(seen) = known {
            let again = seen.ended
                && !ended
                && duration < seen.duration
                && now.saturating_duration_since(seen.at) >= REUSE_QUIET;
            if !again {
                seen.duration = seen.duration.max(duration);
                seen.ended |= ended;
                seen.at = now;
                return Digit::from_event(event).map_or(Told::Nothing, Told::Held);
            }
            *seen = Seen {
                event,
                first: timestamp,
                latest: timestamp,
                duration,
                ended,
                at: now,
            };
            return Digit::from_event(event).map_or(Told::Nothing, Told::Pressed);
        }
        let newest = self.recent.get_mut(self.newest).and_then(Option::as_mut);
        if let Some(seen) = newest.filter(|seen| seen.event == event && seen.goes_on(timestamp, marker, duration)) {
            seen.latest = timestamp;
            seen.duration = duration;
            seen.ended |= ended;
            seen.at = now;
            return Digit::from_event(event).map_or(Told::Nothing, Told::Held);
        }
        let fresh = Seen {
            event,
            first: timestamp,
            latest: timestamp,
            duration,
            ended,
            at: now,
        };
        // A press that was overtaken must not become "the newest": the one that goes on is still the other.
        let overtaken = self
            .recent
            .get(self.newest)
            .and_then(Option::as_ref)
            .is_some_and(|newest| {
                (timestamp.wrapping_sub(newest.latest) as i32) < 0
                    && now.saturating_duration_since(newest.at) < REUSE_QUIET
            });
        let next = (self.newest + 1) % RECENT;
        let slot = if overtaken {
            (self.newest + RECENT - 1) % RECENT
        } else {
            next
        };
        if let Some(slot) = self.recent.get_mut(slot) {
            *slot = Some(fresh);
        }
        if !overtaken {
            self.newest = next;
        }
        Digit::from_event(event).map_or(Told::Nothing, Told::Pressed)
    }
}

impl Seen {
    /// Whether a packet with this timestamp has been heard as part of this press.
    fn has(&self, timestamp: u32) -> bool {
        timestamp.wrapping_sub(self.first) <= self.latest.wrapping_sub(self.first)
    }

    /// Whether a packet with a later timestamp is still this press.
    fn goes_on(&self, timestamp: u32, marker: bool, duration: u16) -> bool {
        let later = timestamp.wrapping_sub(self.latest);
        if later as i32 <= 0 {
            return false;
        }
        // Two presses of one key cannot overlap, so an overlap is one press whose sender moves the timestamp along.
        let overlaps = later < u32::from(self.duration);
        let next_segment = later == SEGMENT && !self.ended && !marker;
        let grows_along =
            !self.ended && !marker && u32::from(duration).checked_sub(u32::from(self.duration)) == Some(later);
        overlaps || next_segment || grows_along
    }
}

/// How long we hold a key: what Q.24 calls generous.
pub const PRESS_FRAMES: u16 = 5;

/// RFC 4733 §2.5.1.4: the last packet of an event is sent three times.
const ENDS: u8 = 3;

/// §2.3: the power of the tone in −dBm0.
const VOLUME: u8 = 10;

/// Sends one press, a packet a frame.
#[derive(Debug)]
pub struct Sending {
    digit: Digit,
    timestamp: u32,
    /// By how much the duration grows: one packet a frame.
    step: u16,
    frames: u16,
    ends: u8,
}

/// One packet of a press.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventPacket {
    /// The timestamp of the whole press.
    pub timestamp: u32,
    /// Set on its first packet.
    pub marker: bool,
    /// Event, end bit and volume, duration.
    pub payload: [u8; PAYLOAD_BYTES],
}

impl Sending {
    /// A press that begins at `timestamp`; its duration is counted with a clock of `clock_rate`.
    pub fn new(digit: Digit, timestamp: u32, clock_rate: u32) -> Self {
        Self {
            digit,
            timestamp,
            step: (clock_rate / 1000 * crate::codec::FRAME_MS) as u16,
            frames: 0,
            ends: 0,
        }
    }

    /// The packet of this frame; `None` once the press is over.
    pub fn next_packet(&mut self) -> Option<EventPacket> {
        if self.ends == ENDS {
            return None;
        }
        let marker = self.frames == 0;
        if self.frames < PRESS_FRAMES {
            self.frames += 1;
        }
        let end = self.frames == PRESS_FRAMES;
        self.ends += u8::from(end);
        let [d0, d1] = (self.frames * self.step).to_be_bytes();
        let flags = if end { 0x80 | VOLUME } else { VOLUME };
        Some(EventPacket {
            timestamp: self.timestamp,
            marker,
            payload: [self.digit.event(), flags, d0, d1],
        })
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests need one instant to count from")]
mod tests {
    use super::*;

    /// `(ms, timestamp, marker, key code, end, duration)`; draws the digits told.
    fn told(packets: &[(u64, u32, bool, u8, bool, u16)]) -> String {
        let start = Instant::now();
        let mut events = Events::default();
        let mut heard = String::new();
        for (ms, timestamp, marker, event, end, duration) in packets {
            let [d0, d1] = duration.to_be_bytes();
            let payload = [*event, if *end { 0x8A } else { 0x0A }, d0, d1];
            let now = start + Duration::from_millis(*ms);
            if let Told::Pressed(digit) = events.receive(now, *timestamp, *marker, &payload) {
                heard.push(digit.as_char());
            }
        }
        heard
    }

    #[test]
    fn a_whole_press_with_three_ends_is_one_digit() {
        let press = [
            (0, 1000, true, 5, false, 160),
            (20, 1000, false, 5, false, 320),
            (40, 1000, false, 5, true, 480),
            (60, 1000, false, 5, true, 480),
            (80, 1000, false, 5, true, 480),
        ];
        assert_eq!(told(&press), "5");
        assert_eq!(told(&press[..2]), "5", "all ends lost");
        assert_eq!(told(&press[4..]), "5", "only the last end arrived");
        let mut reordered = press;
        reordered.reverse();
        assert_eq!(told(&reordered), "5");
    }

    #[test]
    fn the_same_key_twice_differs_by_its_timestamp() {
        assert_eq!(
            told(&[
                (0, 1000, true, 7, false, 160),
                (100, 1000, false, 7, true, 800),
                (200, 2600, true, 7, false, 160),
                (201, 1000, false, 7, true, 800),
                (300, 2600, false, 7, true, 800),
            ]),
            "77"
        );
    }

    #[test]
    fn timestamp_continuous_digits_are_two() {
        // The second begins where the first ended, ends lost or not.
        assert_eq!(
            told(&[
                (0, 0, true, 7, false, 160),
                (60, 0, false, 7, true, 800),
                (100, 800, true, 7, false, 160)
            ]),
            "77"
        );
        assert_eq!(
            told(&[(0, 0, true, 7, false, 640), (100, 800, false, 7, false, 320)]),
            "77"
        );
    }

    #[test]
    fn a_very_long_press_is_one_digit() {
        // §2.5.1.3: 8.2 s, then a new segment without marker, its predecessor without an end.
        let long = [
            (0, 0, true, 9, false, 160),
            (8190, 0, false, 9, false, 65_520),
            (8210, 65_535, false, 9, false, 160),
            (9000, 65_535, false, 9, true, 6400),
            (9020, 65_535, false, 9, true, 6400),
            (9600, 76_800, true, 9, false, 160),
        ];
        assert_eq!(told(&long), "99");
    }

    #[test]
    fn a_sender_that_moves_the_timestamp_along_presses_once() {
        let packets: Vec<_> = (0..10_u16)
            .map(|n| {
                let n_ms = u64::from(n) * 20;
                (n_ms, 1000 + u32::from(n) * 160, n == 0, 3, n >= 8, (n + 1).min(9) * 160)
            })
            .collect();
        assert_eq!(told(&packets), "3");
    }

    #[test]
    fn a_sender_that_starts_every_press_at_the_same_timestamp_presses_twice() {
        let press = |ms: u64| {
            [
                (ms, 24_000, true, 1, false, 160),
                (ms + 40, 24_000, false, 1, true, 480),
                (ms + 60, 24_000, false, 1, true, 480),
            ]
        };
        assert_eq!(told(&[press(0), press(500)].concat()), "11");
    }

    #[test]
    fn an_overtaken_press_is_told_and_does_not_split_the_other() {
        assert_eq!(
            told(&[
                (0, 2000, true, 2, false, 160),
                (5, 1000, false, 1, true, 480),
                (20, 2000, false, 2, false, 320),
                (25, 1000, false, 1, true, 480),
                (40, 2000, false, 2, true, 480),
            ]),
            "21"
        );
    }

    #[test]
    fn what_is_no_key_is_no_digit() {
        assert_eq!(
            told(&[(0, 0, true, 16, false, 160), (20, 900, true, 255, true, 160)]),
            ""
        );
        assert_eq!(
            Events::default().receive(Instant::now(), 0, true, &[5, 0, 1]),
            Told::Malformed
        );
    }

    #[test]
    fn what_we_send() {
        let mut sending = Sending::new(Digit::from_char('#').expect("a key"), 4000, 8000);
        let drawn: Vec<String> = std::iter::from_fn(|| sending.next_packet())
            .map(
                |EventPacket {
                     timestamp,
                     marker,
                     payload: [event, flags, d0, d1],
                 }| {
                    let duration = u16::from_be_bytes([d0, d1]);
                    format!(
                        "{timestamp} {event} {duration}{}{}",
                        if marker { " marker" } else { "" },
                        if flags & 0x80 != 0 { " end" } else { "" }
                    )
                },
            )
            .collect();
        insta::assert_snapshot!(drawn.join("\n"), @r"
        4000 11 160 marker
        4000 11 320
        4000 11 480
        4000 11 640
        4000 11 800 end
        4000 11 800 end
        4000 11 800 end
        ");
    }
}
