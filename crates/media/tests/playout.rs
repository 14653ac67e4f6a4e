//! The jitter buffer inside a leg, in virtual time: what a listener hears of a stream that the network maltreats.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that finds otherwise should stop there"
)]

mod common;

use common::*;
use media::jitter::{JitterBuffer, Queued, Taken};
use media::sdp::Codec;
use media::{FrameKind, Law, Leg, Verdict};
use std::time::Duration;

/// What a listener heard, frame by frame: which part of the sound, or what instead.
#[derive(Debug, PartialEq, Clone, Copy)]
enum Heard {
    /// The sound from this sample on.
    From(u32),
    /// Some of a frame arrived.
    Mended,
    Concealed,
    Silence,
}

struct Line {
    leg: Leg,
    network: Network,
    packet_ms: u64,
    /// Sender's clock against ours, in millionths.
    drift_ppm: i64,
    /// The network's jitter in ms, by the second.
    weather: fn(u64) -> u64,
    heard: Vec<Heard>,
    late: u32,
}

impl Line {
    fn new(seed: u64) -> Self {
        Self {
            leg: leg(),
            network: Network::new(seed),
            packet_ms: 20,
            drift_ppm: 0,
            weather: |_| 0,
            heard: Vec::new(),
            late: 0,
        }
    }

    /// Speaks for so long, skipping the packets of which `skips` says so, and hears what comes of it.
    fn speak(&mut self, seconds: u64, skips: impl Fn(u64) -> bool) -> &mut Self {
        let began = start();
        let samples = (self.packet_ms * 8) as usize;
        let mut number = 0_u64;
        let mut out = [0; 256];
        for tick in 1..=seconds * 50 {
            let now = ms(tick * 20);
            self.network.jitter_ms = (self.weather)(tick / 50);
            loop {
                let sent_us = number as i64 * self.packet_ms as i64 * 1000;
                let sent = Duration::from_micros((sent_us - sent_us * self.drift_ppm / 1_000_000) as u64);
                if sent > now {
                    break;
                }
                let timestamp = (number * samples as u64) as u32;
                // The sequence wraps early on.
                let sequence = (number as u16).wrapping_sub(100);
                if !skips(number) {
                    self.network.send(
                        sent,
                        packet(0, number == 0, sequence, timestamp, 9, &sound(timestamp, samples)),
                    );
                }
                number += 1;
            }
            for (arrived, bytes) in self.network.arrived(now) {
                if self.leg.hears(began + arrived, at(PEER), &bytes) == Verdict::Late {
                    self.late += 1;
                }
            }
            self.leg.tick(began + now, &mut out);
            let frame = self.leg.take_frame().expect("a frame every tick");
            assert_eq!(self.leg.take_frame(), None, "and only one");
            self.heard.push(match frame.kind {
                FrameKind::Audio => place(&frame.bytes).map_or(Heard::Mended, Heard::From),
                FrameKind::Concealed => Heard::Concealed,
                FrameKind::Comfort | FrameKind::Silence => Heard::Silence,
            });
        }
        self
    }

    fn count(&self, kind: impl Fn(&Heard) -> bool) -> usize {
        self.heard.iter().filter(|heard| kind(heard)).count()
    }

    fn whole(&self) -> usize {
        self.count(|heard| matches!(heard, Heard::From(_)))
    }

    /// Places in the sound, in the order heard.
    fn places(&self) -> Vec<u32> {
        self.heard
            .iter()
            .filter_map(|heard| if let Heard::From(at) = heard { Some(*at) } else { None })
            .collect()
    }
}

#[test]
fn a_clean_line_is_heard_whole_after_one_frame_of_delay() {
    let mut line = Line::new(1);
    line.speak(10, |_| false);
    let silent_start = line.heard.iter().take_while(|heard| **heard == Heard::Silence).count();
    assert!(silent_start <= 3, "network 30 ms, then one frame: {silent_start}");
    assert_eq!(line.whole(), 500 - silent_start);
    assert!(line.places().windows(2).all(|two| two[1] - two[0] == 160));
}

#[test]
fn any_packet_time_becomes_frames_of_20_ms() {
    for packet_ms in [10, 20, 30, 40, 50, 60] {
        let mut line = Line::new(2);
        line.packet_ms = packet_ms;
        line.speak(10, |_| false);
        let concealed = line.count(|heard| *heard == Heard::Concealed);
        assert!(concealed <= 1, "{packet_ms} ms: {concealed} made up");
        assert!(line.whole() >= 490, "{packet_ms} ms: {}", line.whole());
        assert!(line.places().is_sorted(), "{packet_ms} ms");
    }
}

#[test]
fn loss_is_concealed_and_nothing_else_suffers() {
    let mut line = Line::new(3);
    line.network.loss_percent = 5;
    line.speak(60, |_| false);
    let lost = line.leg.quality().lost as usize;
    let concealed = line.count(|heard| *heard == Heard::Concealed);
    assert!((100..200).contains(&lost), "{lost}");
    assert!(concealed.abs_diff(lost) <= 3, "{lost} lost, {concealed} made up");
    assert_eq!((line.late, line.leg.quality().duplicated), (0, 0));
    assert!(
        line.places()
            .windows(2)
            .all(|two| (two[1] - two[0]) % 160 == 0 && two[1] > two[0])
    );
}

#[test]
fn reordering_within_the_delay_is_not_heard() {
    let mut line = Line::new(4);
    line.weather = |_| 35;
    line.speak(60, |_| false);
    let quality = line.leg.quality();
    assert_eq!(quality.lost, 0);
    // It costs a stretch or two in the beginning, and then it fits.
    assert!(line.late <= 3, "{}", line.late);
    let made_up = line.count(|heard| matches!(heard, Heard::Concealed | Heard::Mended));
    assert!(made_up <= 5, "{made_up}");
    assert!(line.places().is_sorted());
}

#[test]
fn duplicates_are_counted_and_not_heard() {
    let mut line = Line::new(5);
    line.network.double_percent = 30;
    line.weather = |_| 15;
    line.speak(20, |_| false);
    let quality = line.leg.quality();
    assert!((250..350).contains(&quality.duplicated), "{quality:?}");
    assert_eq!(quality.lost, 0);
    assert!(
        line.places().windows(2).all(|two| two[1] > two[0]),
        "nothing is heard twice"
    );
}

#[test]
fn the_delay_grows_with_the_weather_and_shrinks_again() {
    let mut line = Line::new(6);
    // Ten calm seconds, twenty of a line that holds packets back by up to 180 ms, thirty calm ones.
    line.weather = |second| if (10..30).contains(&second) { 180 } else { 5 };
    line.speak(60, |_| false);
    // How far behind the speaker the listener is, at the end of each second.
    let behind_ms = |second: usize| {
        let heard = line.heard.get(..second * 50).expect("so long");
        let (frame, at) = heard
            .iter()
            .enumerate()
            .rev()
            .find_map(|(frame, heard)| {
                if let Heard::From(at) = heard {
                    Some((frame, *at))
                } else {
                    None
                }
            })
            .expect("something was heard");
        (frame as i64 + 1) * 20 - i64::from(at) / 8
    };
    assert!((30..=100).contains(&behind_ms(9)), "{}", behind_ms(9));
    assert!((180..=260).contains(&behind_ms(29)), "{}", behind_ms(29));
    assert!((30..=160).contains(&behind_ms(59)), "{}", behind_ms(59));
    // Once grown, it holds: the second half of the bad stretch is nearly whole.
    let settled = line.heard.get(20 * 50..30 * 50).expect("so long");
    let made_up = settled.iter().filter(|heard| !matches!(heard, Heard::From(_))).count();
    assert!(made_up <= 10, "{made_up} of {}", settled.len());
}

#[test]
fn a_drifting_clock_is_followed() {
    for drift_ppm in [-300, 300] {
        let mut line = Line::new(7);
        line.drift_ppm = drift_ppm;
        line.weather = |_| 5;
        line.speak(300, |_| false);
        // 300 ppm is 90 ms in five minutes: four or five frames to drop or to make up, and no growing delay.
        assert!(line.whole() >= 15_000 - 30, "{drift_ppm} ppm: {}", line.whole());
        let last = line.places().last().copied().expect("sound") as i64;
        let spoken = 300 * 8000 + 300 * 8000 * drift_ppm / 1_000_000;
        let behind_ms = (spoken - last) / 8;
        assert!((20..200).contains(&behind_ms), "{drift_ppm} ppm: {behind_ms} ms behind");
        assert_eq!(line.leg.quality().lost, 0);
    }
}

#[test]
fn suppressed_silence_is_silence_and_words_after_it_are_whole() {
    let mut line = Line::new(8);
    // Two seconds of words, two of nothing, by packet number: timestamps go on, sequence numbers too (a loss to us).
    line.speak(20, |number| number / 100 % 2 == 1);
    assert!((495..=500).contains(&line.whole()), "{}", line.whole());
    let concealed = line.count(|heard| *heard == Heard::Concealed);
    assert!(concealed <= 5 * 3, "three fading frames at each end: {concealed}");
}

#[test]
fn a_timestamp_jump_and_a_new_ssrc_start_over() {
    let began = start();
    let mut leg = leg();
    let mut out = [0; 256];
    let mut heard = Vec::new();
    let mut play = |leg: &mut Leg, first: u64, ssrc: u32, sequence: u16, timestamp: u32| {
        for n in 0..50_u64 {
            let stamp = timestamp.wrapping_add(n as u32 * 160);
            let now = began + ms((first + n) * 20);
            let bytes = packet(
                0,
                false,
                sequence.wrapping_add(n as u16),
                stamp,
                ssrc,
                &sound(stamp, 160),
            );
            assert!(matches!(leg.hears(now, at(PEER), &bytes), Verdict::Audio(_)), "{n}");
            leg.tick(now + ms(5), &mut out);
            let frame = leg.take_frame().expect("a frame");
            if frame.kind == FrameKind::Audio {
                heard.push(frame.bytes.to_vec());
            }
        }
        std::mem::take(&mut heard).len()
    };
    assert_eq!(play(&mut leg, 0, 1, 10, 0), 49);
    assert!(play(&mut leg, 50, 1, 60, 3_000_000_000) >= 48, "the clock jumped");
    assert!(
        play(&mut leg, 100, 2, 40_000, 77) >= 48,
        "another source at the same address"
    );
    assert!(play(&mut leg, 150, 2, 40_050, u32::MAX - 2000) >= 48, "across the wrap");
    assert_eq!(leg.quality().lost, 0);
}

/// Found by `fuzz stun`: the way back to it is a number that has no positive counterpart.
#[test]
fn an_overtaken_packet_half_of_all_timestamps_away_is_late() {
    for ahead in [0x8000_0000_u32, 0x7FFF_FFF8, 0x8000_0008] {
        let mut jitter = JitterBuffer::new(Law::Pcmu);
        assert_eq!(jitter.insert(0, true, &[1; 160]), Queued::Kept);
        // What is played next is one frame before the first packet.
        assert_eq!(jitter.insert(ahead.wrapping_sub(160), false, &[2; 160]), Queued::Late);
        let mut frame = [0; 160];
        let whole = (0..3).any(|_| jitter.take(&mut frame) == Taken::Whole);
        assert!(whole && frame == [1; 160], "what came before it is heard all the same");
    }
}

#[test]
fn packets_in_the_other_law_are_heard_in_ours() {
    let began = start();
    let mut leg = leg_of(&stream(Codec::Pcma));
    let mut out = [0; 256];
    for n in 0..3_u64 {
        let bytes = packet(0, false, n as u16, n as u32 * 160, 9, &[Law::Pcmu.encode(5000); 160]);
        assert!(matches!(
            leg.hears(began + ms(n * 20), at(PEER), &bytes),
            Verdict::Audio(_)
        ));
        leg.tick(began + ms(n * 20 + 1), &mut out);
    }
    let frame = leg.take_frame().expect("a frame");
    assert_eq!((frame.law, frame.kind), (Law::Pcma, FrameKind::Audio));
    assert!((4800..5200).contains(&Law::Pcma.decode(frame.bytes[80])));
}
