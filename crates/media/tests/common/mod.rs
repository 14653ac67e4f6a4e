//! What the tests of a leg share: an agreement, a peer that makes packets, a seeded network in virtual time.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that finds otherwise should stop there"
)]
#![allow(unreachable_pub, reason = "a module of each test, not a door")]
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::disallowed_methods, reason = "virtual time needs one instant to count from")]

use media::sdp::{Codec, Direction, OpusWishes, Stream};
use media::{Digit, FRAME_SAMPLES, Leg, LegEvent, LegStart, Verdict};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

pub const PEER: &str = "192.0.2.10:30000";
pub const STRANGER: &str = "203.0.113.66:30000";
pub const EVENTS: u8 = 101;

pub fn at(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

pub fn start() -> Instant {
    Instant::now()
}

pub fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub fn stream(codec: Codec) -> Stream {
    Stream {
        codec,
        payload_type: codec.payload_type(),
        receive_payload_type: codec.payload_type(),
        telephone_event: Some(EVENTS),
        receive_telephone_event: Some(EVENTS),
        event_clock_rate: codec.clock_rate(),
        remote: at(PEER),
        remote_rtcp: at("192.0.2.10:30001"),
        rtcp_mux: false,
        direction: Direction::SendRecv,
        ptime_ms: 20,
        packet_ms: 20,
        opus: OpusWishes::default(),
        security: None,
    }
}

pub fn leg_of(stream: &Stream) -> Leg {
    Leg::new(
        stream,
        LegStart {
            ssrc: 0x5151_5151,
            sequence: 65_530,
            timestamp: u32::MAX - 500,
            cname: [7; 16],
        },
    )
}

pub fn leg() -> Leg {
    leg_of(&stream(Codec::Pcmu))
}

/// What a leg makes of a packet that is needed again: a leg opens an encrypted one in place.
pub trait Hears {
    fn hears(&mut self, now: Instant, source: SocketAddr, packet: &[u8]) -> Verdict;
    fn hears_rtcp(&mut self, now: Instant, source: SocketAddr, packet: &[u8]) -> Verdict;
}

impl Hears for Leg {
    fn hears(&mut self, now: Instant, source: SocketAddr, packet: &[u8]) -> Verdict {
        let mut copy = [0; 2048];
        copy[..packet.len()].copy_from_slice(packet);
        self.receive(now, source, &mut copy[..packet.len()])
    }

    fn hears_rtcp(&mut self, now: Instant, source: SocketAddr, packet: &[u8]) -> Verdict {
        let mut copy = [0; 2048];
        copy[..packet.len()].copy_from_slice(packet);
        self.receive_rtcp(now, source, &mut copy[..packet.len()])
    }
}

/// The digits and whatever else a leg told, in order.
pub fn told(leg: &mut Leg) -> Vec<String> {
    std::iter::from_fn(|| leg.poll_event())
        .map(|event| match event {
            LegEvent::Digit(digit, _) => format!("digit {}", digit.expose().as_char()),
            LegEvent::Played { id, whole } => format!("played {id}{}", if whole { "" } else { " cut off" }),
            other => format!("{other:?}"),
        })
        .collect()
}

/// Only the digits a leg told.
pub fn digits(leg: &mut Leg) -> String {
    told(leg)
        .iter()
        .filter_map(|event| event.strip_prefix("digit "))
        .collect()
}

pub fn digit(key: char) -> Digit {
    Digit::from_char(key).expect("a key")
}

/// One RTP packet.
pub fn packet(payload_type: u8, marker: bool, sequence: u16, timestamp: u32, ssrc: u32, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, payload_type | if marker { 0x80 } else { 0 }];
    packet.extend(sequence.to_be_bytes());
    packet.extend(timestamp.to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend(payload);
    packet
}

/// A sound that tells where in the stream it lies: every millisecond begins with its number.
pub fn sound(timestamp: u32, samples: usize) -> Vec<u8> {
    (0..samples as u32 / 8)
        .flat_map(|ms| {
            let [a, b, c, d] = (timestamp / 8 + ms).to_be_bytes();
            [a, b, c, d, 0x55, 0xD5, 0x55, 0xD5]
        })
        .collect()
}

/// Where in the sound a frame lies; `None` when it is not one piece of it.
pub fn place(frame: &[u8; FRAME_SAMPLES]) -> Option<u32> {
    let first = u32::from_be_bytes(*frame.first_chunk()?).checked_mul(8)?;
    (sound(first, FRAME_SAMPLES) == frame).then_some(first)
}

/// Small and seeded: xorshift.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.roll() % 100 < percent
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.roll() % limit
    }
}

/// A network that loses, delays, doubles and so reorders packets.
pub struct Network {
    pub dice: Dice,
    pub loss_percent: u64,
    pub double_percent: u64,
    pub delay_ms: u64,
    pub jitter_ms: u64,
    under_way: Vec<(Duration, u64, Vec<u8>)>,
    sent: u64,
}

impl Network {
    pub fn new(seed: u64) -> Self {
        Self {
            dice: Dice(seed | 1),
            loss_percent: 0,
            double_percent: 0,
            delay_ms: 30,
            jitter_ms: 0,
            under_way: Vec::new(),
            sent: 0,
        }
    }

    /// True when the packet was not lost.
    pub fn send(&mut self, now: Duration, packet: Vec<u8>) -> bool {
        if self.dice.chance(self.loss_percent) {
            return false;
        }
        let copies = if self.dice.chance(self.double_percent) { 2 } else { 1 };
        for _ in 0..copies {
            let wobble = if self.jitter_ms == 0 {
                0
            } else {
                self.dice.below(self.jitter_ms * 1000)
            };
            let arrives = now + ms(self.delay_ms) + Duration::from_micros(wobble);
            self.sent += 1;
            self.under_way.push((arrives, self.sent, packet.clone()));
        }
        true
    }

    /// What has arrived by `now`, in order of arrival.
    pub fn arrived(&mut self, now: Duration) -> Vec<(Duration, Vec<u8>)> {
        self.under_way
            .sort_unstable_by_key(|(arrives, number, _)| (*arrives, *number));
        let still = self.under_way.partition_point(|(arrives, _, _)| *arrives <= now);
        self.under_way
            .drain(..still)
            .map(|(arrives, _, packet)| (arrives, packet))
            .collect()
    }
}
