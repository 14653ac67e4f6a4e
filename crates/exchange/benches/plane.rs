//! The media plane under load, on loopback: CPU of its threads per packet and per 1000 call-minutes, and how exactly it
//! keeps time (media-plane.md §1, §3). The peers run on threads of their own and are not counted.
//!
//! `cargo bench -p exchange --bench plane -- [calls] [seconds]`
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a benchmark is a shell"
)]

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use exchange::plane::{Order, Plane, TAP_FRAMES};
use exchange::{Ports, Recorder};
use media::rtp::Writer;
use media::sdp::{Direction, Stream};
use media::{Codec, LegStart};
use switchboard::{CallId, LegId};

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// What each call does.
#[derive(Clone, Copy, PartialEq)]
enum Work {
    Prompt,
    PromptRecorded,
    Bridge,
    BridgeRecorded,
}

fn main() {
    let numbers: Vec<u64> = std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    let calls = numbers.first().copied().unwrap_or(500);
    let seconds = numbers.get(1).copied().unwrap_or(10);
    println!(
        "calibration: {:.2} ns per SHA-256 octet; {calls} calls, {seconds} s each",
        calibrate()
    );
    println!(
        "{:<18} {:>10} {:>12} {:>9} {:>9} {:>9} {:>8} {:>8} {:>8} {:>9} {:>9}",
        "work",
        "packets/s",
        "ns/packet",
        "media",
        "recorder",
        "sync",
        "p50 µs",
        "p99 µs",
        "max µs",
        "skipped",
        "tap lost"
    );
    for (name, work) in [
        ("prompt", Work::Prompt),
        ("prompt, recorded", Work::PromptRecorded),
        ("bridge", Work::Bridge),
        ("bridge, recorded", Work::BridgeRecorded),
    ] {
        run(name, work, calls, Duration::from_secs(seconds));
    }
    println!("media, recorder and sync: CPU-seconds of those threads per 1000 call-minutes");
}

fn run(name: &str, work: Work, calls: u64, lasting: Duration) {
    let folder = tempfile::tempdir().expect("a folder");
    let (tap, taps) = sync_channel(TAP_FRAMES);
    let (events, mut reported) = tokio::sync::mpsc::channel(4096);
    let secret = seal::RecipientSecret::generate(1, &mut |bytes| bytes.fill(9));
    let mut serial = 0_u128;
    let draw = move || {
        serial += 1;
        serial.to_be_bytes()
    };
    let vault = vault::Vault::open(folder.path(), vec![secret.public()], Box::new(draw)).expect("a vault");
    let shelf = vault::Vault::open(folder.path(), Vec::new(), Box::new(|| [0; 16])).expect("a vault");
    let recorder = Recorder::start(vault, shelf, taps, events.clone()).expect("threads");
    let mut plane = Plane::start(1, events, tap).expect("threads");
    let seed = Instant::now();
    let random = move || {
        u64::try_from(seed.elapsed().as_nanos())
            .unwrap_or(0)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            >> 20
    };
    let mut ports = Ports::new(LOOPBACK, 20_000..=60_000, Box::new(random));

    let phones = UdpSocket::bind((LOOPBACK, 0)).expect("a port");
    let prompt: Arc<[u8]> = (0..8000 * 60).map(|at| (at % 251) as u8).collect();
    let parties = if matches!(work, Work::Bridge | Work::BridgeRecorded) {
        2
    } else {
        1
    };
    let mut legs = Vec::new();
    for call in 0..calls {
        for party in 0..parties {
            let port = ports.bind().expect("a free port");
            let pair = ports.take(port).expect("just bound");
            let leg = LegId(call * 2 + party + 1);
            let stream = stream(phones.local_addr().expect("bound"));
            let start = LegStart {
                ssrc: leg.0 as u32,
                sequence: 1,
                timestamp: 1,
                cname: [1; 16],
            };
            let id = CallId(u128::from(call).to_be_bytes());
            plane.order(Order::Open {
                call: id,
                leg,
                pair,
                stream: Some(Box::new(stream)),
                start,
            });
            legs.push(SocketAddr::new(LOOPBACK, port));
            if parties == 1 {
                let audio = vec![prompt.clone(); 10];
                plane.order(Order::Play {
                    leg,
                    id: 1,
                    audio,
                    stops_at_key: false,
                });
            }
            if party == 0 && matches!(work, Work::PromptRecorded | Work::BridgeRecorded) {
                let recording = CallId((u128::from(call) | 1 << 100).to_be_bytes());
                plane.order(Order::Record {
                    leg,
                    recording,
                    call: id,
                    tenant: seal::Tenant::HOUSE,
                    consent: [0; 32],
                });
            }
        }
        if parties == 2 {
            plane.order(Order::Bridge {
                a: LegId(call * 2 + 1),
                b: LegId(call * 2 + 2),
            });
        }
    }

    let stop = Arc::new(AtomicBool::new(false));
    let heard = Arc::new(AtomicU64::new(0));
    let mut peers = vec![std::thread::spawn({
        let (phones, stop, heard) = (phones.try_clone().expect("a socket"), stop.clone(), heard.clone());
        // Read by the clock: a peer woken by each packet would be woken at our threads' expense, which no network does.
        phones.set_nonblocking(true).expect("a socket");
        move || {
            let mut buffer = [0; 512];
            while !stop.load(Relaxed) {
                std::thread::sleep(Duration::from_millis(1));
                while phones.recv(&mut buffer).is_ok() {
                    heard.fetch_add(1, Relaxed);
                }
            }
        }
    })];
    if work != Work::Prompt {
        let stop = stop.clone();
        peers.push(std::thread::spawn(move || speak(&phones, &legs, &stop)));
    }

    std::thread::sleep(Duration::from_millis(1500));
    let (before, cpu_before, began) = (plane.figures(), cpu_by_thread(), Instant::now());
    std::thread::sleep(lasting);
    let (after, cpu_after, took) = (plane.figures(), cpu_by_thread(), began.elapsed());
    stop.store(true, Relaxed);
    for peer in peers {
        peer.join().expect("a peer");
    }

    let packets = (after.packets_out - before.packets_out + after.packets_in - before.packets_in) as f64;
    let spent = |thread: &str| cpu_after.get(thread).unwrap_or(&0.0) - cpu_before.get(thread).unwrap_or(&0.0);
    let per_call_minutes = 1000.0 * 60.0 / (calls as f64 * took.as_secs_f64());
    let pacing = after.pacing.since(&before.pacing);
    println!(
        "{name:<18} {:>10.0} {:>12.0} {:>9.2} {:>9.2} {:>9.2} {:>8} {:>8} {:>8} {:>9} {:>9}",
        packets / took.as_secs_f64(),
        spent("media 0") * 1e9 / packets,
        spent("media 0") * per_call_minutes,
        spent("recorder") * per_call_minutes,
        spent("vault-sync") * per_call_minutes,
        pacing.quantile(0.5).as_micros(),
        pacing.quantile(0.99).as_micros(),
        pacing.max().as_micros(),
        after.frames_skipped - before.frames_skipped,
        after.tap_lost - before.tap_lost,
    );
    let drain = std::thread::spawn(move || while reported.blocking_recv().is_some() {});
    plane.stop();
    recorder.join();
    drain.join().expect("events");
}

/// Every leg's party says 20 ms every 20 ms, spread over the frame.
fn speak(from: &UdpSocket, legs: &[SocketAddr], stop: &AtomicBool) {
    let mut writers: Vec<Writer> = (0..legs.len()).map(|leg| Writer::new(leg as u32 + 1, 1)).collect();
    let (mut timestamp, mut packet) = (0_u32, [0; 256]);
    let began = Instant::now();
    for frame in 0_u32.. {
        for slot in 0..20_u32 {
            if stop.load(Relaxed) {
                return;
            }
            let due = began + Duration::from_millis(20) * frame + Duration::from_millis(u64::from(slot));
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            for leg in (slot as usize..legs.len()).step_by(20) {
                let length = writers[leg].write(0, false, timestamp, &[0x55; 160], &mut packet);
                let _ = from.send_to(&packet[..length], legs[leg]);
            }
        }
        timestamp = timestamp.wrapping_add(160);
    }
}

fn stream(remote: SocketAddr) -> Stream {
    Stream {
        codec: Codec::Pcmu,
        payload_type: 0,
        receive_payload_type: 0,
        telephone_event: Some(101),
        receive_telephone_event: Some(101),
        event_clock_rate: 8000,
        remote,
        remote_rtcp: remote,
        rtcp_mux: true,
        direction: Direction::SendRecv,
        ptime_ms: 20,
        packet_ms: 20,
        opus: media::sdp::OpusWishes::default(),
        security: None,
    }
}

/// CPU seconds of this process's threads so far, by name.
fn cpu_by_thread() -> BTreeMap<String, f64> {
    let mut spent = BTreeMap::new();
    for task in std::fs::read_dir("/proc/self/task").expect("Linux").flatten() {
        let read = |file: &str| std::fs::read_to_string(task.path().join(file)).unwrap_or_default();
        let nanoseconds: f64 = read("schedstat")
            .split(' ')
            .next()
            .and_then(|first| first.parse().ok())
            .unwrap_or(0.0);
        *spent.entry(read("comm").trim().to_owned()).or_insert(0.0) += nanoseconds / 1e9;
    }
    spent
}

/// The same work on every machine, to lay figures of two machines side by side.
fn calibrate() -> f64 {
    let octets = vec![7; 1 << 20];
    let began = Instant::now();
    for _ in 0..64 {
        std::hint::black_box(seal::hash(&octets));
    }
    began.elapsed().as_secs_f64() * 1e9 / (64.0 * octets.len() as f64)
}
