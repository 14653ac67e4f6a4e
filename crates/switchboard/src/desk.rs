//! The desk: which practice an INVITE is for, admit or refuse it, and find the call that everything else concerns.

mod admission;
mod health;
pub(crate) mod line;
mod names;
mod register;
mod trunks;
mod visit;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use sip::fault::Fault;

use crate::call::Call;
use crate::door::{
    CallId, DeskConfig, Health, Input, LegId, MediaCommand, MediaEvent, Output, RecordingId, Released, Ticket,
};
use crate::fact::{Fact, OpenEscalation, Stamped};
use crate::records::Searchers;

use self::admission::{Arrived, Lately};
use self::line::Line;
use self::names::Names;
use self::trunks::{Acquaintances, Asked, TrunkState};

/// RTP ports the desk likes to have in hand: a burst of this many calls needs no round trip to the exchange.
pub(crate) const PORTS_IN_HAND: usize = 128;
/// Of these, as many are kept for the people our callers wait for: a new caller can be sent to another node, a caller
/// who was promised a doctor cannot.
pub(crate) const PORTS_FOR_PEOPLE: usize = 8;
/// A call whose alarm is due again in the very moment it rang is heard again after this long, so that no call can keep
/// the desk from the others.
const ALARM_AGAIN: Duration = Duration::from_millis(1);

/// Owns every call of this node.
pub struct Desk {
    wires: Wires,
    calls: HashMap<CallId, Box<Call>>,
    /// Engineers of carriers at the number of their report card.
    visits: HashMap<CallId, Box<visit::Visit>>,
    /// Which calls want the clock, soonest first.
    alarms: BTreeSet<(Instant, CallId)>,
    /// The alarm each call stands under in `alarms`.
    alarm_of: HashMap<CallId, Instant>,
    /// E.164 number to the practice that owns it.
    lines: HashMap<String, (Released, String)>,
    /// Every number a practice owns: a caller who seems to call from one is unknown (integrations.md §1.1).
    practices: Vec<Released>,
    /// Calls of before a restart whose outcome is in the book.
    have_outcomes: BTreeSet<CallId>,
    media_load_percent: u8,
    draining: bool,
    /// Calls of the last seconds, to know one that comes a second time by another edge of its trunk.
    arrived: VecDeque<Arrived>,
    /// Numbers that called in the last hour, for flows that ask.
    lately: VecDeque<Lately>,
    /// When the endpoint wants the clock next.
    endpoint_alarm: Option<Instant>,
}

/// What the calls share: the endpoint, the ports, the way out. A call borrows it for the time of one input.
pub(crate) struct Wires {
    pub(crate) config: DeskConfig,
    pub(crate) endpoint: sip::Endpoint,
    pub(crate) health: Health,
    draw: sip::Draw,
    ports: VecDeque<u16>,
    sessions: HashMap<sip::SessionId, (CallId, LegId)>,
    /// The call, and how the book calls the party; it says nothing of one without a name.
    legs: HashMap<LegId, (CallId, Option<String>)>,
    /// Recordings and clips that are not sealed yet; a clip knows the field it answers.
    recordings: HashMap<RecordingId, (CallId, Option<String>)>,
    tickets: BTreeMap<Ticket, (CallId, Instant)>,
    pending_facts: Vec<Stamped>,
    out: VecDeque<Output>,
    next_leg: u64,
    next_ticket: u64,
    next_play: u64,
    /// Each of the configured trunks, in their order.
    trunks: Vec<TrunkState>,
    acquaintances: Acquaintances,
    names: Names,
    /// The transports and IP versions we have sockets of.
    preferences: sip::locate::Preferences,
    dead: sip::locate::DeadTargets,
    /// Calls of ours, from the wish to the end.
    lines: HashMap<LegId, Line>,
    line_due: BTreeSet<(Instant, LegId)>,
    /// Requests of ours outside any call, and what each is for.
    asked: HashMap<sip::RequestId, Asked>,
    /// Practices whose records can be asked.
    records_of: BTreeSet<String>,
    searchers: Searchers,
    /// One monotonic instant and the wall time it had; calls keep the anchor they began with.
    anchor: (Instant, Timestamp),
}

/// What the desk holds now; all zero when nothing is going on (issue 2, leak tests).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Counts {
    /// Calls, those that go on ringing a doctor after the caller is gone included, and engineers at their report card.
    pub calls: usize,
    /// SIP sessions known to a call.
    pub sessions: usize,
    /// Calls of ours, from the wish to the end.
    pub lines: usize,
    /// Legs whose media is not yet closed.
    pub legs: usize,
    /// Facts on their way to the book with someone waiting.
    pub tickets: usize,
    /// Recordings and clips begun and not yet sealed, failed or dropped.
    pub recordings: usize,
    /// SIP sessions, dialogs and transactions of the endpoint.
    pub endpoint: sip::Counts,
}

impl Desk {
    /// A desk with no practices and no ports yet. `now` is the instant at which the wall clock showed `wall`.
    pub fn new(
        config: DeskConfig,
        mut draw: sip::Draw,
        endpoint_draw: sip::Draw,
        now: Instant,
        wall: Timestamp,
    ) -> Self {
        let addresses = config
            .signalling
            .iter()
            .map(|l| sip::Address {
                transport: l.transport,
                local: l.local,
                advertised: l.advertised,
            })
            .collect();
        let trunks = config
            .trunks
            .iter()
            .map(|trunk| TrunkState::new(now, trunk, &mut draw))
            .collect();
        let preferences = preferences(&config);
        // Never name a version to a stranger: `user_agent: None` (issue 3, controls.md §2).
        let endpoint = sip::Endpoint::new(
            sip::Config {
                addresses,
                timers: config.timers,
                ..sip::Config::default()
            },
            endpoint_draw,
        );
        Self {
            wires: Wires {
                config,
                endpoint,
                health: Health::default(),
                draw,
                ports: VecDeque::new(),
                sessions: HashMap::new(),
                legs: HashMap::new(),
                recordings: HashMap::new(),
                tickets: BTreeMap::new(),
                pending_facts: Vec::new(),
                out: VecDeque::new(),
                next_leg: 0,
                next_ticket: 0,
                next_play: 0,
                trunks,
                acquaintances: Acquaintances::default(),
                names: Names::default(),
                preferences,
                dead: sip::locate::DeadTargets::new(),
                lines: HashMap::new(),
                line_due: BTreeSet::new(),
                asked: HashMap::new(),
                records_of: BTreeSet::new(),
                searchers: Searchers::default(),
                anchor: (now, wall),
            },
            calls: HashMap::new(),
            visits: HashMap::new(),
            alarms: BTreeSet::new(),
            alarm_of: HashMap::new(),
            lines: HashMap::new(),
            practices: Vec::new(),
            have_outcomes: BTreeSet::new(),
            media_load_percent: 0,
            draining: false,
            arrived: VecDeque::new(),
            lately: VecDeque::new(),
            endpoint_alarm: None,
        }
    }

    /// Tells the desk what the wall clock shows now; calls that begin from here on use it.
    pub fn set_clock(&mut self, now: Instant, wall: Timestamp) {
        self.wires.anchor = (now, wall);
    }

    /// How many RTP ports to hand in now.
    pub fn ports_wanted(&self) -> usize {
        PORTS_IN_HAND.saturating_sub(self.wires.ports.len())
    }

    /// What is held now.
    pub fn counts(&self) -> Counts {
        Counts {
            calls: self.calls.len() + self.visits.len(),
            sessions: self.wires.sessions.len(),
            lines: self.wires.lines.len(),
            legs: self.wires.legs.len(),
            tickets: self.wires.tickets.len(),
            recordings: self.wires.recordings.len(),
            endpoint: self.wires.endpoint.counts(),
        }
    }

    /// Takes one input. Drain [`Desk::poll_output`] to [`Output::Timeout`] afterwards.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        match input {
            Input::Received { flow, bytes } => {
                // A stranger gets nothing at all, not even a refusal to learn from.
                if self.may_speak(&flow, bytes) {
                    self.wires.endpoint.handle_received(now, flow, bytes);
                }
            }
            Input::Connected { flow, names, spoken } => self.wires.connected(&flow, &names, spoken),
            Input::TransportFailed { flow } => {
                self.wires.disconnected(&flow);
                self.wires.endpoint.handle_transport_failed(now, flow);
            }
            Input::Resolved { question, answer } => {
                self.wires.names.answered(now, question, answer);
                self.wires.lines_look_again(now);
                self.wires.trunks_look_again(now);
            }
            Input::Port(port) => self.wires.ports.push_back(port),
            Input::Media(event) => self.media(now, event),
            Input::Recorded { ticket } => self.answer(now, ticket, true),
            Input::NotRecorded { ticket } => self.answer(now, ticket, false),
            Input::Practices(released) => self.release(released),
            Input::MediaLoad(percent) => {
                self.media_load_percent = percent;
                self.tell_readiness();
            }
            Input::Health(health) => {
                self.wires.health = health;
                let ids: Vec<CallId> = self.calls.keys().copied().collect();
                for id in ids {
                    self.with_call(now, id, |call, wires| call.health(now, wires));
                }
            }
            Input::RecordsOf(practices) => self.wires.records_of = practices,
            Input::RecordsAnswered { call, id, answer } => {
                self.with_call(now, call, |call, wires| call.records_answered(now, wires, id, answer));
            }
            Input::Drain => {
                self.draining = true;
                self.tell_readiness();
                self.wires.take_leave(now);
            }
            Input::Resume(open) => self.resume(now, *open),
            Input::HasOutcome(call) => {
                self.have_outcomes.insert(call);
            }
            Input::Time => {}
        }
        self.settle(now);
    }

    /// The next thing the desk wants done.
    pub fn poll_output(&mut self) -> Output {
        if let Some(output) = self.wires.out.pop_front() {
            return output;
        }
        let alarm = self.alarms.first().map(|(at, _)| *at);
        if let Some(question) = self.wires.names.poll() {
            return Output::Resolve(question);
        }
        let line = self.wires.line_due.first().map(|(at, _)| *at);
        let trunk = self.wires.trunks_timeout();
        let patience = self.wires.tickets.first_key_value().map(|(_, (_, deadline))| *deadline);
        Output::Timeout(
            [alarm, patience, line, trunk, self.endpoint_alarm]
                .into_iter()
                .flatten()
                .min(),
        )
    }

    /// Lets every timer that is due speak, and every event reach its call, until nothing more happens.
    fn settle(&mut self, now: Instant) {
        self.wires.endpoint.handle_timeout(now);
        self.wires.trunks_due(now);
        self.wires.registrations_due(now);
        for (call, leg) in self.wires.lines_due(now) {
            self.with_call(now, call, |call, wires| call.line_came_to_nothing(now, wires, leg));
            self.wires.forget_line(leg);
        }
        loop {
            while let Some((ticket, (_, deadline))) = self.wires.tickets.first_key_value() {
                if *deadline > now {
                    break;
                }
                let ticket = *ticket;
                self.answer(now, ticket, false);
            }
            while let Some(&(at, id)) = self.alarms.first() {
                if at > now {
                    break;
                }
                self.with_call(now, id, |call, wires| call.time(now, wires));
                self.visit_time(now, id);
                self.put_off(now, id);
            }
            match self.wires.endpoint.poll_output() {
                // Whoever has yet to prove himself gets one datagram for one, and that is the challenge.
                sip::Output::Transmit(transmit) if self.wires.is_trying_unproved(&transmit) => {}
                sip::Output::Transmit(transmit) => self.wires.out.push_back(Output::Transmit(transmit)),
                sip::Output::Event(event) => self.signalled(now, event),
                sip::Output::Timeout(at) => {
                    self.endpoint_alarm = at;
                    break;
                }
            }
        }
        self.wires.flush_facts();
    }

    fn signalled(&mut self, now: Instant, event: sip::Event) {
        let session = match event {
            sip::Event::Incoming { session, invite } => return self.incoming(now, session, invite),
            sip::Event::Response {
                request,
                status,
                response,
            } => {
                let told = self.wires.asked_and_told(now, request, status, response.as_deref());
                if let Some((visit, question, status)) = told {
                    self.visit_asked(now, visit, question, status);
                }
                return;
            }
            ref other => other.session(),
        };
        let Some(&(call, leg)) = session.and_then(|session| self.wires.sessions.get(&session)) else {
            return;
        };
        if self.visits.contains_key(&call) {
            return self.visit_signalled(now, call, event);
        }
        match event {
            sip::Event::Progress { .. } => self.wires.line_progress(leg),
            sip::Event::Refused {
                status, retry_after_s, ..
            } if self.wires.line_goes_elsewhere(now, leg, status, retry_after_s) => return,
            _ => {}
        }
        self.with_call(now, call, |call, wires| call.signalled(now, wires, leg, event));
    }

    /// Goes on with a ladder that a restart interrupted. Two ladders of one call are one call again.
    fn resume(&mut self, now: Instant, open: OpenEscalation) {
        let id = open.call;
        if !self.calls.contains_key(&id) {
            let known = self.practices.iter().find(|r| r.practice.name == open.practice);
            let Some(released) = known.cloned() else {
                // Nobody is left who could be rung; the call gets the outcome that was kept open for it.
                let wall = self.wires.wall(now);
                let seconds = wall.duration_since(open.began).as_secs();
                let gave_up = Fact::EscalationEnded {
                    ladder: open.ladder,
                    why: "gave up: the practice is no longer released here".to_owned(),
                };
                let ended = Fact::CallEnded {
                    outcome: "interrupted by a restart".to_owned(),
                    ended_by: "restart".to_owned(),
                    seconds: u32::try_from(seconds).unwrap_or(0),
                };
                self.wires.fact(Some(id), wall, gave_up);
                if !self.have_outcomes.contains(&id) {
                    self.wires.fact(Some(id), wall, ended);
                }
                return;
            };
            let mut call = Call::without_caller(now, &mut self.wires, &open, released);
            if self.have_outcomes.contains(&id) {
                call.has_outcome();
            }
            self.calls.insert(id, call);
        }
        self.with_call(now, id, |call, wires| call.resume(now, wires, open));
    }

    fn media(&mut self, now: Instant, event: MediaEvent) {
        let wall = self.wires.wall(now);
        match &event {
            MediaEvent::RecordingSealed {
                recording,
                milliseconds,
                sha256,
                gaps,
            } => {
                if let Some((call, _)) = self.wires.recordings.remove(recording) {
                    let sha256 = sha256.iter().map(|octet| format!("{octet:02x}")).collect();
                    let fact = Fact::RecordingSealed {
                        recording: *recording,
                        milliseconds: *milliseconds,
                        sha256,
                        gaps: *gaps,
                    };
                    self.wires.fact(Some(call), wall, fact);
                }
            }
            MediaEvent::RecordingFailed { recording } => {
                if let Some((call, _)) = self.wires.recordings.remove(recording) {
                    self.wires
                        .fact(Some(call), wall, Fact::RecordingFailed { recording: *recording });
                    self.with_call(now, call, |call, wires| call.media(now, wires, event));
                }
            }
            MediaEvent::Closed { leg, quality } => {
                if let Some((call, party)) = self.wires.legs.remove(leg) {
                    if self.visits.contains_key(&call) {
                        return self.visit_media(now, call, event);
                    }
                    let Some(party) = party else { return };
                    let fact = Fact::Quality {
                        party,
                        sent: quality.sent,
                        received: quality.received,
                        lost: quality.lost,
                        jitter_ms: quality.jitter_ms.round() as u32,
                        strangers: quality.strangers,
                    };
                    self.wires.fact(Some(call), wall, fact);
                }
            }
            // A clip is sealed by the recorder, which may be slower than the end of its leg or even of its call.
            MediaEvent::ClipEnded { recording, heard, .. } => {
                let Some((call, field)) = self.wires.recordings.remove(recording) else {
                    return;
                };
                if let (Some(heard), Some(field)) = (heard, field) {
                    let fact = Fact::ClipKept {
                        recording: *recording,
                        field,
                        milliseconds: u64::try_from(heard.as_millis()).unwrap_or(u64::MAX),
                    };
                    self.wires.fact(Some(call), wall, fact);
                }
                self.with_call(now, call, |call, wires| call.media(now, wires, event));
            }
            // Nothing more will come from this leg, and it may never have been opened at all.
            MediaEvent::Failed { leg } => {
                if let Some((call, _)) = self.wires.legs.remove(leg) {
                    self.heard_of_leg(now, call, event);
                }
            }
            MediaEvent::Digit { leg, .. }
            | MediaEvent::Played { leg, .. }
            | MediaEvent::Wordless { leg }
            | MediaEvent::FirstPacket { leg }
            | MediaEvent::Lost { leg } => {
                if let Some((call, _)) = self.wires.legs.get(leg) {
                    let call = *call;
                    self.heard_of_leg(now, call, event);
                }
            }
        }
    }

    fn heard_of_leg(&mut self, now: Instant, call: CallId, event: MediaEvent) {
        if self.visits.contains_key(&call) {
            self.visit_media(now, call, event);
        } else {
            self.with_call(now, call, |call, wires| call.media(now, wires, event));
        }
    }

    fn answer(&mut self, now: Instant, ticket: Ticket, kept: bool) {
        let Some((call, _)) = self.wires.tickets.remove(&ticket) else {
            return;
        };
        self.with_call(now, call, |call, wires| call.recorded(now, wires, ticket, kept));
    }

    fn release(&mut self, released: Vec<Released>) {
        self.lines = released
            .iter()
            .flat_map(|r| {
                r.numbers
                    .iter()
                    .map(move |(number, line)| (number.clone(), (r.clone(), line.clone())))
            })
            .collect();
        self.practices = released;
    }

    /// Lets one call act. A fault in it is its own end and nobody else's (house.md §5, invariant 2).
    fn with_call(&mut self, now: Instant, id: CallId, act: impl FnOnce(&mut Call, &mut Wires)) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let wires = &mut self.wires;
        let broke = catch_unwind(AssertUnwindSafe(|| act(call, wires))).is_err();
        if broke && catch_unwind(AssertUnwindSafe(|| call.break_down(now, wires))).is_err() {
            // It cannot even be ended in order: its number is struck off, with what stands under it.
            wires.let_go(now, id);
            let wall = wires.wall(now);
            if !call.has_ended() {
                let fact = Fact::CallEnded {
                    outcome: "broken by a fault in the engine".to_owned(),
                    ended_by: "fault".to_owned(),
                    seconds: 0,
                };
                wires.fact(Some(id), wall, fact);
            }
            self.calls.remove(&id);
        }
        self.reset_alarm(id);
        self.sweep(now, id);
    }

    fn reset_alarm(&mut self, id: CallId) {
        let call = self.calls.get(&id).and_then(|call| call.timeout());
        let wanted = call.or_else(|| self.visit_timeout(id));
        let standing = self.alarm_of.get(&id).copied();
        if wanted == standing {
            return;
        }
        if let Some(at) = standing {
            self.alarms.remove(&(at, id));
            self.alarm_of.remove(&id);
        }
        if let Some(at) = wanted {
            self.alarms.insert((at, id));
            self.alarm_of.insert(id, at);
        }
    }

    /// Moves an alarm that rang and is due again at once a little into the future.
    fn put_off(&mut self, now: Instant, id: CallId) {
        let Some(at) = self.alarm_of.get(&id).copied().filter(|at| *at <= now) else {
            return;
        };
        self.alarms.remove(&(at, id));
        let later = now + ALARM_AGAIN;
        self.alarms.insert((later, id));
        self.alarm_of.insert(id, later);
    }

    /// Lets go of a call that has nothing left to do; each of its parties has given back what it had.
    fn sweep(&mut self, now: Instant, id: CallId) {
        let over = self.calls.get(&id).is_some_and(|call| call.is_over());
        if !over {
            return;
        }
        if let Some(mut call) = self.calls.remove(&id) {
            call.close(now, &mut self.wires);
            if let Some(at) = self.alarm_of.remove(&id) {
                self.alarms.remove(&(at, id));
            }
        }
    }

    /// Callers who are here, of those calls.
    fn calls_of(&self, which: impl Fn(&Call) -> bool) -> usize {
        self.calls
            .values()
            .filter(|call| call.has_caller() && which(call))
            .count()
    }

    fn tell_readiness(&mut self) {
        let full = self.media_load_percent >= self.wires.config.media_load_max_percent;
        let retry_after_s = self.wires.config.retry_after_s;
        self.wires.endpoint.set_ready(if self.draining || full {
            sip::Ready::Closed { retry_after_s }
        } else {
            sip::Ready::Yes
        });
    }
}

impl Wires {
    /// Sixteen octets nobody can guess, from the shell.
    pub(crate) fn draw(&mut self) -> [u8; 16] {
        (self.draw)()
    }

    /// What we would speak with whoever calls or is called by this trunk.
    pub(crate) fn offering(&self, trunk: &str) -> media::sdp::Offering {
        let trunk = self.config.trunks.iter().find(|known| known.id == trunk);
        let codecs = trunk.map(|trunk| &trunk.codecs).filter(|codecs| !codecs.is_empty());
        media::sdp::Offering {
            security: trunk.map(|trunk| trunk.security).unwrap_or_default(),
            ..media::sdp::Offering::clear(codecs.unwrap_or(&self.config.codecs))
        }
    }

    /// The wall clock at an instant.
    pub(crate) fn wall(&self, now: Instant) -> Timestamp {
        wall_at(self.anchor, now)
    }

    /// The anchor a new call keeps.
    pub(crate) fn anchor(&self) -> (Instant, Timestamp) {
        self.anchor
    }

    pub(crate) fn media(&mut self, command: MediaCommand) {
        self.out.push_back(Output::Media(command));
    }

    /// A fact nobody waits for; it leaves with the next record of this input.
    pub(crate) fn fact(&mut self, call: Option<CallId>, at: Timestamp, fact: Fact) {
        self.pending_facts.push(Stamped { call, at, fact });
    }

    /// Facts that an act waits for: everything noted so far goes with them, in order.
    pub(crate) fn record(
        &mut self,
        now: Instant,
        call: CallId,
        at: Timestamp,
        facts: impl IntoIterator<Item = Fact>,
    ) -> Ticket {
        for fact in facts {
            self.fact(Some(call), at, fact);
        }
        let ticket = self.send_facts();
        self.tickets.insert(ticket, (call, now + self.config.book_patience));
        ticket
    }

    /// The records of this practice can be asked now.
    pub(crate) fn records_answer(&self, practice: &str) -> bool {
        self.records_of.contains(practice)
    }

    /// One more search by this number today, if it may be.
    pub(crate) fn may_search(&mut self, practice: &str, number: Option<&phi::Phi<String>>, now: Timestamp) -> bool {
        self.searchers.may_search(practice, number, now)
    }

    pub(crate) fn ask_records(&mut self, call: CallId, practice: String, id: flow::AskId, ask: flow::RecordsAsk) {
        self.out.push_back(Output::AskRecords {
            call,
            practice,
            id,
            ask,
        });
    }

    fn flush_facts(&mut self) {
        if !self.pending_facts.is_empty() {
            self.send_facts();
        }
    }

    fn send_facts(&mut self) -> Ticket {
        self.next_ticket += 1;
        let ticket = Ticket(self.next_ticket);
        let facts = std::mem::take(&mut self.pending_facts);
        self.out.push_back(Output::Record { ticket, facts });
        ticket
    }

    pub(crate) fn take_port(&mut self) -> Option<u16> {
        self.ports.pop_front()
    }

    /// A port that was promised to nobody after all.
    pub(crate) fn return_port(&mut self, port: u16) {
        self.ports.push_back(port);
    }

    pub(crate) fn new_leg(&mut self) -> LegId {
        self.next_leg += 1;
        LegId(self.next_leg)
    }

    pub(crate) fn new_play(&mut self) -> u64 {
        self.next_play += 1;
        self.next_play
    }

    pub(crate) fn own_session(&mut self, session: sip::SessionId, call: CallId, leg: LegId) {
        self.sessions.insert(session, (call, leg));
    }

    pub(crate) fn disown_session(&mut self, session: sip::SessionId) {
        self.sessions.remove(&session);
    }

    /// Ends whatever a broken call still holds. Looks at every call's entries, for it cannot ask the call.
    pub(crate) fn let_go(&mut self, now: Instant, call: CallId) {
        let sessions: Vec<_> = self.sessions.extract_if(|_, (owner, _)| *owner == call).collect();
        for (session, _) in sessions {
            self.endpoint.hang_up(now, session);
        }
        let legs: Vec<_> = self
            .legs
            .iter()
            .filter(|(_, (owner, _))| *owner == call)
            .map(|(leg, _)| *leg)
            .collect();
        for leg in legs {
            self.media(MediaCommand::Close { leg });
        }
        let lines: Vec<LegId> = self
            .lines
            .iter()
            .filter(|(_, line)| line.placing().call == call)
            .map(|(leg, _)| *leg)
            .collect();
        for leg in lines {
            self.forget_line(leg);
        }
        self.tickets.retain(|_, (owner, _)| *owner != call);
    }

    /// The media of a leg is opened: until its `Closed` comes back, its events find their call.
    pub(crate) fn own_leg(&mut self, leg: LegId, call: CallId, party: &str) {
        self.legs.insert(leg, (call, Some(party.to_owned())));
    }

    /// The same for a party whom the book is to know nothing of.
    pub(crate) fn own_nameless_leg(&mut self, leg: LegId, call: CallId) {
        self.legs.insert(leg, (call, None));
    }

    /// A recording begins, or a clip that answers `field`: until it is sealed, its end finds its call.
    pub(crate) fn own_recording(&mut self, recording: RecordingId, call: CallId, field: Option<String>) {
        self.recordings.insert(recording, (call, field));
    }
}

/// The wall clock at `now`, given one instant and the wall time it had.
pub(crate) fn wall_at((instant, wall): (Instant, Timestamp), now: Instant) -> Timestamp {
    let forward =
        jiff::SignedDuration::try_from(now.saturating_duration_since(instant)).unwrap_or(jiff::SignedDuration::ZERO);
    wall.saturating_add(forward).unwrap_or(wall)
}

/// What we have sockets for, so that the DNS leads us nowhere else.
fn preferences(config: &DeskConfig) -> sip::locate::Preferences {
    let listeners = &config.signalling;
    let mut transports: Vec<sip::Transport> = Vec::new();
    for listener in listeners {
        if !transports.contains(&listener.transport) {
            transports.push(listener.transport);
        }
    }
    // A stream is opened from anywhere.
    for transport in [sip::Transport::Tcp, sip::Transport::Tls] {
        if !transports.contains(&transport) {
            transports.push(transport);
        }
    }
    let v4 = listeners.iter().any(|listener| listener.local.is_ipv4());
    let v6 = listeners.iter().any(|listener| listener.local.is_ipv6());
    let families = match (v4, v6) {
        (true, true) => sip::locate::Families::V4ThenV6,
        (false, true) => sip::locate::Families::V6,
        _ => sip::locate::Families::V4,
    };
    sip::locate::Preferences { transports, families }
}

/// How a call's record names the codec of a leg.
pub(crate) fn codec_name(stream: &media::sdp::Stream) -> String {
    format!("{:?}", stream.codec)
}

/// Whether the audio of a leg is encrypted (SEC-03).
pub(crate) fn is_protected(stream: &media::sdp::Stream) -> bool {
    stream.security.is_some()
}

/// A row of the table of faults as a refusal: the table says whether asking again may help, the configuration when.
fn refusal(fault: Fault, retry_after_s: u32) -> sip::Refusal {
    sip::Refusal {
        retry_after_s: fault.retry_after().map(|_| retry_after_s),
        reason: Some(fault.why()),
        ..sip::Refusal::of(fault.status())
    }
}

#[cfg(test)]
mod carriers;
#[cfg(test)]
mod engineers;
#[cfg(test)]
mod tests;
