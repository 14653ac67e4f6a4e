//! One party's audio: what arrives is judged, ordered, mended and listened to; what is owed goes out every 20 ms.
//!
//! The crate's front page has the recipe for driving it.

mod kinds;

pub use kinds::{Audio, Frame, FrameKind, LegEvent, LegStart, Quality, Verdict};

use crate::activity::{Activity, Voice};
use crate::codec::edge::{self, Edge};
use crate::codec::{CLOCK_RATE, Codec, FRAME_MS, FRAME_SAMPLES, Law, g711};
use crate::comfort::Comfort;
use crate::conceal::Concealer;
use crate::dtmf::event::{Events, Sending, Told};
use crate::dtmf::info;
use crate::dtmf::press::{Presses, Way};
use crate::dtmf::tone::{ToneDetector, ToneGenerator};
use crate::dtmf::{Digit, DigitWay};
use crate::jitter::{self, JitterBuffer, Queued, Taken};
use crate::player::{Given, Player};
use crate::relay::Relay;
use crate::rtp::peer::{Admission, Peer};
use crate::rtp::reception::{Arrival, Reception, ReportBlock};
use crate::rtp::report::{Reporter, Sent};
use crate::rtp::{self, Packet, Writer};
use crate::sdp::{Direction, Stream};
use crate::srtp::{Guard, Unopened};
use phi::Phi;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Room for one packet of ours: a header and 20 ms of G.711, or an RTCP report.
pub const PACKET_OUT_BYTES: usize = 256;

/// Without RTP or RTCP for this long, a leg that should hear something is lost.
pub const LOST_AFTER: Duration = Duration::from_secs(30);

/// How often a leg is asked.
const TICK: Duration = Duration::from_millis(FRAME_MS as u64);

/// Events waiting to be polled. Digits alone may fill the second half; nobody presses that many between two ticks.
const EVENTS_MAX: usize = 64;

/// Digits waiting to be sent.
const DIGITS_OUT_MAX: usize = 64;

/// Frames between two digits we send.
const DIGIT_PAUSE_FRAMES: u8 = 5;

/// One party's audio.
#[derive(Debug)]
pub struct Leg {
    stream: Stream,
    /// What turns payloads into frames and back, where they differ.
    edge: Edge,
    /// What seals and opens packets, where the stream is encrypted: then nothing goes or comes without.
    guard: Option<Box<Guard>>,

    peer: Peer,
    reception: Reception,
    /// Packets of their stream that are no audio: events, comfort noise. A relayed stream does not have them.
    not_audio: u16,
    /// Their clock, brought down to ours.
    time: Time,
    jitter: JitterBuffer,
    concealer: Concealer,
    comfort: Comfort,
    activity: Activity,
    events: Events,
    tones: ToneDetector,
    tones_wanted: Option<bool>,
    /// The peer sends telephone-events, so its tones need no detector.
    events_seen: bool,
    presses: Presses,
    heard: Option<Frame>,
    alive: Alive,

    writer: Writer,
    timestamp: u32,
    /// When the next tick should come.
    due: Option<Instant>,
    /// The next packet begins a talkspurt.
    marker: bool,
    player: Player,
    relay: Relay,
    digits: VecDeque<(Digit, DigitWay)>,
    pressing: Pressing,
    sent: Option<Frame>,
    /// The second half of a frame, where a packet carries 10 ms.
    half: Option<Half>,

    cname: [u8; 16],
    reporter: Option<Reporter>,
    told: VecDeque<LegEvent>,
    counts: Counts,
}

/// Whether the other side is there.
#[derive(Debug)]
enum Alive {
    /// Not started.
    Unknown,
    /// Something came, or we began to wait, at this instant.
    Since(Instant),
    /// [`LegEvent::Lost`] was told.
    Lost,
}

/// The key we hold, if any.
#[derive(Debug)]
enum Pressing {
    None,
    Event(Sending),
    Tone(ToneGenerator),
    Pause { frames: u8 },
}

/// 10 ms that are still to go out.
#[derive(Debug)]
struct Half {
    timestamp: u32,
    bytes: [u8; FRAME_SAMPLES / 2],
}

/// Timestamps of another clock in samples of 8 kHz. They wrap where theirs do not, so the way since the first is kept
/// in more bits than a timestamp has.
#[derive(Clone, Copy, Debug, Default)]
struct Time {
    last: u32,
    since: i64,
}

impl Time {
    fn samples(&mut self, codec: Codec, timestamp: u32) -> u32 {
        let per_sample = codec.clock_rate() / CLOCK_RATE;
        if per_sample == 1 {
            return timestamp;
        }
        self.since += i64::from(timestamp.wrapping_sub(self.last) as i32);
        self.last = timestamp;
        self.since.div_euclid(i64::from(per_sample)) as u32
    }
}

#[derive(Debug, Default)]
struct Counts {
    late: u64,
    concealed: u64,
    strangers: u64,
    malformed: u64,
    ignored: u64,
    forged: u64,
    replayed: u64,
}

impl Leg {
    /// A leg for an agreement.
    pub fn new(stream: &Stream, start: LegStart) -> Self {
        let law = stream.codec.law();
        Self {
            stream: stream.clone(),
            edge: Edge::new(stream.codec, stream.opus),
            guard: stream.security.as_ref().map(|keys| Box::new(Guard::new(keys))),
            peer: Peer::new(stream.remote),
            reception: Reception::default(),
            not_audio: 0,
            time: Time::default(),
            jitter: JitterBuffer::new(law),
            concealer: Concealer::new(law),
            comfort: Comfort::default(),
            activity: Activity::default(),
            events: Events::default(),
            tones: ToneDetector::new(law),
            tones_wanted: None,
            events_seen: false,
            presses: Presses::default(),
            heard: None,
            alive: Alive::Unknown,
            writer: Writer::new(start.ssrc, start.sequence),
            timestamp: start.timestamp,
            due: None,
            marker: true,
            player: Player::default(),
            relay: Relay::default(),
            digits: VecDeque::new(),
            pressing: Pressing::None,
            sent: None,
            half: None,
            cname: start.cname,
            reporter: None,
            told: VecDeque::with_capacity(EVENTS_MAX),
            counts: Counts::default(),
        }
    }

    /// A new agreement for the same leg: hold, resume, another codec, another address.
    pub fn update(&mut self, stream: &Stream) {
        let before = std::mem::replace(&mut self.stream, stream.clone());
        self.peer.renegotiate(stream.remote);
        match (&mut self.guard, &stream.security) {
            (Some(guard), Some(keys)) => {
                if guard.rekey(keys) {
                    self.writer.begin_anew();
                    self.marker = true;
                    self.relay.interrupt();
                }
            }
            (guard, keys) => *guard = keys.as_ref().map(|keys| Box::new(Guard::new(keys))),
        }
        let law = stream.codec.law();
        if (stream.codec, stream.opus) != (before.codec, before.opus) {
            self.edge = Edge::new(stream.codec, stream.opus);
            self.half = None;
        }
        if stream.codec != before.codec {
            self.marker = true;
            self.relay.interrupt();
            self.jitter.reset(law);
            self.concealer = Concealer::new(law);
            self.comfort.end();
            self.tones = ToneDetector::new(law);
        }
        if !stream.direction.receives() {
            self.comfort.end();
        }
        if stream.direction.receives() && !before.direction.receives() {
            // Being held is no silence of theirs: the wait begins now.
            self.alive = Alive::Unknown;
        }
        if stream.direction != before.direction {
            self.marker = true;
            self.relay.interrupt();
        }
    }

    /// The agreement in force.
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Where our RTP goes: to where theirs comes from, once it does.
    pub fn target(&self) -> SocketAddr {
        self.peer.target()
    }

    /// Where our RTCP goes.
    pub fn rtcp_target(&self) -> SocketAddr {
        if self.stream.rtcp_mux {
            self.peer.target()
        } else {
            self.stream.remote_rtcp
        }
    }

    /// A datagram came to our RTP port. Where the stream is encrypted it is opened in place: after [`Verdict::Audio`],
    /// `packet` holds what it says.
    pub fn receive(&mut self, now: Instant, source: SocketAddr, packet: &mut [u8]) -> Verdict {
        if !self.peer.is_host(source) {
            self.counts.strangers += 1;
            return Verdict::Stranger;
        }
        if rtp::looks_like_rtcp(packet) {
            return self.receive_rtcp(now, source, packet);
        }
        // Known before the peer is: a payload nobody agreed to shall not teach us a port.
        let payload_kind = match rtp::payload_type(packet) {
            None => {
                self.counts.malformed += 1;
                return Verdict::Malformed;
            }
            Some(payload_type) => self.payload_kind(payload_type),
        };
        let Some(payload_kind) = payload_kind else {
            self.counts.ignored += 1;
            return Verdict::Ignored;
        };
        let packet: &[u8] = match &mut self.guard {
            None => packet,
            Some(guard) => match guard.open_rtp(packet) {
                Ok(length) => packet.get(..length).unwrap_or_default(),
                Err(unopened) => return self.unopened(unopened),
            },
        };
        let Some(read) = Packet::parse(packet) else {
            self.counts.malformed += 1;
            return Verdict::Malformed;
        };
        let proven = self.guard.is_some();
        match self.peer.admit(now, source, read.ssrc, read.sequence, proven) {
            Admission::Stranger => {
                self.counts.strangers += 1;
                return Verdict::Stranger;
            }
            Admission::First => self.tell(LegEvent::FirstPacket),
            Admission::Moved => self.tell(LegEvent::SourceMoved(source)),
            Admission::Peer => {}
        }
        self.note_alive(now);
        let payload = packet.get(read.payload.clone()).unwrap_or(&[]);
        match payload_kind {
            PayloadKind::Events => self.hear_event(now, &read, payload),
            PayloadKind::Comfort => {
                match self.reception.arrive(now, read.ssrc, read.sequence, None) {
                    Arrival::Duplicate => {}
                    arrival => {
                        self.not_audio = self.not_audio.wrapping_add(1);
                        // One that was overtaken by words is about a silence that is over.
                        let is_news = matches!(arrival, Arrival::Newest(_) | Arrival::Restarted(_));
                        if is_news && self.stream.direction.receives() {
                            self.comfort.told(payload);
                        }
                    }
                }
                Verdict::Comfort
            }
            PayloadKind::Audio(codec) => self.hear_audio(now, read, codec, payload),
        }
    }

    /// A datagram came to our RTCP port.
    pub fn receive_rtcp(&mut self, now: Instant, source: SocketAddr, packet: &mut [u8]) -> Verdict {
        let from_rtcp_host = source.ip().to_canonical() == self.stream.remote_rtcp.ip().to_canonical();
        if !self.peer.is_host(source) && !from_rtcp_host {
            self.counts.strangers += 1;
            return Verdict::Stranger;
        }
        let packet: &[u8] = match &mut self.guard {
            None => packet,
            Some(guard) => match guard.open_rtcp(packet) {
                Ok(length) => packet.get(..length).unwrap_or_default(),
                Err(unopened) => return self.unopened(unopened),
            },
        };
        let our_ssrc = self.writer.ssrc();
        if !self.reporter(now).read(now, our_ssrc, packet) {
            self.counts.malformed += 1;
            return Verdict::Malformed;
        }
        self.note_alive(now);
        Verdict::Rtcp
    }

    /// Counted and dropped: neither ever ends a call (controls.md §2 rows 8 and 9).
    fn unopened(&mut self, unopened: Unopened) -> Verdict {
        match unopened {
            Unopened::Forged => {
                self.counts.forged += 1;
                Verdict::Forged
            }
            Unopened::Replayed => {
                self.counts.replayed += 1;
                Verdict::Replayed
            }
        }
    }

    /// 20 ms have passed. Writes the packet we owe and returns its length, 0 when we owe none.
    pub fn tick(&mut self, now: Instant, out: &mut [u8; PACKET_OUT_BYTES]) -> usize {
        let length = self.tick_plain(now, out);
        self.sealed(length, out)
    }

    fn tick_plain(&mut self, now: Instant, out: &mut [u8; PACKET_OUT_BYTES]) -> usize {
        self.listen(now);
        self.look_for_life(now);
        let timestamp = self.timestamp.wrapping_add(self.missed_ticks(now));
        self.timestamp = timestamp.wrapping_add(self.stream.codec.frame_ticks());
        self.half = None;
        let relayed_meanwhile = self.sent.take();
        let relayed = self.relay.take();
        if !self.stream.direction.sends() {
            return 0;
        }
        if let Some(length) = self.press_on(timestamp, out) {
            return length;
        }
        let law = self.law();
        let mut frame = Frame {
            bytes: [law.silence(); FRAME_SAMPLES],
            law,
            kind: FrameKind::Silence,
        };
        if let Pressing::Tone(tone) = &mut self.pressing {
            tone.next_frame(law, &mut frame.bytes);
            frame.kind = FrameKind::Audio;
        } else {
            match self.player.fill(law, &mut frame.bytes) {
                Given::Frame => frame.kind = FrameKind::Audio,
                given => {
                    if let Given::Finished { id } = given {
                        self.tell(LegEvent::Played { id, whole: true });
                    }
                    if self.relay.is_live(now) {
                        self.sent = relayed_meanwhile;
                        return 0;
                    }
                    if let Some(relayed) = relayed {
                        frame = relayed;
                        relayed.law.transcode(law, &mut frame.bytes);
                        frame.law = law;
                    }
                }
            }
        }
        self.relay.interrupt();
        let marker = std::mem::take(&mut self.marker);
        self.sent = Some(frame);
        let mut bytes: &[u8] = &frame.bytes;
        if self.stream.packet_ms < FRAME_MS as u8
            && let (Some(first), Some(second)) = (frame.bytes.first_chunk(), frame.bytes.last_chunk())
        {
            bytes = first as &[u8; FRAME_SAMPLES / 2];
            self.half = Some(Half {
                timestamp: timestamp.wrapping_add(self.stream.codec.frame_ticks() / 2),
                bytes: *second,
            });
        }
        self.say(marker, timestamp, bytes, out)
    }

    /// The rest of what the last [`Leg::tick`] owed: 0 unless packets carry 10 ms, which they do where the other side
    /// can take no more.
    pub fn tick_rest(&mut self, out: &mut [u8; PACKET_OUT_BYTES]) -> usize {
        let Some(half) = self.half.take() else { return 0 };
        let length = self.say(false, half.timestamp, &half.bytes, out);
        self.sealed(length, out)
    }

    /// Seals what was written, where it may not go in the clear.
    fn sealed(&mut self, length: usize, out: &mut [u8; PACKET_OUT_BYTES]) -> usize {
        match &mut self.guard {
            None => length,
            Some(guard) => guard.seal_rtp(length, out),
        }
    }

    /// Writes a packet that says these bytes of our law.
    fn say(&mut self, marker: bool, timestamp: u32, bytes: &[u8], out: &mut [u8; PACKET_OUT_BYTES]) -> usize {
        let payload_type = self.stream.payload_type;
        if self.stream.codec.as_law().is_some() {
            return self.writer.write(payload_type, marker, timestamp, bytes, out);
        }
        let mut coded = [0; FRAME_SAMPLES];
        let length = self.edge.encode(bytes, self.law(), &mut coded);
        match coded.get(..length) {
            Some(coded) if !coded.is_empty() => self.writer.write(payload_type, marker, timestamp, coded, out),
            _ => 0,
        }
    }

    /// Writes the RTCP report that is due, if one is.
    pub fn rtcp_due(&mut self, now: Instant, out: &mut [u8; PACKET_OUT_BYTES]) -> usize {
        if !self.reporter(now).is_due(now) || self.stream.remote.ip().is_unspecified() {
            return 0;
        }
        // Its jitter is counted in samples of the house, and said in ticks of their clock (RFC 3550 §6.4.1).
        let per_sample = self.stream.codec.clock_rate() / CLOCK_RATE;
        let block = self.reception.report().map(|block| ReportBlock {
            jitter: block.jitter.saturating_mul(per_sample),
            ..block
        });
        let sent = Sent {
            ssrc: self.writer.ssrc(),
            timestamp: self.timestamp,
            packets: self.writer.packets(),
            octets: self.writer.octets(),
        };
        let length = self.reporter(now).write(now, sent, block, out);
        self.sealed_report(length, out)
    }

    fn sealed_report(&mut self, length: usize, out: &mut [u8; PACKET_OUT_BYTES]) -> usize {
        match &mut self.guard {
            None => length,
            Some(guard) => guard.seal_rtcp(length, out),
        }
    }

    /// Writes our last RTCP packet: this leg is over.
    pub fn rtcp_bye(&mut self, out: &mut [u8; PACKET_OUT_BYTES]) -> usize {
        let length = self
            .reporter
            .as_ref()
            .map_or(0, |reporter| reporter.write_bye(self.writer.ssrc(), out));
        self.sealed_report(length, out)
    }

    /// What was heard in the 20 ms of the last [`Leg::tick`]; once per tick.
    pub fn take_frame(&mut self) -> Option<Frame> {
        self.heard.take()
    }

    /// What was said last, by [`Leg::tick`] or by [`Leg::relay_now`]; each frame is given once.
    pub fn take_sent(&mut self) -> Option<Frame> {
        self.sent.take()
    }

    /// Says clips (G.711 in this leg's law), one after the other without a seam, in place of what is being said.
    /// With `barge_in`, a key stops them.
    pub fn play(&mut self, id: u64, clips: Vec<Arc<[u8]>>, barge_in: bool) {
        if let Some(id) = self.player.play(id, clips, self.stream.codec.law(), barge_in) {
            self.tell(LegEvent::Played { id, whole: false });
        }
    }

    /// Stops what is being said.
    pub fn hush(&mut self) {
        if let Some(id) = self.player.hush() {
            self.tell(LegEvent::Played { id, whole: false });
        }
    }

    /// Whether clips are being said.
    pub fn is_playing(&self) -> bool {
        self.player.is_playing()
    }

    /// Passes the other leg's packet on as it arrives: writes our packet and returns its length. 0 when it cannot go
    /// this way: we are speaking, held, or it is coded as ours may not be; [`Leg::relay`] serves then.
    pub fn relay_now(&mut self, now: Instant, audio: &Audio, packet: &[u8], out: &mut [u8; PACKET_OUT_BYTES]) -> usize {
        let codec = self.stream.codec;
        let payload = packet.get(audio.payload.clone()).unwrap_or_default();
        let ticks = edge::ticks(audio.codec, payload);
        let frame_ticks = codec.frame_ticks();
        // 20 ms go as they came, from one law to another by a table, and from any codec to itself.
        let as_laws = audio.codec.as_law().zip(codec.as_law());
        let fits = as_laws.is_some() || audio.codec == codec;
        if !fits || ticks != Some(frame_ticks) || self.stream.packet_ms != FRAME_MS as u8 {
            self.relay.by_frames();
            return 0;
        }
        let busy = self.player.is_playing() || !matches!(self.pressing, Pressing::None) || !self.digits.is_empty();
        if busy || !self.stream.direction.sends() {
            return 0;
        }
        let Some(numbers) = self.relay.pass(now, audio, &self.writer, self.timestamp) else {
            return 0;
        };
        let frame = as_laws.and_then(|(from, law)| {
            let mut bytes = *payload.first_chunk::<FRAME_SAMPLES>()?;
            from.transcode(law, &mut bytes);
            Some(Frame {
                bytes,
                law,
                kind: FrameKind::Audio,
            })
        });
        // What a coded one said comes with the frame that the other leg made of it.
        self.sent = frame.or(self.sent);
        let payload = frame.as_ref().map_or(payload, |frame| &frame.bytes);
        let payload_type = self.stream.payload_type;
        if numbers.overtaken {
            return self
                .writer
                .write_numbered(payload_type, false, numbers.sequence, numbers.timestamp, payload, out);
        }
        let marker = std::mem::take(&mut self.marker) || numbers.marker;
        self.writer.skip_to(numbers.sequence);
        let next = numbers.timestamp.wrapping_add(frame_ticks);
        if (next.wrapping_sub(self.timestamp) as i32) > 0 {
            // What we send after it must not lie before it.
            self.timestamp = next;
        }
        let length = self.writer.write(payload_type, marker, numbers.timestamp, payload, out);
        self.sealed(length, out)
    }

    /// The other leg's frame for our next tick; used only where [`Leg::relay_now`] could not serve.
    pub fn relay(&mut self, frame: &Frame) {
        if self.stream.codec.as_law().is_none() && self.relay.is_passing() {
            // It went out as it came, coded; this is what it said.
            self.sent = Some(*frame);
        }
        self.relay.hold(*frame);
    }

    /// Presses keys, after those still waiting. Returns how many were taken.
    pub fn send_digits(&mut self, digits: &[Digit], how: DigitWay) -> usize {
        let room = DIGITS_OUT_MAX - self.digits.len();
        self.digits.extend(digits.iter().take(room).map(|digit| (*digit, how)));
        digits.len().min(room)
    }

    /// A SIP INFO body came (`application/dtmf-relay` or `application/dtmf`). False when it holds no key.
    pub fn hear_info_digit(&mut self, now: Instant, body: &[u8]) -> bool {
        let Some(info) = info::read(body) else { return false };
        // It comes when the key is released; the press began before.
        let began = now.checked_sub(info.duration).unwrap_or(now);
        self.press(Way::Info, info.digit, began);
        true
    }

    /// Whether to look for keys in the audio. Unless told, a leg does so until the peer has sent a telephone-event: some
    /// trunks agree to telephone-events and send tones all the same, and a caller whose keys are not heard is lost.
    pub fn listen_for_tones(&mut self, on: bool) {
        self.tones_wanted = Some(on);
    }

    /// Whether somebody speaks, and since when not.
    pub fn voice(&self) -> Voice {
        self.activity.voice()
    }

    /// The next thing to tell.
    pub fn poll_event(&mut self) -> Option<LegEvent> {
        self.told.pop_front()
    }

    /// How good the line is.
    pub fn quality(&self) -> Quality {
        let reception = self.reception.counts();
        let theirs = self.reporter.as_ref().and_then(Reporter::their_view);
        Quality {
            sent: u64::from(self.writer.packets()),
            received: reception.received,
            lost: reception.lost,
            late: self.counts.late,
            duplicated: reception.duplicated,
            concealed: self.counts.concealed,
            strangers: self.counts.strangers,
            malformed: self.counts.malformed,
            ignored: self.counts.ignored,
            forged: self.counts.forged,
            replayed: self.counts.replayed,
            jitter_ms: self.reception.jitter_ms(),
            their_loss: theirs.map(|view| view.fraction_lost),
            their_jitter_ms: theirs
                .map(|view| view.jitter_ms * CLOCK_RATE as f32 / self.stream.codec.clock_rate() as f32),
            round_trip_ms: theirs.and_then(|view| view.round_trip_ms),
        }
    }

    /// The law of our frames.
    fn law(&self) -> Law {
        self.stream.codec.law()
    }

    fn payload_kind(&self, payload_type: u8) -> Option<PayloadKind> {
        if payload_type == self.stream.receive_payload_type {
            return Some(PayloadKind::Audio(self.stream.codec));
        }
        if Some(payload_type) == self.stream.receive_telephone_event {
            return Some(PayloadKind::Events);
        }
        match payload_type {
            rtp::COMFORT_NOISE => Some(PayloadKind::Comfort),
            // Some answer with one law and send the other; the static numbers leave no doubt which.
            0 if self.counts_samples() => Some(PayloadKind::Audio(Codec::Pcmu)),
            8 if self.counts_samples() => Some(PayloadKind::Audio(Codec::Pcma)),
            _ => None,
        }
    }

    /// Whether a tick of the agreed clock is a sample of the house.
    fn counts_samples(&self) -> bool {
        self.stream.codec.clock_rate() == CLOCK_RATE
    }

    fn hear_event(&mut self, now: Instant, read: &Packet, payload: &[u8]) -> Verdict {
        // Some send events as a stream of their own; it must not disturb the audio's numbers.
        let own_stream = self.reception.ssrc().is_some_and(|ssrc| ssrc != read.ssrc);
        if !own_stream && self.reception.arrive(now, read.ssrc, read.sequence, None) != Arrival::Duplicate {
            self.not_audio = self.not_audio.wrapping_add(1);
        }
        match self.events.receive(now, read.timestamp, read.marker, payload) {
            Told::Pressed(digit) => {
                self.events_seen = true;
                self.press(Way::Event, digit, now);
                Verdict::Event
            }
            Told::Held(digit) => {
                self.presses.held(Way::Event, digit, now);
                Verdict::Event
            }
            Told::Nothing => Verdict::Event,
            Told::Malformed => {
                self.counts.malformed += 1;
                Verdict::Malformed
            }
        }
    }

    fn hear_audio(&mut self, now: Instant, read: Packet, codec: Codec, payload: &[u8]) -> Verdict {
        let before = self.reception.highest();
        let timestamp = self.time.samples(codec, read.timestamp);
        let (newest, follows) = match self.reception.arrive(now, read.ssrc, read.sequence, Some(timestamp)) {
            Arrival::Duplicate => return Verdict::Duplicate,
            Arrival::Suspect => {
                self.counts.ignored += 1;
                return Verdict::Ignored;
            }
            Arrival::Restarted(_) => {
                self.jitter.reset(self.law());
                (true, None)
            }
            Arrival::Newest(number) => (true, before.map(|before| number - before)),
            Arrival::Overtaken(_) => (false, None),
        };
        if !self.stream.direction.receives() {
            return Verdict::Held;
        }
        if payload.is_empty() {
            // A keep-alive (RFC 6263 §4.1): counted, nothing to hear.
            return Verdict::Ignored;
        }
        let law = self.law();
        let queued = if codec.as_law() == Some(law) {
            self.jitter.insert(timestamp, newest, payload)
        } else {
            let mut bytes = [0; jitter::PAYLOAD_BYTES_MAX];
            if let Some(from) = codec.as_law() {
                let length = payload.len().min(bytes.len());
                let (Some(to), Some(payload)) = (bytes.get_mut(..length), payload.get(..length)) else {
                    return Verdict::Ignored;
                };
                to.copy_from_slice(payload);
                from.transcode(law, to);
                self.jitter.insert(timestamp, newest, to)
            } else {
                if follows == Some(2) {
                    // One is missing, and this one may repeat it.
                    let length = self.edge.recover(payload, law, &mut bytes);
                    if let Some(recovered) = bytes.get(..length).filter(|bytes| !bytes.is_empty()) {
                        let began = timestamp.wrapping_sub(length as u32);
                        self.jitter.insert(began, true, recovered);
                    }
                }
                let length = self.edge.decode(payload, law, &mut bytes);
                let Some(decoded) = bytes.get(..length).filter(|bytes| !bytes.is_empty()) else {
                    self.counts.malformed += 1;
                    return Verdict::Malformed;
                };
                self.jitter.insert(timestamp, newest, decoded)
            }
        };
        match queued {
            Queued::Late => {
                self.counts.late += 1;
                Verdict::Late
            }
            Queued::Kept => {
                if newest {
                    self.comfort.speech();
                }
                Verdict::Audio(Audio {
                    codec,
                    ssrc: read.ssrc,
                    sequence: read.sequence.wrapping_sub(self.not_audio),
                    timestamp: read.timestamp,
                    marker: read.marker,
                    payload: read.payload,
                })
            }
        }
    }

    /// Takes the frame that is due and listens to it.
    fn listen(&mut self, now: Instant) {
        let law = self.law();
        let mut frame = Frame {
            bytes: [law.silence(); FRAME_SAMPLES],
            law,
            kind: FrameKind::Audio,
        };
        match self.jitter.take(&mut frame.bytes) {
            Taken::Whole => {
                self.comfort.played();
                self.concealer.heard(&frame.bytes);
            }
            Taken::Partly { present } => {
                self.comfort.played();
                self.concealer.mend(&mut frame.bytes, present);
            }
            Taken::Missing if self.comfort.fill(law, &mut frame.bytes) => {
                self.concealer.rest();
                frame.kind = FrameKind::Comfort;
            }
            Taken::Missing => {
                frame.kind = if self.concealer.conceal(law, &mut frame.bytes) {
                    self.counts.concealed += 1;
                    FrameKind::Concealed
                } else {
                    FrameKind::Silence
                };
            }
        }
        let power = match frame.kind {
            FrameKind::Audio => g711::mean_power(law, &frame.bytes),
            FrameKind::Concealed | FrameKind::Comfort | FrameKind::Silence => 0,
        };
        self.activity.hear(power);
        // A made-up frame is no evidence that a key went up.
        if frame.kind != FrameKind::Concealed && self.listens_for_tones() {
            if let Some(digit) = self.tones.hear(&frame.bytes, power) {
                self.press(Way::Tone, digit, now);
            } else if let Some(digit) = self.tones.held() {
                self.presses.held(Way::Tone, digit, now);
            }
        }
        self.heard = Some(frame);
    }

    /// Ticks that never came have passed all the same: our timestamps keep the time (RFC 3550 §5.1), we do not catch up.
    fn missed_ticks(&mut self, now: Instant) -> u32 {
        let due = self.due.unwrap_or(now);
        let late_ms = now.saturating_duration_since(due).as_millis() as u32;
        let missed = late_ms / FRAME_MS;
        self.due = Some(due + TICK * (missed + 1));
        missed.wrapping_mul(self.stream.codec.frame_ticks())
    }

    fn listens_for_tones(&self) -> bool {
        self.tones_wanted.unwrap_or(!self.events_seen)
    }

    fn press(&mut self, way: Way, digit: Digit, began: Instant) {
        if !self.presses.is_new(way, digit, began) {
            return;
        }
        self.tell(LegEvent::Digit(Phi::new(digit), way));
        if let Some(id) = self.player.barge_in() {
            self.tell(LegEvent::Played { id, whole: false });
        }
    }

    /// Sends what a press of ours owes in this frame; `None` when the frame is free for audio.
    fn press_on(&mut self, timestamp: u32, out: &mut [u8; PACKET_OUT_BYTES]) -> Option<usize> {
        loop {
            match &mut self.pressing {
                Pressing::Event(sending) => match (sending.next_packet(), self.stream.telephone_event) {
                    (Some(packet), Some(payload_type)) => {
                        self.relay.interrupt();
                        self.marker = true;
                        return Some(self.writer.write(
                            payload_type,
                            packet.marker,
                            packet.timestamp,
                            &packet.payload,
                            out,
                        ));
                    }
                    // Over, or no longer agreed to.
                    _ => {
                        self.pressing = Pressing::Pause {
                            frames: DIGIT_PAUSE_FRAMES,
                        }
                    }
                },
                Pressing::Tone(tone) if tone.is_over() => {
                    self.pressing = Pressing::Pause {
                        frames: DIGIT_PAUSE_FRAMES,
                    };
                }
                Pressing::Tone(_) => return None,
                Pressing::Pause { frames: frames @ 1.. } => {
                    *frames -= 1;
                    return None;
                }
                Pressing::Pause { .. } => {
                    self.pressing = Pressing::None;
                    if self.digits.is_empty() {
                        self.tell(LegEvent::DigitsSent);
                    }
                }
                Pressing::None => {
                    let (digit, how) = self.digits.pop_front()?;
                    self.pressing = match (how, self.stream.telephone_event) {
                        (DigitWay::TelephoneEvent, Some(_)) => {
                            Pressing::Event(Sending::new(digit, timestamp, self.stream.event_clock_rate))
                        }
                        _ => Pressing::Tone(ToneGenerator::new(digit)),
                    };
                }
            }
        }
    }

    fn note_alive(&mut self, now: Instant) {
        if matches!(self.alive, Alive::Lost) {
            self.tell(LegEvent::Returned);
        }
        self.alive = Alive::Since(now);
    }

    fn look_for_life(&mut self, now: Instant) {
        match self.alive {
            Alive::Unknown => self.alive = Alive::Since(now),
            Alive::Since(at)
                if self.stream.direction == Direction::SendRecv && now.saturating_duration_since(at) >= LOST_AFTER =>
            {
                self.alive = Alive::Lost;
                self.tell(LegEvent::Lost);
            }
            Alive::Since(_) | Alive::Lost => {}
        }
    }

    fn reporter(&mut self, now: Instant) -> &mut Reporter {
        self.reporter
            .get_or_insert_with(|| Reporter::new(now, self.writer.ssrc(), self.cname))
    }

    /// Digits and ends of words are never dropped short of the limit; the rest only while there is plenty of room.
    fn tell(&mut self, event: LegEvent) {
        let must = matches!(
            event,
            LegEvent::Digit(..) | LegEvent::Played { .. } | LegEvent::DigitsSent
        );
        let limit = if must { EVENTS_MAX } else { EVENTS_MAX / 2 };
        if self.told.len() < limit {
            self.told.push_back(event);
        }
    }
}

/// What a payload type means on this leg.
#[derive(Clone, Copy)]
enum PayloadKind {
    Audio(Codec),
    Events,
    Comfort,
}
