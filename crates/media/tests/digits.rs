//! Digits through a whole leg and a bad network (BRF-03): one press, one digit, whichever way and however often it came.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that finds otherwise should stop there"
)]

mod common;

use common::*;
use media::sdp::Codec;
use media::{DigitWay, FRAME_SAMPLES, Leg};
use std::sync::Arc;

/// Ten thousand presses, 5 % loss, reordering and doubling; three end packets each. A press of which at least one packet
/// survives is one digit, in its place.
#[test]
fn ten_thousand_presses_over_a_bad_network() {
    for seed in [1, 20, 300] {
        let began = start();
        let mut leg = leg();
        let mut network = Network::new(seed);
        network.loss_percent = 5;
        network.double_percent = 3;
        network.jitter_ms = 30;
        let mut keys = Dice(seed + 77);
        let (mut expected, mut heard) = (String::new(), String::new());
        let (mut sequence, mut clock, mut tick) = (0_u16, 0_u32, 0_u64);
        let mut out = [0; 256];
        let mut step = |leg: &mut Leg, network: &mut Network, heard: &mut String, tick: &mut u64| {
            *tick += 1;
            for (arrived, bytes) in network.arrived(ms(*tick * 20)) {
                leg.hears(began + arrived, at(PEER), &bytes);
            }
            leg.tick(began + ms(*tick * 20), &mut out);
            heard.push_str(&digits(leg));
        };
        for _ in 0..10_000 {
            let key = digit(char::from(b"0123456789*#"[keys.below(12) as usize]));
            let frames = 2 + keys.below(6) as u16;
            let began_at = clock;
            let mut survived = false;
            // Quick fingers: 40–160 ms down, 40–100 ms up. Some senders go on without a pause in their timestamps.
            for frame in 1..=frames + 2 {
                let duration = frame.min(frames) * 160;
                let [d0, d1] = duration.to_be_bytes();
                let flags = if frame >= frames { 0x8A } else { 0x0A };
                let bytes = packet(EVENTS, frame == 1, sequence, began_at, 9, &[key.event(), flags, d0, d1]);
                survived |= network.send(ms(tick * 20), bytes);
                sequence = sequence.wrapping_add(1);
                clock = clock.wrapping_add(160);
                step(&mut leg, &mut network, &mut heard, &mut tick);
            }
            if survived {
                expected.push(key.as_char());
            }
            for _ in 0..keys.below(4) {
                let bytes = packet(0, false, sequence, clock, 9, &[0xFF; FRAME_SAMPLES]);
                network.send(ms(tick * 20), bytes);
                sequence = sequence.wrapping_add(1);
                clock = clock.wrapping_add(160);
                step(&mut leg, &mut network, &mut heard, &mut tick);
            }
        }
        for _ in 0..10 {
            step(&mut leg, &mut network, &mut heard, &mut tick);
        }
        assert!(
            expected.len() > 9990,
            "a press without any packet is a marvel: {}",
            expected.len()
        );
        let differs = expected
            .chars()
            .zip(heard.chars())
            .position(|(one, other)| one != other);
        assert_eq!((heard.len(), differs), (expected.len(), None), "seed {seed}");
    }
}

/// Two legs face to face: what one sends the other hears, by each way.
#[test]
fn what_a_leg_sends_a_leg_hears() {
    for (how, events) in [
        (DigitWay::TelephoneEvent, true),
        (DigitWay::Tone, false),
        (DigitWay::TelephoneEvent, false),
    ] {
        for codec in [Codec::Pcmu, Codec::Pcma] {
            let began = start();
            let mut agreed = stream(codec);
            if !events {
                agreed.telephone_event = None;
                agreed.receive_telephone_event = None;
            }
            let (mut sender, mut listener) = (leg_of(&agreed), leg_of(&agreed));
            let keys: Vec<_> = "0123456789*#ABCD0011".chars().map(digit).collect();
            assert_eq!(sender.send_digits(&keys, how), 20);
            let mut out = [0; 256];
            let mut heard = String::new();
            let mut sent = None;
            for tick in 0..400 {
                let now = began + ms(tick * 20);
                let length = sender.tick(now, &mut out);
                assert!(length > 0, "something every 20 ms");
                listener.hears(now + ms(1), at(PEER), &out[..length]);
                listener.tick(now + ms(2), &mut [0; 256]);
                heard.push_str(&digits(&mut listener));
                if told(&mut sender).contains(&"DigitsSent".to_owned()) {
                    sent = Some(tick);
                }
            }
            assert_eq!(heard, "0123456789*#ABCD0011", "{how:?} {events} {codec:?}");
            assert!(sent.is_some_and(|tick| tick < 300), "{sent:?}");
            assert_eq!(listener.quality().lost, 0);
        }
    }
}

/// An event, its tone left in the audio, and an INFO, all for each press.
#[test]
fn three_ways_at_once_are_one_digit_each() {
    let began = start();
    let (mut events, mut tones, mut listener) = (leg(), leg(), leg());
    listener.listen_for_tones(true);
    let keys: Vec<_> = "5544".chars().map(digit).collect();
    events.send_digits(&keys, DigitWay::TelephoneEvent);
    tones.send_digits(&keys, DigitWay::Tone);
    let (mut out, mut heard) = ([0; 256], String::new());
    let mut sequence = 0_u16;
    for tick in 0..80_u64 {
        let now = began + ms(tick * 20);
        for source in [&mut events, &mut tones] {
            let length = source.tick(now, &mut out);
            // One stream, two kinds of packet: as a gateway sends that does not cut the tone out.
            out[2..4].copy_from_slice(&sequence.to_be_bytes());
            sequence += 1;
            listener.hears(now, at(PEER), &out[..length]);
        }
        // Each press is told by INFO too, late, when it is over.
        for (press, key) in keys.iter().enumerate() {
            if tick == press as u64 * 12 + 9 {
                let body = format!("Signal={}\r\nDuration=100\r\n", key.as_char());
                assert!(listener.hear_info_digit(now, body.as_bytes()));
            }
        }
        listener.tick(now, &mut [0; 256]);
        heard.push_str(&digits(&mut listener));
    }
    assert_eq!(heard, "5544");
}

/// A trunk that agrees to telephone-events and then sends tones must not leave a caller unheard.
#[test]
fn tones_are_heard_although_events_were_agreed_until_the_first_event() {
    let began = start();
    let (mut sender, mut listener) = (leg(), leg());
    let mut out = [0; 256];
    let mut heard = String::new();
    let mut tick = 0;
    for (how, keys) in [
        (DigitWay::Tone, "41"),
        (DigitWay::TelephoneEvent, "2"),
        (DigitWay::Tone, "3"),
    ] {
        let keys: Vec<_> = keys.chars().map(digit).collect();
        sender.send_digits(&keys, how);
        for _ in 0..60 {
            let now = began + ms(tick * 20);
            tick += 1;
            let length = sender.tick(now, &mut out);
            listener.hears(now + ms(1), at(PEER), &out[..length]);
            listener.tick(now + ms(2), &mut [0; 256]);
            heard.push_str(&digits(&mut listener));
        }
    }
    assert_eq!(heard, "412", "after an event, a tone is speech or an echo of one");
}

#[test]
fn a_key_stops_words_that_may_be_stopped() {
    let began = start();
    let mut leg = leg();
    let words: Arc<[u8]> = vec![0x55; 1600].into();
    leg.play(1, vec![words.clone()], false);
    leg.hear_info_digit(began, b"5");
    assert_eq!(told(&mut leg), ["digit 5"]);
    leg.play(2, vec![words], true);
    leg.hear_info_digit(began + ms(2000), b"6");
    assert_eq!(told(&mut leg), ["played 1 cut off", "digit 6", "played 2 cut off"]);
    assert!(!leg.hear_info_digit(began + ms(4000), b"Signal=hook\r\n"));
    assert!(!leg.is_playing());
}

#[test]
fn events_in_a_stream_of_their_own_do_not_disturb_the_audio() {
    let began = start();
    let mut leg = leg();
    for n in 0..50_u64 {
        let now = began + ms(n * 20);
        leg.hears(
            now,
            at(PEER),
            &packet(0, false, n as u16, n as u32 * 160, 9, &[0x55; 160]),
        );
        // Every press at the same timestamp and from sequence 1 on, as one well-known test caller does.
        if n % 25 < 4 {
            let end = if n % 25 == 3 { 0x8A } else { 0x0A };
            let duration = (n % 25 + 1) as u8;
            leg.hears(
                now,
                at(PEER),
                &packet(
                    EVENTS,
                    n % 25 == 0,
                    1 + (n % 25) as u16,
                    24_000,
                    77,
                    &[1, end, duration, 0],
                ),
            );
        }
        leg.tick(now + ms(1), &mut [0; 256]);
    }
    assert_eq!(digits(&mut leg), "11");
    let quality = leg.quality();
    assert_eq!((quality.lost, quality.concealed, quality.received), (0, 0, 50));
}
