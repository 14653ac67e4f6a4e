//! What arrives on the media side: descriptions, packets, reports, keys, and a leg that gets them all in any order.

use std::cell::RefCell;
use std::collections::HashSet;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use media::dtmf::event::{Events, PAYLOAD_BYTES, Sending, Told};
use media::dtmf::info;
use media::rtp::reception::ReportBlock;
use media::rtp::report::{Reporter, Sent};
use media::rtp::{Packet, Writer, looks_like_rtcp};
use media::sdp::{self, Direction, Local, Offering, OpusWishes, SdpFault, Security, Stream, Suite};
use media::srtp::{MasterKey, Srtp};
use media::{Audio, Codec, Digit, DigitWay, FRAME_SAMPLES, Leg, LegEvent, LegStart, PACKET_OUT_BYTES, Verdict};

use super::{about, verdict};

const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 10)), 30_000);
const PEER_RTCP: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 10)), 30_001);
const STRANGER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 66)), 30_000);
const EVENTS: u8 = 101;
const OUR_SSRC: u32 = 0x5151_5151;
const THEIR_SSRC: u32 = 0xAABB_CCDD;

/// What we would speak: everything, in the clear or encrypted.
fn offering(security: Security) -> Offering {
    Offering {
        codecs: Codec::ALL.to_vec(),
        security,
        suites: Suite::ALL.to_vec(),
    }
}

/// Keys that are the same every time.
fn draw() -> [u8; 16] {
    [9; 16]
}

/// Virtual time counts from here.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// An offer; then, as an answer to ours; then, as a later offer. What we say must be readable, by us to begin with.
pub fn description(bytes: &[u8]) -> u64 {
    let local = Local {
        address: Ipv4Addr::new(198, 51, 100, 7).into(),
        port: 40_000,
        session: 1,
        version: u64::MAX - 1,
    };
    let fault = |fault: SdpFault| {
        assert!(matches!(fault.status(), 400 | 488));
        fault.to_string()
    };
    verdict(
        [Security::Off, Security::Preferred, Security::Required].map(|security| {
            let ours = offering(security);
            let offered = sdp::answer(bytes, &local, &ours, &mut draw).map(|(text, stream)| {
                assert!(stream.remote.is_ipv4() && (10..=60).contains(&stream.ptime_ms));
                match security {
                    Security::Off => assert!(stream.security.is_none()),
                    Security::Preferred => {}
                    Security::Required => assert!(stream.security.is_some()),
                }
                // An answer is a description like any other, and the one we go on from: keys stay as they are.
                let mut other = || [1; 16];
                let (again, same) = sdp::answer_again(&text, bytes, &ours, Direction::SendRecv, &mut other)
                    .expect("it was fine before");
                assert_eq!((&again, &same), (&text, &stream));
                for want in [Direction::SendOnly, Direction::Inactive] {
                    let (_, held) =
                        sdp::answer_again(&text, bytes, &ours, want, &mut other).expect("it was fine before");
                    assert!(!held.direction.receives());
                    let reoffer = sdp::reoffer(&text, want).expect("our own words");
                    assert!(
                        sdp::answer(&reoffer, &local, &ours, &mut draw).is_ok(),
                        "what we offer we would take"
                    );
                }
                (
                    stream.codec,
                    stream.telephone_event.is_some(),
                    stream.rtcp_mux,
                    stream.direction,
                    stream.ptime_ms,
                    stream.security.map(|srtp| srtp.suite),
                    about(text.len()),
                )
            });
            let said = sdp::offer(&local, &ours, &mut draw);
            let accepted = sdp::accept(&said, bytes).map(|stream| {
                // A leg of each kind: clear, and with keys.
                if security != Security::Preferred {
                    let mut leg = Leg::new(&stream, start());
                    black_box(leg.tick(*START, &mut [0; PACKET_OUT_BYTES]));
                }
                (stream.codec, stream.direction, stream.receive_telephone_event.is_some())
            });
            (offered.map_err(fault), accepted.map_err(fault))
        }),
    )
}

/// An RTP packet, read; and received by a leg that lives as long as the run, so that whatever it kept would show.
pub fn packet(bytes: &[u8]) -> u64 {
    thread_local! {
        static LEG: RefCell<(Leg, u64)> = RefCell::new((Leg::new(&stream(Codec::Pcma, false), start()), 0));
    }
    let read = Packet::parse(bytes).map(|packet| {
        assert!(bytes.get(packet.payload.clone()).is_some());
        (
            packet.marker,
            packet.payload_type,
            about(packet.payload.len()),
            packet.payload.start,
        )
    });
    let heard = LEG.with_borrow_mut(|(leg, inputs)| {
        *inputs += 1;
        let now = *START + Duration::from_millis(5 * *inputs);
        let heard = judged(leg.receive(now, PEER, &mut bytes.to_vec()), bytes);
        if *inputs % 4 == 0 {
            leg.tick(now, &mut [0; PACKET_OUT_BYTES]);
            leg.rtcp_due(now, &mut [0; PACKET_OUT_BYTES]);
            black_box((leg.take_frame(), leg.take_sent(), leg.quality()));
        }
        if *inputs % 64 == 0 {
            assert!(events(leg) <= 64);
        }
        heard
    });
    verdict((read, looks_like_rtcp(bytes), heard))
}

/// What comes to a media port and is not RTP: STUN, DTLS, TURN, ZRTP. RFC 7983 §7 tells them apart by their first byte.
pub fn stray(bytes: &[u8]) -> u64 {
    thread_local! {
        static LEG: RefCell<(Leg, u64)> = RefCell::new((Leg::new(&stream(Codec::Pcmu, true), start()), 0));
    }
    let (heard, stranger) = LEG.with_borrow_mut(|(leg, inputs)| {
        *inputs += 1;
        let now = *START + Duration::from_millis(*inputs);
        let stranger = leg.receive(now, STRANGER, &mut bytes.to_vec());
        assert_eq!(stranger, Verdict::Stranger);
        let heard = leg.receive(now, PEER, &mut bytes.to_vec());
        let is_rtp = bytes.first().is_some_and(|first| (128..=191).contains(first));
        if !is_rtp {
            assert!(matches!(heard, Verdict::Ignored | Verdict::Malformed), "{heard:?}");
        }
        if inputs.is_multiple_of(16) {
            leg.tick(now, &mut [0; PACKET_OUT_BYTES]);
            black_box((leg.take_frame(), leg.take_sent()));
            assert!(events(leg) <= 64);
        }
        (judged(heard, bytes), judged(stranger, bytes))
    });
    verdict((heard, stranger, looks_like_rtcp(bytes), Packet::parse(bytes).is_some()))
}

/// A packet for a leg that speaks SRTP, in every suite: whatever was not sealed with its key is not heard, and nothing is learnt of it.
pub fn sealed(bytes: &[u8]) -> u64 {
    thread_local! {
        static LEGS: RefCell<(Vec<Leg>, u64)> = RefCell::new((
            Suite::ALL.iter().map(|suite| Leg::new(&secured(*suite, false), start())).collect(),
            0,
        ));
    }
    LEGS.with_borrow_mut(|(legs, inputs)| {
        *inputs += 1;
        let now = *START + Duration::from_millis(5 * *inputs);
        let heard = legs.iter_mut().map(|leg| {
            assert_eq!(leg.receive(now, STRANGER, &mut bytes.to_vec()), Verdict::Stranger);
            let mut packet = bytes.to_vec();
            let heard = leg.receive(now, PEER, &mut packet);
            let is_believed = matches!(
                heard,
                Verdict::Audio(_) | Verdict::Event | Verdict::Comfort | Verdict::Rtcp | Verdict::Held
            );
            assert!(
                !is_believed || SEALED.contains(bytes),
                "{heard:?} of a packet nobody sealed"
            );
            if *inputs % 16 == 0 {
                leg.tick(now, &mut [0; PACKET_OUT_BYTES]);
                leg.rtcp_due(now, &mut [0; PACKET_OUT_BYTES]);
                black_box((leg.take_frame(), leg.take_sent(), leg.quality()));
                assert!(events(leg) <= 64);
            }
            judged(heard, &packet)
        });
        verdict(heard.collect::<Vec<_>>())
    })
}

/// What the other side of each suite's leg says.
static SEALED: LazyLock<HashSet<Vec<u8>>> = LazyLock::new(|| sealed_packets().into_iter().collect());

/// The stream of one suite, ours or the other side's.
fn secured(suite: Suite, theirs: bool) -> Stream {
    let key = |of: u8| MasterKey::drawn(suite, &mut || [of; 16]);
    let (send, receive) = if theirs { (key(2), key(1)) } else { (key(1), key(2)) };
    Stream {
        security: Some(Srtp { suite, send, receive }),
        ..stream(Codec::Pcmu, true)
    }
}

/// Sealed packets of every suite, RTP and RTCP.
pub fn sealed_packets() -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    for suite in Suite::ALL {
        let from = LegStart {
            ssrc: THEIR_SSRC,
            ..start()
        };
        let mut leg = Leg::new(&secured(suite, true), from);
        leg.play(1, vec![Arc::from(&[0x55; 6 * FRAME_SAMPLES][..])], false);
        for tick in 0..8 {
            let now = *START + Duration::from_millis(20 * tick);
            let mut out = [0; PACKET_OUT_BYTES];
            let length = leg.tick(now, &mut out);
            if length > 0 {
                packets.push(out[..length].to_vec());
            }
            let length = leg.rtcp_due(now + Duration::from_secs(10 * tick), &mut out);
            if length > 0 {
                packets.push(out[..length].to_vec());
            }
        }
    }
    assert!(packets.len() >= 4 * Suite::ALL.len(), "there is something to forge");
    packets
}

/// An RTCP packet for a reporter that has said something.
pub fn report(bytes: &[u8]) -> u64 {
    let mut reporter = Reporter::new(*START, OUR_SSRC, [7; 16]);
    let mut out = [0; PACKET_OUT_BYTES];
    let later = *START + Duration::from_secs(5);
    let believed = reporter.read(later, OUR_SSRC, bytes);
    let view = reporter.their_view();
    if let Some(view) = view {
        assert!(view.fraction_lost.is_finite() && view.jitter_ms.is_finite());
        assert!(view.round_trip_ms.is_none_or(|ms| ms.is_finite() && ms >= 0.0));
    }
    let written = reporter.write(later + Duration::from_secs(70_000), sent(), Some(block()), &mut out);
    let ours = out.get(..written).expect("it says how much it wrote");
    assert!(written > 0 && looks_like_rtcp(ours));
    assert!(
        Reporter::new(*START, THEIR_SSRC, [1; 16]).read(later, THEIR_SSRC, ours),
        "what we write we read"
    );
    verdict((
        believed,
        view.is_some(),
        view.is_some_and(|view| view.round_trip_ms.is_some()),
        kinds(bytes),
        about(bytes.len()),
    ))
}

/// The kinds of the first packets of a compound, as their lengths lay them out.
fn kinds(mut bytes: &[u8]) -> [Option<(u8, u8)>; 4] {
    std::array::from_fn(|_| {
        let &[flags, kind, high, low] = bytes.first_chunk::<4>()?;
        let length = 4 * (usize::from(u16::from_be_bytes([high, low])) + 1);
        bytes = bytes.get(length..).unwrap_or_default();
        // What the packet is, where it is anything we know, and how many blocks it claims.
        Some(if (200..=207).contains(&kind) {
            (kind, flags & 0x1F)
        } else {
            (0, 0)
        })
    })
}

/// Keys: the bytes as an INFO body; and as a train of telephone-events, a press never told twice within a packet.
pub fn digits(bytes: &[u8]) -> u64 {
    let body = info::read(bytes).map(|info| {
        assert!(info.duration <= info::DURATION_MAX);
        info.digit
    });
    let mut events = Events::default();
    let mut told = [0_usize; 3];
    let mut now = *START;
    // Four bytes of payload, one of time, one that moves the timestamp and holds the marker.
    for packet in bytes.chunks(PAYLOAD_BYTES + 2).take(256) {
        let (payload, when) = packet.split_at_checked(PAYLOAD_BYTES).unwrap_or((packet, &[]));
        let [after, stamp] = when.first_chunk::<2>().copied().unwrap_or([20, 0]);
        now += Duration::from_millis(u64::from(after));
        let timestamp = (u32::MAX - 4_000).wrapping_add(u32::from(stamp >> 1) * 160);
        match events.receive(now, timestamp, stamp & 1 == 1, payload) {
            Told::Pressed(digit) => {
                told[0] += 1;
                let again = events.receive(now, timestamp, false, payload);
                assert!(!matches!(again, Told::Pressed(_)), "{digit:?} told twice");
            }
            Told::Nothing | Told::Held(_) => told[1] += 1,
            Told::Malformed => told[2] += 1,
        }
    }
    verdict((body, told.map(about)))
}

/// A leg's life: records of an order, a length and that many bytes. The order's low three bits say what happens, the
/// others how long after the one before.
pub fn leg(bytes: &[u8]) -> u64 {
    let flags = bytes.first().copied().unwrap_or_default();
    let codec = Codec::ALL[usize::from(flags & 1 | (flags >> 1 & 2))];
    let mut leg = Leg::new(&stream(codec, flags & 2 == 2), start());
    let mut other = Leg::new(&stream(Codec::Pcmu, true), start());
    let mut out = [0; PACKET_OUT_BYTES];
    let (mut now, mut rest) = (*START, bytes.get(1..).unwrap_or_default());
    let (mut seen, mut sent, mut received) = (0_u64, 0_u64, 0_u64);
    while let [order, length, after @ ..] = rest {
        let (data, next) = after.split_at(usize::from(*length).min(after.len()));
        rest = next;
        // The longest step is 45 s: a line that was lost, and one that returns.
        now += match order >> 3 {
            31 => Duration::from_secs(45),
            ms => Duration::from_millis(u64::from(ms)),
        };
        let heard = match order & 7 {
            0..=2 => {
                received += 1;
                let heard = leg.receive(now, PEER, &mut data.to_vec());
                if let Verdict::Audio(audio) = &heard {
                    black_box(other.relay_now(now, audio, data, &mut out));
                }
                judged(heard, data)
            }
            3 => judged(
                leg.receive(
                    now,
                    SocketAddr::new(PEER.ip(), PEER.port() ^ u16::from(*length & 3)),
                    &mut data.to_vec(),
                ),
                data,
            ),
            4 => judged(leg.receive_rtcp(now, PEER_RTCP, &mut data.to_vec()), data),
            5 => {
                assert_eq!(leg.receive(now, STRANGER, &mut data.to_vec()), Verdict::Stranger);
                assert_eq!(leg.receive_rtcp(now, STRANGER, &mut data.to_vec()), Verdict::Stranger);
                0
            }
            6 => command(&mut leg, now, data),
            _ => {
                let length = leg.tick(now, &mut out);
                sent += u64::from(length > 0);
                assert!(
                    length == 0 || Packet::parse(&out[..length]).is_some(),
                    "what we send is RTP"
                );
                if let Some(frame) = leg.take_frame() {
                    other.relay(&frame);
                }
                other.tick(now, &mut out);
                black_box((leg.take_sent(), leg.voice(), leg.rtcp_due(now, &mut out)));
                8
            }
        };
        seen |= 1 << heard;
    }
    let quality = leg.quality();
    assert!(quality.jitter_ms.is_finite() && quality.received <= received + bytes.len() as u64);
    assert!(events(&mut leg) <= 64);
    verdict((
        seen,
        about(sent as usize),
        quality.concealed > 0,
        quality.late > 0,
        quality.lost > 0,
        quality.duplicated > 0,
    ))
}

/// What the call may ask of a leg, chosen by the first byte.
fn command(leg: &mut Leg, now: Instant, data: &[u8]) -> u8 {
    let (what, rest) = data.split_first().unwrap_or((&0, &[]));
    match what % 8 {
        0 => black_box(leg.hear_info_digit(now, rest)).into(),
        1 => {
            leg.play(
                u64::from(*what),
                vec![Arc::from(rest), Arc::from([])],
                rest.len() % 2 == 0,
            );
            9
        }
        2 => {
            leg.hush();
            10
        }
        3 => {
            let keys = rest
                .iter()
                .filter_map(|byte| Digit::from_event(byte % 17))
                .collect::<Vec<_>>();
            leg.send_digits(
                &keys,
                if what & 8 == 8 {
                    DigitWay::Tone
                } else {
                    DigitWay::TelephoneEvent
                },
            );
            11
        }
        4 => {
            leg.listen_for_tones(what & 8 == 8);
            12
        }
        5 => {
            let codec = Codec::ALL[usize::from(what >> 3 & 1 | (what >> 4 & 2))];
            let mut changed = stream(codec, what & 16 == 16);
            changed.direction = [
                Direction::SendRecv,
                Direction::SendOnly,
                Direction::RecvOnly,
                Direction::Inactive,
            ][usize::from(what >> 6)];
            leg.update(&changed);
            13
        }
        6 => {
            black_box(leg.rtcp_bye(&mut [0; PACKET_OUT_BYTES]));
            14
        }
        _ => u8::from(events(leg) > 0) + 15,
    }
}

/// Checks what a verdict promises, and numbers it.
fn judged(heard: Verdict, bytes: &[u8]) -> u8 {
    match heard {
        Verdict::Audio(Audio { payload, .. }) => {
            assert!(bytes.get(payload).is_some());
            20
        }
        Verdict::Event => 21,
        Verdict::Comfort => 22,
        Verdict::Rtcp => 23,
        Verdict::Late => 24,
        Verdict::Duplicate => 25,
        Verdict::Held => 26,
        Verdict::Stranger => 27,
        Verdict::Ignored => 28,
        Verdict::Malformed => 29,
        Verdict::Forged => 30,
        Verdict::Replayed => 31,
    }
}

fn events(leg: &mut Leg) -> usize {
    std::iter::from_fn(|| leg.poll_event())
        .inspect(|event| {
            black_box(matches!(event, LegEvent::Lost));
            assert!(!format!("{event:?}").contains("Digit(Digit"), "a key never prints");
        })
        .count()
}

fn stream(codec: Codec, mux: bool) -> Stream {
    Stream {
        codec,
        payload_type: codec.payload_type(),
        receive_payload_type: codec.payload_type(),
        telephone_event: Some(EVENTS),
        receive_telephone_event: Some(EVENTS),
        event_clock_rate: codec.clock_rate(),
        remote: PEER,
        remote_rtcp: if mux { PEER } else { PEER_RTCP },
        rtcp_mux: mux,
        direction: Direction::SendRecv,
        ptime_ms: 20,
        packet_ms: 20,
        opus: OpusWishes::default(),
        security: None,
    }
}

fn start() -> LegStart {
    LegStart {
        ssrc: OUR_SSRC,
        sequence: 65_530,
        timestamp: u32::MAX - 500,
        cname: [7; 16],
    }
}

fn sent() -> Sent {
    Sent {
        ssrc: OUR_SSRC,
        timestamp: 1_600,
        packets: 10,
        octets: 1_600,
    }
}

fn block() -> ReportBlock {
    ReportBlock {
        ssrc: THEIR_SSRC,
        fraction_lost: 64,
        total_lost: 5,
        highest_sequence: 70_000,
        jitter: 80,
    }
}

/// Audio in both laws, an event, comfort noise, and one with CSRC, extension and padding.
pub fn packets() -> Vec<Vec<u8>> {
    let mut writer = Writer::new(THEIR_SSRC, 65_533);
    let mut packets = Vec::new();
    let mut write = |kind: u8, marker, timestamp: u32, payload: &[u8]| {
        let mut out = [0; PACKET_OUT_BYTES];
        let length = writer.write(kind, marker, timestamp, payload, &mut out);
        packets.push(out[..length].to_vec());
    };
    write(0, true, 0, &[0xFF; FRAME_SAMPLES]);
    write(8, false, 160, &[0xD5; FRAME_SAMPLES]);
    write(8, false, 320, &[0x2A; FRAME_SAMPLES / 2]);
    write(EVENTS, true, 480, &[5, 10, 0, 160]);
    write(EVENTS, false, 480, &[5, 0x8A, 3, 32]);
    write(13, false, 960, &[40]);
    packets.push(vec![
        0xB1, 0x80, 0, 7, 0, 0, 0, 160, 1, 2, 3, 4, 9, 9, 9, 9, 0xBE, 0xDE, 0, 1, 5, 5, 5, 5, b'a', b'b', 0, 0, 0, 4,
    ]);
    packets.extend(reports());
    packets
}

/// A sender report, a receiver report, a goodbye; each with its description of the source.
pub fn reports() -> Vec<Vec<u8>> {
    let mut reports = Vec::new();
    for packets in [10, 10] {
        // The first says "I sent", the second, with the same count, "I only listened".
        let mut reporter = Reporter::new(*START, THEIR_SSRC, [1; 16]);
        let said = Sent {
            ssrc: THEIR_SSRC,
            packets,
            ..sent()
        };
        let about_us = ReportBlock {
            ssrc: OUR_SSRC,
            ..block()
        };
        for _ in 0..2 {
            let mut out = [0; PACKET_OUT_BYTES];
            let length = reporter.write(*START + Duration::from_secs(9), said, Some(about_us), &mut out);
            reports.push(out[..length].to_vec());
        }
        let mut out = [0; PACKET_OUT_BYTES];
        let length = reporter.write_bye(THEIR_SSRC, &mut out);
        reports.push(out[..length].to_vec());
    }
    reports
}

/// A press with its three ends, a long press over the duration's edge, two quick ones.
pub fn presses() -> Vec<Vec<u8>> {
    let mut one = Vec::new();
    let mut sending = Sending::new(Digit::from_char('5').expect("a key"), 160, 8000);
    while let Some(packet) = sending.next_packet() {
        one.extend_from_slice(&packet.payload);
        one.extend([20, u8::from(packet.marker)]);
    }
    let long = [
        [5, 10, 0xFF, 0xFF, 250, 1],
        [5, 10, 0, 160, 20, 0],
        [5, 0x8A, 1, 0, 20, 0],
    ]
    .concat();
    let two = [
        [1, 0x8A, 3, 32, 20, 1],
        [1, 0x8A, 3, 32, 40, 21],
        [11, 0x8A, 3, 32, 200, 41],
    ]
    .concat();
    vec![one, long, two]
}

/// Legs that hear words and keys, are held, lose the line and get it back.
pub fn conversations() -> Vec<Vec<u8>> {
    let packets = packets();
    let mut talk = vec![0];
    for sequence in 0..12_u16 {
        for packet in packets.iter().take(6) {
            let mut packet = packet.clone();
            packet[2..4].copy_from_slice(&(65_530_u16.wrapping_add(sequence * 6)).to_be_bytes());
            record(&mut talk, 0, 5, &packet);
        }
        record(&mut talk, 7, 20, &[]);
    }
    let mut rest = vec![3];
    record(&mut rest, 6, 0, &[&[1][..], &[0x55; 200]].concat());
    for packet in &packets {
        record(&mut rest, 0, 20, packet);
        record(&mut rest, 3, 1, packet);
        record(&mut rest, 5, 0, packet);
        record(&mut rest, 7, 20, &[]);
    }
    for report in reports() {
        record(&mut rest, 4, 3, &report);
    }
    record(&mut rest, 6, 0, b"\x00Signal=5\r\nDuration=160\r\n");
    record(&mut rest, 6, 0, &[3, 1, 2, 3]);
    record(&mut rest, 6, 0, &[11, 1, 2, 3]);
    for command in [4, 12, 5, 0x4D, 0x95, 0xDD, 13, 2, 6, 7] {
        record(&mut rest, 6, 0, &[command]);
        record(&mut rest, 0, 20, &packets[0]);
        record(&mut rest, 7, 20, &[]);
    }
    record(&mut rest, 7, 31, &[]);
    record(&mut rest, 0, 5, &packets[0]);
    record(&mut rest, 7, 20, &[]);
    vec![talk, rest]
}

fn record(to: &mut Vec<u8>, order: u8, after: u8, data: &[u8]) {
    to.push(order | after << 3);
    to.push(u8::try_from(data.len()).expect("a short record"));
    to.extend_from_slice(data);
}

/// Descriptions beside the trunks' own.
pub const DESCRIPTIONS: &[&str] = &[
    "v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\nm=audio 30000 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\n",
    "v=0\no=- 1 1 IN IP4 192.0.2.10\ns=-\nm=video 5 RTP/AVP 31\nc=IN IP4 192.0.2.10\nm=audio 30000/2 RTP/AVP 8\nc=IN IP4 0.0.0.0\na=rtcp:9 IN IP4 192.0.2.11\na=rtcp-mux\na=sendonly\n",
];

/// Words of SDP.
pub const SDP_WORDS: &[&str] = &[
    "\r\n",
    "\n",
    "v=0",
    "o=- 1 1 IN IP4 x",
    "s=-",
    "t=0 0",
    "b=AS:80",
    "k=clear:x",
    "c=IN IP4 192.0.2.10",
    "c=IN IP6 2001:db8::1",
    "c=IN IP4 example.com",
    "c=IN IP4 0.0.0.0",
    "c=IN IP4 224.0.0.1/127",
    "m=audio 30000 RTP/AVP 0 8 101",
    "m=audio 0 RTP/AVP 0",
    "m=audio 30000/2 RTP/SAVP 0",
    "m=image 30000 udptl t38",
    "m=video 30000 RTP/AVP 96",
    "m=",
    "a=",
    "a=rtpmap:",
    "a=rtpmap:0 PCMU/8000",
    "a=rtpmap:96 PCMA/8000/1",
    "a=rtpmap:101 telephone-event/8000",
    "a=fmtp:101 0-15",
    "a=ptime:20",
    "a=ptime:4294967296",
    "a=maxptime:20.0",
    "a=rtcp:30001 IN IP4 192.0.2.10",
    "a=rtcp-mux",
    "a=sendrecv",
    "a=sendonly",
    "a=recvonly",
    "a=inactive",
    "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x",
    "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR|2^31",
    "a=crypto:2 AEAD_AES_256_GCM inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBRPS1uQCVeeCFCanVmcjk=",
    "m=audio 30000 RTP/SAVP 9 111 110",
    "a=rtpmap:111 opus/48000/2",
    "a=rtpmap:110 telephone-event/48000",
    "a=rtpmap:9 G722/8000",
    "a=fmtp:111 maxaveragebitrate=8000;useinbandfec=1",
    "a=maxptime:10",
    " UNENCRYPTED_SRTP",
    "|1:4",
    "a=candidate:1 1 UDP 1 192.0.2.1 9 typ host",
    " ",
    "/",
    ":",
    "127",
    "128",
    "96",
    "-1",
];

/// INFO bodies.
pub const INFO_BODIES: &[&str] = &[
    "Signal=5\r\nDuration=160\r\n",
    "Signal= *\nDuration= 250",
    "signal: 11\r\nduration: 99999999\r\n",
    "7",
    "0\r\n",
];

/// Words of INFO bodies.
pub const INFO_WORDS: &[&str] = &[
    "Signal", "Duration", "=", ":", " ", "\r\n", "#", "*", "A", "d", "10", "11", "16", "160", "hf", "-1",
];
