//! What one frame costs, in the ways a media thread spends it (media-plane.md §1: "pure work per 20 ms frame").
#![allow(clippy::indexing_slicing, reason = "packets are counted modulo their number")]

use divan::{Bencher, black_box};
use media::codec::g711;
use media::dtmf::tone::{ToneDetector, ToneGenerator};
use media::sdp::{Direction, MasterKey, OpusWishes, Srtp, Stream, Suite};
use media::{Codec, Digit, FRAME_SAMPLES, Law, Leg, LegStart, Verdict};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn main() {
    divan::main();
}

fn stream(codec: Codec, events: bool) -> Stream {
    Stream {
        codec,
        payload_type: codec.payload_type(),
        receive_payload_type: codec.payload_type(),
        telephone_event: events.then_some(101),
        receive_telephone_event: events.then_some(101),
        event_clock_rate: codec.clock_rate(),
        remote: peer(),
        remote_rtcp: peer(),
        rtcp_mux: true,
        direction: Direction::SendRecv,
        ptime_ms: 20,
        packet_ms: 20,
        opus: OpusWishes::default(),
        security: None,
    }
}

fn peer() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 10], 30_000))
}

fn leg(codec: Codec, events: bool) -> Leg {
    Leg::new(
        &stream(codec, events),
        LegStart {
            ssrc: 1,
            sequence: 2,
            timestamp: 3,
            cname: [4; 16],
        },
    )
}

/// Packets of a tone in noise, so that nothing is gated away.
fn packet(number: u32) -> Vec<u8> {
    let mut packet = vec![0x80, 0];
    packet.extend((number as u16).to_be_bytes());
    packet.extend((number * 160).to_be_bytes());
    packet.extend([0, 0, 0, 9]);
    packet.extend((0..160_u32).map(|n| g711::ulaw_encode((n.wrapping_mul(2_654_435_761) >> 18) as i16 - 8192)));
    packet
}

#[allow(clippy::disallowed_methods, reason = "a bench needs one instant to count from")]
fn start() -> Instant {
    Instant::now()
}

/// A tick that plays a prompt to a silent caller.
#[divan::bench]
fn tick_prompt(bencher: Bencher<'_, '_>) {
    let mut leg = leg(Codec::Pcmu, true);
    leg.play(1, vec![Arc::from(vec![0x55; 160_000_000])], false);
    let mut out = [0; 256];
    let mut now = start();
    bencher.bench_local(|| {
        now += Duration::from_millis(20);
        black_box(leg.tick(now, &mut out))
    });
}

/// A packet in, a tick that plays a prompt, the frame for the tap.
#[divan::bench(args = [true, false])]
fn receive_tick_tap(bencher: Bencher<'_, '_>, events: bool) {
    let mut leg = leg(Codec::Pcmu, events);
    leg.play(1, vec![Arc::from(vec![0x55; 160_000_000])], false);
    let mut packets: Vec<Vec<u8>> = (0..65_536).map(packet).collect();
    let mut out = [0; 256];
    let mut now = start();
    let mut number = 0;
    bencher.bench_local(|| {
        now += Duration::from_millis(20);
        let received = leg.receive(now, peer(), &mut packets[number % 65_536]);
        number += 1;
        (
            black_box(received),
            leg.tick(now, &mut out),
            black_box(leg.take_frame()),
        )
    });
}

/// A packet in on one leg, out on the other.
#[divan::bench(args = [Codec::Pcmu, Codec::Pcma])]
fn bridge_packet(bencher: Bencher<'_, '_>, other: Codec) {
    let (mut a, mut b) = (leg(Codec::Pcmu, true), leg(other, true));
    let mut packets: Vec<Vec<u8>> = (0..65_536).map(packet).collect();
    let mut out = [0; 256];
    let mut now = start();
    let mut number = 0;
    bencher.bench_local(|| {
        now += Duration::from_millis(20);
        let bytes = &mut packets[number % 65_536];
        number += 1;
        let relayed = match a.receive(now, peer(), bytes) {
            Verdict::Audio(audio) => b.relay_now(now, &audio, bytes, &mut out),
            _ => 0,
        };
        let (ours, theirs) = (a.tick(now, &mut [0; 256]), b.tick(now, &mut [0; 256]));
        if let Some(frame) = a.take_frame() {
            b.relay(&frame);
        }
        (relayed, ours, theirs)
    });
}

/// A frame from a leg that says words to one that hears them, in each codec.
#[divan::bench(args = Codec::ALL)]
fn there(bencher: Bencher<'_, '_>, codec: Codec) {
    let (mut a, mut b) = (leg(codec, true), leg(codec, true));
    a.play(1, vec![Arc::from(vec![0x55; 160_000_000])], false);
    let mut out = [0; 256];
    let mut now = start();
    bencher.bench_local(|| {
        now += Duration::from_millis(20);
        let length = a.tick(now, &mut out);
        b.receive(now, peer(), &mut out[..length])
    });
}

/// The same, sealed and opened, in each suite.
#[divan::bench(args = Suite::ALL)]
fn there_sealed(bencher: Bencher<'_, '_>, suite: Suite) {
    let key = |seed: u8| MasterKey::drawn(suite, &mut || [seed; 16]);
    let end = |send: u8, receive: u8| {
        let mut stream = stream(Codec::Pcmu, true);
        stream.security = Some(Srtp {
            suite,
            send: key(send),
            receive: key(receive),
        });
        stream
    };
    let begin = LegStart {
        ssrc: 1,
        sequence: 2,
        timestamp: 3,
        cname: [4; 16],
    };
    let (mut a, mut b) = (Leg::new(&end(1, 2), begin), Leg::new(&end(2, 1), begin));
    a.play(1, vec![Arc::from(vec![0x55; 160_000_000])], false);
    let mut out = [0; 256];
    let mut now = start();
    bencher.bench_local(|| {
        now += Duration::from_millis(20);
        let length = a.tick(now, &mut out);
        b.receive(now, peer(), &mut out[..length])
    });
}

/// A stranger's packet.
#[divan::bench]
fn stranger(bencher: Bencher<'_, '_>) {
    let mut leg = leg(Codec::Pcmu, true);
    let mut bytes = packet(0);
    let now = start();
    let stranger = SocketAddr::from(([198, 51, 100, 7], 30_000));
    bencher.bench_local(|| leg.receive(now, black_box(stranger), &mut bytes));
}

/// The energy of a frame, straight from its bytes.
#[divan::bench]
fn energy(bencher: Bencher<'_, '_>) {
    let frame = [0x35; FRAME_SAMPLES];
    bencher.bench_local(|| g711::mean_power(Law::Pcmu, black_box(&frame)));
}

/// Both laws' tables over a frame.
#[divan::bench]
fn transcode(bencher: Bencher<'_, '_>) {
    let mut frame = [0x35; FRAME_SAMPLES];
    bencher.bench_local(|| Law::Pcmu.transcode(Law::Pcma, black_box(&mut frame)));
}

/// The tone detector on a frame that passes its gate.
#[divan::bench]
fn tone_detector(bencher: Bencher<'_, '_>) {
    let mut frame = [0; FRAME_SAMPLES];
    if let Some(digit) = Digit::from_char('5') {
        ToneGenerator::new(digit).next_frame(Law::Pcmu, &mut frame);
    }
    let power = g711::mean_power(Law::Pcmu, &frame);
    let mut detector = ToneDetector::new(Law::Pcmu);
    bencher.bench_local(|| detector.hear(black_box(&frame), power));
}
