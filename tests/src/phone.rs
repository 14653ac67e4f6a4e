//! Ears and a mouth for SIPp: plain RTP (RFC 3550) on one socket, which hears as a person does (which words begin, when
//! the line is quiet), keeps every packet with its time, and speaks 20 ms at a time.
//!
//! One thing to know: SIPp names this socket's port in its SDP and plays its own packets *from* that port through a raw
//! socket, so to the engine the two are one telephone. SIPp has no SRTP; [`Phone::seals`] lends it that too, and what
//! came before the engine's key was known is kept until [`Phone::opens`].

use std::collections::VecDeque;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use media::Law;
use voice::listen::{Index, Listener, Sound};

use crate::srtp::Keys;
use crate::{LOOPBACK, wait_for};

/// Samples, and in G.711 octets, of 20 ms.
pub const FRAME: usize = 160;
const PACE: Duration = Duration::from_millis(20);
/// Without a packet for so long, the line is silent.
const PAUSE: Duration = Duration::from_millis(60);
/// Where G.711 µ-law begins (RFC 3551 §6, RFC 3550 §5.1).
const PCMU: u8 = 0;
const HEADER: usize = 12;
/// µ-law for nothing.
const SILENCE: u8 = 0xff;

/// One packet that was heard.
#[derive(Debug, Clone)]
pub struct Packet {
    /// When it came.
    pub at: Instant,
    /// Payload type.
    pub kind: u8,
    /// The first of a talkspurt.
    pub marker: bool,
    /// Sequence number.
    pub sequence: u16,
    /// Media time, in samples.
    pub timestamp: u32,
    /// Whose stream.
    pub ssrc: u32,
    /// What it carries.
    pub payload: Vec<u8>,
}

/// The running phone; dropping it ends its thread.
pub struct Phone {
    port: u16,
    shared: Arc<Mutex<Shared>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    socket: UdpSocket,
    cursor: Mutex<usize>,
}

#[derive(Default)]
struct Shared {
    packets: Vec<Packet>,
    sounds: Vec<(Instant, Sound)>,
    /// To be said, in frames, with where it is written down that it was said.
    mouth: VecDeque<u8>,
    /// Said again and again when the mouth is empty; silence when there is none.
    refrain: Option<Arc<[u8]>>,
    /// Nothing is sent before this.
    yields_until: Option<Instant>,
    spoken: Vec<(Instant, Vec<u8>)>,
    /// Where the engine sends from, once it does: there it listens (RFC 4961).
    engine: Option<SocketAddr>,
    /// What is sent is sealed with this, and what comes is sealed too.
    seal: Option<Keys>,
    /// What comes is opened with this.
    open: Option<Keys>,
    /// What came before that was known.
    unopened: Vec<(Instant, Vec<u8>)>,
    /// Packets that would not open.
    strange: usize,
}

impl Phone {
    /// Listens on this port for these words.
    pub fn start(port: u16, words: &voice::Snapshot) -> Self {
        let socket = UdpSocket::bind((LOOPBACK, port)).expect("the port was free a moment ago");
        socket
            .set_read_timeout(Some(Duration::from_millis(2)))
            .expect("a socket of ours");
        let shared = Arc::new(Mutex::new(Shared::default()));
        let stop = Arc::new(AtomicBool::new(false));
        let ear = Listener::new(&Index::new(words, Law::Pcmu));
        let ours = socket.try_clone().expect("a socket can be shared");
        let thread = std::thread::spawn({
            let (shared, stop) = (shared.clone(), stop.clone());
            move || work(&socket, ear, &shared, &stop)
        });
        Self {
            port,
            shared,
            stop,
            thread: Some(thread),
            socket: ours,
            cursor: Mutex::new(0),
        }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Speaks SRTP from now on, sealed with these keys.
    pub fn seals(&self, keys: Keys) {
        self.shared().seal = Some(keys);
    }

    /// Opens what comes, and what has come, with these keys.
    pub fn opens(&self, keys: Keys) {
        let mut shared = self.shared();
        let kept = std::mem::take(&mut shared.unopened);
        for (at, sealed) in kept {
            match opened(&keys, &sealed).and_then(|clear| parse(&clear)) {
                Some(packet) => shared.packets.push(Packet { at, ..packet }),
                None => shared.strange += 1,
            }
        }
        shared.open = Some(keys);
    }

    /// How many packets came that would not open, RTCP aside.
    pub fn strange(&self) -> usize {
        self.shared().strange
    }

    /// Whether anything came at all, opened or not.
    pub fn is_reached(&self) -> bool {
        self.shared().engine.is_some()
    }

    /// Waits until these words have begun, after those waited for before; gives when.
    pub fn hears(&self, words: &str, within: Duration) -> Instant {
        let words = squeezed(words);
        wait_for(
            &format!("the words {words}; heard: {}", self.transcript()),
            within,
            || self.sound(|sound| matches!(sound, Sound::Began(part) if squeezed(&part.text).contains(&words))),
        )
    }

    /// Waits until nothing has been heard for a moment, after what was waited for before.
    pub fn quiet(&self, within: Duration) -> Instant {
        wait_for("quiet", within, || self.sound(|sound| *sound == Sound::Quiet))
    }

    /// Waits for the tone after which a message begins, after what was waited for before.
    pub fn beep(&self, within: Duration) -> Instant {
        wait_for("a tone", within, || self.sound(|sound| *sound == Sound::Beep))
    }

    /// Everything it heard, in words.
    pub fn transcript(&self) -> String {
        let heard = self.shared();
        let texts = heard.sounds.iter().map(|(_, sound)| match sound {
            Sound::Began(part) => part.text.to_string(),
            Sound::Beep => "[tone]".into(),
            Sound::Quiet => "/".into(),
        });
        texts.collect::<Vec<_>>().join(" ")
    }

    /// Every packet so far.
    pub fn packets(&self) -> Vec<Packet> {
        self.shared().packets.clone()
    }

    /// The audio packets that came after this instant.
    pub fn audio_since(&self, from: Instant) -> Vec<Packet> {
        let mut packets = self.packets();
        packets.retain(|packet| packet.kind == PCMU && packet.at > from);
        packets
    }

    /// Says this once; the words that wait to be said come first.
    pub fn say(&self, ulaw: &[u8]) {
        self.shared().mouth.extend(ulaw);
    }

    /// Says this again and again from now on, frame by frame, instead of silence.
    pub fn keeps_saying(&self, ulaw: Arc<[u8]>) {
        self.shared().refrain = Some(ulaw);
    }

    /// Sends nothing for so long: SIPp is about to play a stream of its own from the same port, and gateways send one
    /// at a time.
    pub fn yields(&self, long: Duration) {
        self.shared().yields_until = Some(Instant::now() + long);
    }

    /// Plays the packets of a capture, as SIPp would where it may open raw sockets. Returns when they are out.
    pub fn plays(&self, capture: &Path) {
        self.sends(&captured(
            &std::fs::read(capture).expect("Debian's sip-tester has captures"),
        ));
    }

    /// Sends these packets to where the engine's audio comes from, each so long after the first.
    pub fn sends(&self, packets: &[(Duration, Vec<u8>)]) {
        let engine = wait_for("the engine's audio", Duration::from_secs(5), || self.shared().engine);
        let seal = self.shared().seal.clone();
        let began = Instant::now();
        for (at, packet) in packets {
            std::thread::sleep((began + *at).saturating_duration_since(Instant::now()));
            let sealed = seal.as_ref().map(|keys| keys.seal(packet, 0));
            self.socket
                .send_to(sealed.as_deref().unwrap_or(packet), engine)
                .expect("loopback");
        }
    }

    /// The frames it sent, and when.
    pub fn spoken(&self) -> Vec<(Instant, Vec<u8>)> {
        self.shared().spoken.clone()
    }

    fn sound(&self, is: impl Fn(&Sound) -> bool) -> Option<Instant> {
        let mut cursor = self.cursor.lock().expect("nobody panics with it");
        let shared = self.shared();
        let (at, (when, _)) = shared
            .sounds
            .iter()
            .enumerate()
            .skip(*cursor)
            .find(|(_, (_, sound))| is(sound))?;
        *cursor = at + 1;
        Some(*when)
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().expect("nobody panics with it")
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let packets = self.packets().len();
            eprintln!(
                "--- the phone at port {} heard {packets} packets: {}",
                self.port,
                self.transcript()
            );
        }
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What packets of audio say, one after the other in the order of their numbers; what is lost is silence. A jump of the
/// media time without a missing number is a pause the sender made, on a busy machine for instance, and no other words.
pub fn samples(packets: &[Packet]) -> Vec<i16> {
    let mut samples = Vec::new();
    let mut next: Option<(u32, u16)> = None;
    for packet in packets.iter().filter(|packet| packet.kind == PCMU) {
        let lost = next
            .filter(|(ssrc, _)| *ssrc == packet.ssrc)
            .map_or(0, |(_, sequence)| packet.sequence.wrapping_sub(sequence));
        if lost > u16::MAX / 2 {
            // It was overtaken: its place holds silence already, and a phone that does not wait plays it as lost.
            continue;
        }
        samples.resize(samples.len() + usize::from(lost) * FRAME, 0);
        samples.extend(decoded(&packet.payload));
        next = Some((packet.ssrc, packet.sequence.wrapping_add(1)));
    }
    samples
}

/// µ-law as samples.
pub fn decoded(ulaw: &[u8]) -> Vec<i16> {
    ulaw.iter().map(|octet| Law::Pcmu.decode(*octet)).collect()
}

/// Letters and digits, in lower case.
pub fn squeezed(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

fn work(socket: &UdpSocket, mut ear: Listener, shared: &Mutex<Shared>, stop: &AtomicBool) {
    let mut buffer = [0; 2048];
    let mut tick = Instant::now();
    let mut last = Instant::now();
    let (mut sequence, mut timestamp, mut refrain_at) = (20_000_u16, 160_000_u32, 0);
    while !stop.load(Ordering::Relaxed) {
        if let Ok((length, source)) = socket.recv_from(&mut buffer)
            && let Some(packet) = {
                let mut shared = shared.lock().expect("nobody panics with it");
                shared.engine = Some(source);
                shared.heard(&buffer[..length])
            }
        {
            last = packet.at;
            let mut shared = shared.lock().expect("nobody panics with it");
            if packet.kind == PCMU
                && let Ok(frame) = <&[u8; FRAME]>::try_from(packet.payload.as_slice())
                && let Some(sound) = ear.hear(frame)
            {
                shared.sounds.push((packet.at, sound));
            }
            shared.packets.push(packet);
        }
        let now = Instant::now();
        if now < tick {
            continue;
        }
        tick = (tick + PACE).max(now - 10 * PACE);
        let mut shared = shared.lock().expect("nobody panics with it");
        if now.duration_since(last) > PAUSE
            && let Some(sound) = ear.hear(&[SILENCE; FRAME])
        {
            shared.sounds.push((now, sound));
        }
        timestamp = timestamp.wrapping_add(FRAME as u32);
        let yields = shared.yields_until.is_some_and(|until| now < until);
        let Some(engine) = shared.engine.filter(|_| !yields) else {
            continue;
        };
        let mut frame: Vec<u8> = if shared.mouth.is_empty() {
            let refrain = shared.refrain.as_deref().unwrap_or_default();
            let frame = refrain.chunks_exact(FRAME).nth(refrain_at).map(<[u8]>::to_vec);
            refrain_at = (refrain_at + 1) % (refrain.len() / FRAME).max(1);
            frame.unwrap_or_default()
        } else {
            let length = FRAME.min(shared.mouth.len());
            shared.mouth.drain(..length).collect()
        };
        frame.resize(FRAME, SILENCE);
        let mut packet = vec![0x80, PCMU];
        packet.extend(sequence.to_be_bytes());
        packet.extend(timestamp.to_be_bytes());
        packet.extend(0x5049_5045_u32.to_be_bytes());
        packet.extend(&frame);
        sequence = sequence.wrapping_add(1);
        if let Some(keys) = &shared.seal {
            packet = keys.seal(&packet, 0);
        }
        // Nobody may be there any more; the test sees that by what is heard.
        let _ = socket.send_to(&packet, engine);
        shared.spoken.push((Instant::now(), frame));
    }
}

impl Shared {
    /// A datagram as a packet, once it can be read.
    fn heard(&mut self, datagram: &[u8]) -> Option<Packet> {
        match (&self.seal, &self.open) {
            (None, _) => parse(datagram),
            (Some(_), Some(keys)) => {
                let clear = opened(keys, datagram);
                self.strange += usize::from(clear.is_none());
                parse(&clear?)
            }
            (Some(_), None) => {
                self.unopened.push((Instant::now(), datagram.to_vec()));
                None
            }
        }
    }
}

/// A packet of a stream whose numbers may have begun anew once, for they begin anywhere (RFC 3711 §3.3.1).
fn opened(keys: &Keys, sealed: &[u8]) -> Option<Vec<u8>> {
    keys.open(sealed, 0).or_else(|| keys.open(sealed, 1))
}

/// The RTP packets of a capture file and when each was sent: pcap of Ethernet, IPv4 without options, UDP.
fn captured(file: &[u8]) -> Vec<(Duration, Vec<u8>)> {
    const FILE_HEADER: usize = 24;
    const RECORD_HEADER: usize = 16;
    const LOWER_LAYERS: usize = 14 + 20 + 8;
    let mut packets: Vec<(Duration, Vec<u8>)> = Vec::new();
    let mut rest = file.get(FILE_HEADER..).unwrap_or_default();
    while let Some((header, body)) = rest.split_at_checked(RECORD_HEADER) {
        let word = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let Some((frame, next)) = body.split_at_checked(word(8) as usize) else {
            break;
        };
        let at = Duration::new(u64::from(word(0)), word(4) * 1_000);
        packets.push((at, frame.get(LOWER_LAYERS..).unwrap_or_default().to_vec()));
        rest = next;
    }
    let first = packets.first().map_or(Duration::ZERO, |(at, _)| *at);
    packets.iter_mut().for_each(|(at, _)| *at -= first);
    packets
}

/// A packet without extension or padding: a foreign phone may insist on what the engine never sends.
fn parse(bytes: &[u8]) -> Option<Packet> {
    let (header, payload) = bytes.split_at_checked(HEADER)?;
    let [0x80, second, s0, s1, t0, t1, t2, t3, r0, r1, r2, r3] = *<&[u8; HEADER]>::try_from(header).ok()? else {
        return None;
    };
    Some(Packet {
        at: Instant::now(),
        kind: second & 0x7f,
        marker: second & 0x80 != 0,
        sequence: u16::from_be_bytes([s0, s1]),
        timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
        ssrc: u32::from_be_bytes([r0, r1, r2, r3]),
        payload: payload.to_vec(),
    })
}
