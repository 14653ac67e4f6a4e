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

use media::{Leg, LegEvent, Verdict};
use rustix::event::epoll;
use switchboard::{CallId, LegId, MediaEvent, RecordingId};

use super::clip::Heard;
use super::clock::Clock;
use super::events::Events;
use super::gauges::{Gauges, add};
use super::order::Order;
use super::party::{Party, in_law};
use super::slots::{Slots, due, slot_of};
use super::tap::{Tap, Tapped};

/// Orders waiting for one thread.
pub const ORDERS: usize = 4096;

/// Orders carried out per tick; the rest wait 5 ms at most.
const ORDERS_PER_TICK: usize = 256;

/// Packets read from one socket per tick in search of the party's own.
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
pub(super) const BEEP: u64 = u64::MAX;

/// How often the load is worked out.
const LOAD_WINDOW: Duration = Duration::from_secs(1);

/// What a media thread is made of.
pub(crate) struct Parts {
    pub(crate) orders: Receiver<Order>,
    pub(crate) events: Events,
    pub(crate) tap: Tapped,
    pub(crate) gauges: Arc<Gauges>,
}

/// A media thread, before and while it runs.
pub(crate) struct Thread {
    pub(super) orders: Receiver<Order>,
    pub(super) events: Events,
    pub(super) tap: Tapped,
    pub(super) gauges: Arc<Gauges>,
    pub(super) clock: Clock,
    pub(super) epoll: OwnedFd,
    pub(super) slots: Slots,
    pub(super) parties: Vec<Option<Party>>,
    pub(super) free: Vec<u32>,
    pub(super) legs: HashMap<LegId, u32>,
    /// The slot of each call, and how many of its legs are here.
    pub(super) calls: HashMap<CallId, (usize, usize)>,
    pub(super) recordings: HashMap<RecordingId, u32>,
    pub(super) bridges: usize,
    /// The last tick served.
    pub(super) last: u64,
    /// Processor time used up to the beginning of the window.
    pub(super) used: Duration,
    pub(super) window: Instant,
    pub(super) ready: Vec<epoll::Event>,
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
            used: Duration::ZERO,
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
                self.worked();
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
            self.worked();
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

    /// Works out the load: processor time of this thread, in and out of the kernel. Not the time on the wall, which on a
    /// shared machine counts our neighbours' work as ours and would refuse callers for it.
    fn worked(&mut self) {
        let now = Instant::now();
        let window = now.saturating_duration_since(self.window);
        if window >= LOAD_WINDOW {
            let used = processor_time();
            let busy = used.saturating_sub(self.used);
            let permille = busy.as_micros() * 1000 / window.as_micros().max(1);
            self.gauges
                .load_permille
                .store(u32::try_from(permille).unwrap_or(1000), Relaxed);
            self.gauges
                .legs
                .store(u32::try_from(self.legs.len()).unwrap_or(u32::MAX), Relaxed);
            self.gauges.events_held.store(self.events.held_ever, Relaxed);
            self.used = used;
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

    pub(super) fn party(&mut self, leg: LegId) -> Option<&mut Party> {
        let at = *self.legs.get(&leg)?;
        party(&mut self.parties, at)
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
}

impl Thread {
    /// Reads what came, within the bounds of a tick.
    fn read(&mut self, now: Instant) {
        if self.events.choked() {
            return;
        }
        let mut budget = READS_AT_LEAST + READS_PER_LEG * self.legs.len();
        // Each readable socket is in the answer once, so that more than READY of them need more answers than one.
        for _ in 0..=self.legs.len() * 2 / READY {
            self.ready.clear();
            let zero = rustix::time::Timespec { tv_sec: 0, tv_nsec: 0 };
            let Ok(found) = epoll::wait(
                &self.epoll,
                rustix::buffer::spare_capacity(&mut self.ready),
                Some(&zero),
            ) else {
                return;
            };
            for which in 0..found {
                let Some(data) = self.ready.get(which).map(|event| event.data.u64()) else {
                    break;
                };
                let at = u32::try_from(data >> 1).unwrap_or(u32::MAX);
                let (leg, mut read) = (self.leg_at(at), 1);
                self.guard(leg, |this| {
                    read = if data & 1 == 0 {
                        this.read_rtp(at, now)
                    } else {
                        this.read_rtcp(at, now)
                    };
                });
                budget = budget.saturating_sub(read);
                if budget == 0 {
                    return;
                }
            }
            if found < READY {
                return;
            }
        }
    }

    /// Reads one packet of the party from its RTP socket; strangers' packets before it do not count, up to a limit. What
    /// is left is still there at the next tick.
    fn read_rtp(&mut self, at: u32, now: Instant) -> usize {
        let mut buffer = [0; PACKET];
        for read in 1..=READS_PER_SOCKET {
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
                    let other = party.other;
                    if let Some(hearer) = other.and_then(|other| super::thread::party(&mut self.parties, other)) {
                        hearer.pass_on(now, &audio, packet, &self.gauges);
                    }
                }
                Verdict::Event | Verdict::Comfort | Verdict::Held | Verdict::Late => party.heard(),
                Verdict::Stranger => {
                    add(&self.gauges.strangers, 1);
                    continue;
                }
                Verdict::Ignored | Verdict::Malformed | Verdict::Forged | Verdict::Replayed => continue,
                Verdict::Rtcp | Verdict::Duplicate => {}
            }
            self.report_at(at);
            return read;
        }
        READS_PER_SOCKET
    }

    /// The same for RTCP, which comes every few seconds.
    fn read_rtcp(&mut self, at: u32, now: Instant) -> usize {
        let mut buffer = [0; PACKET];
        let Some(party) = party(&mut self.parties, at) else {
            return 1;
        };
        if let Received::Packet(packet, source) = receive(&party.pair.rtcp, &mut buffer) {
            add(&self.gauges.packets_in, 1);
            let verdict = party.leg.as_mut().map(|leg| leg.receive_rtcp(now, source, packet));
            if verdict == Some(Verdict::Stranger) {
                add(&self.gauges.strangers, 1);
            }
            self.report_at(at);
        }
        1
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
            let (number, law) = (recording.so_far.number(frame), recording.law);
            let (caller, other) = (in_law(heard, law), in_law(recording.echo.pop(), law));
            lost += u64::from(!self.tap.frame(Tap::Frame {
                recording: recording.id,
                number,
                caller,
                other,
            }));
        }
        let mut over = false;
        if let Some((recording, law, clip, so_far)) = &mut party.clip {
            let kept = clip.frame(voice);
            if kept != Heard::NotYet {
                let (number, caller) = (so_far.number(frame), in_law(heard, *law));
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

    pub(super) fn report(&mut self, leg: LegId) {
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
                LegEvent::Digit(digit, way) => MediaEvent::Digit {
                    leg,
                    digit: digit.map(|digit| digit.as_char()),
                    way,
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

enum Received<'a> {
    Packet(&'a mut [u8], SocketAddr),
    Nothing,
    /// An ICMP error of something we sent, or an interruption.
    Fault,
}

fn receive<'a>(socket: &UdpSocket, buffer: &'a mut [u8]) -> Received<'a> {
    match socket.recv_from(buffer) {
        Ok((length, source)) => Received::Packet(buffer.get_mut(..length).unwrap_or_default(), source),
        Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => Received::Nothing,
        Err(_) => Received::Fault,
    }
}

pub(super) fn party(parties: &mut [Option<Party>], at: u32) -> Option<&mut Party> {
    parties.get_mut(at as usize)?.as_mut()
}

/// What epoll gives back for a socket: the party's place, and whether it is the RTCP socket.
pub(super) fn token(at: u32, rtcp: bool) -> epoll::EventData {
    epoll::EventData::new_u64(u64::from(at) << 1 | u64::from(rtcp))
}

/// What this thread has used of its core so far.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}
