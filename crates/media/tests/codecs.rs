//! Legs that speak G.722 and Opus: the house inside hears the same frames, a bridge passes on what both speak and
//! translates what only one does.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that finds otherwise should stop there"
)]

mod common;

use common::*;
use media::sdp::{Codec, OpusWishes, Stream};
use media::{DigitWay, FRAME_SAMPLES, FrameKind, Law, Leg, LegStart, Verdict};
use std::sync::Arc;

const BEYOND: [Codec; 2] = [Codec::G722, Codec::Opus];

fn other(stream: &Stream) -> Leg {
    Leg::new(
        stream,
        LegStart {
            ssrc: 77,
            sequence: 100,
            timestamp: 5,
            cname: [8; 16],
        },
    )
}

fn tone(hz: f32, frames: usize) -> Arc<[u8]> {
    (0..frames * FRAME_SAMPLES)
        .map(|n| Law::Pcmu.encode((8000.0 * (std::f32::consts::TAU * hz * n as f32 / 8000.0).sin()) as i16))
        .collect()
}

/// The share of a sound's power that lies at one frequency.
fn share(bytes: &[u8], law: Law, hz: f32) -> f32 {
    let step = std::f32::consts::TAU * hz / 8000.0;
    let (mut a, mut b, mut all) = (0.0_f32, 0.0_f32, 0.0_f32);
    for (n, byte) in bytes.iter().enumerate() {
        let sample = f32::from(law.decode(*byte));
        a += sample * (step * n as f32).cos();
        b += sample * (step * n as f32).sin();
        all += sample * sample;
    }
    2.0 * (a * a + b * b) / bytes.len() as f32 / all.max(1.0)
}

#[test]
fn words_and_keys_arrive() {
    for codec in BEYOND {
        for packet_ms in [20, 10] {
            let agreed = Stream {
                packet_ms,
                ..stream(codec)
            };
            let (mut a, mut b) = (leg_of(&agreed), other(&agreed));
            a.play(1, vec![tone(700.0, 100)], false);
            a.send_digits(&[digit('9'), digit('*')], DigitWay::TelephoneEvent);
            let began = start();
            let (mut heard, mut keys, mut ticks) = (Vec::new(), String::new(), Vec::new());
            for n in 0..200_u64 {
                let now = began + ms(n * 20);
                let mut out = [0; 256];
                let mut length = a.tick(now, &mut out);
                while length > 0 {
                    ticks.push(u32::from_be_bytes([out[4], out[5], out[6], out[7]]));
                    let verdict = b.receive(now, at(PEER), &mut out[..length]);
                    assert!(matches!(verdict, Verdict::Audio(_) | Verdict::Event), "{verdict:?}");
                    length = a.tick_rest(&mut out);
                }
                b.tick(now, &mut [0; 256]);
                let frame = b.take_frame().expect("a frame every tick");
                if (60..140).contains(&n) {
                    assert_eq!(
                        (frame.kind, frame.law),
                        (FrameKind::Audio, codec.law()),
                        "{codec:?} {n}"
                    );
                    heard.extend_from_slice(&frame.bytes);
                }
                keys.push_str(&digits(&mut b));
            }
            assert_eq!(keys, "9*", "{codec:?}");
            let share = share(&heard[..30 * FRAME_SAMPLES], codec.law(), 700.0);
            assert!(share > 0.95, "{codec:?} {packet_ms} ms: {share}");
            let step = codec.clock_rate() / 1000 * u32::from(packet_ms);
            let even = ticks
                .windows(2)
                .filter(|pair| pair[1].wrapping_sub(pair[0]) == step)
                .count();
            assert!(even * 10 > ticks.len() * 8, "{codec:?}: {even} of {}", ticks.len());
            assert_eq!((b.quality().lost, b.quality().late, b.quality().malformed), (0, 0, 0));
            // Two packets of 10 ms leave at once.
            let jitter_ms = b.quality().jitter_ms;
            assert!(jitter_ms < if packet_ms == 10 { 11.0 } else { 5.0 }, "{jitter_ms}");
        }
    }
}

/// What both speak is passed on as it came, byte for byte; the tap still hears what it said.
#[test]
fn a_bridge_of_one_codec_translates_nothing() {
    for codec in BEYOND {
        let (mut far, mut a, mut b) = (leg_of(&stream(codec)), leg_of(&stream(codec)), other(&stream(codec)));
        far.play(1, vec![tone(500.0, 200)], false);
        let began = start();
        let (mut passed, mut said) = (0, Vec::new());
        for n in 0..150_u64 {
            let now = began + ms(n * 20);
            let (mut bytes, mut out) = ([0; 256], [0; 256]);
            let length = far.tick(now, &mut bytes);
            let Verdict::Audio(audio) = a.receive(now, at(PEER), &mut bytes[..length]) else {
                panic!("{codec:?} {n}: no audio")
            };
            let relayed = b.relay_now(now, &audio, &bytes[..length], &mut out);
            if relayed > 0 {
                passed += 1;
                assert_eq!(out[12..relayed], bytes[12..length], "{codec:?} {n}");
            }
            a.tick(now, &mut [0; 256]);
            if let Some(frame) = a.take_frame() {
                b.relay(&frame);
            }
            said.extend(b.take_sent().map(|frame| frame.bytes));
            assert_eq!(b.tick(now, &mut out), 0, "nothing is said twice");
        }
        assert_eq!(passed, 150);
        assert_eq!(said.len(), 150);
        let late: Vec<u8> = said[50..].concat();
        assert!(share(&late, codec.law(), 500.0) > 0.9, "{codec:?}");
    }
}

#[test]
fn a_bridge_of_two_codecs_translates() {
    for (one, two) in [
        (Codec::G722, Codec::Pcma),
        (Codec::Pcmu, Codec::G722),
        (Codec::Opus, Codec::Pcmu),
        (Codec::Pcma, Codec::Opus),
        (Codec::G722, Codec::Opus),
    ] {
        let (mut far, mut a) = (leg_of(&stream(one)), leg_of(&stream(one)));
        let (mut b, mut listener) = (other(&stream(two)), other(&stream(two)));
        let sound: Arc<[u8]> = tone(900.0, 200)
            .iter()
            .map(|byte| one.law().encode(Law::Pcmu.decode(*byte)))
            .collect();
        far.play(1, vec![sound], false);
        let began = start();
        let mut heard = Vec::new();
        for n in 0..150_u64 {
            let now = began + ms(n * 20);
            let (mut bytes, mut out) = ([0; 256], [0; 256]);
            let length = far.tick(now, &mut bytes);
            if let Verdict::Audio(audio) = a.receive(now, at(PEER), &mut bytes[..length]) {
                assert_eq!(b.relay_now(now, &audio, &bytes[..length], &mut out), 0);
            }
            a.tick(now, &mut [0; 256]);
            if let Some(frame) = a.take_frame() {
                b.relay(&frame);
            }
            let length = b.tick(now, &mut out);
            assert!(length > 0, "{one:?} to {two:?} at {n}");
            listener.receive(now, at(PEER), &mut out[..length]);
            listener.tick(now, &mut [0; 256]);
            heard.extend(listener.take_frame().filter(|_| n >= 50).map(|frame| frame.bytes));
        }
        let share = share(&heard.concat(), two.law(), 900.0);
        assert!(share > 0.9, "{one:?} to {two:?}: {share}");
    }
}

/// Packets of 10 to 60 ms, a wrap of sequence and timestamp among them, lost ones concealed or recovered.
#[test]
fn any_packet_time_and_loss() {
    for frames_each in [1, 2, 3] {
        let mut leg = leg_of(&stream(Codec::G722));
        let began = start();
        let mut heard = 0;
        let samples = frames_each * FRAME_SAMPLES;
        for n in 0..100_usize {
            let now = began + ms((n * frames_each * 20) as u64);
            let timestamp = (u32::MAX - 3000).wrapping_add((n * samples) as u32);
            let bytes = packet(
                9,
                false,
                65_500_u16.wrapping_add(n as u16),
                timestamp,
                9,
                &vec![0x55; samples],
            );
            assert!(matches!(leg.hears(now, at(PEER), &bytes), Verdict::Audio(_)), "{n}");
            for tick in 0..frames_each {
                leg.tick(now + ms(20 * tick as u64), &mut [0; 256]);
                heard += usize::from(leg.take_frame().is_some_and(|frame| frame.kind == FrameKind::Audio));
            }
        }
        assert!(heard >= 100 * frames_each - 2, "{frames_each}: {heard}");
    }

    let wishes = OpusWishes {
        forward_error_correction: true,
        ..OpusWishes::default()
    };
    let agreed = Stream {
        opus: wishes,
        ..stream(Codec::Opus)
    };
    let (mut a, mut b) = (leg_of(&agreed), other(&agreed));
    a.play(1, vec![tone(400.0, 300)], false);
    let began = start();
    let mut made_up = 0;
    for n in 0..250_u64 {
        let now = began + ms(n * 20);
        let mut out = [0; 256];
        let length = a.tick(now, &mut out);
        // One in ten is lost; the next comes before it is missed, for the jitter buffer is a frame deep.
        if n % 10 != 5 {
            b.receive(now, at(PEER), &mut out[..length]);
        }
        b.tick(now, &mut [0; 256]);
        made_up += usize::from(b.take_frame().is_some_and(|frame| frame.kind == FrameKind::Concealed));
    }
    assert_eq!(b.quality().lost, 25);
    assert!(
        made_up <= 5,
        "{made_up} of 25 were concealed, the others came back from their followers"
    );
}

/// Another codec in mid-call, back and forth: the words go on, in whichever is agreed.
#[test]
fn the_codec_changes_in_mid_call() {
    let (mut a, mut b) = (leg(), other(&stream(Codec::Pcmu)));
    a.play(1, vec![tone(600.0, 400)], false);
    let began = start();
    let mut heard = Vec::new();
    for n in 0..320_u64 {
        if n % 80 == 0 {
            let codec = [Codec::Pcmu, Codec::Opus, Codec::G722, Codec::Pcmu][n as usize / 80];
            a.update(&stream(codec));
            b.update(&stream(codec));
        }
        let now = began + ms(n * 20);
        let mut out = [0; 256];
        let length = a.tick(now, &mut out);
        b.receive(now, at(PEER), &mut out[..length]);
        b.tick(now, &mut [0; 256]);
        heard.extend(b.take_frame().filter(|_| n % 80 > 20).map(|frame| frame.bytes));
    }
    for stretch in heard.chunks(59) {
        assert!(share(&stretch.concat(), Law::Pcmu, 600.0) > 0.9);
    }
}
