//! Takes audio as it comes and gives 20 ms every 20 ms (adaptive playout, 20–200 ms).
//!
//! Audio lies in a ring by its *timestamp*, so reordering, duplicates, packets of any length and gaps (silence
//! suppression) need no cases of their own. There is no clock here: what is asked for is the time. A packet's *slack* is
//! how far ahead of the playout point it arrives. A packet that comes after its turn, with nothing newer heard yet,
//! stretches the delay to fit it; a window of packets that all came early lets the delay shrink again. The same two
//! moves absorb a sender whose clock drifts.
#![allow(
    clippy::indexing_slicing,
    reason = "ring positions are reduced modulo the ring's length where they are made"
)]

use crate::codec::{FRAME_SAMPLES, Law, g711};

/// Longest delay between a packet's arrival and its playout.
pub const DELAY_MAX_MS: u32 = 200;

/// Longest stretch taken from one packet: 120 ms, the longest of Opus. Offers say at most 60 (RFC 8866 §6.4).
pub const PAYLOAD_BYTES_MAX: usize = 960;

/// Samples the ring holds: half a second.
const RING: usize = 4096;

/// Presence is kept per millisecond; timestamps are rounded down to it, all alike, so neighbours stay neighbours.
const UNIT: usize = 8;

/// Delay a stream begins with: one frame beyond the tick's own.
const FIRST_SLACK: i32 = FRAME_SAMPLES as i32;

/// Slack nobody needs; a window that never came below it gives some back.
const AMPLE_SLACK: i32 = 2 * FRAME_SAMPLES as i32;

/// Slack that is given back even in the middle of a word.
const EXCESSIVE_SLACK: i32 = 4 * FRAME_SAMPLES as i32;

const DELAY_MAX: i32 = (DELAY_MAX_MS * crate::codec::CLOCK_RATE / 1000) as i32;

/// A timestamp further from the playout point than this is another clock: start over there.
const JUMP_AHEAD: i32 = DELAY_MAX + PAYLOAD_BYTES_MAX as i32;
const JUMP_BACK: i32 = -DELAY_MAX;

/// Packets judged together: two seconds at 20 ms.
const WINDOW_PACKETS: u32 = 100;

/// Quieter than this, a frame may be dropped or doubled and nobody hears it.
const QUIET_DBM0: f32 = -45.0;

/// Audio by its time.
#[derive(Debug)]
pub struct JitterBuffer {
    ring: [u8; RING],
    present: [u64; RING / UNIT / 64],
    state: State,
    law: Law,
    quiet: u32,
}

#[derive(Debug)]
enum State {
    /// Nothing has come yet.
    Empty,
    Playing(Playout),
}

#[derive(Clone, Copy, Debug)]
struct Playout {
    /// The timestamp at ring position 0.
    base: u32,
    /// What is played next, relative to `base`.
    next: u32,
    window_packets: u32,
    window_slack: i32,
    /// The least slack of the last whole window: what is above [`AMPLE_SLACK`] is given back when nobody hears it.
    surplus: i32,
    /// Frames to wait (a packet was overtaken too far and came late).
    wait: u32,
}

/// What became of a packet's audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queued {
    /// In the ring.
    Kept,
    /// Its turn was over and something newer had been played.
    Late,
}

/// Where a frame came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// All of it arrived.
    Whole,
    /// The bytes of the milliseconds marked 0 are missing and left as they were.
    Partly {
        /// Bit n: millisecond n is there.
        present: u32,
    },
    /// Nothing of it arrived.
    Missing,
}

const WHOLE: u32 = (1 << (FRAME_SAMPLES / UNIT)) - 1;

impl JitterBuffer {
    /// An empty buffer for audio of this law.
    pub fn new(law: Law) -> Self {
        Self {
            ring: [0; RING],
            present: [0; RING / UNIT / 64],
            state: State::Empty,
            law,
            quiet: g711::power_at(QUIET_DBM0),
        }
    }

    /// Forgets everything: the stream started anew.
    pub fn reset(&mut self, law: Law) {
        self.present = [0; RING / UNIT / 64];
        self.state = State::Empty;
        self.law = law;
    }

    /// Takes a packet's audio. `newest`: no packet with a higher sequence number has come.
    pub fn insert(&mut self, timestamp: u32, newest: bool, payload: &[u8]) -> Queued {
        let payload = payload.get(..PAYLOAD_BYTES_MAX).unwrap_or(payload);
        let mut playout = match self.state {
            State::Empty => self.start(timestamp),
            State::Playing(playout) => playout,
        };
        let mut at = timestamp.wrapping_sub(playout.base) & !(UNIT as u32 - 1);
        let mut slack = at.wrapping_sub(playout.next) as i32;
        if newest {
            if !(JUMP_BACK..=JUMP_AHEAD).contains(&slack) {
                self.reset(self.law);
                playout = self.start(timestamp);
                (at, slack) = (0, FIRST_SLACK);
            } else if slack < 0 {
                // Nothing after it has been played, so it can be played now: the delay stretches by what it lacked.
                playout.next = at;
                slack = 0;
            }
        }
        // A packet that was overtaken needs the delay as much as any.
        playout.window_slack = playout.window_slack.min(slack);
        playout.window_packets += 1;
        // Half of all timestamps back has no positive counterpart (found by `fuzz stun`); it is late like any other.
        let skipped = usize::try_from(slack.saturating_neg()).unwrap_or(0);
        let Some(useful) = payload.get(skipped..).filter(|useful| !useful.is_empty()) else {
            playout.wait = (playout.wait + 1).min(1);
            self.state = State::Playing(playout);
            return Queued::Late;
        };
        self.state = State::Playing(playout);
        if slack > JUMP_AHEAD {
            // Overtaken by half a second of its own future: nonsense, and no room.
            return Queued::Late;
        }
        self.write(at.wrapping_add(skipped as u32), useful);
        Queued::Kept
    }

    /// Gives the next 20 ms.
    pub fn take(&mut self, frame: &mut [u8; FRAME_SAMPLES]) -> Taken {
        let State::Playing(mut playout) = self.state else {
            return Taken::Missing;
        };
        let taken = self.read(playout.next, frame);
        if playout.wait > 0 && (taken == Taken::Missing || self.is_quiet(frame)) {
            // Grow where it is not heard: what was read stays for the next time.
            playout.wait -= 1;
            self.state = State::Playing(playout);
            return Taken::Missing;
        }
        if playout.window_packets >= WINDOW_PACKETS || playout.window_slack > DELAY_MAX && playout.window_packets > 0 {
            playout.surplus = playout.window_slack;
            playout.window_packets = 0;
            playout.window_slack = i32::MAX;
        }
        let mut from = playout.next;
        let mut given = taken;
        let unheard = taken == Taken::Missing || self.is_quiet(frame);
        if playout.surplus > EXCESSIVE_SLACK || (playout.surplus > AMPLE_SLACK && unheard) {
            // Give back one frame of delay: this one is passed over.
            self.clear(from);
            from = from.wrapping_add(FRAME_SAMPLES as u32);
            given = self.read(from, frame);
            playout.surplus -= FRAME_SAMPLES as i32;
            playout.window_slack = playout.window_slack.saturating_sub(FRAME_SAMPLES as i32);
        }
        self.clear(from);
        playout.next = from.wrapping_add(FRAME_SAMPLES as u32);
        self.state = State::Playing(playout);
        given
    }

    fn start(&mut self, timestamp: u32) -> Playout {
        Playout {
            base: timestamp,
            next: 0_u32.wrapping_sub(FIRST_SLACK as u32),
            window_packets: 0,
            window_slack: i32::MAX,
            surplus: 0,
            wait: 0,
        }
    }

    fn is_quiet(&self, frame: &[u8; FRAME_SAMPLES]) -> bool {
        g711::mean_power(self.law, frame) < self.quiet
    }

    fn write(&mut self, at: u32, bytes: &[u8]) {
        let start = at as usize % RING;
        let first = bytes.len().min(RING - start);
        let (head, tail) = bytes.split_at(first);
        self.ring[start..start + first].copy_from_slice(head);
        self.ring[..tail.len()].copy_from_slice(tail);
        // A last millisecond begun is a millisecond had; its rest is what the next packet brings.
        for unit in 0..bytes.len().div_ceil(UNIT) {
            let unit = (start / UNIT + unit) % (RING / UNIT);
            self.present[unit / 64] |= 1 << (unit % 64);
        }
        if !bytes.len().is_multiple_of(UNIT) {
            let silence = self.law.silence();
            for byte in bytes.len()..bytes.len().next_multiple_of(UNIT) {
                self.ring[(start + byte) % RING] = silence;
            }
        }
    }

    fn read(&self, at: u32, frame: &mut [u8; FRAME_SAMPLES]) -> Taken {
        let start = at as usize % RING;
        let mut present = 0;
        for unit in 0..FRAME_SAMPLES / UNIT {
            let from = (start / UNIT + unit) % (RING / UNIT);
            present |= ((self.present[from / 64] >> (from % 64) & 1) as u32) << unit;
        }
        if present == WHOLE && start + FRAME_SAMPLES <= RING {
            frame.copy_from_slice(&self.ring[start..start + FRAME_SAMPLES]);
            return Taken::Whole;
        }
        for unit in (0..FRAME_SAMPLES / UNIT).filter(|unit| present >> unit & 1 == 1) {
            let from = (start + unit * UNIT) % RING;
            frame[unit * UNIT..(unit + 1) * UNIT].copy_from_slice(&self.ring[from..from + UNIT]);
        }
        match present {
            WHOLE => Taken::Whole,
            0 => Taken::Missing,
            present => Taken::Partly { present },
        }
    }

    fn clear(&mut self, at: u32) {
        let start = at as usize % RING / UNIT;
        for unit in 0..FRAME_SAMPLES / UNIT {
            let unit = (start + unit) % (RING / UNIT);
            self.present[unit / 64] &= !(1 << (unit % 64));
        }
    }
}
