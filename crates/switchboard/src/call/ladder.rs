//! The people who are rung: one leg each, from the first INVITE to the bridge or the number read out.
//!
//! [`oncall::Escalation`] decides whom to ring and when to stop; here its wishes become sessions. Before the accept key a
//! person hears only that there is an urgent call (ESC-07). When the key is in the book they are bridged to the caller,
//! or, when the caller is gone, given the number to call back (D3). Nothing a caller supplies is ever dialled.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use oncall::{Escalation, TryId};
use phi::Phi;

use super::{Call, LADDERS_MAX, Partner, Withheld, signal};
use crate::desk::Wires;
use crate::desk::line::Placing;
use crate::door::{LegId, MediaCommand};
use crate::fact::{Fact, OpenEscalation, Reached, masked};

/// How often the number to call back is read out before we hang up.
const NUMBER_READ_OUT: u8 = 3;
/// How often a PIN may be wrong before whoever pressed it is taken for somebody else.
const PINS_MAX: u8 = 3;
/// After this a leg that is being read a number is hung up even if the media plane never reports back.
const READ_OUT_MAX: Duration = Duration::from_secs(120);
/// How often a ladder begins again because whoever accepted left before a word. More is a machine that presses keys.
const AGAIN_MAX: u8 = 10;

/// A ladder about to begin; its facts are on their way to the book.
pub(super) struct Start {
    open: OpenEscalation,
    keep_going: bool,
    /// How often it has begun again for somebody who accepted and left.
    again: u8,
}

impl Start {
    pub(super) fn new(open: OpenEscalation, keep_going: bool) -> Self {
        Self {
            open,
            keep_going,
            again: 0,
        }
    }

    /// After a restart or a fault there is no caller left whose hanging up could end it.
    pub(super) fn again_after_a_stop(open: OpenEscalation) -> Self {
        Self::new(open, true)
    }
}

/// A ladder being climbed, or paging after its last rung.
pub(super) struct Ladder {
    open: OpenEscalation,
    escalation: Escalation,
    rings: BTreeMap<LegId, Ring>,
    keep_going: bool,
    again: u8,
    exhausted: bool,
    /// The place that the book knows.
    noted: Option<Reached>,
    /// Its end is in the book, or is not to be: it went on as another.
    ended: bool,
}

/// One phone of one person.
struct Ring {
    id: Option<TryId>,
    person: String,
    port: u16,
    stage: Stage,
    /// Once the accept key was pressed by somebody who has a PIN.
    pin: Option<Entry>,
    /// They heard that the call is recorded, and do not want to be.
    unrecorded: bool,
}

/// A PIN on its way.
#[derive(Default)]
struct Entry {
    digits: Phi<String>,
    wrong: u8,
}

/// What a key of somebody who is rung comes to.
enum Pressed {
    /// This key, as it was pressed or as a right PIN makes it.
    Key(Phi<char>),
    /// A digit of a PIN, of which more are wanted.
    Digit,
    /// Their PIN is asked for, or asked for again.
    Asked(flow::Phrase),
    /// They do not want to be recorded; they are asked again whether they take the call.
    Unrecorded,
    /// The PIN was wrong too often: whoever it is, it is not who was rung.
    Stranger,
}

/// Where on its way a ring is.
enum Stage {
    /// INVITE sent.
    Calling,
    /// Answered; told what this is, and asked for the key.
    Deciding,
    /// The key is on its way to the book.
    Joining,
    /// The key is in the book: the flow bridges them, or they are given the number.
    Joined,
    /// The caller is gone: the number is read out, and is given once it was heard whole.
    Told {
        play: u64,
        times: u8,
        given: bool,
        until: Instant,
    },
}

/// The key that keeps the person who is rung out of the recording: 9, or 8 where 9 accepts.
pub fn unrecorded_with(accept_with: char) -> char {
    if accept_with == '9' { '8' } else { '9' }
}

/// Words for somebody who decides; their key stops them.
fn whisper(wires: &mut Wires, leg: LegId, words: flow::Words) {
    let play = wires.new_play();
    wires.media(MediaCommand::Play {
        leg,
        id: play,
        words,
        stops_at_key: true,
    });
}

impl Ring {
    /// Pressed the key, and has neither the caller nor the number yet.
    fn is_owed(&self) -> bool {
        matches!(
            self.stage,
            Stage::Joining | Stage::Joined | Stage::Told { given: false, .. }
        )
    }
}

impl Reached {
    fn of(snapshot: oncall::Snapshot) -> Self {
        let (rung, attempt, page) = match snapshot.place {
            oncall::Place::Rung { rung, attempt } => (rung, attempt, None),
            oncall::Place::Page {
                round,
                rung,
                exhausted_at,
            } => (rung, 0, Some((round, exhausted_at))),
        };
        Self {
            rung,
            attempt,
            page,
            not_before: snapshot.not_before,
            passed: snapshot.passed,
            next_try: snapshot.next_try,
        }
    }

    /// The same place on a ladder that may have been edited since: a rung that is gone is the first one again, for nobody
    /// may be passed over.
    fn snapshot(&self, ladder: oncall::Ladder) -> oncall::Snapshot {
        let first = oncall::Place::Rung { rung: 0, attempt: 0 };
        let place = match self.page {
            Some((round, exhausted_at)) if ladder.keep_paging.is_some() => oncall::Place::Page {
                round,
                rung: if self.rung < ladder.rungs.len() { self.rung } else { 0 },
                exhausted_at,
            },
            None if self.rung < ladder.rungs.len() => oncall::Place::Rung {
                rung: self.rung,
                attempt: self.attempt,
            },
            _ => first,
        };
        oncall::Snapshot {
            ladder,
            place,
            not_before: self.not_before.filter(|_| place != first),
            passed: self.passed.clone(),
            next_try: self.next_try,
        }
    }
}

impl Ladder {
    pub(super) fn name(&self) -> &str {
        &self.open.ladder
    }

    pub(super) fn timeout(&self) -> Option<Timestamp> {
        self.escalation.timeout()
    }

    /// In its first climb: what comes of the call is not decided.
    pub(super) fn is_climbing(&self) -> bool {
        (!self.exhausted && self.escalation.ending().is_none()) || self.is_owed()
    }

    fn is_owed(&self) -> bool {
        self.rings.values().any(Ring::is_owed)
    }

    fn start(&self) -> Start {
        Start {
            open: self.open.clone(),
            keep_going: self.keep_going,
            again: self.again,
        }
    }

    /// Past its last rung; whoever is paged now calls back.
    pub(super) fn is_exhausted(&self) -> bool {
        self.exhausted
    }

    pub(super) fn is_over(&self) -> bool {
        self.escalation_is_over() && self.rings.is_empty()
    }

    fn escalation_is_over(&self) -> bool {
        self.escalation.ending().is_some()
    }
}

impl Call {
    /// Puts a ladder into the book; nobody is rung before the book has it (ESC-12).
    pub(super) fn ask_to_ring(&mut self, now: Instant, wires: &mut Wires, start: Start) {
        let wall = self.wall(now);
        let began = Fact::EscalationBegan(Box::new(start.open.clone()));
        let ticket = wires.record(now, self.id, wall, [began]);
        self.withheld.insert(ticket, Withheld::Ladder(Box::new(start)));
    }

    /// Begins a ladder whose facts are in the book.
    pub(super) fn start_ladder(&mut self, now: Instant, wires: &mut Wires, start: Start) {
        // The same ladder asked for again goes back to its first rung, with this caller waiting again.
        let wall = self.wall(now);
        self.withdraw(wall, &start.open.ladder, None);
        self.climb_on(now, wires);
        self.ladders.retain(|ladder| !ladder.is_over());
        let Start {
            mut open,
            keep_going,
            again,
        } = start;
        if !self.caller.is_here() && !keep_going {
            // A caller who hung up while the book was writing is treated as one who hangs up now.
            return self.note_ladder_end(now, wires, open.ladder, "withdrawn");
        }
        let known = self.released.practice.ladders.get(&open.ladder);
        let Some(spec) = known.filter(|_| self.ladders.len() < LADDERS_MAX) else {
            // The checker excludes it for a release, a restart may find another release: nobody waits for nobody.
            let name = open.ladder.clone();
            self.note_ladder_end(now, wires, open.ladder, "gave up: this release has no such ladder");
            return self.nobody_on(now, wires, &name);
        };
        let rungs = spec
            .rungs
            .iter()
            .map(|rung| oncall::Rung {
                call: rung.call.clone(),
                tries: rung.tries,
                apart: rung.apart,
                ring_for: rung.ring_for,
            })
            .collect();
        let paging = spec.keep_paging.map(|paging| oncall::KeepPaging {
            every: paging.every,
            lasting: paging.lasting,
        });
        let ladder = oncall::Ladder {
            accept_with: spec.accept_with,
            pass_with: spec.pass_with,
            ..oncall::Ladder::new(rungs, paging)
        };
        let ladder = ladder.scaled(oncall::Scale {
            times: 1,
            over: wires.config.ladder_speed.max(1),
        });
        let reached = open.reached.take();
        let escalation = match &reached {
            Some(reached) => Escalation::resume(reached.snapshot(ladder), self.wall(now)),
            None => Escalation::start(ladder, self.wall(now)),
        };
        let exhausted = matches!(escalation.place(), Some(oncall::Place::Page { .. }));
        let rings = BTreeMap::new();
        self.ladders.push(Ladder {
            open,
            escalation,
            rings,
            keep_going,
            again,
            exhausted,
            noted: reached,
            ended: false,
        });
        self.climb(now, wires);
    }

    fn note_ladder_end(&mut self, now: Instant, wires: &mut Wires, ladder: String, why: &str) {
        let why = why.to_owned();
        self.note(now, wires, Fact::EscalationEnded { ladder, why });
        self.note_end_if_settled(now, wires);
    }

    /// Ladders that still owe somebody a doctor, each once: climbing or paging, on their way from or to the book, or
    /// about to have been told.
    pub(super) fn ladders_owed(&mut self) -> Vec<Start> {
        let mut owed: Vec<Start> = Vec::new();
        let withheld = std::mem::take(&mut self.withheld);
        let running = self
            .ladders
            .iter()
            .filter(|ladder| ladder.is_owed() || !ladder.escalation_is_over());
        let starts = running
            .map(Ladder::start)
            .chain(withheld.into_values().filter_map(|withheld| match withheld {
                Withheld::Ladder(start) | Withheld::Acceptance { start, .. } => Some(*start),
                Withheld::Message(_) | Withheld::Recording(_) => None,
            }))
            .chain(self.partner.as_mut().and_then(|partner| partner.ladder.take()));
        for start in starts {
            if owed.iter().all(|known| known.open.ladder != start.open.ladder) {
                owed.push(Start {
                    keep_going: true,
                    ..start
                });
            }
        }
        owed
    }

    /// Ports promised to people who have not answered.
    pub(super) fn ports_of_rings(&self) -> impl Iterator<Item = u16> {
        let rings = self.ladders.iter().flat_map(|ladder| ladder.rings.values());
        rings
            .filter(|ring| matches!(ring.stage, Stage::Calling))
            .map(|ring| ring.port)
    }

    pub(super) fn ladders_time(&mut self, now: Instant, wires: &mut Wires) {
        let wall = self.wall(now);
        let mut due = false;
        for ladder in &mut self.ladders {
            if ladder.escalation.timeout().is_some_and(|at| at <= wall) {
                ladder.escalation.handle(wall, oncall::Input::Time);
                due = true;
            }
        }
        if due {
            self.climb(now, wires);
        }
        self.hang_up_told(now, wires);
    }

    /// The caller is gone: ladders that were told to stop do, the others go on without (D3).
    pub(super) fn ladders_without_caller(&mut self, now: Instant, wires: &mut Wires) {
        let wall = self.wall(now);
        for ladder in self.ladders.iter_mut().filter(|ladder| !ladder.keep_going) {
            ladder.escalation.handle(wall, oncall::Input::Withdraw);
        }
        self.climb(now, wires);
    }

    /// Stops every climb of this ladder but one; who is already joining is left alone.
    fn withdraw(&mut self, wall: Timestamp, name: &str, but: Option<usize>) {
        for (index, ladder) in self.ladders.iter_mut().enumerate() {
            if ladder.open.ladder == name && Some(index) != but {
                // It goes on as another, or another has done its work: its end is not in the book.
                ladder.ended |= !ladder.escalation_is_over();
                ladder.escalation.handle(wall, oncall::Input::Withdraw);
            }
        }
    }

    /// Does everything the ladders ask for, which may have been the last thing of the call.
    fn climb(&mut self, now: Instant, wires: &mut Wires) {
        self.climb_on(now, wires);
        self.note_end_if_settled(now, wires);
    }

    fn climb_on(&mut self, now: Instant, wires: &mut Wires) {
        let mut index = 0;
        // By index: what a ladder asks for may change other parts of the call, but never this list.
        while let Some(ladder) = self.ladders.get_mut(index) {
            match ladder.escalation.poll() {
                Some(wanted) => self.climb_one(now, wires, index, wanted),
                None => index += 1,
            }
        }
        for ladder in &mut self.ladders {
            let reached = ladder.escalation.snapshot().map(Reached::of);
            if let Some(reached) = reached.filter(|reached| ladder.noted.as_ref() != Some(reached)) {
                ladder.noted = Some(reached.clone());
                let fact = Fact::Climbed {
                    ladder: ladder.open.ladder.clone(),
                    reached,
                };
                wires.fact(Some(self.id), crate::desk::wall_at(self.anchor, now), fact);
            }
            if let (Some(ending), false) = (ladder.escalation.ending(), ladder.ended) {
                let why = match ending {
                    // A key is not an end: until the doctor has the caller or the number, a restart rings again.
                    oncall::Ending::Accepted { .. } => continue,
                    oncall::Ending::Acknowledged { .. } => "accepted",
                    oncall::Ending::Withdrawn => "withdrawn",
                    oncall::Ending::Exhausted => "gave up",
                };
                ladder.ended = true;
                let fact = Fact::EscalationEnded {
                    ladder: ladder.open.ladder.clone(),
                    why: why.into(),
                };
                wires.fact(Some(self.id), crate::desk::wall_at(self.anchor, now), fact);
            }
        }
    }

    fn climb_one(&mut self, now: Instant, wires: &mut Wires, index: usize, wanted: oncall::Output) {
        let wall = self.wall(now);
        match wanted {
            oncall::Output::Resolve { place, call } => {
                let people = self.people_for(&call, wall);
                self.tell(wall, index, oncall::Input::Resolved { place, people });
            }
            oncall::Output::Nobody { .. } => {}
            oncall::Output::Ring { id, person, .. } => {
                if !self.ring(now, wires, index, id, &person) {
                    self.tell(wall, index, oncall::Input::Ended(id, oncall::Ended::Failed));
                }
            }
            oncall::Output::Whisper(id) => {
                let Some((leg, _)) = self.ring_of(index, id) else {
                    return;
                };
                let asked = self.ring_at(leg).is_some_and(|(_, ring)| ring.pin.is_some());
                let words = if asked {
                    flow::Words::part(flow::Phrase::AskPin.part(self.persons_language()))
                } else {
                    self.they_hear(index, leg)
                };
                whisper(wires, leg, words);
            }
            oncall::Output::Accepted { id, person } => {
                let Some((leg, ring)) = self.ring_of(index, id) else {
                    return;
                };
                ring.stage = Stage::Joining;
                let unrecorded = ring.unrecorded;
                let Some(start) = self.ladders.get(index).map(|ladder| Box::new(ladder.start())) else {
                    return;
                };
                let informed = self.recording.is_some() && !unrecorded;
                wires.media(MediaCommand::Hush { leg });
                let accepted = Fact::Accepted {
                    ladder: start.open.ladder.clone(),
                    person: person.clone(),
                };
                let permission = informed.then(|| Fact::PartyPermission {
                    person: person.clone(),
                    given: true,
                    asked: true,
                });
                let ticket = wires.record(now, self.id, wall, [Some(accepted), permission].into_iter().flatten());
                self.withheld
                    .insert(ticket, Withheld::Acceptance { start, leg, person });
            }
            oncall::Output::Cancel(id) => {
                if let Some((leg, ring)) = self.ring_of(index, id) {
                    let what = if matches!(ring.stage, Stage::Calling) {
                        "CANCEL"
                    } else {
                        "BYE"
                    };
                    self.hang_up_ring(now, wires, index, leg, what);
                }
            }
            oncall::Output::Attempt(attempt) => self.note_attempt(now, wires, index, &attempt),
            oncall::Output::Exhausted => {
                let Some(ladder) = self.ladders.get_mut(index) else {
                    return;
                };
                ladder.exhausted = true;
                let name = ladder.open.ladder.clone();
                self.note(now, wires, Fact::Exhausted { ladder: name.clone() });
                self.nobody_on(now, wires, &name);
            }
            oncall::Output::PagingEnded => {}
        }
    }

    /// A person by name, or whoever is on duty for a role now; never nobody while the practice names a fall-back.
    fn people_for(&self, call: &str, wall: Timestamp) -> Vec<String> {
        let practice = &self.released.practice;
        if practice.people.contains_key(call) {
            return vec![call.to_owned()];
        }
        let on_duty = self.released.roster.who(call, wall);
        let known: Vec<String> = on_duty
            .people
            .into_iter()
            .filter(|person| practice.people.contains_key(person))
            .collect();
        if known.is_empty() && practice.people.contains_key(&practice.on_call.if_nobody) {
            return vec![practice.on_call.if_nobody.clone()];
        }
        known
    }

    /// One INVITE to one person's phone, showing the practice's own number (integrations.md §1.2).
    fn ring(&mut self, now: Instant, wires: &mut Wires, index: usize, id: TryId, person: &str) -> bool {
        let Some(number) = self
            .released
            .practice
            .people
            .get(person)
            .map(|known| known.call.clone())
        else {
            return false;
        };
        let Some((leg, port)) = self.dial(now, wires, person, &number) else {
            return false;
        };
        let ring = Ring {
            unrecorded: false,
            id: Some(id),
            person: person.to_owned(),
            port,
            stage: Stage::Calling,
            pin: None,
        };
        if let Some(ladder) = self.ladders.get_mut(index) {
            ladder.rings.insert(leg, ring);
        }
        self.hear(
            now,
            wires,
            flow::Heard::Escalation(flow::Escalated::Ringing {
                person: person.to_owned(),
            }),
        );
        true
    }

    /// A call to a number the practice file names, and the port promised to whoever answers; `None` when it cannot be made.
    pub(super) fn dial(
        &mut self,
        now: Instant,
        wires: &mut Wires,
        person: &str,
        number: &Phi<String>,
    ) -> Option<(LegId, u16)> {
        let practice = &self.released.practice;
        let named = practice.people.values().any(|known| known.call == *number)
            || practice.outside_lines.values().any(|line| line == number.expose());
        if !named {
            return None;
        }
        let caller_known = self.number.expose().is_some();
        let placing = Placing {
            call: self.id,
            party: person.to_owned(),
            number: number.clone(),
            ours: practice.lines.values().cloned().collect(),
            practice: practice.name.clone(),
            prefers: self.trunk.clone(),
            max_forwards: self.max_forwards,
            caller_known,
        };
        let leg = wires.place(now, placing)?;
        let port = wires.port_of(leg)?;
        self.note(now, wires, signal(person, true, "INVITE"));
        Some((leg, port))
    }

    /// Something happened to the session of a person we rang, or of the partner.
    pub(super) fn person_signalled(&mut self, now: Instant, wires: &mut Wires, leg: LegId, event: sip::Event) {
        if self.partner.as_ref().is_some_and(|partner| partner.leg == leg) {
            self.partner_signalled(now, wires, event);
            return;
        }
        let Some(index) = self.ladders.iter().position(|ladder| ladder.rings.contains_key(&leg)) else {
            return;
        };
        let wall = self.wall(now);
        let Some(ring) = self
            .ladders
            .get_mut(index)
            .and_then(|ladder| ladder.rings.get_mut(&leg))
        else {
            return;
        };
        let (id, person) = (ring.id, ring.person.clone());
        match event {
            sip::Event::Progress { status, .. } => {
                self.note(now, wires, signal(&person, false, &status.to_string()));
                if let Some(id) = id {
                    self.tell(wall, index, oncall::Input::Ringing(id));
                }
            }
            sip::Event::Accepted { body, .. } => {
                let port = ring.port;
                self.note(now, wires, signal(&person, false, "200"));
                let stream = wires.line_answered(now, leg, body.as_ref());
                match (stream, id) {
                    (Some(stream), Some(id)) => {
                        self.at_stage(leg, Stage::Deciding);
                        wires.own_leg(leg, self.id, &person);
                        wires.media(MediaCommand::Open {
                            call: self.id,
                            leg,
                            port,
                            stream: Some(stream),
                        });
                        self.tell(wall, index, oncall::Input::Answered(id));
                    }
                    // An answer without audio we speak reaches nobody.
                    _ => self.let_ring_go(now, wires, index, leg, oncall::Ended::Failed, "BYE"),
                }
            }
            sip::Event::Refused { status, .. } => return self.person_refused(now, wires, leg, status),
            sip::Event::Ended { .. } => {
                self.note(now, wires, signal(&person, false, "BYE"));
                let ring = self.ring_gone(wires, index, leg);
                if let Some(id) = id {
                    self.tell(wall, index, oncall::Input::Ended(id, oncall::Ended::HungUp));
                }
                self.left_too_soon(now, wires, index, ring);
            }
            sip::Event::Offered { session, offer, body } => {
                wires.line_reoffered(now, leg, session, offer, body.as_ref());
            }
            sip::Event::Info { body, .. } => wires.media(MediaCommand::InfoDigit {
                leg,
                body: Phi::new(body.bytes),
            }),
            sip::Event::OfferAnswered { body, .. } => wires.line_offer_answered(leg, body.as_ref()),
            sip::Event::Incoming { .. } | sip::Event::Confirmed { .. } | sip::Event::Response { .. } => {}
        }
        self.climb(now, wires);
    }

    /// A phone was not reached, or its owner said no.
    pub(super) fn person_refused(&mut self, now: Instant, wires: &mut Wires, leg: LegId, status: u16) {
        let wall = self.wall(now);
        let Some((index, ring)) = self.ring_at(leg) else { return };
        let (id, person) = (ring.id, ring.person.clone());
        self.note(now, wires, signal(&person, false, &status.to_string()));
        let why = match status {
            486 | 600 => oncall::Ended::Busy,
            603 | 403 => oncall::Ended::Declined,
            408 | 480 | 487 => oncall::Ended::NoAnswer,
            _ => oncall::Ended::Failed,
        };
        self.ring_gone(wires, index, leg);
        if let Some(id) = id {
            self.tell(wall, index, oncall::Input::Ended(id, why));
        }
        self.climb(now, wires);
    }

    pub(super) fn person_pressed(&mut self, now: Instant, wires: &mut Wires, leg: LegId, digit: Phi<char>) {
        let wall = self.wall(now);
        for index in 0..self.ladders.len() {
            let id = self
                .ladders
                .get(index)
                .and_then(|ladder| ladder.rings.get(&leg))
                .and_then(|ring| ring.id);
            let Some(id) = id else { continue };
            match self.pressed(index, leg, digit) {
                Pressed::Key(key) => self.tell(wall, index, oncall::Input::Key(id, key)),
                Pressed::Digit => {}
                Pressed::Asked(phrase) => {
                    let words = flow::Words::part(phrase.part(self.persons_language()));
                    whisper(wires, leg, words);
                }
                Pressed::Unrecorded => {
                    let told = flow::Phrase::WhisperUnrecorded.part(self.persons_language());
                    let words = flow::Words::part(told).then(self.they_hear(index, leg));
                    whisper(wires, leg, words);
                }
                Pressed::Stranger => self.let_ring_go(now, wires, index, leg, oncall::Ended::HungUp, "BYE"),
            }
        }
        self.climb(now, wires);
    }

    /// A person who has a PIN is reached by it and not by the key alone: their telephone may lie on a table.
    fn pressed(&mut self, index: usize, leg: LegId, digit: Phi<char>) -> Pressed {
        let Some(ladder) = self.ladders.get_mut(index) else {
            return Pressed::Key(digit);
        };
        let accept_with = ladder.escalation.ladder().accept_with;
        let recorded = self.recording.is_some();
        let Some(ring) = ladder
            .rings
            .get_mut(&leg)
            .filter(|ring| matches!(ring.stage, Stage::Deciding))
        else {
            return Pressed::Key(digit);
        };
        if recorded && !ring.unrecorded && ring.pin.is_none() && *digit.expose() == unrecorded_with(accept_with) {
            ring.unrecorded = true;
            return Pressed::Unrecorded;
        }
        let people = &self.released.practice.people;
        let Some(pin) = people.get(&ring.person).and_then(|person| person.pin.as_ref()) else {
            return Pressed::Key(digit);
        };
        let Some(entry) = &mut ring.pin else {
            if *digit.expose() != accept_with {
                return Pressed::Key(digit);
            }
            ring.pin = Some(Entry::default());
            return Pressed::Asked(flow::Phrase::AskPin);
        };
        if !digit.expose().is_ascii_digit() {
            entry.digits = Phi::default();
            return Pressed::Asked(flow::Phrase::AskPin);
        }
        let mut digits = std::mem::take(&mut entry.digits).into_exposed();
        digits.push(*digit.expose());
        if digits.len() < pin.expose().len() {
            entry.digits = Phi::new(digits);
            return Pressed::Digit;
        }
        if digits == *pin.expose() {
            return Pressed::Key(Phi::new(accept_with));
        }
        entry.wrong += 1;
        if entry.wrong < PINS_MAX {
            Pressed::Asked(flow::Phrase::WrongPin)
        } else {
            Pressed::Stranger
        }
    }

    /// The number was read out: it is given. Again, or goodbye.
    pub(super) fn person_heard(&mut self, now: Instant, wires: &mut Wires, leg: LegId, played: u64, whole: bool) {
        let words = self.number_to_call_back();
        let Some((index, ring)) = self.ring_at(leg) else { return };
        let Stage::Told { play, times, given, .. } = &mut ring.stage else {
            return;
        };
        // Words cut short were not heard; whoever waits for them in vain is hung up in time, and rung again.
        if *play != played || !whole {
            return;
        }
        let first = !std::mem::replace(given, true);
        if *times >= NUMBER_READ_OUT {
            self.hang_up_ring(now, wires, index, leg, "BYE");
            return;
        }
        *times += 1;
        *play = wires.new_play();
        wires.media(MediaCommand::Play {
            leg,
            id: *play,
            words,
            stops_at_key: false,
        });
        if first {
            let person = ring.person.clone();
            self.story.calling_back = Some(person.clone());
            self.note(now, wires, Fact::NumberGiven { person });
            self.note_accepted_end(now, wires, index);
            self.note_end_if_settled(now, wires);
        }
    }

    /// No audio from a person: whoever it was is not reached.
    pub(super) fn person_lost(&mut self, now: Instant, wires: &mut Wires, leg: LegId) {
        if self.partner.as_ref().is_some_and(|partner| partner.leg == leg) {
            wires.hang_up_line(now, leg);
        } else if let Some((index, _)) = self.ring_at(leg) {
            self.let_ring_go(now, wires, index, leg, oncall::Ended::Failed, "BYE");
            self.climb(now, wires);
        }
    }

    /// The accept key is in the book: bridge, or give the number (D3).
    pub(super) fn join(&mut self, now: Instant, wires: &mut Wires, start: Start, leg: LegId, person: String) {
        if !self.at_stage(leg, Stage::Joined) {
            // They hung up in the instant between the key and the book: the ladder is over, so it must begin again.
            return self.begin_again(now, wires, start);
        }
        // The flow bridges when the caller is on the line and wants it; else whoever accepted gets the number. Two
        // people who talk already are not disturbed for a third.
        if self.partner.is_none() {
            self.hear(
                now,
                wires,
                flow::Heard::Escalation(flow::Escalated::Accepted { person }),
            );
        }
        if let Some((
            _,
            Ring {
                stage: Stage::Joined, ..
            },
        )) = self.ring_at(leg)
        {
            self.give_number(now, wires, leg);
        }
        self.note_end_if_settled(now, wires);
    }

    /// Whoever accepted left before a word was possible, or before the number was read out: whoever is on duty is rung
    /// again, as durably as the first time (D3).
    fn begin_again(&mut self, now: Instant, wires: &mut Wires, start: Start) {
        let again = start.again.saturating_add(1);
        if again <= AGAIN_MAX {
            return self.ask_to_ring(now, wires, Start { again, ..start });
        }
        let ladder = start.open.ladder;
        self.note(now, wires, Fact::Exhausted { ladder: ladder.clone() });
        self.note_ladder_end(now, wires, ladder.clone(), "gave up");
        self.nobody_on(now, wires, &ladder);
    }

    /// Nobody accepted on this ladder. Who has gone on to wait for another one still waits for that.
    fn nobody_on(&mut self, now: Instant, wires: &mut Wires, ladder: &str) {
        if self.run.as_ref().is_some_and(|run| run.waits_for() == Some(ladder)) {
            self.hear(now, wires, flow::Heard::Escalation(flow::Escalated::Exhausted));
        }
    }

    /// A ring is over: if it was owed the number, somebody else is.
    fn left_too_soon(&mut self, now: Instant, wires: &mut Wires, index: usize, ring: Option<Ring>) {
        let Some(Ring {
            stage: Stage::Told { given: false, .. },
            person,
            ..
        }) = ring
        else {
            return;
        };
        self.story.left = Some(person);
        let Some(ladder) = self.ladders.get_mut(index) else {
            return;
        };
        // It goes on as another, so its end is not in the book.
        ladder.ended = true;
        let start = ladder.start();
        self.begin_again(now, wires, start);
    }

    /// `if accepted: connect them`: caller and clinician hear each other, and nothing else of ours.
    pub(super) fn bridge(&mut self, now: Instant, wires: &mut Wires) {
        let joined = self.ladders.iter().enumerate().find_map(|(index, ladder)| {
            let mut rings = ladder.rings.iter();
            let (leg, _) = rings.find(|(_, ring)| matches!(ring.stage, Stage::Joined))?;
            Some((index, *leg))
        });
        let (Some(caller), Some((index, leg))) = (self.caller.leg(), joined) else {
            // A flow that believes in a bridge nobody is on would wait for its end for ever.
            return self.hear(now, wires, flow::Heard::NotConnected);
        };
        let Some(ladder) = self.ladders.get_mut(index) else {
            return;
        };
        let Some(ring) = ladder.rings.remove(&leg) else { return };
        let start = ladder.start();
        // One partner at a time: a line that still rings for the caller is let go.
        self.leave_line(now, wires);
        wires.media(MediaCommand::Hush { leg: caller });
        if ring.unrecorded {
            self.joins_unrecorded(now, wires, &ring.person, true);
        }
        wires.media(MediaCommand::Bridge { a: caller, b: leg });
        self.note(
            now,
            wires,
            Fact::Bridged {
                person: ring.person.clone(),
            },
        );
        self.partner = Some(Partner {
            leg,
            person: ring.person,
            since: now,
            ladder: Some(start),
        });
        self.note_accepted_end(now, wires, index);
    }

    /// The doctor has the caller, or the number.
    fn note_accepted_end(&mut self, now: Instant, wires: &mut Wires, index: usize) {
        let Some(ladder) = self.ladders.get_mut(index) else {
            return;
        };
        let name = ladder.open.ladder.clone();
        ladder.ended = true;
        self.note_ladder_end(now, wires, name.clone(), "accepted");
        // The same ladder may have been asked for again meanwhile. Nobody need be rung for it any more, unless the caller is
        // on the line and waits for just that: somebody has their number, and nobody would ever come.
        let waits = self
            .run
            .as_ref()
            .is_some_and(|run| run.waits_for() == Some(name.as_str()));
        if !(waits && self.caller.is_here()) {
            let wall = self.wall(now);
            self.withdraw(wall, &name, Some(index));
        }
        self.climb_on(now, wires);
    }

    fn partner_signalled(&mut self, now: Instant, wires: &mut Wires, event: sip::Event) {
        let Some(partner) = self.partner.as_mut() else { return };
        match event {
            sip::Event::Ended { why, .. } => {
                let Some(partner) = self.partner.take() else { return };
                if matches!(why, sip::Ended::ByTheirBye) {
                    self.note(now, wires, signal(&partner.person, false, "BYE"));
                }
                wires.forget_line(partner.leg);
                if let Some(caller) = self.caller.leg() {
                    wires.media(MediaCommand::Unbridge {
                        a: caller,
                        b: partner.leg,
                    });
                }
                wires.media(MediaCommand::Close { leg: partner.leg });
                let too_short = now.saturating_duration_since(partner.since) < flow::TALKED_AT_LEAST;
                if let Some(start) = partner.ladder.filter(|_| too_short && self.caller.is_here()) {
                    self.begin_again(now, wires, start);
                }
                // The flow says what becomes of a caller whose partner left.
                self.hear(now, wires, flow::Heard::NotConnected);
            }
            sip::Event::Offered { session, offer, body } => {
                wires.line_reoffered(now, partner.leg, session, offer, body.as_ref());
            }
            sip::Event::Info { body, .. } => {
                wires.media(MediaCommand::InfoDigit {
                    leg: partner.leg,
                    body: Phi::new(body.bytes),
                });
            }
            _ => {}
        }
    }

    /// The caller is gone, or chose to be called back: the number is read out.
    fn give_number(&mut self, now: Instant, wires: &mut Wires, leg: LegId) {
        let words = self.number_to_call_back();
        let play = wires.new_play();
        let told = Stage::Told {
            play,
            times: 1,
            given: false,
            until: now + READ_OUT_MAX,
        };
        if !self.at_stage(leg, told) {
            return;
        }
        wires.media(MediaCommand::Play {
            leg,
            id: play,
            words,
            stops_at_key: false,
        });
    }

    fn number_to_call_back(&self) -> flow::Words {
        let language = self.persons_language();
        let mut words = flow::Words::part(flow::Phrase::WhisperNumber.part(language));
        if let Some(number) = self.call_back.expose().clone() {
            words = words.then(flow::words::number(&Phi::new(number), language));
        }
        words
    }

    /// PHI-free (ESC-07), and says so when the call is recorded: whoever accepts is a party too (CON-05).
    fn they_hear(&self, index: usize, leg: LegId) -> flow::Words {
        let language = self.persons_language();
        let ladder = self.ladders.get(index);
        let unrecorded = ladder
            .and_then(|ladder| ladder.rings.get(&leg))
            .is_some_and(|ring| ring.unrecorded);
        let spec = ladder.and_then(|ladder| self.released.practice.ladders.get(&ladder.open.ladder));
        let words = spec
            .map(|spec| flow::Words::filled(&spec.they_hear, language, &mut |_, _| None))
            .unwrap_or_default();
        if self.recording.is_some() && !unrecorded {
            let key = unrecorded_with(spec.map_or('1', |spec| spec.accept_with));
            words.then(flow::Words::part(flow::Phrase::WhisperRecorded.with_key(language, key)))
        } else {
            words
        }
    }

    /// Clinicians are spoken to in the practice's first language.
    fn persons_language(&self) -> flow::Language {
        self.released
            .practice
            .languages
            .first()
            .copied()
            .unwrap_or(flow::Language::English)
    }

    fn note_attempt(&mut self, now: Instant, wires: &mut Wires, index: usize, attempt: &oncall::Attempt) {
        let number = self
            .released
            .practice
            .people
            .get(&attempt.person)
            .map(|known| masked(known.call.expose()))
            .unwrap_or_default();
        let result = match attempt.result {
            oncall::Tried::Accepted => "accepted",
            oncall::Tried::Passed => "passed on",
            oncall::Tried::NoKey => "answered without the key",
            oncall::Tried::NoAnswer => "no answer",
            oncall::Tried::Busy => "busy",
            oncall::Tried::Declined => "declined",
            oncall::Tried::Failed => "failed",
            oncall::Tried::Cancelled => "cancelled",
        };
        let seconds = attempt.ended.duration_since(attempt.started).as_secs();
        let ladder = self
            .ladders
            .get(index)
            .map(|ladder| ladder.open.ladder.clone())
            .unwrap_or_default();
        let fact = Fact::Attempt {
            ladder,
            person: attempt.person.clone(),
            number,
            result: result.into(),
            seconds: u32::try_from(seconds).unwrap_or(0),
        };
        self.note(now, wires, fact);
    }

    fn hang_up_told(&mut self, now: Instant, wires: &mut Wires) {
        for index in 0..self.ladders.len() {
            let overdue = |ring: &Ring| matches!(ring.stage, Stage::Told { until, .. } if until <= now);
            let legs: Vec<LegId> = self
                .ladders
                .get(index)
                .map(|ladder| {
                    ladder
                        .rings
                        .iter()
                        .filter(|(_, ring)| overdue(ring))
                        .map(|(leg, _)| *leg)
                        .collect()
                })
                .unwrap_or_default();
            for leg in legs {
                let ring = self.hang_up_ring(now, wires, index, leg, "BYE");
                self.left_too_soon(now, wires, index, ring);
            }
        }
    }

    /// When a leg that is being read a number must end at the latest.
    pub(super) fn told_until(&self) -> Option<Instant> {
        let until = |ring: &Ring| match ring.stage {
            Stage::Told { until, .. } => Some(until),
            _ => None,
        };
        self.ladders
            .iter()
            .flat_map(|ladder| ladder.rings.values())
            .filter_map(until)
            .min()
    }

    /// We end one ring, and say so to the ladder.
    fn let_ring_go(
        &mut self,
        now: Instant,
        wires: &mut Wires,
        index: usize,
        leg: LegId,
        why: oncall::Ended,
        what: &str,
    ) {
        let ring = self.hang_up_ring(now, wires, index, leg, what);
        if let Some(id) = ring.as_ref().and_then(|ring| ring.id) {
            let wall = self.wall(now);
            self.tell(wall, index, oncall::Input::Ended(id, why));
        }
        self.left_too_soon(now, wires, index, ring);
    }

    /// We end one ring; whatever crosses on the wire is handled in the SIP room.
    fn hang_up_ring(&mut self, now: Instant, wires: &mut Wires, index: usize, leg: LegId, what: &str) -> Option<Ring> {
        if let Some(ring) = self.ladders.get(index).and_then(|ladder| ladder.rings.get(&leg)) {
            self.note(now, wires, signal(&ring.person, true, what));
            wires.hang_up_line(now, leg);
        }
        self.ring_gone(wires, index, leg)
    }

    /// A ring's session is over: its port or its media is given back.
    fn ring_gone(&mut self, wires: &mut Wires, index: usize, leg: LegId) -> Option<Ring> {
        let ring = self.ladders.get_mut(index)?.rings.remove(&leg)?;
        wires.forget_line(leg);
        match ring.stage {
            Stage::Calling => wires.return_port(ring.port),
            _ => wires.media(MediaCommand::Close { leg }),
        }
        Some(ring)
    }

    fn ring_at(&mut self, leg: LegId) -> Option<(usize, &mut Ring)> {
        let mut ladders = self.ladders.iter_mut().enumerate();
        ladders.find_map(|(index, ladder)| Some((index, ladder.rings.get_mut(&leg)?)))
    }

    /// Moves a ring on; false when it is gone.
    fn at_stage(&mut self, leg: LegId, stage: Stage) -> bool {
        match self.ring_at(leg) {
            Some((_, ring)) => {
                ring.stage = stage;
                true
            }
            None => false,
        }
    }

    fn ring_of(&mut self, index: usize, id: TryId) -> Option<(LegId, &mut Ring)> {
        let rings = &mut self.ladders.get_mut(index)?.rings;
        rings
            .iter_mut()
            .find(|(_, ring)| ring.id == Some(id))
            .map(|(leg, ring)| (*leg, ring))
    }

    fn tell(&mut self, wall: Timestamp, index: usize, input: oncall::Input) {
        if let Some(ladder) = self.ladders.get_mut(index) {
            ladder.escalation.handle(wall, input);
        }
    }
}
