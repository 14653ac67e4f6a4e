//! Whole calls in virtual time: the real [`Desk`], a real SIP telephone, a simulated wire, book and audio.
//!
//! Golden pages and rehearsals run here. The signalling is real bytes between two endpoints; what is simulated is what a
//! machine would add: a millisecond of wire, the book's sync, words spoken at fifteen characters a second, a voice that
//! answers after a tone. A night takes milliseconds, and the same script always draws the same ladder.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use phi::Phi;
use sip::locate::{Answer, Question};

use crate::carrier::{Carrier, EDGE as TRUNK_ADDRESS, Forwarding, Made, SECOND_EDGE, by_second_edge};
use crate::desk::Desk;
use crate::door::{
    DeskConfig, Health, Input, LegId, Listener, MediaCommand, MediaEvent, Output, RecordingId, Released, Ticket,
};
use crate::fact::{OpenEscalation, Stamped};
use crate::phone::{Answering, Output as PhoneOutput, Phone};
use crate::weather::{Dice, Log, Seen, Weather};

/// How fast words are spoken, in characters a second (flow-language.md §18).
pub const CHARACTERS_PER_SECOND: u64 = 15;
/// How long the line must be silent after words before a caller acts.
pub const QUIET: Duration = Duration::from_millis(700);
/// A caller who says nothing this long after the tone has said nothing.
pub const NOTHING_SAID: Duration = Duration::from_secs(5);
/// How long two people talk before the clinician hangs up.
const CONVERSATION: Duration = Duration::from_secs(20);
/// How long a voicemail records before it hangs up.
const VOICEMAIL: Duration = Duration::from_secs(60);
/// A clinician listens this long before pressing a key.
const LISTENS: Duration = Duration::from_secs(2);
const TONE: Duration = Duration::from_millis(300);
/// After this long without audio the media plane says that a party is lost.
const LOST_AFTER: Duration = Duration::from_secs(30);
/// In bad weather a person hangs up within this after picking up.
const LEAVES_WITHIN: Duration = Duration::from_secs(30);
/// In bad weather a person who holds is back after this.
const HOLDS: Duration = Duration::from_secs(4);
/// Ports a desk may have in fair weather.
const PORTS: usize = 20_000;
const DESK_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 1)), 5060);

/// What happens to the caller, for whoever plays the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scene {
    /// These words begin to be heard.
    Hears(String),
    /// The line has been quiet for [`QUIET`] after words or a tone.
    Quiet,
    /// The caller and this leg's person hear each other.
    Talking,
    /// The call is answered.
    Answered,
    /// The call was refused with this status.
    Refused(u16),
    /// The caller's call is over.
    Over,
    /// The time asked for has come.
    Time,
}

/// How the world is set up.
#[derive(Clone, Debug)]
pub struct Setting {
    /// When it begins.
    pub now: Timestamp,
    /// What is broken behind the telephone line.
    pub health: Health,
    /// How long the book takes to sync; `None`: it never can.
    pub book: Option<Duration>,
    /// One way on the wire.
    pub wire: Duration,
}

/// A desk, a telephone, and time between them.
pub struct World {
    now: Instant,
    began: Instant,
    wall: Timestamp,
    desk: Desk,
    phone: Phone,
    setting: Setting,
    queue: BinaryHeap<Reverse<(Instant, u64, Happening)>>,
    sequence: u64,
    legs: BTreeMap<LegId, Leg>,
    caller: Option<sip::SessionId>,
    caller_leg: Option<LegId>,
    /// RTP port at the telephone to its call and how that call answers.
    people: BTreeMap<u16, (sip::SessionId, Answering, String)>,
    practice: std::sync::Arc<flow::Practice>,
    facts: Vec<Stamped>,
    next_port: u16,
    /// Ports that exist and that the desk does not hold.
    ports_left: usize,
    weather: Weather,
    dice: Dice,
    seen: Log,
    carrier: Carrier,
    forwarding: Forwarding,
    records: Option<flow::rehearse::PaperRecords>,
    /// Answers of the records on their way, by the number of their happening.
    answers: BTreeMap<u64, (crate::door::CallId, flow::AskId, flow::RecordsAnswer)>,
}

#[derive(Default)]
struct Leg {
    playing: Option<u64>,
    stops_at_key: bool,
    remote_port: Option<u16>,
    clip: Option<Clip>,
    bridged: Option<LegId>,
    quiet_from: u64,
    pressed: bool,
}

struct Clip {
    recording: RecordingId,
    ends_after_silence: Duration,
    longest: Duration,
    spoken: Option<Duration>,
    generation: u64,
}

#[derive(PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Happening {
    ToDesk(sip::Flow, Vec<u8>),
    ToPhone(sip::Flow, Vec<u8>),
    Part {
        leg: LegId,
        play: u64,
        text: String,
    },
    Played {
        leg: LegId,
        play: u64,
    },
    Quiet {
        leg: LegId,
        generation: u64,
    },
    ClipOver {
        leg: LegId,
        generation: u64,
    },
    Resolves(Question),
    Recorded(Ticket),
    NotRecorded(Ticket),
    PersonPresses {
        leg: LegId,
        digit: char,
    },
    HangUp(sip::SessionId),
    /// Holds, or is back.
    Holds(sip::SessionId, bool),
    Lost {
        leg: LegId,
    },
    Ended(Late),
    RecordsAnswer(u64),
    Wake,
}

/// What a media plane reports in its own time.
#[derive(PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Late {
    Clip {
        leg: LegId,
        recording: RecordingId,
        heard: Option<Duration>,
    },
    Sealed(RecordingId),
    Failed(RecordingId),
    Closed(LegId),
}

impl World {
    /// A world with one practice on one trunk. `anchor` is any instant; only differences to it matter.
    pub fn new(anchor: Instant, released: Released, setting: Setting) -> Self {
        Self::in_weather(anchor, released, setting, Weather::default())
    }

    /// The same world in bad weather.
    pub fn in_weather(anchor: Instant, released: Released, setting: Setting, weather: Weather) -> Self {
        Self::by_carrier(anchor, released, setting, weather, Carrier::default())
    }

    /// A world whose trunks have a carrier of their own kind.
    pub fn by_carrier(
        anchor: Instant,
        released: Released,
        setting: Setting,
        weather: Weather,
        carrier: Carrier,
    ) -> Self {
        let listener = Listener {
            transport: sip::Transport::Udp,
            local: DESK_ADDRESS,
            advertised: DESK_ADDRESS,
        };
        let usual = DeskConfig::new(vec![listener], DESK_ADDRESS.ip(), carrier.trunks.clone());
        let config = DeskConfig {
            ring_before_answer: Duration::from_secs(1),
            calls_per_practice_max: carrier.calls_per_practice_max.unwrap_or(usual.calls_per_practice_max),
            ..usual
        };
        let mut desk = Desk::new(config, counting(1), counting(2), anchor, setting.now);
        let practice = released.practice.clone();
        desk.handle(anchor, Input::Practices(vec![released]));
        desk.handle(anchor, Input::Health(setting.health));
        let mut phone = Phone::new(TRUNK_ADDRESS, TRUNK_ADDRESS.ip(), counting(3), counting(4));
        phone.offer_late(carrier.offers_late);
        let mut world = Self {
            now: anchor,
            began: anchor,
            wall: setting.now,
            desk,
            phone,
            setting,
            queue: BinaryHeap::new(),
            sequence: 0,
            legs: BTreeMap::new(),
            caller: None,
            caller_leg: None,
            people: BTreeMap::new(),
            practice,
            facts: Vec::new(),
            next_port: 20_000,
            ports_left: weather.ports.unwrap_or(PORTS),
            dice: Dice::new(weather.seed),
            weather,
            seen: Log::new(),
            carrier,
            forwarding: Forwarding::default(),
            records: None,
            answers: BTreeMap::new(),
        };
        if let Some(after) = world.weather.cut_after {
            world.schedule(after, Happening::Wake);
        }
        world.top_up();
        world
    }

    /// What the desk did, for a judge.
    pub fn seen(&self) -> &Log {
        &self.seen
    }

    /// The caller holds, or comes back.
    pub fn caller_holds(&mut self, direction: media::sdp::Direction) {
        if let Some(session) = self.caller {
            self.phone.reoffer(self.now, session, direction);
        }
    }

    /// No new calls from here on.
    pub fn drain_desk(&mut self) {
        self.desk.handle(self.now, Input::Drain);
    }

    /// A restart found this ladder interrupted.
    pub fn resume(&mut self, open: OpenEscalation) {
        self.desk.handle(self.now, Input::Resume(Box::new(open)));
    }

    /// A practice has these records, from the next call on.
    pub fn keep_records(&mut self, practice: &str, records: flow::rehearse::PaperRecords) {
        self.records = Some(records);
        self.desk
            .handle(self.now, Input::RecordsOf([practice.to_owned()].into()));
    }

    /// The telephone, to script how each number answers.
    pub fn phone(&mut self) -> &mut Phone {
        &mut self.phone
    }

    /// The desk, to look at what it holds.
    pub fn desk(&self) -> &Desk {
        &self.desk
    }

    /// The wall clock.
    pub fn wall(&self) -> Timestamp {
        crate::desk::wall_at((self.began, self.wall), self.now)
    }

    /// Somebody sets the machine's clock; the world's own goes on as it did.
    pub fn clock_jumps(&mut self, by: jiff::SignedDuration) {
        let wall = self.wall().saturating_add(by).unwrap_or(self.wall());
        self.desk.set_clock(self.now, wall);
    }

    /// Time since the world began.
    pub fn elapsed(&self) -> Duration {
        self.now.saturating_duration_since(self.began)
    }

    /// Every fact that became durable or would have, in order.
    pub fn facts(&self) -> &[Stamped] {
        &self.facts
    }

    /// The caller dials a line of the practice.
    pub fn caller_dials(&mut self, number: &str, from: Option<&str>) {
        let flow = sip::Flow {
            transport: sip::Transport::Udp,
            local: TRUNK_ADDRESS,
            remote: DESK_ADDRESS,
            connection: None,
        };
        self.caller = self.phone.call(self.now, flow, number, from);
    }

    /// The caller presses a key.
    pub fn caller_presses(&mut self, digit: char) {
        if let Some(leg) = self.caller_leg {
            self.press(leg, digit);
        }
    }

    /// The caller presses a key a moment from now.
    pub fn caller_presses_after(&mut self, after: Duration, digit: char) {
        if let Some(leg) = self.caller_leg {
            self.schedule(after, Happening::PersonPresses { leg, digit });
        }
    }

    /// The caller speaks after a tone, for this long.
    pub fn caller_speaks(&mut self, length: Duration) {
        let Some(leg) = self.caller_leg else { return };
        let Some(clip) = self.legs.get_mut(&leg).and_then(|leg| leg.clip.as_mut()) else {
            return;
        };
        let length = length.min(clip.longest);
        clip.spoken = Some(length);
        clip.generation += 1;
        let (generation, after) = (clip.generation, length + clip.ends_after_silence);
        self.schedule(after, Happening::ClipOver { leg, generation });
    }

    /// Whether a tone has invited the caller to speak.
    pub fn caller_may_speak(&self) -> bool {
        self.caller_leg
            .and_then(|leg| self.legs.get(&leg))
            .is_some_and(|leg| leg.clip.is_some())
    }

    /// The caller hangs up.
    pub fn caller_hangs_up(&mut self) {
        if let Some(session) = self.caller {
            self.phone.hang_up(self.now, session);
        }
    }

    /// Asks for [`Scene::Time`] after this long.
    pub fn wake_after(&mut self, after: Duration) {
        self.schedule(after, Happening::Wake);
    }

    /// The people behind this call change what is broken.
    pub fn break_things(&mut self, health: Health) {
        self.desk.handle(self.now, Input::Health(health));
    }

    /// Lets time pass until something happens to the caller, or until `limit` after the beginning.
    pub fn next_scene(&mut self, limit: Duration) -> Option<Scene> {
        loop {
            if let Some(scene) = self.drain() {
                return Some(scene);
            }
            let next = self.next_instant()?;
            if next.saturating_duration_since(self.began) > limit {
                return None;
            }
            self.now = self.now.max(next);
            if let Some(scene) = self.happen() {
                return Some(scene);
            }
        }
    }

    /// Whether anything is still due.
    pub fn waits(&mut self) -> bool {
        self.next_instant().is_some()
    }

    fn next_instant(&mut self) -> Option<Instant> {
        let queued = self.queue.peek().map(|Reverse((at, ..))| *at);
        let desk = match self.desk.poll_output() {
            Output::Timeout(at) => at,
            _ => Some(self.now),
        };
        let phone = match self.phone.poll_output() {
            PhoneOutput::Timeout(at) => at,
            _ => Some(self.now),
        };
        [queued, desk, phone].into_iter().flatten().min()
    }

    /// Everything due at this very instant.
    fn happen(&mut self) -> Option<Scene> {
        let due = self.queue.peek().is_some_and(|Reverse((at, ..))| *at <= self.now);
        if !due {
            self.phone.handle_timeout(self.now);
            self.desk.handle(self.now, Input::Time);
            return None;
        }
        let Reverse((_, _, happening)) = self.queue.pop()?;
        match happening {
            Happening::ToDesk(flow, bytes) => self.desk.handle(self.now, Input::Received { flow, bytes: &bytes }),
            Happening::ToPhone(flow, bytes) => self.phone.handle_received(self.now, flow, &bytes),
            Happening::Resolves(question) => {
                let known = self.carrier.names.get(&question).cloned();
                let answer = match self.dice.chance(self.weather.names_fail) {
                    true => Answer::Failed,
                    false => known.unwrap_or(Answer::Nothing(Duration::from_secs(60))),
                };
                self.desk.handle(self.now, Input::Resolved { question, answer });
            }
            Happening::Recorded(ticket) => {
                self.see(Seen::Answered { ticket, kept: true });
                self.desk.handle(self.now, Input::Recorded { ticket });
            }
            Happening::NotRecorded(ticket) => {
                self.see(Seen::Answered { ticket, kept: false });
                self.desk.handle(self.now, Input::NotRecorded { ticket });
            }
            Happening::RecordsAnswer(number) => {
                if let Some((call, id, answer)) = self.answers.remove(&number) {
                    self.desk.handle(self.now, Input::RecordsAnswered { call, id, answer });
                }
            }
            Happening::Lost { leg } => {
                if self.legs.contains_key(&leg) {
                    self.desk.handle(self.now, Input::Media(MediaEvent::Lost { leg }));
                }
            }
            Happening::Ended(late) => self.report(late),
            Happening::PersonPresses { leg, digit } => self.press(leg, digit),
            Happening::HangUp(session) => self.phone.hang_up(self.now, session),
            Happening::Holds(session, back) => {
                use media::sdp::Direction::{SendOnly, SendRecv};
                let direction = if back { SendRecv } else { SendOnly };
                self.phone.reoffer(self.now, session, direction);
            }
            Happening::Wake => {
                if self.is_cut() {
                    let legs: Vec<LegId> = self.legs.keys().copied().collect();
                    for leg in legs {
                        self.schedule(LOST_AFTER, Happening::Lost { leg });
                    }
                }
                return Some(Scene::Time);
            }
            Happening::Part { leg, play, text } => {
                let heard = self.legs.get(&leg).is_some_and(|leg| leg.playing == Some(play));
                return (heard && self.caller_leg == Some(leg)).then_some(Scene::Hears(text));
            }
            Happening::Played { leg, play } => {
                if self.legs.get(&leg).is_some_and(|leg| leg.playing == Some(play)) {
                    self.fall_silent(leg);
                    self.desk.handle(
                        self.now,
                        Input::Media(MediaEvent::Played {
                            leg,
                            id: play,
                            whole: true,
                        }),
                    );
                }
            }
            Happening::Quiet { leg, generation } => {
                let still = self
                    .legs
                    .get(&leg)
                    .is_some_and(|leg| leg.quiet_from == generation && leg.playing.is_none());
                return (still && self.caller_leg == Some(leg)).then_some(Scene::Quiet);
            }
            Happening::ClipOver { leg, generation } => {
                let over = self
                    .legs
                    .get(&leg)
                    .and_then(|leg| leg.clip.as_ref())
                    .is_some_and(|clip| clip.generation == generation);
                if over {
                    self.end_clip(leg);
                }
            }
        }
        None
    }

    /// Carries out what the desk and the telephone want, until both only wait.
    fn drain(&mut self) -> Option<Scene> {
        loop {
            self.top_up();
            match self.desk.poll_output() {
                Output::Timeout(_) => {}
                Output::Transmit(transmit) => {
                    let flow = sip::Flow {
                        local: transmit.flow.remote,
                        remote: transmit.flow.local,
                        ..transmit.flow
                    };
                    self.see(Seen::sent(flow.local, &transmit.bytes));
                    self.carry(flow, transmit.bytes);
                    continue;
                }
                Output::Expect { .. } => continue,
                Output::Resolve(question) => {
                    let slow = self.weather.names_slow;
                    let late = if slow.is_zero() { slow } else { self.dice.within(slow) };
                    self.schedule(self.setting.wire + late, Happening::Resolves(question));
                    continue;
                }
                Output::AskRecords { call, id, ask, .. } => {
                    let (answer, after) = match &mut self.records {
                        Some(records) => records.answer(&ask),
                        None => (flow::RecordsAnswer::Down, Duration::ZERO),
                    };
                    let number = self.sequence;
                    self.answers.insert(number, (call, id, answer));
                    self.schedule(after, Happening::RecordsAnswer(number));
                    continue;
                }
                Output::Record { ticket, facts } => {
                    self.keep(ticket, facts);
                    continue;
                }
                Output::Media(command) => {
                    if let Some(scene) = self.command(command) {
                        return Some(scene);
                    }
                    continue;
                }
            }
            match self.phone.poll_output() {
                PhoneOutput::Timeout(_) => return None,
                PhoneOutput::Transmit(transmit) => {
                    let flow = sip::Flow {
                        local: transmit.flow.remote,
                        remote: transmit.flow.local,
                        ..transmit.flow
                    };
                    if let Some(after) = self.carrier.by_second_edge
                        && begins_a_call(&transmit.bytes)
                        && let Some(again) = by_second_edge(&transmit.bytes)
                    {
                        let remote = SECOND_EDGE;
                        self.schedule(after, Happening::ToDesk(sip::Flow { remote, ..flow }, again));
                    }
                    self.send(flow, transmit.bytes, Happening::ToDesk);
                }
                PhoneOutput::Connected {
                    session,
                    port,
                    answering,
                    ..
                } => match answering {
                    Some((number, answering)) => {
                        self.people.insert(port, (session, answering, number));
                        if self.dice.chance(self.weather.people_hold) {
                            let after = self.dice.within(LEAVES_WITHIN);
                            self.schedule(after, Happening::Holds(session, false));
                            self.schedule(after + HOLDS, Happening::Holds(session, true));
                        }
                        if self.dice.chance(self.weather.people_leave) {
                            let after = self.dice.within(LEAVES_WITHIN);
                            self.schedule(after, Happening::HangUp(session));
                        }
                        if answering == Answering::Voicemail {
                            self.schedule(VOICEMAIL, Happening::HangUp(session));
                        }
                    }
                    None => return Some(Scene::Answered),
                },
                PhoneOutput::Refused { session, status } if self.caller == Some(session) => {
                    return Some(Scene::Refused(status));
                }
                PhoneOutput::Ended { session, .. } if self.caller == Some(session) => {
                    self.caller = None;
                    return Some(Scene::Over);
                }
                PhoneOutput::Refused { .. }
                | PhoneOutput::Ended { .. }
                | PhoneOutput::Changed { .. }
                | PhoneOutput::Rings { .. } => {}
            }
        }
    }

    fn command(&mut self, command: MediaCommand) -> Option<Scene> {
        match command {
            MediaCommand::Open { leg, stream, .. } => {
                if self.dice.chance(self.weather.media_fails) {
                    self.ports_left += 1;
                    self.desk.handle(self.now, Input::Media(MediaEvent::Failed { leg }));
                    return None;
                }
                let remote_port = stream.map(|stream| stream.remote.port());
                // The first leg of a call is its caller's.
                if self.caller_leg.is_none() && remote_port.is_none_or(|port| !self.people.contains_key(&port)) {
                    self.caller_leg = Some(leg);
                }
                self.legs.insert(
                    leg,
                    Leg {
                        remote_port,
                        ..Leg::default()
                    },
                );
            }
            MediaCommand::Update { leg, stream } => {
                if let Some(leg) = self.legs.get_mut(&leg) {
                    leg.remote_port = Some(stream.remote.port());
                }
            }
            MediaCommand::Play {
                leg,
                id,
                words,
                stops_at_key,
            } => self.play(leg, id, &words, stops_at_key),
            MediaCommand::Hush { leg } => self.cut_short(leg),
            MediaCommand::Bridge { a, b } => {
                self.see(Seen::Bridges);
                for (one, other) in [(a, b), (b, a)] {
                    self.cut_short(one);
                    if let Some(leg) = self.legs.get_mut(&one) {
                        leg.bridged = Some(other);
                    }
                }
                let person = [a, b].into_iter().find(|leg| Some(*leg) != self.caller_leg);
                if let Some((session, _)) = person.and_then(|leg| self.person(leg)) {
                    self.schedule(CONVERSATION, Happening::HangUp(session));
                }
                return Some(Scene::Talking);
            }
            MediaCommand::Unbridge { a, b } => {
                for leg in [a, b] {
                    if let Some(leg) = self.legs.get_mut(&leg) {
                        leg.bridged = None;
                    }
                }
            }
            MediaCommand::ListenForTones { .. } | MediaCommand::InfoDigit { .. } | MediaCommand::SendDigits { .. } => {}
            MediaCommand::Record { recording, .. } => {
                self.see(Seen::Records { recording });
                if self.dice.chance(self.weather.media_fails) {
                    self.late(Late::Failed(recording));
                }
            }
            MediaCommand::StopRecord { recording } => self.late(Late::Sealed(recording)),
            MediaCommand::Clip {
                leg,
                recording,
                longest,
                ends_after_silence,
                ..
            } => {
                self.see(Seen::Clip { recording });
                self.cut_short(leg);
                if !self.legs.contains_key(&leg) {
                    let heard = None;
                    self.late(Late::Clip { leg, recording, heard });
                } else if let Some(known) = self.legs.get_mut(&leg) {
                    known.clip = Some(Clip {
                        recording,
                        ends_after_silence,
                        longest,
                        spoken: None,
                        generation: 0,
                    });
                    known.quiet_from += 1;
                    let generation = known.quiet_from;
                    self.schedule(TONE + QUIET, Happening::Quiet { leg, generation });
                    self.schedule(TONE + NOTHING_SAID, Happening::ClipOver { leg, generation: 0 });
                }
            }
            MediaCommand::EndClip { leg } => self.end_clip(leg),
            MediaCommand::Close { leg } => {
                self.end_clip(leg);
                if self.caller_leg == Some(leg) {
                    self.caller_leg = None;
                }
                // What was never opened is not closed either.
                if self.legs.remove(&leg).is_some() {
                    self.ports_left += 1;
                    self.late(Late::Closed(leg));
                }
            }
        }
        None
    }

    /// A datagram of the desk's: the carrier may have something to say to it before the telephone has.
    fn carry(&mut self, flow: sip::Flow, bytes: Vec<u8>) {
        let at = self.elapsed();
        match self.carrier.meets(at, flow.local, &bytes, &mut self.forwarding) {
            Made::HandedOn => self.send(flow, bytes, Happening::ToPhone),
            Made::Answered(answers) => {
                if begins_a_call(&bytes) {
                    self.see(Seen::Rings);
                }
                for (remote, bytes) in answers {
                    let flow = sip::Flow {
                        transport: sip::Transport::Udp,
                        local: DESK_ADDRESS,
                        remote,
                        connection: None,
                    };
                    self.schedule(self.setting.wire * 2, Happening::ToDesk(flow, bytes));
                }
            }
        }
    }

    /// A datagram, in whatever weather there is.
    fn send(&mut self, flow: sip::Flow, bytes: Vec<u8>, to: fn(sip::Flow, Vec<u8>) -> Happening) {
        if begins_a_call(&bytes) && flow.remote == DESK_ADDRESS {
            self.see(Seen::Rings);
            if self.weather.unreachable {
                return;
            }
        }
        if self.is_cut() || self.dice.chance(self.weather.lost) {
            return;
        }
        let mut bytes = bytes;
        if bytes.starts_with(b"SIP/2.0 200") && flow.remote == TRUNK_ADDRESS && self.dice.chance(self.weather.spoilt) {
            let audio = bytes.windows(8).position(|window| window == b"m=audio ");
            if let Some(media) = audio.and_then(|at| bytes.get_mut(at..at + 7)) {
                media.copy_from_slice(b"m=video");
            }
        }
        if self.dice.chance(self.weather.doubled) {
            let late = self.dice.within(self.weather.late);
            self.schedule(self.setting.wire + late, to(flow, bytes.clone()));
        }
        let late = self.dice.within(self.weather.late);
        self.schedule(self.setting.wire + late, to(flow, bytes));
    }

    fn is_cut(&self) -> bool {
        self.weather.cut_after.is_some_and(|after| after <= self.elapsed())
    }

    fn keep(&mut self, ticket: Ticket, facts: Vec<Stamped>) {
        self.see(Seen::Asked {
            ticket,
            facts: facts.clone(),
        });
        self.facts.extend(facts);
        let sync = match self.weather.book_slow {
            Some(slow) => Some(self.dice.within(slow)),
            None => self.setting.book,
        };
        match sync {
            _ if self.dice.chance(self.weather.book_silent) => {}
            Some(sync) if !self.dice.chance(self.weather.book_refuses) => {
                self.schedule(sync, Happening::Recorded(ticket));
            }
            _ => self.schedule(Duration::from_millis(1), Happening::NotRecorded(ticket)),
        }
    }

    fn see(&mut self, seen: Seen) {
        self.seen.push((self.now, seen));
    }

    /// At once in fair weather.
    fn late(&mut self, late: Late) {
        if self.weather.late.is_zero() {
            self.report(late);
        } else {
            let after = self.dice.within(self.weather.late);
            self.schedule(after, Happening::Ended(late));
        }
    }

    fn report(&mut self, late: Late) {
        let event = match late {
            Late::Clip { leg, recording, heard } => MediaEvent::ClipEnded { leg, recording, heard },
            Late::Sealed(recording) => MediaEvent::RecordingSealed {
                recording,
                milliseconds: 0,
                sha256: [0; 32],
                gaps: 0,
            },
            Late::Failed(recording) => MediaEvent::RecordingFailed { recording },
            Late::Closed(leg) => MediaEvent::Closed {
                leg,
                quality: media::Quality::default(),
            },
        };
        self.desk.handle(self.now, Input::Media(event));
    }

    fn play(&mut self, leg: LegId, id: u64, words: &flow::Words, stops_at_key: bool) {
        self.cut_short(leg);
        let Some(known) = self.legs.get_mut(&leg) else { return };
        known.playing = Some(id);
        known.stops_at_key = stops_at_key;
        let mut after = Duration::ZERO;
        for part in &words.parts {
            self.schedule(
                after,
                Happening::Part {
                    leg,
                    play: id,
                    text: part.text.to_string(),
                },
            );
            after += spoken(&part.text);
        }
        self.schedule(after, Happening::Played { leg, play: id });
        // A person who means to press a key does so a moment after the first words.
        let answering = self.person(leg).map(|(_, answering)| answering);
        let (accept, pin) = self.keys_of(leg);
        let digit = match answering {
            Some(Answering::Accepts | Answering::AcceptsUnrecorded) => accept,
            Some(Answering::PassesOn) => '2',
            _ => return,
        };
        let asks = |part: &flow::Part| {
            [flow::Phrase::AskPin, flow::Phrase::WrongPin]
                .iter()
                .any(|phrase| phrase.part(part.language) == *part)
        };
        if let Some(pin) = pin.filter(|_| words.parts.iter().any(asks)) {
            for (place, digit) in (1..).zip(pin.chars()) {
                self.schedule(LISTENS * place, Happening::PersonPresses { leg, digit });
            }
        }
        if let Some(known) = self.legs.get_mut(&leg).filter(|leg| !leg.pressed) {
            known.pressed = true;
            let mut listened = LISTENS;
            if answering == Some(Answering::AcceptsUnrecorded) {
                let digit = crate::unrecorded_with(accept);
                self.schedule(listened, Happening::PersonPresses { leg, digit });
                listened += LISTENS;
            }
            self.schedule(listened, Happening::PersonPresses { leg, digit });
        }
    }

    fn cut_short(&mut self, leg: LegId) {
        let playing = self.legs.get_mut(&leg).and_then(|leg| leg.playing.take());
        if let Some(id) = playing {
            self.desk
                .handle(self.now, Input::Media(MediaEvent::Played { leg, id, whole: false }));
        }
    }

    fn fall_silent(&mut self, leg: LegId) {
        let Some(known) = self.legs.get_mut(&leg) else { return };
        known.playing = None;
        known.quiet_from += 1;
        let generation = known.quiet_from;
        self.schedule(QUIET, Happening::Quiet { leg, generation });
    }

    fn press(&mut self, leg: LegId, digit: char) {
        if self.legs.get(&leg).is_some_and(|leg| leg.stops_at_key) {
            self.cut_short(leg);
        }
        self.desk.handle(
            self.now,
            Input::Media(MediaEvent::Digit {
                leg,
                digit: Phi::new(digit),
                way: media::dtmf::press::Way::Event,
            }),
        );
    }

    fn end_clip(&mut self, leg: LegId) {
        let Some(clip) = self.legs.get_mut(&leg).and_then(|leg| leg.clip.take()) else {
            return;
        };
        let (recording, heard) = (clip.recording, clip.spoken);
        if self.dice.chance(self.weather.media_fails) {
            self.late(Late::Failed(recording));
        }
        self.late(Late::Clip { leg, recording, heard });
    }

    fn person(&self, leg: LegId) -> Option<(sip::SessionId, Answering)> {
        let port = self.legs.get(&leg)?.remote_port?;
        self.people
            .get(&port)
            .map(|(session, answering, _)| (*session, *answering))
    }

    /// The accept key of whoever this is, and their PIN.
    fn keys_of(&self, leg: LegId) -> (char, Option<String>) {
        let port = self.legs.get(&leg).and_then(|leg| leg.remote_port);
        let number = port.and_then(|port| self.people.get(&port));
        let (accept, pin) = self
            .practice
            .keys_to_accept(number.map_or("", |(_, _, number)| number.as_str()));
        (accept, pin.map(|pin| pin.expose().clone()))
    }

    fn top_up(&mut self) {
        let wanted = self.desk.ports_wanted().min(self.ports_left);
        self.ports_left -= wanted;
        for _ in 0..wanted {
            self.next_port = self.next_port.checked_add(2).unwrap_or(20_000);
            self.desk.handle(self.now, Input::Port(self.next_port));
        }
        while self.phone.ports() < 8 {
            self.next_port = self.next_port.checked_add(2).unwrap_or(20_000);
            self.phone.add_port(self.next_port);
        }
    }

    fn schedule(&mut self, after: Duration, happening: Happening) {
        self.sequence += 1;
        self.queue.push(Reverse((self.now + after, self.sequence, happening)));
    }
}

/// An INVITE outside any dialog: its To has no tag yet (RFC 3261 §12.1). One within a call rings nobody.
fn begins_a_call(bytes: &[u8]) -> bool {
    bytes.starts_with(b"INVITE ")
        && bytes
            .split(|byte| *byte == b'\n')
            .any(|line| line.starts_with(b"To:") && !line.windows(5).any(|part| part == b";tag="))
}

/// How long a text takes to say.
pub fn spoken(text: &str) -> Duration {
    Duration::from_millis(text.chars().count() as u64 * 1000 / CHARACTERS_PER_SECOND)
}

/// Sixteen octets that are never the same twice and always the same in the same order: a virtual world's randomness.
fn counting(stream: u8) -> sip::Draw {
    let mut count = 0_u64;
    Box::new(move || {
        count += 1;
        let hash = seal::hash(&[&[stream], count.to_be_bytes().as_slice()].concat());
        hash.first_chunk().copied().unwrap_or_default()
    })
}
