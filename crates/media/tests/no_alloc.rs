//! No allocation per packet (media-plane.md §2): a counting allocator watches two bridged legs live through everything a
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that finds otherwise should stop there"
)]
//! media thread does in steady state.

mod common;

use common::*;
use media::codec::g711;
use media::sdp::{Codec, MasterKey, Srtp, Suite};
use media::{FRAME_SAMPLES, Leg, Verdict};
use std::sync::Arc;

/// Everything that comes in ten seconds: audio, an event every second, strangers, duplicates, nonsense, gaps.
fn arrivals() -> Vec<(u64, Vec<u8>)> {
    let mut dice = Dice(99);
    let mut packets = Vec::new();
    for n in 0..500_u64 {
        let sequence = n as u16;
        let noise: Vec<u8> = (0..FRAME_SAMPLES)
            .map(|_| g711::ulaw_encode(dice.below(4000) as i16))
            .collect();
        match n % 50 {
            10..14 => packets.push((
                n,
                packet(
                    EVENTS,
                    n % 50 == 10,
                    sequence,
                    (n / 50) as u32 * 8000,
                    9,
                    &[5, 10, 1, 0],
                ),
            )),
            20 => {}
            30 => packets.push((n, packet(8, false, sequence, n as u32 * 160, 9, &noise))),
            40 => packets.push((n, packet(13, false, sequence, n as u32 * 160, 9, &[40]))),
            41 => packets.push((n, vec![0xFF; 40])),
            _ => packets.push((n, packet(0, false, sequence, n as u32 * 160, 9, &noise))),
        }
        if n % 7 == 0 {
            packets.extend(packets.last().cloned());
        }
    }
    packets
}

fn live(a: &mut Leg, b: &mut Leg, arrivals: &[(u64, Vec<u8>)], began: std::time::Instant) -> (u64, u64) {
    let mut out = [0; 256];
    let (mut relayed, mut sent) = (0, 0);
    let mut arrivals = arrivals.iter().peekable();
    for n in 0..500 {
        let now = began + ms(n * 20);
        while let Some((_, bytes)) = arrivals.next_if(|(tick, _)| *tick == n) {
            a.hears(now, at_stranger(), bytes);
            if let Verdict::Audio(audio) = a.hears(now, at_peer(), bytes) {
                relayed += u64::from(b.relay_now(now, &audio, bytes, &mut out) > 0);
            }
            b.hears(now, at_peer(), bytes);
        }
        for leg in [&mut *a, &mut *b] {
            sent += u64::from(leg.tick(now, &mut out) > 0);
            leg.take_sent();
            while leg.poll_event().is_some() {}
        }
        if let (Some(heard), Some(_)) = (a.take_frame(), b.take_frame()) {
            b.relay(&heard);
        }
        std::hint::black_box((a.quality(), b.voice()));
    }
    (relayed, sent)
}

fn at_peer() -> std::net::SocketAddr {
    std::net::SocketAddr::from(([192, 0, 2, 10], 30_000))
}

fn at_stranger() -> std::net::SocketAddr {
    std::net::SocketAddr::from(([203, 0, 113, 66], 30_000))
}

#[test]
fn ten_seconds_of_two_legs_allocate_nothing() {
    let began = start();
    let arrivals = arrivals();
    let (mut a, mut b) = (leg(), leg_of(&stream(Codec::Pcma)));
    a.listen_for_tones(true);
    b.listen_for_tones(true);
    let words: Arc<[u8]> = vec![0x55; 8000 * 60].into();
    a.play(1, vec![words.clone(), words], false);
    let mut done = (0, 0);
    let counted = allocation_counter::measure(|| done = live(&mut a, &mut b, &arrivals, began));
    assert_eq!((counted.count_total, counted.count_current), (0, 0), "{counted:?}");
    let (relayed, sent) = done;
    assert!(
        relayed > 350 && sent > 500,
        "it did live: {relayed} relayed, {sent} sent"
    );
    assert!(a.quality().received > 450 && a.quality().strangers > 450);
}

/// Encrypted, it is not so: `rtc-srtp` makes a buffer for every packet it opens or seals, and nothing else is made.
#[test]
fn an_encrypted_leg_costs_two_buffers_a_frame() {
    for suite in Suite::ALL {
        let began = start();
        let key = |seed: u8| MasterKey::drawn(suite, &mut || [seed; 16]);
        let keys = |send: u8, receive: u8| {
            Some(Srtp {
                suite,
                send: key(send),
                receive: key(receive),
            })
        };
        let mut far = stream(Codec::Pcmu);
        far.security = keys(1, 2);
        let mut near = stream(Codec::Pcmu);
        near.security = keys(2, 1);
        let (mut a, mut b) = (leg_of(&far), leg_of(&near));
        let mut frame = |n: u64| {
            let mut out = [0; 256];
            let length = a.tick(began + ms(n * 20), &mut out);
            assert!(matches!(
                b.receive(began + ms(n * 20), at_peer(), &mut out[..length]),
                Verdict::Audio(_)
            ));
            b.take_frame();
        };
        // The first packets make what is kept for a stream.
        (0..10).for_each(&mut frame);
        let counted = allocation_counter::measure(|| (10..510).for_each(&mut frame));
        assert_eq!(
            (counted.count_total, counted.count_current),
            (1000, 0),
            "{suite:?}: {counted:?}"
        );
    }
}

/// G.722 at the edge costs no memory; Opus works in what libopus took when the leg began.
#[test]
fn coded_legs_allocate_nothing() {
    for codec in [Codec::G722, Codec::Opus] {
        let began = start();
        let (mut a, mut b) = (leg_of(&stream(codec)), leg_of(&stream(codec)));
        let words: Arc<[u8]> = vec![0x55; 8000 * 60].into();
        a.play(1, vec![words], false);
        let mut frame = |n: u64| {
            let mut out = [0; 256];
            let length = a.tick(began + ms(n * 20), &mut out);
            b.receive(began + ms(n * 20), at_peer(), &mut out[..length]);
            b.tick(began + ms(n * 20), &mut out);
            std::hint::black_box(b.take_frame());
        };
        frame(0);
        let counted = allocation_counter::measure(|| (1..200).for_each(&mut frame));
        assert_eq!(counted.count_total, 0, "{codec:?}: {counted:?}");
    }
}

#[test]
fn the_counter_counts() {
    let counted = allocation_counter::measure(|| drop(std::hint::black_box(vec![1_u8; 10])));
    assert_eq!((counted.count_total, counted.count_current), (1, 0));
}

/// media-plane.md §3: a call in a prompt may take 24 KiB in all; the leg is its greater part.
#[test]
fn a_leg_is_small() {
    let bytes = size_of::<Leg>();
    assert!(bytes <= 8 * 1024, "{bytes}");
}
