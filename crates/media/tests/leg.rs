//! A leg from outside: who is heard, what goes out, hold, the bridge, reports, loss of the other side.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that finds otherwise should stop there"
)]

mod common;

use common::*;
use media::sdp::{Codec, Direction};
use media::{FRAME_SAMPLES, Frame, FrameKind, Law, Leg, LegStart, Verdict};
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;

/// What the packets of a leg say: sequence, timestamp, marker, payload type, first payload byte.
fn read(packet: &[u8]) -> (u16, u32, bool, u8, u8) {
    let sequence = u16::from_be_bytes([packet[2], packet[3]]);
    let timestamp = u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]]);
    (sequence, timestamp, packet[1] & 0x80 != 0, packet[1] & 0x7F, packet[12])
}

fn heard(leg: &mut Leg) -> Frame {
    leg.take_frame().expect("a frame after every tick")
}

/// RTP bleed (controls.md §2 rows 1–3): a stranger before, during and after the peer, with the peer's own SSRC and next
/// sequence number, changes nothing that is heard, sent or told, and where nothing goes.
#[test]
fn strangers_never_change_a_byte() {
    let began = start();
    let run = |with_strangers: bool| {
        let mut leg = leg();
        let mut out = [0; 256];
        let mut page = Vec::new();
        for n in 0..200_u64 {
            let now = began + ms(n * 20);
            let stranger = |leg: &mut Leg| {
                if !with_strangers {
                    return;
                }
                for source in [STRANGER, "192.0.2.11:30000", "[2001:db8::66]:30000"] {
                    for bytes in [
                        packet(0, true, n as u16, n as u32 * 160, 9, &[0x00; 160]),
                        packet(EVENTS, true, n as u16, n as u32 * 160, 9, &[5, 0x8A, 3, 32]),
                        packet(13, false, n as u16, n as u32 * 160, 9, &[40]),
                        vec![0x80, 201, 0, 1, 0, 0, 0, 9],
                    ] {
                        assert_eq!(leg.hears(now, at(source), &bytes), Verdict::Stranger);
                        assert_eq!(leg.hears_rtcp(now, at(source), &bytes), Verdict::Stranger);
                    }
                }
                // The right host from a wrong port, while the right port speaks.
                if n > 20 && n < 150 {
                    let moved = packet(0, false, n as u16, n as u32 * 160, 9, &[0x00; 160]);
                    assert_eq!(leg.hears(now, at("192.0.2.10:31000"), &moved), Verdict::Stranger);
                }
            };
            stranger(&mut leg);
            if (10..150).contains(&n) {
                let bytes = packet(0, false, n as u16, n as u32 * 160, 9, &sound(n as u32 * 160, 160));
                assert!(matches!(leg.hears(now, at(PEER), &bytes), Verdict::Audio(_)));
            }
            stranger(&mut leg);
            let length = leg.tick(now, &mut out);
            page.push((out[..length].to_vec(), heard(&mut leg), told(&mut leg), leg.target()));
        }
        (page, leg.quality())
    };
    let (alone, _) = run(false);
    let (besieged, quality) = run(true);
    assert_eq!(alone, besieged);
    assert_eq!(quality.strangers, 200 * 2 * 3 * 4 * 2 + 129 * 2);
    assert_eq!((quality.received, quality.lost), (140, 0));
}

#[test]
fn the_peer_behind_nat_is_followed_and_told() {
    let began = start();
    let mut leg = leg();
    let nat = "192.0.2.10:61000";
    let say = |leg: &mut Leg, n: u64, from: &str| {
        leg.hears(
            began + ms(n * 20),
            at(from),
            &packet(0, false, n as u16, n as u32 * 160, 9, &[0x55; 160]),
        )
    };
    assert_eq!(leg.target(), at(PEER));
    assert!(matches!(say(&mut leg, 0, nat), Verdict::Audio(_)));
    assert_eq!(
        (leg.target(), told(&mut leg)),
        (at(nat), vec!["FirstPacket".to_owned()])
    );
    assert!(matches!(say(&mut leg, 40, "192.0.2.10:62000"), Verdict::Audio(_)));
    assert_eq!(leg.target(), at("192.0.2.10:62000"));
    assert_eq!(told(&mut leg), ["SourceMoved(192.0.2.10:62000)"]);
    let other_stream = packet(0, false, 7, 7, 8, &[1; 160]);
    assert_eq!(
        leg.hears(began + ms(1200), at("192.0.2.10:63000"), &other_stream),
        Verdict::Stranger
    );
    // A payload nobody agreed to teaches nothing.
    let mut fresh = common::leg();
    assert_eq!(
        fresh.hears(began, at(nat), &packet(97, false, 0, 0, 9, &[1; 20])),
        Verdict::Ignored
    );
    assert_eq!(fresh.target(), at(PEER));
}

#[test]
fn silence_words_and_their_end() {
    let began = start();
    let mut leg = leg();
    let mut out = [0; 256];
    let words: Arc<[u8]> = [vec![1_u8; 160], vec![2; 80]].concat().into();
    let mut page = Vec::new();
    for n in 0..6 {
        if n == 1 {
            leg.play(7, vec![words.clone()], false);
        }
        let length = leg.tick(began + ms(n * 20), &mut out);
        assert_eq!(length, 172);
        let (sequence, timestamp, marker, payload_type, first) = read(&out);
        let sent = leg.take_sent().expect("a frame every tick");
        assert_eq!(sent.bytes.as_slice(), &out[12..172]);
        page.push(format!(
            "{sequence} {timestamp} {payload_type} {first:#04x} {:?}{} {:?}",
            sent.kind,
            if marker { " marker" } else { "" },
            told(&mut leg)
        ));
    }
    insta::assert_snapshot!(page.join("\n"));
}

#[test]
fn ticks_that_never_came_are_no_hole_in_time() {
    let began = start();
    let mut leg = leg();
    let mut out = [0; 256];
    let mut page = Vec::new();
    // 3 ms late, 35 ms late (one tick was skipped), 2 ms late, on time, half a second of nothing.
    for at_ms in [0, 23, 75, 82, 100, 620, 640] {
        leg.tick(began + ms(at_ms), &mut out);
        let (sequence, timestamp, ..) = read(&out);
        page.push((
            sequence.wrapping_sub(65_530),
            timestamp.wrapping_sub(u32::MAX - 500) / 160,
        ));
    }
    assert_eq!(page, [(0, 0), (1, 1), (2, 3), (3, 4), (4, 5), (5, 31), (6, 32)]);
}

#[test]
fn hold_stops_us_and_what_was_being_said_goes_on_after_it() {
    let began = start();
    let mut leg = leg();
    let mut out = [0; 256];
    leg.play(1, vec![vec![9_u8; 800].into()], false);
    assert_eq!(leg.tick(began, &mut out), 172);
    // They hold the old way: no address, and we may still hear their music.
    let mut held = stream(Codec::Pcmu);
    held.direction = Direction::RecvOnly;
    held.remote = at("0.0.0.0:30000");
    leg.update(&held);
    for n in 1..100 {
        let now = began + ms(n * 20);
        let music = packet(0, false, n as u16, n as u32 * 160, 9, &[0x33; 160]);
        assert!(matches!(leg.hears(now, at(PEER), &music), Verdict::Audio(_)));
        assert_eq!(leg.tick(now, &mut out), 0);
        assert_eq!(
            leg.relay_now(now, &audio_of(&mut common::leg(), &music), &music, &mut out),
            0
        );
    }
    assert_eq!(heard(&mut leg).bytes, [0x33; 160]);
    leg.update(&stream(Codec::Pcmu));
    assert_eq!(leg.tick(began + ms(2000), &mut out), 172);
    let (sequence, timestamp, marker, _, first) = read(&out);
    assert_eq!(
        (sequence, marker, first),
        (65_531, true, 9),
        "the next packet, a new talkspurt, the same words"
    );
    assert_eq!(timestamp, (u32::MAX - 500).wrapping_add(100 * 160), "time went on");

    // We hold them: they are not heard, their keys are.
    let mut holding = stream(Codec::Pcmu);
    holding.direction = Direction::SendOnly;
    leg.update(&holding);
    assert_eq!(
        leg.hears(
            began + ms(2000),
            at(PEER),
            &packet(0, false, 100, 16_000, 9, &[0x33; 160])
        ),
        Verdict::Held
    );
    leg.hears(
        began + ms(2020),
        at(PEER),
        &packet(EVENTS, true, 101, 16_160, 9, &[3, 10, 0, 160]),
    );
    assert_eq!(told(&mut leg).last().map(String::as_str), Some("digit 3"));
    assert_eq!(leg.tick(began + ms(2020), &mut out), 172);
}

fn audio_of(leg: &mut Leg, bytes: &[u8]) -> media::Audio {
    match leg.hears(start(), at(PEER), bytes) {
        Verdict::Audio(audio) => audio,
        other => panic!("{other:?}"),
    }
}

/// The recipe of the crate's front page for a bridge: what `b`'s party gets, and when, for what `a`'s party says.
struct Bridge {
    a: Leg,
    b: Leg,
    out: Vec<(Duration, Vec<u8>)>,
}

impl Bridge {
    fn run(&mut self, ticks: u64, mut arrivals: Vec<(Duration, Vec<u8>)>) {
        let began = start();
        arrivals.sort_by_key(|(arrives, _)| *arrives);
        let mut arrivals = arrivals.into_iter().peekable();
        let mut out = [0; 256];
        for tick in 0..ticks {
            let until = ms(tick * 20);
            while let Some((arrived, bytes)) = arrivals.next_if(|(arrives, _)| *arrives <= until) {
                if let Verdict::Audio(audio) = self.a.hears(began + arrived, at(PEER), &bytes) {
                    let length = self.b.relay_now(began + arrived, &audio, &bytes, &mut out);
                    if length > 0 {
                        self.out.push((arrived, out[..length].to_vec()));
                    }
                }
            }
            self.a.tick(began + until, &mut out);
            if let Some(frame) = self.a.take_frame() {
                self.b.relay(&frame);
            }
            let length = self.b.tick(began + until, &mut out);
            if length > 0 {
                self.out.push((until, out[..length].to_vec()));
            }
        }
    }
}

#[test]
fn a_bridge_passes_packets_on_as_they_come() {
    let mut bridge = Bridge {
        a: leg(),
        b: leg(),
        out: Vec::new(),
    };
    // From 107 ms on, a packet every 20; one lost, two swapped, a key pressed in the middle, a second of silence.
    let mut arrivals = Vec::new();
    for n in 0..100_u64 {
        let sent = ms(107 + n * 20);
        let bytes = packet(0, n == 0, n as u16, n as u32 * 160, 9, &sound(n as u32 * 160, 160));
        match n {
            20 | 45..95 => {}
            30 => arrivals.push((sent + ms(25), bytes)),
            40..43 => arrivals.push((
                sent,
                packet(EVENTS, n == 40, n as u16, 40 * 160, 9, &[5, 10, 0, (n - 39) as u8 * 50]),
            )),
            _ => arrivals.push((sent, bytes)),
        }
    }
    let sent = arrivals.len() - 3;
    bridge.run(120, arrivals);
    let relayed: Vec<_> = bridge.out.iter().filter(|(_, bytes)| bytes[12] != 0xFF).collect();
    let places = |(_, bytes): &&&(Duration, Vec<u8>)| place(bytes[12..].first_chunk().expect("a frame"));
    assert_eq!(
        relayed.iter().filter_map(|one| places(&one)).count(),
        sent,
        "every packet went through, once"
    );
    // At once: none waited for a tick.
    for one in &relayed {
        if let Some(from) = places(&one) {
            let number = u64::from(from) / 160;
            let late = if number == 30 { 25 } else { 0 };
            assert_eq!(one.0, ms(107 + number * 20 + late));
        }
    }
    // Numbers: one stream, no repeats, one gap for the packet that was lost, none for the key.
    let mut numbers: Vec<u16> = bridge
        .out
        .iter()
        .map(|(_, bytes)| read(bytes).0.wrapping_sub(65_530))
        .collect();
    let swapped = numbers.windows(2).filter(|two| two[1] < two[0]).count();
    assert_eq!(swapped, 1, "the overtaken packet keeps its number");
    numbers.sort_unstable();
    let gaps: Vec<u16> = numbers
        .windows(2)
        .map(|two| two[1] - two[0])
        .filter(|gap| *gap != 1)
        .collect();
    assert_eq!(gaps, [2]);
    // Time never runs backwards but for the overtaken one.
    let times: Vec<u32> = bridge
        .out
        .iter()
        .map(|(_, bytes)| read(bytes).1.wrapping_sub(u32::MAX - 500))
        .collect();
    assert_eq!(times.windows(2).filter(|two| two[1] <= two[0]).count(), 1);
    // Markers: our first packet, the first of theirs, the first after each silence we filled (the key's, the second's).
    assert_eq!(bridge.out.iter().filter(|(_, bytes)| read(bytes).2).count(), 4);
    assert_eq!(told(&mut bridge.a), ["FirstPacket", "digit 5"]);
}

#[test]
fn a_bridge_says_nothing_twice_when_packets_come_in_bursts() {
    let mut bridge = Bridge {
        a: leg(),
        b: leg(),
        out: Vec::new(),
    };
    // Six packets at a time: between two bursts the jitter buffer still holds what was passed on already.
    let burst = |n: u64| ms(107 + (n / 6 + 1) * 120);
    let arrivals = (0..120_u64).map(|n| {
        (
            burst(n),
            packet(0, n == 0, n as u16, n as u32 * 160, 9, &sound(n as u32 * 160, 160)),
        )
    });
    bridge.run(140, arrivals.collect());
    let places: Vec<u32> = bridge
        .out
        .iter()
        .filter_map(|(_, bytes)| place(bytes[12..].first_chunk().expect("a frame")))
        .collect();
    assert_eq!(places, (0..120).map(|n| n * 160).collect::<Vec<_>>());
}

#[test]
fn a_bridge_begins_with_what_comes_after_it() {
    let (mut a, mut b) = (leg(), leg());
    let mut out = [0; 256];
    let mut heard = Vec::new();
    for n in 0..40_u64 {
        let now = start() + ms(n * 20);
        let bytes = packet(0, n == 0, n as u16, n as u32 * 160, 9, &sound(n as u32 * 160, 160));
        let verdict = a.hears(now, at(PEER), &bytes);
        a.tick(now + ms(1), &mut out);
        let bridged = n >= 20;
        if let (true, Some(frame)) = (bridged, a.take_frame()) {
            b.relay(&frame);
        }
        // The bridge began after this tick's packet had come: the next is the first to be passed on.
        if let (true, Verdict::Audio(audio)) = (n > 20, verdict) {
            let length = b.relay_now(now, &audio, &bytes, &mut out);
            heard.extend(place(out[12..length].first_chunk().expect("a frame")));
        }
        let length = b.tick(now + ms(2), &mut out);
        if length > 0 {
            heard.extend(place(out[12..].first_chunk().expect("a frame")));
        }
    }
    assert_eq!(heard, (21..40).map(|n| n * 160).collect::<Vec<_>>());
}

/// RFC 3389: words, a silence that is told once and renewed once, words again.
fn with_a_silence(n: u64) -> Option<Vec<u8>> {
    let at = n as u32 * 160;
    match n {
        0..20 | 60..80 => Some(packet(0, n == 60, n as u16, at, 9, &sound(at, 160))),
        20 => Some(packet(13, false, 20, at, 9, &[40, 0x80, 0x81])),
        40 => Some(packet(13, false, 21, at, 9, &[50])),
        _ => None,
    }
    .map(|mut bytes| {
        if n >= 60 {
            bytes[2..4].copy_from_slice(&(n as u16 - 38).to_be_bytes());
        }
        bytes
    })
}

#[test]
fn comfort_noise_is_heard_and_is_neither_loss_nor_voice() {
    let began = start();
    let mut leg = leg();
    let mut kinds = String::new();
    let mut noise = Vec::new();
    for n in 0..80_u64 {
        let now = began + ms(n * 20);
        if let Some(bytes) = with_a_silence(n) {
            let verdict = leg.hears(now, at(PEER), &bytes);
            assert_eq!(verdict == Verdict::Comfort, n == 20 || n == 40, "{n}: {verdict:?}");
        }
        leg.tick(now, &mut [0; 256]);
        let frame = heard(&mut leg);
        kinds.push(match frame.kind {
            FrameKind::Audio => 'a',
            FrameKind::Concealed => 'c',
            FrameKind::Comfort => 'n',
            FrameKind::Silence => '-',
        });
        if frame.kind == FrameKind::Comfort {
            let loudest = frame.bytes.iter().map(|byte| Law::Pcmu.decode(*byte).abs()).max();
            noise.push(loudest.expect("samples"));
            assert!(!leg.voice().speaking || n < 40, "noise is no voice");
        }
    }
    // A frame of delay before the first word, and 20 of words; then noise until the words after it are played.
    assert_eq!(
        kinds,
        format!("-{}{}{}", "a".repeat(20), "n".repeat(40), "a".repeat(19))
    );
    assert!((400..700).contains(&noise[10]), "-40 dBov: {}", noise[10]);
    assert!((100..230).contains(&noise[30]), "-50 dBov: {}", noise[30]);
    let quality = leg.quality();
    assert_eq!((quality.lost, quality.concealed, quality.ignored), (0, 0, 0));
    assert_eq!(quality.received, 42);
    // One packet of it now and then is all that comes for a minute: the line is alive.
    for n in 0..6_u64 {
        let now = began + ms(2_000 + n * 10_000);
        leg.hears(
            now,
            at(PEER),
            &packet(13, false, 42 + n as u16, 20_000 + n as u32 * 80_000, 9, &[60]),
        );
        leg.tick(now, &mut [0; 256]);
    }
    assert!(!told(&mut leg).iter().any(|event| event.contains("lost")));
}

#[test]
fn comfort_noise_goes_over_a_bridge() {
    let mut bridge = Bridge {
        a: leg(),
        b: leg(),
        out: Vec::new(),
    };
    let arrivals = (0..80)
        .filter_map(|n| Some((ms(5 + n * 20), with_a_silence(n)?)))
        .collect();
    bridge.run(82, arrivals);
    let between = |from: u64, to: u64| {
        bridge
            .out
            .iter()
            .filter(move |(at, bytes)| (ms(from)..ms(to)).contains(at) && bytes[12..].iter().any(|byte| *byte != 0xFF))
            .count()
    };
    assert_eq!(between(0, 420), 20, "their words, as they came");
    assert!(
        between(420, 1_200) >= 35,
        "their silence sounds: {}",
        between(420, 1_200)
    );
    assert!(between(1_200, 1_640) >= 20, "their words again");
}

#[test]
fn a_bridge_between_laws_and_packet_times_still_carries_the_sound() {
    // Another law: the same packets, transcoded.
    let mut bridge = Bridge {
        a: leg(),
        b: leg_of(&stream(Codec::Pcma)),
        out: Vec::new(),
    };
    let loud = |n: u64| packet(0, false, n as u16, n as u32 * 160, 9, &[Law::Pcmu.encode(7000); 160]);
    bridge.run(30, (0..20).map(|n| (ms(5 + n * 20), loud(n))).collect());
    let carried = |bytes: &[u8], law: Law| (6600..7400).contains(&law.decode(bytes[12]));
    assert_eq!(
        bridge
            .out
            .iter()
            .filter(|(_, bytes)| bytes[1] & 0x7F == 8 && carried(bytes, Law::Pcma))
            .count(),
        20
    );

    // Packets of 30 ms: they go by the frame, whole and in order.
    let mut bridge = Bridge {
        a: leg(),
        b: leg(),
        out: Vec::new(),
    };
    let long = |n: u64| packet(0, false, n as u16, n as u32 * 240, 9, &sound(n as u32 * 240, 240));
    bridge.run(60, (0..30).map(|n| (ms(5 + n * 30), long(n))).collect());
    let places: Vec<u32> = bridge
        .out
        .iter()
        .filter_map(|(_, bytes)| place(bytes[12..].first_chunk().expect("a frame")))
        .collect();
    assert_eq!(places, (0..45).map(|n| n * 160).collect::<Vec<_>>());
    assert_eq!(bridge.out.len(), 60, "a packet every tick");
}

#[test]
fn words_go_before_a_relayed_stream_and_it_resumes_after_them() {
    let began = start();
    let (mut a, mut b) = (leg(), leg());
    let mut out = [0; 256];
    let mut page = String::new();
    for n in 0..12_u64 {
        let now = began + ms(n * 20);
        let bytes = packet(0, false, n as u16, n as u32 * 160, 9, &[0x20; 160]);
        let Verdict::Audio(audio) = a.hears(now, at(PEER), &bytes) else {
            panic!("audio")
        };
        if n == 4 {
            b.play(1, vec![vec![0x10; 320].into()], false);
        }
        page.push(if b.relay_now(now, &audio, &bytes, &mut out) > 0 {
            'r'
        } else {
            '-'
        });
        page.push(match b.tick(now + ms(1), &mut out) {
            0 => ' ',
            _ if out[12] == 0x10 => 'w',
            _ => '?',
        });
    }
    assert_eq!(page, "r r r r -w-w-?r r r r r ");
    assert_eq!(
        b.take_sent().map(|frame| frame.bytes),
        Some([0x20; 160]),
        "relayed since the tick before"
    );
    assert_eq!(b.take_sent(), None);
    assert_eq!(told(&mut b), ["played 1"]);
}

#[test]
fn two_legs_report_to_each_other() {
    let began = start();
    let other = LegStart {
        ssrc: 0xB0B,
        sequence: 1,
        timestamp: 2,
        cname: [8; 16],
    };
    let (mut a, mut b) = (leg(), Leg::new(&stream(Codec::Pcmu), other));
    let mut out = [0; 256];
    let mut network = Network::new(11);
    network.loss_percent = 10;
    for n in 0..1500_u64 {
        let now = ms(n * 20);
        let length = a.tick(began + now, &mut out);
        network.send(now, out[..length].to_vec());
        for (arrived, bytes) in network.arrived(now) {
            b.hears(began + arrived, at(PEER), &bytes);
        }
        b.tick(began + now, &mut out);
        let length = a.rtcp_due(began + now, &mut out);
        if length > 0 {
            assert_eq!(
                b.hears_rtcp(began + now + ms(15), at("192.0.2.10:30001"), &out[..length]),
                Verdict::Rtcp
            );
        }
        let length = b.rtcp_due(began + now, &mut out);
        if length > 0 {
            assert_eq!(
                a.hears_rtcp(began + now + ms(15), at("192.0.2.10:30001"), &out[..length]),
                Verdict::Rtcp
            );
        }
    }
    let quality = a.quality();
    assert!(
        quality.their_loss.is_some_and(|loss| (0.04..0.2).contains(&loss)),
        "{quality:?}"
    );
    assert!(
        quality
            .round_trip_ms
            .is_some_and(|round_trip| (28.0..32.0).contains(&round_trip)),
        "{quality:?}"
    );
    assert_eq!(quality.sent, 1500);
    assert!((110..190).contains(&b.quality().lost), "{:?}", b.quality());
    let length = a.rtcp_bye(&mut out);
    assert_eq!(
        b.hears_rtcp(began + ms(30_000), at("192.0.2.10:30001"), &out[..length]),
        Verdict::Rtcp
    );
    assert_eq!(
        b.hears(began + ms(30_000), at(PEER), &out[..length]),
        Verdict::Rtcp,
        "multiplexed or not"
    );
}

#[test]
fn half_a_minute_of_nothing_is_told_once_and_so_is_the_return() {
    let began = start();
    let mut leg = leg();
    let mut out = [0; 256];
    let mut events = Vec::new();
    for n in 0..4000_u64 {
        let now = began + ms(n * 20);
        if n == 100 || n == 3000 {
            leg.hears(
                now,
                at(PEER),
                &packet(0, false, n as u16, n as u32 * 160, 9, &[0x55; 160]),
            );
        }
        leg.tick(now, &mut out);
        events.extend(told(&mut leg).into_iter().map(|event| format!("{n} {event}")));
    }
    assert_eq!(events, ["100 FirstPacket", "1600 Lost", "3000 Returned"]);
    // Held, nothing is expected.
    let mut held = stream(Codec::Pcmu);
    held.direction = Direction::RecvOnly;
    let mut leg = leg_of(&held);
    for n in 0..3000 {
        leg.tick(began + ms(n * 20), &mut out);
    }
    assert_eq!(told(&mut leg), Vec::<String>::new());
}

#[test]
fn a_voice_is_noticed_and_its_end() {
    let began = start();
    let mut leg = leg();
    let mut out = [0; 256];
    let mut say = |leg: &mut Leg, from: u64, ticks: u64, byte: u8| {
        for n in from..from + ticks {
            let now = began + ms(n * 20);
            leg.hears(
                now,
                at(PEER),
                &packet(0, false, n as u16, n as u32 * 160, 9, &[byte; 160]),
            );
            leg.tick(now, &mut out);
        }
    };
    say(&mut leg, 0, 50, 0xFF);
    assert!(!leg.voice().speaking);
    say(&mut leg, 50, 50, 0x20);
    let speaking = leg.voice();
    assert!(
        speaking.speaking && (960..=1000).contains(&speaking.speech_ms),
        "{speaking:?}"
    );
    say(&mut leg, 100, 150, 0xFF);
    let after = leg.voice();
    assert!(
        !after.speaking && (2900..=3000).contains(&after.silence_ms),
        "{after:?}"
    );
}

#[test]
fn events_are_bounded_and_digits_outlast_the_rest() {
    let began = start();
    let mut leg = leg();
    for n in 0..100 {
        leg.play(n, vec![], false);
    }
    let events = told(&mut leg);
    assert_eq!(events.len(), 64);
    for n in 0..30_u64 {
        leg.hear_info_digit(began + ms(n * 100), b"1");
    }
    assert_eq!(digits(&mut leg).len(), 30);
    assert_eq!(leg.send_digits(&[digit('1'); 100], media::DigitWay::Tone), 64);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Bytes from the peer itself, RTP-like or not: nothing panics, every tick has its frame and its packet.
    #[test]
    fn any_packets_are_survived(packets in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..700), any::<bool>(), 0..30_u64), 0..60)) {
        let began = start();
        let (mut leg, mut other) = (leg(), leg());
        let mut out = [0; 256];
        let mut now = began;
        for (mut bytes, shaped, wait) in packets {
            if shaped && bytes.len() > 2 {
                bytes[0] = 0x80 | (bytes[0] & 0x3F);
                bytes[1] = [0, 8, 101, 13, 200, 201, 0x80, 0xE5][usize::from(bytes[1]) % 8];
            }
            now += ms(wait);
            if let Verdict::Audio(audio) = leg.hears(now, at(PEER), &bytes) {
                prop_assert!(bytes.get(audio.payload.clone()).is_some());
                other.relay_now(now, &audio, &bytes, &mut out);
            }
            leg.hears_rtcp(now, at(PEER), &bytes);
            leg.hear_info_digit(now, &bytes);
            prop_assert_eq!(leg.tick(now, &mut out), 172);
            let frame = leg.take_frame().expect("a frame");
            other.relay(&frame);
            other.tick(now, &mut out);
            prop_assert_eq!(frame.bytes.len(), FRAME_SAMPLES);
            while leg.poll_event().is_some() {}
        }
        let quality = leg.quality();
        prop_assert!(quality.lost < 1 << 32);
    }
}
