//! One media thread: sleep to the next tick, read what came, send what is owed (media-plane.md §2).
//!
//! Per packet nothing is allocated, locked, formatted or logged. What is read per tick is bounded, so that a flood in
//! cannot starve what goes out; a late wake-up serves each slot once and skips the rest.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

use media::sdp::Stream;
use media::{Audio, Codec, FRAME_SAMPLES, Frame, Leg, LegEvent, LegStart, PACKET_OUT_BYTES, Quality, Verdict};
use phi::Phi;
use rustix::event::epoll;
use switchboard::{CallId, LegId, MediaEvent, RecordingId};

use super::clip::{Bounds, Clip, Heard};
use super::clock::Clock;
use super::events::Events;
use super::gauges::{Gauges, add};
use super::slots::{Slots, due, slot_of};
use super::tap::{Begin, Echo, Kind, Tap, Tapped};
use crate::ports::Pair;

/// Orders waiting for one thread.
pub const ORDERS: usize = 4096;

/// Orders carried out per tick; the rest wait 5 ms at most.
const ORDERS_PER_TICK: usize = 256;

/// Packets read from one socket per tick: 160 per 100 ms at the sparse rhythm, ten times what a phone sends.
const READS_PER_SOCKET: usize = 8;

/// Packets read per tick, for each leg and beside that: several times what the legs of a tick send.
const READS_PER_LEG: usize = 2;
const READS_AT_LEAST: usize = 64;

/// Readable sockets asked for in one call.
const READY: usize = 128;

/// Largest packet looked at. 20 ms of G.711 is 172 octets and compound RTCP stays far below; a longer one is cut, and
/// refused for its length.
const PACKET: usize = 1024;

/// Frames without a packet after which a connected socket is opened again, so that the same host behind a rebinding
/// NAT is heard: one second.
const FRAMES_UNTIL_UNPINNED: u32 = 50;

/// The id of our own beep among a leg's plays; the desk counts from the other end.
const BEEP: u64 = u64::MAX;

/// How often the load is worked out.
const LOAD_WINDOW: Duration = Duration::from_secs(1);

/// What a media thread is told to do. Orders for one leg are carried out in the order given.
#[derive(Debug)]
pub enum Order {
    /// Begin a party's audio.
    Open {
        /// Whose.
        call: CallId,
        /// The new leg.
        leg: LegId,
        /// Its sockets.
        pair: Pair,
        /// What was agreed; `None` while an offer of ours is unanswered.
        stream: Option<Box<Stream>>,
        /// Random numbers to begin RTP with.
        start: LegStart,
    },
    /// The agreement changed.
    Update {
        /// Whose.
        leg: LegId,
        /// What holds now.
        stream: Box<Stream>,
    },
    /// Play these clips, already in the leg's codec, one after the other.
    Play {
        /// To whom.
        leg: LegId,
        /// Comes back when they end.
        id: u64,
        /// The clips.
        audio: Vec<Arc<[u8]>>,
        /// Any key stops them.
        stops_at_key: bool,
    },
    /// Stop playing.
    Hush {
        /// To whom.
        leg: LegId,
    },
    /// Let two parties of this thread hear each other.
    Bridge {
        /// One.
        a: LegId,
        /// The other.
        b: LegId,
    },
    /// Undo that.
    Unbridge {
        /// One.
        a: LegId,
        /// The other.
        b: LegId,
    },
    /// Record what this party says and hears.
    Record {
        /// Whose call.
        leg: LegId,
        /// The recording.
        recording: RecordingId,
        /// The call it belongs to.
        call: CallId,
        /// SHA-256 of the release and consent words.
        consent: [u8; 32],
    },
    /// End a recording.
    StopRecord {
        /// Which.
        recording: RecordingId,
    },
    /// Beep, then keep what this party says.
    Clip {
        /// Whose words.
        leg: LegId,
        /// The clip.
        recording: RecordingId,
        /// The call it belongs to.
        call: CallId,
        /// The beep, in the leg's codec.
        beep: Arc<[u8]>,
        /// It ends at this length.
        longest: Duration,
        /// Less voice than this is nothing.
        shortest: Duration,
        /// It ends after this much silence.
        ends_after_silence: Duration,
    },
    /// End the clip now.
    EndClip {
        /// Whose.
        leg: LegId,
    },
    /// A SIP INFO that may be a digit.
    InfoDigit {
        /// Whose.
        leg: LegId,
        /// Its body.
        body: Phi<Vec<u8>>,
    },
    /// Press keys towards the other side: for test phones.
    SendDigits {
        /// On which leg.
        leg: LegId,
        /// Which keys.
        digits: Vec<media::Digit>,
        /// How they travel.
        how: media::DigitWay,
    },
    /// The party is gone.
    Close {
        /// Whose.
        leg: LegId,
    },
    /// Falls over, as a fault of ours would.
    #[cfg(test)]
    Break {
        /// Whose audio.
        leg: LegId,
    },
}

impl Order {
    /// The leg it concerns.
    fn leg(&self) -> Option<LegId> {
        match self {
            Order::Open { leg, .. }
            | Order::Update { leg, .. }
            | Order::Play { leg, .. }
            | Order::Hush { leg }
            | Order::Bridge { a: leg, .. }
            | Order::Unbridge { a: leg, .. }
            | Order::Record { leg, .. }
            | Order::Clip { leg, .. }
            | Order::EndClip { leg }
            | Order::InfoDigit { leg, .. }
            | Order::SendDigits { leg, .. }
            | Order::Close { leg } => Some(*leg),
            Order::StopRecord { .. } => None,
            #[cfg(test)]
            Order::Break { leg } => Some(*leg),
        }
    }
}

/// What a media thread is made of.
pub(crate) struct Parts {
    pub(crate) orders: Receiver<Order>,
    pub(crate) events: Events,
    pub(crate) tap: Tapped,
    pub(crate) gauges: Arc<Gauges>,
}

/// One party's place in the thread.
struct Party {
    id: LegId,
    call: CallId,
    slot: usize,
    pair: Pair,
    start: LegStart,
    /// None until the agreement is known.
    leg: Option<Leg>,
    codec: Codec,
    /// Whether the RTP socket is connected to where the party's packets come from.
    pinned: bool,
    /// Frames since the last packet that was this party's.
    quiet: u32,
    /// The party it is bridged with.
    other: Option<u32>,
    recording: Option<Recording>,
    clip: Option<(RecordingId, Codec, Clip, Recorded)>,
    /// Whether the recorder has a report of this leg to make.
    left_clips: bool,
}

/// A call recording in progress.
struct Recording {
    id: RecordingId,
    /// The codec of the file, whatever the leg speaks later.
    codec: Codec,
    so_far: Recorded,
    /// What the party was sent since the last frame.
    echo: Box<Echo>,
}

/// Where a recording stands in media time.
#[derive(Clone, Copy, Default)]
struct Recorded {
    /// The thread's number of the recording's first frame.
    first: Option<u64>,
    /// Frames it should have by now, lost ones among them.
    frames: u32,
}

impl Recorded {
    /// The number within the recording of this frame of the thread.
    fn number(&mut self, frame: u64) -> u32 {
        let first = *self.first.get_or_insert(frame);
        let number = u32::try_from(frame.saturating_sub(first)).unwrap_or(u32::MAX);
        self.frames = number.saturating_add(1);
        number
    }
}

/// A media thread, before and while it runs.
pub(crate) struct Thread {
    orders: Receiver<Order>,
    events: Events,
    tap: Tapped,
    gauges: Arc<Gauges>,
    clock: Clock,
    epoll: OwnedFd,
    slots: Slots,
    parties: Vec<Option<Party>>,
    free: Vec<u32>,
    legs: HashMap<LegId, u32>,
    /// The slot of each call, and how many of its legs are here.
    calls: HashMap<CallId, (usize, usize)>,
    recordings: HashMap<RecordingId, u32>,
    bridges: usize,
    /// The last tick served.
    last: u64,
    /// Time at work since the window began.
    busy: Duration,
    window: Instant,
    ready: Vec<epoll::Event>,
}

impl Thread {
    /// Prepares the thread's parts; to be called on the thread itself, for the clock is the thread's own.
    pub(crate) fn new(parts: Parts) -> io::Result<Self> {
        Ok(Self {
            orders: parts.orders,
            events: parts.events,
            tap: parts.tap,
            gauges: parts.gauges,
            clock: Clock::start(),
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            slots: Slots::default(),
            parties: Vec::new(),
            free: Vec::new(),
            legs: HashMap::new(),
            calls: HashMap::new(),
            recordings: HashMap::new(),
            bridges: 0,
            last: 0,
            busy: Duration::ZERO,
            window: Instant::now(),
            ready: Vec::with_capacity(READY),
        })
    }

    /// Runs until nobody can give orders any more; then every recording gets its end.
    pub(crate) fn run(mut self) {
        loop {
            let Some(next) = self.slots.next(self.last, self.bridges > 0) else {
                // Nobody to serve: nothing to be late for.
                let order = self.orders.recv_timeout(LOAD_WINDOW);
                let woke = Instant::now();
                self.last = self.clock.tick(woke);
                self.events.flush();
                self.tap.flush();
                match order {
                    Ok(order) => self.guard(order.leg(), |this| this.obey(order)),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => break,
                }
                self.worked(woke);
                continue;
            };
            self.clock.sleep_until(next);
            let woke = Instant::now();
            if !self.take_orders() {
                break;
            }
            self.events.flush();
            self.tap.flush();
            self.read(woke);
            let tick = self.clock.tick(woke);
            let (ticks, missed) = due(self.last, tick);
            if missed > 0 {
                add(&self.gauges.frames_skipped, missed * self.legs.len() as u64);
            }
            for tick in ticks {
                self.serve(tick);
            }
            self.last = tick;
            self.worked(woke);
        }
        let open: Vec<LegId> = self.legs.keys().copied().collect();
        for leg in open {
            self.close(leg);
        }
        while !(self.tap.flush() && self.events.flush()) {
            // The recorder and the desk are still draining; this thread has nothing else to do.
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Adds the time since `woke` to the load.
    fn worked(&mut self, woke: Instant) {
        let now = Instant::now();
        self.busy += now.saturating_duration_since(woke);
        let window = now.saturating_duration_since(self.window);
        if window >= LOAD_WINDOW {
            let permille = self.busy.as_micros() * 1000 / window.as_micros().max(1);
            self.gauges
                .load_permille
                .store(u32::try_from(permille).unwrap_or(1000), Relaxed);
            self.gauges
                .legs
                .store(u32::try_from(self.legs.len()).unwrap_or(u32::MAX), Relaxed);
            self.gauges.events_held.store(self.events.held_ever, Relaxed);
            self.busy = Duration::ZERO;
            self.window = now;
        }
    }

    /// Carries out what waits; false when nobody can give orders any more.
    fn take_orders(&mut self) -> bool {
        for _ in 0..ORDERS_PER_TICK {
            match self.orders.try_recv() {
                Ok(order) => self.guard(order.leg(), |this| this.obey(order)),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
        true
    }

    fn party(&mut self, leg: LegId) -> Option<&mut Party> {
        let at = *self.legs.get(&leg)?;
        party(&mut self.parties, at)
    }

    /// One order. An order for a leg that is gone means nothing: its end crossed the order on the way.
    fn obey(&mut self, order: Order) {
        match order {
            Order::Open {
                call,
                leg,
                pair,
                stream,
                start,
            } => {
                if self.open(call, leg, pair, stream, start).is_err() {
                    self.events.push(MediaEvent::Failed { leg });
                }
            }
            Order::Update { leg, stream } => {
                if let Some(party) = self.party(leg) {
                    party.agree(&stream);
                }
            }
            Order::Play {
                leg,
                id,
                audio,
                stops_at_key,
            } => {
                match self.party(leg).map(|party| party.leg.as_mut()) {
                    Some(Some(audible)) => audible.play(id, audio, stops_at_key),
                    // Nothing is agreed yet, so nobody can hear it: it has ended.
                    Some(None) => self.events.push(MediaEvent::Played { leg, id, whole: false }),
                    None => {}
                }
                self.report(leg);
            }
            Order::Hush { leg } => {
                if let Some(Some(audible)) = self.party(leg).map(|party| party.leg.as_mut()) {
                    audible.hush();
                }
                self.report(leg);
            }
            Order::Bridge { a, b } => self.bridge(a, b),
            Order::Unbridge { a, .. } => {
                if let Some(at) = self.legs.get(&a).copied() {
                    self.unbridge(at);
                }
            }
            Order::Record {
                leg,
                recording,
                call,
                consent,
            } => self.record(leg, recording, call, consent),
            Order::StopRecord { recording } => {
                if let Some(at) = self.recordings.get(&recording).copied() {
                    self.stop_recording(at);
                }
            }
            Order::Clip {
                leg,
                recording,
                call,
                beep,
                longest,
                shortest,
                ends_after_silence,
            } => {
                let bounds = Bounds {
                    longest,
                    shortest,
                    ends_after_silence,
                };
                self.begin_clip(leg, recording, call, beep, bounds);
            }
            Order::EndClip { leg } => {
                if let Some(at) = self.legs.get(&leg).copied() {
                    self.end_clip(at);
                }
            }
            Order::InfoDigit { leg, body } => {
                let now = Instant::now();
                if let Some(Some(audible)) = self.party(leg).map(|party| party.leg.as_mut()) {
                    audible.hear_info_digit(now, body.expose());
                }
                self.report(leg);
            }
            Order::SendDigits { leg, digits, how } => {
                if let Some(Some(audible)) = self.party(leg).map(|party| party.leg.as_mut()) {
                    audible.send_digits(&digits, how);
                }
            }
            Order::Close { leg } => self.close(leg),
            #[cfg(test)]
            Order::Break { .. } => panic!("as ordered"),
        }
    }

    /// Does something for one leg. A fault of ours there is the end of that leg: it is dropped and reported, and every
    /// other leg of the thread goes on (house.md §5, invariant 2).
    fn guard(&mut self, leg: Option<LegId>, act: impl FnOnce(&mut Self)) {
        if catch_unwind(AssertUnwindSafe(|| act(self))).is_ok() {
            return;
        }
        tracing::error!(?leg, "a leg failed inside its media thread; the others go on");
        let Some(leg) = leg else { return };
        // What the leg itself holds may be half changed: nothing of it is used again.
        if let Some(Some(party)) = self.legs.get(&leg).and_then(|at| self.parties.get_mut(*at as usize)) {
            party.leg = None;
        }
        self.events.push(MediaEvent::Failed { leg });
    }

    /// The leg at a place.
    fn leg_at(&self, at: u32) -> Option<LegId> {
        Some(self.parties.get(at as usize)?.as_ref()?.id)
    }

    fn open(
        &mut self,
        call: CallId,
        leg: LegId,
        pair: Pair,
        stream: Option<Box<Stream>>,
        start: LegStart,
    ) -> io::Result<()> {
        let at = self.free.pop().unwrap_or_else(|| {
            self.parties.push(None);
            u32::try_from(self.parties.len() - 1).unwrap_or(u32::MAX)
        });
        let watched = epoll::add(&self.epoll, &pair.rtp, token(at, false), epoll::EventFlags::IN)
            .and_then(|()| epoll::add(&self.epoll, &pair.rtcp, token(at, true), epoll::EventFlags::IN));
        if let Err(fault) = watched {
            self.free.push(at);
            return Err(fault.into());
        }
        let slots = &mut self.slots;
        let (slot, legs) = self.calls.entry(call).or_insert_with(|| (slots.place(), 0));
        *legs += 1;
        let slot = *slot;
        self.slots.join(slot, at);
        let mut party = Party {
            id: leg,
            call,
            slot,
            pair,
            start,
            leg: None,
            codec: Codec::Pcmu,
            pinned: false,
            quiet: 0,
            other: None,
            recording: None,
            clip: None,
            left_clips: false,
        };
        if let Some(stream) = stream {
            party.agree(&stream);
        }
        if let Some(place) = self.parties.get_mut(at as usize) {
            *place = Some(party);
        }
        self.legs.insert(leg, at);
        Ok(())
    }

    fn close(&mut self, leg: LegId) {
        let Some(at) = self.legs.get(&leg).copied() else { return };
        self.unbridge(at);
        self.stop_recording(at);
        self.end_clip(at);
        self.report(leg);
        self.legs.remove(&leg);
        let Some(mut party) = self.parties.get_mut(at as usize).and_then(Option::take) else {
            return;
        };
        self.free.push(at);
        self.slots.leave(party.slot, at);
        if let Some((slot, legs)) = self.calls.get_mut(&party.call) {
            *legs -= 1;
            if *legs == 0 {
                self.slots.vacate(*slot);
                self.calls.remove(&party.call);
            }
        }
        party.send_bye(&self.gauges);
        // Closing the sockets takes them out of the epoll set too.
        let quality = party.leg.as_ref().map_or_else(Quality::default, Leg::quality);
        if party.left_clips {
            self.tap.mark(Tap::Closed { leg, quality });
        } else {
            self.events.push(MediaEvent::Closed { leg, quality });
        }
    }

    fn bridge(&mut self, a: LegId, b: LegId) {
        let (Some(a), Some(b)) = (self.legs.get(&a).copied(), self.legs.get(&b).copied()) else {
            return;
        };
        if a == b {
            return;
        }
        self.unbridge(a);
        self.unbridge(b);
        for (at, other) in [(a, b), (b, a)] {
            if let Some(party) = party(&mut self.parties, at) {
                party.other = Some(other);
                if let Some(leg) = party.leg.as_mut() {
                    leg.hush();
                }
            }
        }
        self.bridges += 1;
    }

    /// Takes a party out of its bridge, and the other one with it.
    fn unbridge(&mut self, at: u32) {
        let Some(other) = party(&mut self.parties, at).and_then(|party| party.other.take()) else {
            return;
        };
        if let Some(other) = party(&mut self.parties, other) {
            other.other = None;
        }
        self.bridges -= 1;
    }

    fn record(&mut self, leg: LegId, recording: RecordingId, call: CallId, consent: [u8; 32]) {
        let Some(at) = self.legs.get(&leg).copied() else {
            self.events.push(MediaEvent::RecordingFailed { recording });
            return;
        };
        self.stop_recording(at);
        let Some(party) = party(&mut self.parties, at) else {
            return;
        };
        let begin = Begin {
            recording,
            call,
            leg,
            codec: party.codec,
            kind: Kind::Call { consent },
        };
        let codec = party.codec;
        party.recording = Some(Recording {
            id: recording,
            codec,
            so_far: Recorded::default(),
            echo: Box::new(Echo::new()),
        });
        self.recordings.insert(recording, at);
        self.tap.mark(Tap::Begin(Box::new(begin)));
    }

    fn stop_recording(&mut self, at: u32) {
        let Some(recording) = party(&mut self.parties, at).and_then(|party| party.recording.take()) else {
            return;
        };
        self.recordings.remove(&recording.id);
        self.tap.mark(Tap::End {
            recording: recording.id,
            frames: recording.so_far.frames,
            heard: None,
        });
    }

    fn begin_clip(&mut self, leg: LegId, recording: RecordingId, call: CallId, beep: Arc<[u8]>, bounds: Bounds) {
        let Some(at) = self.legs.get(&leg).copied() else { return };
        self.end_clip(at);
        let Some(party) = party(&mut self.parties, at) else {
            return;
        };
        let Some(audible) = party.leg.as_mut() else {
            self.events.push(MediaEvent::ClipEnded {
                leg,
                recording,
                heard: None,
            });
            return;
        };
        audible.play(BEEP, vec![beep], false);
        party.left_clips = true;
        party.clip = Some((recording, party.codec, Clip::new(bounds), Recorded::default()));
        let begin = Begin {
            recording,
            call,
            leg,
            codec: party.codec,
            kind: Kind::Clip,
        };
        self.tap.mark(Tap::Begin(Box::new(begin)));
        self.report(leg);
    }

    /// Ends a clip; the recorder seals or discards it and reports.
    fn end_clip(&mut self, at: u32) {
        let Some((recording, _, clip, so_far)) = party(&mut self.parties, at).and_then(|party| party.clip.take())
        else {
            return;
        };
        self.tap.mark(Tap::End {
            recording,
            frames: so_far.frames,
            heard: clip.heard(),
        });
    }
}

impl Thread {
    /// Reads what came, within the bounds of a tick.
    fn read(&mut self, now: Instant) {
        if self.events.choked() {
            return;
        }
        let mut budget = READS_AT_LEAST + READS_PER_LEG * self.legs.len();
        while budget > 0 {
            self.ready.clear();
            let zero = rustix::time::Timespec { tv_sec: 0, tv_nsec: 0 };
            let found = match epoll::wait(
                &self.epoll,
                rustix::buffer::spare_capacity(&mut self.ready),
                Some(&zero),
            ) {
                Ok(found) => found,
                Err(_) => return,
            };
            for which in 0..found {
                let Some(data) = self.ready.get(which).map(|event| event.data.u64()) else {
                    break;
                };
                let at = u32::try_from(data >> 1).unwrap_or(u32::MAX);
                let (leg, mut read) = (self.leg_at(at), 0);
                self.guard(leg, |this| {
                    read = if data & 1 == 0 {
                        this.read_rtp(at, now)
                    } else {
                        this.read_rtcp(at, now)
                    };
                });
                budget = budget.saturating_sub(read.max(1));
                if budget == 0 {
                    return;
                }
            }
            if found < READY {
                return;
            }
        }
    }

    fn read_rtp(&mut self, at: u32, now: Instant) -> usize {
        let mut buffer = [0; PACKET];
        for read in 0..READS_PER_SOCKET {
            let Some(party) = party(&mut self.parties, at) else {
                return read;
            };
            let (packet, source) = match receive(&party.pair.rtp, &mut buffer) {
                Received::Packet(packet, source) => (packet, source),
                Received::Nothing => return read,
                Received::Fault => continue,
            };
            add(&self.gauges.packets_in, 1);
            let Some(leg) = party.leg.as_mut() else { continue };
            match leg.receive(now, source, packet) {
                Verdict::Audio(audio) => {
                    party.heard();
                    if let Some(hearer) = party
                        .other
                        .and_then(|other| super::thread::party(&mut self.parties, other))
                    {
                        hearer.pass_on(now, &audio, packet, &self.gauges);
                    }
                }
                Verdict::Event | Verdict::Comfort | Verdict::Held | Verdict::Late => party.heard(),
                Verdict::Stranger => add(&self.gauges.strangers, 1),
                _ => {}
            }
            self.report_at(at);
        }
        READS_PER_SOCKET
    }

    fn read_rtcp(&mut self, at: u32, now: Instant) -> usize {
        let mut buffer = [0; PACKET];
        for read in 0..READS_PER_SOCKET {
            let Some(party) = party(&mut self.parties, at) else {
                return read;
            };
            let (packet, source) = match receive(&party.pair.rtcp, &mut buffer) {
                Received::Packet(packet, source) => (packet, source),
                Received::Nothing => return read,
                Received::Fault => continue,
            };
            add(&self.gauges.packets_in, 1);
            let Some(leg) = party.leg.as_mut() else { continue };
            if leg.receive_rtcp(now, source, packet) == Verdict::Stranger {
                add(&self.gauges.strangers, 1);
            }
            self.report_at(at);
        }
        READS_PER_SOCKET
    }

    /// Serves every leg of a tick's slot: what it owes, what it heard, what the recorder wants.
    fn serve(&mut self, tick: u64) {
        let due = self.clock.due(tick);
        let slot = slot_of(tick);
        let mut place = 0;
        while let Some(at) = self.slots.legs(slot).get(place).copied() {
            place += 1;
            let leg = self.leg_at(at);
            self.guard(leg, |this| this.serve_leg(at, due, tick / super::slots::SLOTS as u64));
        }
    }
}

impl Thread {
    /// One leg's 20 ms.
    fn serve_leg(&mut self, at: u32, due: Instant, frame: u64) {
        let now = Instant::now();
        let Some(party) = party(&mut self.parties, at) else {
            return;
        };
        party.quiet = party.quiet.saturating_add(1);
        if party.quiet == FRAMES_UNTIL_UNPINNED {
            party.unpin();
        }
        party.send_frame(now, due, &self.gauges);
        party.send_rtcp(now, &self.gauges);
        let Some(leg) = party.leg.as_mut() else { return };
        let voice = leg.voice().speaking;
        let heard = leg.take_frame();

        let mut lost = 0;
        if let Some(recording) = &mut party.recording {
            let (number, codec) = (recording.so_far.number(frame), recording.codec);
            let (caller, other) = (in_codec(heard, codec), in_codec(recording.echo.pop(), codec));
            lost += u64::from(!self.tap.frame(Tap::Frame {
                recording: recording.id,
                number,
                caller,
                other,
            }));
        }
        let mut over = false;
        if let Some((recording, codec, clip, so_far)) = &mut party.clip {
            let kept = clip.frame(voice);
            if kept != Heard::NotYet {
                let (number, caller) = (so_far.number(frame), in_codec(heard, *codec));
                lost += u64::from(!self.tap.frame(Tap::Frame {
                    recording: *recording,
                    number,
                    caller,
                    other: caller,
                }));
            }
            over = kept == Heard::Last;
        }
        if lost > 0 {
            add(&self.gauges.tap_lost, lost);
        }
        // The other side's packets are passed on as they come; where that cannot serve, its frames do.
        if let (Some(other), Some(heard)) = (party.other, heard)
            && let Some(leg) = super::thread::party(&mut self.parties, other).and_then(|other| other.leg.as_mut())
        {
            leg.relay(&heard);
        }
        if over {
            self.end_clip(at);
        }
        self.report_at(at);
    }

    fn report(&mut self, leg: LegId) {
        if let Some(at) = self.legs.get(&leg).copied() {
            self.report_at(at);
        }
    }

    /// Tells what a leg has to tell.
    fn report_at(&mut self, at: u32) {
        let Some(party) = party(&mut self.parties, at) else {
            return;
        };
        let leg = party.id;
        while let Some(event) = party.leg.as_mut().and_then(Leg::poll_event) {
            self.events.push(match event {
                LegEvent::Digit(digit) => MediaEvent::Digit {
                    leg,
                    digit: digit.map(|digit| digit.as_char()),
                },
                LegEvent::Played { id: BEEP, .. } => {
                    if let Some((_, _, clip, _)) = &mut party.clip {
                        clip.beeped();
                    }
                    continue;
                }
                LegEvent::Played { id, whole } => MediaEvent::Played { leg, id, whole },
                LegEvent::FirstPacket => MediaEvent::FirstPacket { leg },
                LegEvent::Lost => MediaEvent::Lost { leg },
                LegEvent::SourceMoved(_) => {
                    party.unpin();
                    continue;
                }
                // The desk was told of the loss, and hears of the return by what is pressed and said.
                LegEvent::Returned | LegEvent::DigitsSent => continue,
            });
        }
    }
}

impl Party {
    /// What was agreed, first or anew.
    fn agree(&mut self, stream: &Stream) {
        self.codec = stream.codec;
        match &mut self.leg {
            Some(leg) => leg.update(stream),
            None => self.leg = Some(Leg::new(stream, self.start)),
        }
        // The other side may have moved; its next packet says where to.
        self.unpin();
    }

    /// A packet of this party came: from now on the kernel lets nobody else in, and sending is cheaper.
    fn heard(&mut self) {
        self.quiet = 0;
        if self.pinned {
            return;
        }
        if let Some(leg) = &self.leg {
            self.pinned = self.pair.rtp.connect(leg.target()).is_ok();
        }
    }

    fn unpin(&mut self) {
        if std::mem::take(&mut self.pinned) {
            // A socket that stays connected only hears less; the leg's own check of sources does not depend on it.
            let _ = rustix::net::connect_unspec(&self.pair.rtp);
        }
    }

    /// Sends the 20 ms this party is owed.
    fn send_frame(&mut self, now: Instant, due: Instant, gauges: &Gauges) {
        let Some(leg) = self.leg.as_mut() else { return };
        let mut packet = [0; PACKET_OUT_BYTES];
        let length = leg.tick(now, &mut packet);
        if length > 0 {
            self.send(packet.get(..length).unwrap_or_default(), gauges);
            gauges.paced(now.saturating_duration_since(due));
        }
        self.note_sent();
    }

    /// Passes on a packet of the party this one is bridged with, as it comes.
    fn pass_on(&mut self, now: Instant, audio: &Audio, theirs: &[u8], gauges: &Gauges) {
        let Some(leg) = self.leg.as_mut() else { return };
        let mut packet = [0; PACKET_OUT_BYTES];
        let length = leg.relay_now(now, audio, theirs, &mut packet);
        if length > 0 {
            self.send(packet.get(..length).unwrap_or_default(), gauges);
            self.note_sent();
        }
    }

    /// Keeps what went out for the recorder.
    fn note_sent(&mut self) {
        if let (Some(recording), Some(leg)) = (&mut self.recording, &mut self.leg)
            && let Some(sent) = leg.take_sent()
        {
            recording.echo.push(sent);
        }
    }

    fn send_rtcp(&mut self, now: Instant, gauges: &Gauges) {
        let Some(leg) = self.leg.as_mut() else { return };
        let mut packet = [0; PACKET_OUT_BYTES];
        let length = leg.rtcp_due(now, &mut packet);
        if length > 0 {
            self.send_control(packet.get(..length).unwrap_or_default(), gauges);
        }
    }

    /// Says goodbye (RFC 3550 §6.6).
    fn send_bye(&mut self, gauges: &Gauges) {
        let Some(leg) = self.leg.as_mut() else { return };
        let mut packet = [0; PACKET_OUT_BYTES];
        let length = leg.rtcp_bye(&mut packet);
        if length > 0 {
            self.send_control(packet.get(..length).unwrap_or_default(), gauges);
        }
    }

    fn send(&self, packet: &[u8], gauges: &Gauges) {
        let Some(leg) = &self.leg else { return };
        let sent = if self.pinned {
            self.pair.rtp.send(packet)
        } else {
            self.pair.rtp.send_to(packet, leg.target())
        };
        match sent {
            Ok(_) => add(&gauges.packets_out, 1),
            // Refused by ICMP, or the buffer is full: to the other side it is a lost packet.
            Err(_) => add(&gauges.send_failed, 1),
        }
    }

    fn send_control(&self, packet: &[u8], gauges: &Gauges) {
        let Some(leg) = &self.leg else { return };
        // RFC 5761: multiplexed, RTCP takes the way of the audio.
        if leg.stream().rtcp_mux {
            return self.send(packet, gauges);
        }
        match self.pair.rtcp.send_to(packet, leg.rtcp_target()) {
            Ok(_) => add(&gauges.packets_out, 1),
            Err(_) => add(&gauges.send_failed, 1),
        }
    }
}

/// A frame's bytes in the codec of a file; silence when there is none.
fn in_codec(frame: Option<Frame>, codec: Codec) -> [u8; FRAME_SAMPLES] {
    let Some(Frame {
        mut bytes, codec: from, ..
    }) = frame
    else {
        return [codec.silence(); FRAME_SAMPLES];
    };
    from.transcode(codec, &mut bytes);
    bytes
}

enum Received<'a> {
    Packet(&'a [u8], SocketAddr),
    Nothing,
    /// An ICMP error of something we sent, or an interruption.
    Fault,
}

fn receive<'a>(socket: &UdpSocket, buffer: &'a mut [u8]) -> Received<'a> {
    match socket.recv_from(buffer) {
        Ok((length, source)) => Received::Packet(buffer.get(..length).unwrap_or_default(), source),
        Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => Received::Nothing,
        Err(_) => Received::Fault,
    }
}

fn party(parties: &mut [Option<Party>], at: u32) -> Option<&mut Party> {
    parties.get_mut(at as usize)?.as_mut()
}

/// What epoll gives back for a socket: the party's place, and whether it is the RTCP socket.
fn token(at: u32, rtcp: bool) -> epoll::EventData {
    epoll::EventData::new_u64(u64::from(at) << 1 | u64::from(rtcp))
}
