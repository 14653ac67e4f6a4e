//! Encrypted legs from outside: what goes over the wire between two of them, and what a stranger, a forger and a
//! recorder can do to it. Nothing.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that finds otherwise should stop there"
)]

mod common;

use common::*;
use media::sdp::{Codec, MasterKey, Srtp, Stream, Suite};
use media::{FRAME_SAMPLES, FrameKind, Law, Leg, LegStart, Verdict};
use std::sync::Arc;

fn key(suite: Suite, seed: u8) -> MasterKey {
    MasterKey::drawn(suite, &mut || [seed; 16])
}

fn secured(codec: Codec, suite: Suite, send: u8, receive: u8) -> Stream {
    Stream {
        security: Some(Srtp {
            suite,
            send: key(suite, send),
            receive: key(suite, receive),
        }),
        ..stream(codec)
    }
}

/// Two ends of one call: what one sends the other takes to be its peer's.
fn ends(codec: Codec, suite: Suite) -> (Leg, Leg) {
    let one = leg_of(&secured(codec, suite, 1, 2));
    let two = Leg::new(
        &secured(codec, suite, 2, 1),
        LegStart {
            ssrc: 77,
            sequence: 100,
            timestamp: 5,
            cname: [8; 16],
        },
    );
    (one, two)
}

fn tone(frames: usize) -> Arc<[u8]> {
    (0..frames * FRAME_SAMPLES)
        .map(|n| Law::Pcmu.encode((6000.0 * (n as f32 * 0.4).sin()) as i16))
        .collect()
}

#[test]
fn words_keys_and_reports_go_through_every_suite() {
    for suite in Suite::ALL {
        let began = start();
        let (mut a, mut b) = ends(Codec::Pcmu, suite);
        a.play(1, vec![tone(100)], false);
        a.send_digits(&[digit('4'), digit('#')], media::DigitWay::TelephoneEvent);
        let (mut heard, mut keys) = (0, String::new());
        for n in 0..400 {
            let now = began + ms(n * 20);
            let mut out = [0; 256];
            let length = a.tick(now, &mut out);
            assert!(
                !out[..length].windows(8).any(|eight| eight == [0xFF; 8]),
                "silence is not seen on the wire"
            );
            if length > 0 {
                b.receive(now, at(PEER), &mut out[..length]);
            }
            let length = a.rtcp_due(now, &mut out);
            if length > 0 {
                assert_eq!(b.receive_rtcp(now, at(PEER), &mut out[..length]), Verdict::Rtcp);
            }
            b.tick(now, &mut [0; 256]);
            heard += u32::from(b.take_frame().is_some_and(|frame| {
                frame.kind == FrameKind::Audio && frame.bytes.iter().any(|byte| Law::Pcmu.decode(*byte).abs() > 4000)
            }));
            keys.push_str(&digits(&mut b));
        }
        assert!(heard >= 95, "{suite:?}: {heard}");
        assert_eq!(keys, "4#", "{suite:?}");
        assert_eq!((b.quality().forged, b.quality().replayed, b.quality().lost), (0, 0, 0));
    }
}

/// controls.md §2 rows 8 and 9, and the same host's other processes: a tampered, a clear and a replayed packet of every
/// kind, with the true SSRC and the next number, before and after the true ones. They are counted; the call goes on.
#[test]
fn forged_and_replayed_packets_change_nothing_and_end_nothing() {
    for suite in Suite::ALL {
        let began = start();
        let run = |with_attack: bool| {
            let (mut a, mut b) = ends(Codec::Pcmu, suite);
            a.play(1, vec![tone(60)], false);
            a.send_digits(&[digit('7')], media::DigitWay::TelephoneEvent);
            let mut page = Vec::new();
            let mut recorded: Vec<Vec<u8>> = Vec::new();
            for n in 0..120_u64 {
                let now = began + ms(n * 20);
                let mut out = [0; 256];
                let length = a.tick(now, &mut out);
                if with_attack {
                    let clear = packet(0, true, 65_530_u16.wrapping_add(n as u16), 0, 0x5151_5151, &[0; 160]);
                    let event = packet(EVENTS, true, n as u16, 0, 0x5151_5151, &[9, 0x8A, 3, 32]);
                    let mut tampered = out[..length].to_vec();
                    tampered[14] ^= 1;
                    for bytes in [clear, event, tampered] {
                        assert_eq!(b.hears(now, at(PEER), &bytes), Verdict::Forged);
                        assert_eq!(b.hears(now, at("192.0.2.10:4444"), &bytes), Verdict::Forged);
                    }
                    for bytes in &recorded {
                        assert_eq!(b.hears(now, at("192.0.2.10:4444"), bytes), Verdict::Replayed);
                    }
                    let goodbye = [0x81, 203, 0, 1, 0x51, 0x51, 0x51, 0x51];
                    assert_eq!(b.hears_rtcp(now, at("192.0.2.10:30001"), &goodbye), Verdict::Forged);
                    recorded.push(out[..length].to_vec());
                }
                b.receive(now, at(PEER), &mut out[..length]);
                b.tick(now, &mut [0; 256]);
                page.push((b.take_frame(), told(&mut b), b.target()));
            }
            (page, b.quality())
        };
        let (alone, quiet) = run(false);
        let (attacked, quality) = run(true);
        assert_eq!(alone, attacked, "{suite:?}");
        assert_eq!((quiet.forged, quiet.replayed), (0, 0));
        assert_eq!((quality.forged, quality.replayed), (120 * 7, 120 * 119 / 2));
    }
}

/// A NAT that gives the host another port in mid-word needs no quiet and no proof but the key.
#[test]
fn a_sealed_packet_is_its_own_proof_of_a_new_port() {
    let began = start();
    let (mut a, mut b) = ends(Codec::Pcma, Suite::AeadAes128Gcm);
    let mut out = [0; 256];
    for (n, from) in [PEER, "192.0.2.10:61000", "192.0.2.10:62000", PEER]
        .into_iter()
        .enumerate()
    {
        let now = began + ms(n as u64 * 20);
        let length = a.tick(now, &mut out);
        assert!(matches!(
            b.receive(now, at(from), &mut out[..length]),
            Verdict::Audio(_)
        ));
        assert_eq!(b.target(), at(from));
    }
    let length = a.tick(began + ms(100), &mut out);
    let elsewhere = at("192.0.2.99:30000");
    assert_eq!(
        b.receive(began + ms(100), elsewhere, &mut out[..length]),
        Verdict::Stranger
    );
}

/// New keys in mid-word (RFC 4568 §7.1.4), then the same again, then in the clear: the words go on.
#[test]
fn keys_change_under_way() {
    let began = start();
    let suite = Suite::AesCm128HmacSha1Tag80;
    let (mut a, mut b) = ends(Codec::Pcmu, suite);
    a.play(1, vec![tone(400)], false);
    let mut heard = 0;
    for n in 0..300_u64 {
        match n {
            100 | 120 => {
                a.update(&secured(Codec::Pcmu, suite, 3, 4));
                b.update(&secured(Codec::Pcmu, suite, 4, 3));
            }
            200 => {
                a.update(&stream(Codec::Pcmu));
                b.update(&stream(Codec::Pcmu));
            }
            _ => {}
        }
        let now = began + ms(n * 20);
        let mut out = [0; 256];
        let length = a.tick(now, &mut out);
        assert_eq!(length, if n < 200 { 182 } else { 172 }, "{n}");
        let verdict = b.receive(now, at(PEER), &mut out[..length]);
        assert!(matches!(verdict, Verdict::Audio(_)), "{n}: {verdict:?}");
        b.tick(now, &mut [0; 256]);
        heard += u32::from(b.take_frame().is_some_and(|frame| frame.kind == FrameKind::Audio));
    }
    assert!(heard >= 295, "{heard}");
    assert_eq!(b.quality().forged, 0);
}

/// A bridge of an encrypted leg and a clear one: what is passed on is what was said, sealed or not as each side agreed.
#[test]
fn a_bridge_between_sealed_and_clear_carries_the_sound() {
    let began = start();
    let suite = Suite::AesCm128HmacSha1Tag32;
    let (mut far, mut near) = ends(Codec::Pcmu, suite);
    let mut clear = leg_of(&stream(Codec::Pcma));
    far.play(1, vec![tone(100)], false);
    for n in 0..90_u64 {
        let now = began + ms(n * 20);
        let mut bytes = [0; 256];
        let length = far.tick(now, &mut bytes);
        let Verdict::Audio(audio) = near.receive(now, at(PEER), &mut bytes[..length]) else {
            panic!("audio")
        };
        let mut out = [0; 256];
        let length = clear.relay_now(now, &audio, &bytes, &mut out);
        assert_eq!(length, 172, "{n}");
        let expected = Law::Pcmu.decode(tone(100)[n as usize * 160 + 40]);
        assert!((Law::Pcma.decode(out[12 + 40]) - expected).abs() < 400, "{n}");
        near.tick(now, &mut [0; 256]);
        clear.tick(now, &mut [0; 256]);
    }
}
