//! The plane against real sockets on loopback: what a phone hears, and when.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use media::rtp::{Packet, Writer};
use media::sdp::{Direction, Stream};
use media::{Codec, Law, LegStart};
use phi::Phi;
use switchboard::{CallId, LegId, MediaEvent, RecordingId};

use super::*;
use crate::ports::Ports;
use crate::recorder::Recorder;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const PATIENCE: Duration = Duration::from_secs(5);

/// A plane with one thread, and what it says.
struct Bench {
    plane: Plane,
    events: tokio::sync::mpsc::Receiver<MediaEvent>,
    ports: Ports,
}

impl Bench {
    fn new() -> (Self, Receiver<Tap>) {
        let (tap, taps) = sync_channel(1024);
        let (sender, events) = tokio::sync::mpsc::channel(64);
        let seed = Instant::now();
        let draw = Box::new(move || {
            u64::try_from(seed.elapsed().as_nanos())
                .unwrap_or(0)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                >> 20
        });
        let ports = Ports::new(LOOPBACK, 20_000..=60_000, draw);
        let plane = Plane::start(1, sender, tap).expect("threads");
        (Self { plane, events, ports }, taps)
    }

    /// A plane whose recordings go into a vault.
    fn recording(vault: &Path) -> (Self, Recorder, seal::RecipientSecret) {
        let (tap, taps) = sync_channel(1024);
        let (sender, events) = tokio::sync::mpsc::channel(64);
        let secret = seal::RecipientSecret::generate(1, &mut |bytes| bytes.fill(9));
        let mut next = 0_u8;
        let draw = Box::new(move || {
            next += 1;
            [next; 16]
        });
        let writing = vault::Vault::open(vault, vec![secret.public()], draw).expect("a vault");
        let shelf = vault::Vault::open(vault, Vec::new(), Box::new(|| [0; 16])).expect("a vault");
        let recorder = Recorder::start(writing, shelf, taps, sender.clone()).expect("threads");
        let plane = Plane::start(1, sender, tap).expect("threads");
        let (bench, _) = Self::new();
        (
            Self {
                plane,
                events,
                ports: bench.ports,
            },
            recorder,
            secret,
        )
    }

    /// Opens a leg towards a phone.
    fn open(&mut self, call: u8, leg: u64, phone: &Phone) -> SocketAddr {
        let port = self.ports.bind().expect("a free port");
        let pair = self.ports.take(port).expect("just bound");
        let stream = Some(Box::new(phone.stream()));
        let start = LegStart {
            ssrc: 7,
            sequence: 65_530,
            timestamp: u32::MAX - 300,
            cname: [1; 16],
        };
        self.plane.order(Order::Open {
            call: CallId([call; 16]),
            leg: LegId(leg),
            pair,
            stream,
            start,
        });
        SocketAddr::new(LOOPBACK, port)
    }

    /// The next event that is not the noise of beginning.
    fn event(&mut self) -> MediaEvent {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.events.try_recv() {
                Ok(MediaEvent::FirstPacket { .. }) => {}
                Ok(event) => return event,
                Err(_) => {
                    assert!(Instant::now() < deadline, "no event came");
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        }
    }
}

/// A test phone: a socket that speaks and hears RTP.
struct Phone {
    socket: UdpSocket,
    writer: Writer,
    timestamp: u32,
}

impl Phone {
    fn new() -> Self {
        Self::at(LOOPBACK)
    }

    fn at(address: IpAddr) -> Self {
        let socket = UdpSocket::bind((address, 0)).expect("a port");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Self {
            socket,
            writer: Writer::new(99, 1000),
            timestamp: 5000,
        }
    }

    fn address(&self) -> SocketAddr {
        self.socket.local_addr().expect("bound")
    }

    fn stream(&self) -> Stream {
        Stream {
            codec: Codec::Pcmu,
            payload_type: 0,
            receive_payload_type: 0,
            telephone_event: Some(101),
            receive_telephone_event: Some(101),
            event_clock_rate: 8000,
            remote: self.address(),
            remote_rtcp: SocketAddr::new(LOOPBACK, self.address().port() ^ 1),
            rtcp_mux: false,
            direction: Direction::SendRecv,
            ptime_ms: 20,
            packet_ms: 20,
            opus: media::sdp::OpusWishes::default(),
            security: None,
        }
    }

    fn say(&mut self, to: SocketAddr, payload: &[u8]) {
        let mut packet = [0; 256];
        let length = self.writer.write(0, false, self.timestamp, payload, &mut packet);
        self.timestamp = self.timestamp.wrapping_add(160);
        self.socket.send_to(&packet[..length], to).expect("loopback");
    }

    /// The next packet: its header, its payload and when it came.
    fn hear(&self) -> (Packet, Vec<u8>, Instant) {
        let mut buffer = [0; 512];
        let length = self.socket.recv(&mut buffer).expect("a packet in time");
        let packet = Packet::parse(&buffer[..length]).expect("RTP");
        let payload = buffer[packet.payload.clone()].to_vec();
        (packet, payload, Instant::now())
    }

    /// The next packet with something in it.
    fn hear_sound(&self) -> Vec<u8> {
        loop {
            let (_, payload, _) = self.hear();
            if payload.iter().any(|byte| *byte != 0xff) {
                return payload;
            }
        }
    }
}

/// A clip whose every frame can be told from the others.
fn clip(frames: u8) -> Arc<[u8]> {
    (0..frames)
        .flat_map(|frame| [frame + 1; 160])
        .collect::<Vec<u8>>()
        .into()
}

/// A loud tone in µ-law: to the ear of a machine, a voice.
fn loud(frame: usize) -> [u8; 160] {
    std::array::from_fn(|at| {
        let phase = (frame * 160 + at) as f32 * 440.0 * std::f32::consts::TAU / 8000.0;
        Law::Pcmu.encode((phase.sin() * 9000.0) as i16)
    })
}

/// Speaks for so many frames, in real time.
fn speak(phone: &mut Phone, to: SocketAddr, frames: usize, payload: impl Fn(usize) -> [u8; 160]) {
    let began = Instant::now();
    for frame in 0..frames {
        let due = began + Duration::from_millis(20) * u32::try_from(frame).expect("few");
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        phone.say(to, &payload(frame));
    }
}

#[test]
fn a_phone_hears_every_frame_of_a_clip_in_order_and_in_time() {
    let (mut bench, _taps) = Bench::new();
    let phone = Phone::new();
    bench.open(1, 1, &phone);
    let words = vec![clip(10), clip(5)];
    bench.plane.order(Order::Play {
        leg: LegId(1),
        id: 42,
        audio: words,
        stops_at_key: false,
    });
    let mut heard = vec![];
    while heard.len() < 15 {
        let packet = phone.hear();
        if packet.1 != [0xff; 160] {
            heard.push(packet);
        }
    }
    let first = &heard[0];
    for (at, (packet, payload, _)) in heard.iter().enumerate() {
        let number = if at < 10 { at } else { at - 10 } as u8 + 1;
        assert_eq!(payload, &[number; 160], "frame {at}");
        assert_eq!(
            packet.sequence,
            first.0.sequence.wrapping_add(at as u16),
            "across the wrap"
        );
        assert_eq!(packet.timestamp, first.0.timestamp.wrapping_add(at as u32 * 160));
    }
    assert_eq!(
        format!("{:?}", bench.event()),
        format!(
            "{:?}",
            MediaEvent::Played {
                leg: LegId(1),
                id: 42,
                whole: true
            }
        )
    );
    let took = heard[14].2 - first.2;
    assert!(
        took > Duration::from_millis(250) && took < Duration::from_millis(400),
        "15 frames took {took:?}"
    );
    let figures = bench.plane.figures();
    assert!(figures.packets_out >= 15 && figures.pacing.count() >= 15);
    println!(
        "lateness p50 {:?}, p99 {:?}, max {:?}",
        figures.pacing.quantile(0.5),
        figures.pacing.quantile(0.99),
        figures.pacing.max()
    );
}

#[test]
fn a_key_by_info_stops_the_words() {
    let (mut bench, _taps) = Bench::new();
    let phone = Phone::new();
    bench.open(1, 1, &phone);
    bench.plane.order(Order::Play {
        leg: LegId(1),
        id: 1,
        audio: vec![clip(200)],
        stops_at_key: true,
    });
    phone.hear_sound();
    bench.plane.order(Order::InfoDigit {
        leg: LegId(1),
        body: Phi::new(b"Signal=5\r\nDuration=160\r\n".to_vec()),
    });
    let MediaEvent::Digit { digit, .. } = bench.event() else {
        panic!("a digit comes first")
    };
    assert_eq!(*digit.expose(), '5');
    let MediaEvent::Played {
        id: 1, whole: false, ..
    } = bench.event()
    else {
        panic!("and stops the words")
    };
}

#[test]
fn two_parties_hear_each_other_at_once() {
    let (mut bench, _taps) = Bench::new();
    let (mut caller, doctor) = (Phone::new(), Phone::new());
    let to_caller_leg = bench.open(1, 1, &caller);
    bench.open(1, 2, &doctor);
    bench.plane.order(Order::Bridge {
        a: LegId(1),
        b: LegId(2),
    });
    // The bridge stands once silence no longer comes in step; a first packet may still find it missing.
    std::thread::sleep(Duration::from_millis(30));
    let mut delays = vec![];
    let mut last = Instant::now();
    for frame in 1..=40_u8 {
        let sent = Instant::now();
        // A machine that let us sleep through a frame has made a gap that is not the bridge's.
        let in_step = sent - last < Duration::from_millis(30);
        last = sent;
        caller.say(to_caller_leg, &[frame; 160]);
        let (packet, came) = loop {
            let (packet, payload, came) = doctor.hear();
            if payload == [frame; 160] {
                break (packet, came);
            }
        };
        if in_step && let Some((before, _)) = delays.last() {
            let before: &Packet = before;
            assert_eq!(
                packet.sequence,
                before.sequence.wrapping_add(1),
                "no frame of ours in between"
            );
            assert_eq!(packet.timestamp, before.timestamp.wrapping_add(160));
        }
        delays.push((packet, came - sent));
        std::thread::sleep(Duration::from_millis(20).saturating_sub(sent.elapsed()));
    }
    let mut delays: Vec<Duration> = delays.into_iter().map(|(_, delay)| delay).collect();
    delays.sort();
    println!(
        "one-way delay through the bridge p50 {:?}, max {:?}",
        delays[20], delays[39]
    );
    // A packet waits for a tick of 1 ms, not for a frame of 20: true even on a busy machine.
    assert!(delays[20] < Duration::from_millis(10), "{:?}", delays[20]);
}

#[test]
fn after_the_bridge_each_is_alone_again() {
    let (mut bench, _taps) = Bench::new();
    let (mut caller, doctor) = (Phone::new(), Phone::new());
    let to_caller_leg = bench.open(1, 1, &caller);
    bench.open(1, 2, &doctor);
    bench.plane.order(Order::Bridge {
        a: LegId(1),
        b: LegId(2),
    });
    std::thread::sleep(Duration::from_millis(30));
    caller.say(to_caller_leg, &[5; 160]);
    assert_eq!(doctor.hear_sound(), [5; 160]);
    bench.plane.order(Order::Close { leg: LegId(1) });
    let MediaEvent::Closed { leg: LegId(1), quality } = bench.event() else {
        panic!("closed")
    };
    assert_eq!(quality.received, 1);
    bench.plane.order(Order::Play {
        leg: LegId(2),
        id: 3,
        audio: vec![clip(2)],
        stops_at_key: false,
    });
    assert_eq!(doctor.hear_sound(), [1; 160], "the doctor is still served");
    assert_eq!(bench.plane.legs(), 1);
}

#[test]
fn strangers_are_refused_from_the_first_packet() {
    let (mut bench, taps) = Bench::new();
    let (mut caller, doctor) = (Phone::new(), Phone::new());
    let mut stranger = Phone::at(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)));
    let leg = bench.open(1, 1, &caller);
    bench.open(1, 2, &doctor);
    bench.plane.order(Order::Bridge {
        a: LegId(1),
        b: LegId(2),
    });
    std::thread::sleep(Duration::from_millis(30));
    for _ in 0..5 {
        stranger.say(leg, &[66; 160]);
    }
    std::thread::sleep(Duration::from_millis(10));
    caller.say(leg, &[5; 160]);
    assert_eq!(doctor.hear_sound(), [5; 160], "only the negotiated host is heard");
    // Now the kernel itself keeps others out, even from the caller's own host.
    let mut neighbour = Phone::new();
    for socket in [&mut stranger, &mut neighbour] {
        socket.say(leg, &[66; 160]);
    }
    std::thread::sleep(Duration::from_millis(10));
    caller.say(leg, &[6; 160]);
    assert_eq!(doctor.hear_sound(), [6; 160]);
    bench.plane.order(Order::Close { leg: LegId(1) });
    let MediaEvent::Closed { quality, .. } = bench.event() else {
        panic!("closed")
    };
    assert_eq!((quality.received, quality.strangers), (2, 5));
    assert!(taps.try_recv().is_err(), "nobody asked for a recording");
}

#[test]
fn a_recorded_call_is_sealed_with_both_directions() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut bench, recorder, secret) = Bench::recording(&folder.path().join("vault"));
    let mut phone = Phone::new();
    let leg = bench.open(1, 1, &phone);
    let recording = CallId([3; 16]);
    bench.plane.order(Order::Record {
        leg: LegId(1),
        recording,
        call: CallId([1; 16]),
        tenant: seal::Tenant::HOUSE,
        consent: [8; 32],
    });
    bench.plane.order(Order::Play {
        leg: LegId(1),
        id: 1,
        audio: vec![clip(20)],
        stops_at_key: false,
    });
    speak(&mut phone, leg, 30, |_| [77; 160]);
    bench.plane.order(Order::StopRecord { recording });
    let sealed = loop {
        match bench.event() {
            MediaEvent::RecordingSealed {
                recording: which,
                milliseconds,
                sha256,
                gaps,
            } if which == recording => {
                break (milliseconds, sha256, gaps);
            }
            MediaEvent::Played { whole: true, .. } => {}
            other => panic!("{other:?}"),
        }
    };
    assert!((560..=760).contains(&sealed.0), "{} ms of about 600", sealed.0);
    assert_eq!(sealed.2, 0, "no gaps");
    drop(bench);
    recorder.join();
    let audio = open(folder.path(), recording, &secret);
    // The caller's 77s and our numbered frames, one beside the other, each in order.
    let (caller, ours) = audio;
    assert!(caller.iter().filter(|byte| **byte == 77).count() >= 25 * 160);
    let mut numbers: Vec<u8> = ours.iter().copied().filter(|byte| *byte != 0xff).collect();
    numbers.dedup();
    assert_eq!(numbers, (1..=20).collect::<Vec<u8>>());
}

#[test]
fn a_clip_is_kept_and_an_empty_one_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut bench, recorder, _) = Bench::recording(&folder.path().join("vault"));
    let mut phone = Phone::new();
    let leg = bench.open(1, 1, &phone);
    let ask = |bench: &mut Bench, phone: &Phone, id: u8| {
        bench.plane.order(Order::Clip {
            leg: LegId(1),
            recording: CallId([id; 16]),
            call: CallId([1; 16]),
            tenant: seal::Tenant::HOUSE,
            beep: clip(2),
            longest: Duration::from_secs(20),
            shortest: Duration::from_millis(300),
            ends_after_silence: Duration::from_millis(400),
        });
        // The beep is over when both of its frames were heard.
        while phone.hear_sound() != [2; 160] {}
    };
    ask(&mut bench, &phone, 3);
    speak(&mut phone, leg, 40, loud);
    let MediaEvent::ClipEnded { recording, heard, .. } = bench.event() else {
        panic!("silence ends it")
    };
    assert_eq!(recording, CallId([3; 16]));
    let heard = heard.expect("something was said");
    assert!(
        heard > Duration::from_millis(900) && heard < Duration::from_millis(2000),
        "{heard:?}"
    );

    ask(&mut bench, &phone, 4);
    bench.plane.order(Order::EndClip { leg: LegId(1) });
    bench.plane.order(Order::Close { leg: LegId(1) });
    let MediaEvent::ClipEnded {
        recording, heard: None, ..
    } = bench.event()
    else {
        panic!("nothing was said")
    };
    assert_eq!(recording, CallId([4; 16]));
    let MediaEvent::Closed { .. } = bench.event() else {
        panic!("the leg's end comes after its clips")
    };
    drop(bench);
    recorder.join();
    let vault = vault::Vault::open(folder.path().join("vault"), Vec::new(), Box::new(|| [0; 16])).expect("a vault");
    let (listed, trouble) = vault.list().expect("a list");
    assert!(trouble.is_empty());
    assert_eq!(
        listed.iter().map(|one| one.id.0).collect::<Vec<_>>(),
        [[3; 16]],
        "the empty clip is gone"
    );
}

#[test]
fn a_fault_in_one_leg_leaves_the_others_alone() {
    let (mut bench, _taps) = Bench::new();
    let (unlucky, other) = (Phone::new(), Phone::new());
    bench.open(1, 1, &unlucky);
    bench.open(2, 2, &other);
    bench.plane.order(Order::Break { leg: LegId(1) });
    let MediaEvent::Failed { leg: LegId(1) } = bench.event() else {
        panic!("the desk is told")
    };
    bench.plane.order(Order::Play {
        leg: LegId(2),
        id: 1,
        audio: vec![clip(2)],
        stops_at_key: false,
    });
    assert_eq!(other.hear_sound(), [1; 160]);
    let MediaEvent::Played { leg: LegId(2), .. } = bench.event() else {
        panic!("still served")
    };
    bench.plane.order(Order::Close { leg: LegId(1) });
    let MediaEvent::Closed { leg: LegId(1), .. } = bench.event() else {
        panic!("and its place is given back")
    };
}

#[test]
fn a_thread_that_is_stopped_ends_its_recordings() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut bench, recorder, _) = Bench::recording(&folder.path().join("vault"));
    let mut phone = Phone::new();
    let leg = bench.open(1, 1, &phone);
    let recording: RecordingId = CallId([3; 16]);
    bench.plane.order(Order::Record {
        leg: LegId(1),
        recording,
        call: CallId([1; 16]),
        tenant: seal::Tenant::HOUSE,
        consent: [8; 32],
    });
    speak(&mut phone, leg, 5, loud);
    let Bench { plane, mut events, .. } = bench;
    plane.stop();
    recorder.join();
    let left: Vec<String> = std::iter::from_fn(|| events.try_recv().ok())
        .map(|event| format!("{event:?}"))
        .collect();
    assert!(left.iter().any(|event| event.starts_with("Closed")), "{left:?}");
    assert!(
        left.iter().any(|event| event.starts_with("RecordingSealed")),
        "{left:?}"
    );
}

/// Opens a sealed call as ops would, and gives its two channels.
fn open(folder: &Path, recording: RecordingId, secret: &seal::RecipientSecret) -> (Vec<u8>, Vec<u8>) {
    let vault = vault::Vault::open(folder.join("vault"), Vec::new(), Box::new(|| [0; 16])).expect("a vault");
    let fill = &mut |bytes: &mut [u8]| bytes.fill(5);
    let keys = ledger::BookKeys {
        seal: seal::BookKey::generate(fill),
        sign: seal::Signer::generate(fill),
    };
    let mut book = ledger::Book::open(folder.join("book"), keys, Box::new(|| [6; 16])).expect("a book");
    let access = ledger::Access {
        actor: "test".into(),
        role: "ops".into(),
        action: "listen".into(),
        reason: "to see that both are there".into(),
        object: recording.0,
        call: None,
        source: "test".into(),
        at_ms: 0,
        practice: None,
        session: None,
        refused: None,
    };
    let receipt = book.receipt(&access).expect("written down");
    let key = vault::Key::from(seal::RecipientSecret::new(
        (*secret.secret()).into(),
        secret.public().epoch(),
    ));
    let audio = vault.read(vault::FileId(recording.0), &receipt, &key).expect("opens");
    (audio.caller().collect(), audio.other().collect())
}

/// A media thread seals what it sends and opens what it hears; what is not sealed it does not hear.
#[test]
fn an_encrypted_leg_is_sealed_on_the_wire_and_open_inside() {
    use media::sdp::{MasterKey, Srtp, Suite};
    let suite = Suite::AeadAes256Gcm;
    let key = |seed: u8| MasterKey::drawn(suite, &mut || [seed; 16]);
    let keys = |send: u8, receive: u8| {
        Some(Srtp {
            suite,
            send: key(send),
            receive: key(receive),
        })
    };
    let (mut bench, _taps) = Bench::new();
    let mut phone = Phone::new();
    let port = bench.ports.bind().expect("a free port");
    let pair = bench.ports.take(port).expect("just bound");
    let ours = SocketAddr::new(LOOPBACK, port);
    let start = LegStart {
        ssrc: 7,
        sequence: 65_530,
        timestamp: u32::MAX - 300,
        cname: [1; 16],
    };
    bench.plane.order(Order::Open {
        call: CallId([1; 16]),
        leg: LegId(1),
        pair,
        stream: Some(Box::new(Stream {
            security: keys(1, 2),
            ..phone.stream()
        })),
        start,
    });
    bench.plane.order(Order::Play {
        leg: LegId(1),
        id: 42,
        audio: vec![clip(10)],
        stops_at_key: false,
    });
    // The other end is a leg as well: it opens what comes, and seals what it says.
    let theirs = Stream {
        remote: ours,
        security: keys(2, 1),
        ..phone.stream()
    };
    let mut far = media::Leg::new(&theirs, LegStart { ssrc: 9, ..start });
    let mut heard = vec![];
    while heard.len() < 10 {
        let mut packet = [0; 512];
        let length = phone.socket.recv(&mut packet).expect("a packet in time");
        assert_eq!(length, 12 + 160 + 16, "with the tag of GCM");
        let sealed = packet[12..172].to_vec();
        let verdict = far.receive(Instant::now(), ours, &mut packet[..length]);
        let media::Verdict::Audio(audio) = verdict else {
            panic!("{verdict:?}")
        };
        let payload = packet[audio.payload].to_vec();
        assert_ne!(sealed, payload);
        heard.extend(Some(payload[0]).filter(|first| *first != 0xff));
    }
    assert_eq!(heard, (1..=10).collect::<Vec<u8>>());
    let played = bench.event();
    assert!(matches!(played, MediaEvent::Played { id: 42, .. }), "{played:?}");
    // From the right host and port, but in the clear; then sealed.
    phone.say(ours, &loud(0));
    let mut out = [0; media::PACKET_OUT_BYTES];
    let length = far.tick(Instant::now(), &mut out);
    phone.socket.send_to(&out[..length], ours).expect("loopback");
    let deadline = Instant::now() + PATIENCE;
    while bench.plane.figures().packets_in < 2 {
        assert!(Instant::now() < deadline, "both packets are read");
        std::thread::sleep(Duration::from_millis(1));
    }
    bench.plane.order(Order::Close { leg: LegId(1) });
    let quality = loop {
        if let MediaEvent::Closed { quality, .. } = bench.event() {
            break quality;
        }
    };
    assert_eq!((quality.received, quality.forged), (1, 1));
}
