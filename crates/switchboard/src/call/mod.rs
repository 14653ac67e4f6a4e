//! A call, from INVITE to BYE: hear, act, bridge, record.
//!
//! A call owns its legs, its flow run and its ladders, and translates between them; each of those is a whole machine in
//! a room of its own. [`caller`] holds what concerns the caller's leg and what the flow wants done, [`ladder`] what
//! concerns the people who are rung, [`connect`] lines that are connected without a ladder. A call outlives its caller: a ladder stops only when somebody accepts or it gives up
//! (flow-language.md §9, D3).

mod caller;
mod connect;
mod ladder;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use jiff::Timestamp;
use phi::Phi;

use crate::desk::{Wires, wall_at};
use crate::door::{CallId, LegId, MediaEvent, RecordingId, Released, Ticket};
use crate::fact::{Fact, OpenEscalation};

use self::caller::Caller;
pub(crate) use self::caller::{answer_reoffer, fault_of, is_sdp, local_description, reoffer_answered};
use self::connect::Connecting;
use self::ladder::Ladder;
pub use self::ladder::unrecorded_with;

/// What the book says of a fault of our own.
const ENGINE_FAULT: &str = "a fault in the engine";

/// How many hops a call of ours may take at most (RFC 3261 §20.22).
const MAX_FORWARDS: u8 = 70;

/// Ladders one call may have running: the flow's own, and the safety net's.
const LADDERS_MAX: usize = 4;

/// Faults after which a call is no longer begun again for the people it would ring.
const FAULTS_MAX: u8 = 3;

/// Everything of one caller's call, behind one `&mut`.
pub(crate) struct Call {
    id: CallId,
    released: Released,
    trunk: String,
    line: String,
    began: Instant,
    anchor: (Instant, Timestamp),
    /// What is left of the caller's Max-Forwards for calls made on their behalf (RFC 7332 §2).
    max_forwards: u8,
    number: Phi<Option<String>>,
    caller: Caller,
    /// `None` for a call that a restart left without its caller.
    run: Option<flow::Run>,
    /// What the flow wants done but may not be done before the caller is answered.
    held: VecDeque<flow::Do>,
    ladders: Vec<Ladder>,
    /// Whoever was rung last: the caller's partner once bridged.
    partner: Option<Partner>,
    /// A line that rings for `connect to:`.
    connecting: Option<Connecting>,
    /// Acts withheld until the book has answered.
    withheld: BTreeMap<Ticket, Withheld>,
    /// What the flow asked the records and waits to hear.
    asked: BTreeMap<flow::AskId, &'static str>,
    /// Clips being recorded: which of the flow's clips each is.
    clips: HashMap<RecordingId, flow::ClipId>,
    /// The flow's clips, by the id under which the vault keeps them. One that is still being recorded is among them: a
    /// message that leaves in a hurry names it all the same.
    kept_clips: HashMap<flow::ClipId, RecordingId>,
    recording: Option<RecordingId>,
    /// Where a caller can be reached, best first: keyed and confirmed, else the number calling.
    call_back: Phi<Option<String>>,
    story: Story,
    faults: u8,
    /// We have hung up on the caller; what is left is the endpoint's business.
    hanging_up: bool,
    /// The practice was not in service as it came: nothing of it goes into the book but that (ADM-01).
    turned_away: bool,
    ended_by: &'static str,
    ended: bool,
}

/// Who the caller talks with.
struct Partner {
    leg: LegId,
    person: String,
    since: Instant,
    /// The ladder they came by; it begins again when they leave before a word was possible.
    ladder: Option<ladder::Start>,
}

/// What came of the call so far, where the flow's own run cannot say it.
#[derive(Clone, Debug, Default)]
struct Story {
    /// The flow's last word; exactly once per run.
    outcome: Option<String>,
    /// Who was given the number of a caller who is gone.
    calling_back: Option<String>,
    /// Who accepted and left before the number was read out, whatever the flow's run believes.
    left: Option<String>,
    answered: bool,
}

/// What waits for the book.
enum Withheld {
    /// The flow waits to hear that its message is safe.
    Message(flow::MessageId),
    /// The first INVITE of a ladder.
    Ladder(Box<ladder::Start>),
    /// Bridging to the person who pressed the accept key; the ladder begins again when they are gone by then.
    Acceptance {
        start: Box<ladder::Start>,
        leg: LegId,
        person: String,
    },
    /// The recorder.
    Recording(RecordingId),
}

/// An INVITE that the desk has admitted.
pub(crate) struct Arrival {
    pub(crate) id: CallId,
    pub(crate) session: sip::SessionId,
    pub(crate) invite: sip::Incoming,
    pub(crate) trunk: String,
    pub(crate) released: Released,
    pub(crate) line: String,
    pub(crate) caller: Option<Phi<String>>,
    /// What the trunk says of it, where it is believed.
    pub(crate) verdict: Option<sip::identity::Verdict>,
    /// The number called this practice in the last hour; `None` when it is not known.
    pub(crate) called_lately: Option<bool>,
}

/// None of the practice's roles has anybody listed now.
fn nobody_on_call(released: &Released, wall: Timestamp) -> bool {
    let roles = &released.practice.on_call.roles;
    !roles.is_empty()
        && roles
            .keys()
            .all(|role| matches!(released.roster.who(role, wall).layer, oncall::Layer::FallBack))
}

impl Call {
    /// Rings, with the answer to the offer ready. Whatever may fail comes before the first fact and the first ring.
    pub(crate) fn admit(now: Instant, wires: &mut Wires, arrival: Arrival) -> Result<Box<Self>, sip::fault::Fault> {
        let Arrival {
            id,
            session,
            invite,
            trunk,
            released,
            line,
            caller: number,
            verdict,
            called_lately,
        } = arrival;
        let wall = wires.wall(now);
        let Some(flow) = released.practice.flow_for(&line, wall).cloned() else {
            return Err(sip::fault::Fault::UnknownNumber);
        };
        let turned_away = !released.in_service;
        // Nobody may know who called; nor is it asked.
        let number = number.filter(|_| !turned_away);
        let call_back = Phi::new(number.as_ref().map(|number| number.expose().clone()));
        let beforehand = flow::Beforehand {
            nobody_on_call: Some(nobody_on_call(&released, wall)),
            called_lately,
            records_answer: wires.records_answer(&released.practice.name),
            number_is_doubted: verdict
                .as_ref()
                .is_some_and(|verdict| verdict.result == sip::identity::Outcome::Failed),
        };
        let run = flow::Run::start(
            released.practice.clone(),
            flow,
            flow::Caller {
                number,
                line: line.clone(),
                beforehand,
            },
            wall,
        );
        let began = Fact::CallBegan {
            practice: released.practice.name.clone(),
            line: line.clone(),
            trunk: trunk.clone(),
            caller: call_back.clone(),
            release: released
                .practice
                .fingerprint()
                .iter()
                .map(|octet| format!("{octet:02x}"))
                .collect(),
            nobody_on_call: beforehand.nobody_on_call,
            called_lately,
        };
        let max_forwards = invite.request.max_forwards().unwrap_or(MAX_FORWARDS).min(MAX_FORWARDS);
        let caller = Caller::arrive(now, wires, id, session, &invite, &trunk)?;
        if turned_away {
            let practice = released.practice.name.clone();
            let (line, trunk) = (line.clone(), trunk.clone());
            wires.fact(None, wall, Fact::TurnedAway { practice, line, trunk });
        } else {
            wires.fact(Some(id), wall, began);
            if let Some(verdict) = verdict.filter(|verdict| verdict.said_by.is_some()) {
                wires.fact(Some(id), wall, verdict_fact(&verdict));
            }
            wires.fact(Some(id), wall, signal("caller", false, "INVITE"));
        }
        Ok(Box::new(Self {
            turned_away,
            // Its one row is written.
            ended: turned_away,
            trunk,
            line,
            caller,
            max_forwards: max_forwards.saturating_sub(1),
            run: Some(run),
            ..Self::blank(now, wires, id, released, call_back)
        }))
    }

    /// The flow begins.
    pub(crate) fn begin(&mut self, now: Instant, wires: &mut Wires) {
        self.health(now, wires);
        self.do_what_the_flow_wants(now, wires);
    }

    /// A call that a restart left without its caller: the doctor will get the number.
    pub(crate) fn without_caller(
        now: Instant,
        wires: &mut Wires,
        open: &OpenEscalation,
        released: Released,
    ) -> Box<Self> {
        let mut call = Self::blank(now, wires, open.call, released, open.call_back.clone());
        call.story.answered = true;
        call.ended_by = "restart";
        Box::new(call)
    }

    /// Goes on with a ladder that a restart interrupted.
    pub(crate) fn resume(&mut self, now: Instant, wires: &mut Wires, open: OpenEscalation) {
        self.start_ladder(now, wires, ladder::Start::again_after_a_stop(open));
    }

    fn blank(now: Instant, wires: &Wires, id: CallId, released: Released, call_back: Phi<Option<String>>) -> Self {
        Self {
            id,
            released,
            trunk: String::new(),
            line: String::new(),
            began: now,
            anchor: wires.anchor(),
            max_forwards: MAX_FORWARDS,
            number: call_back.clone(),
            caller: Caller::gone(),
            run: None,
            held: VecDeque::new(),
            ladders: Vec::new(),
            partner: None,
            connecting: None,
            withheld: BTreeMap::new(),
            asked: BTreeMap::new(),
            clips: HashMap::new(),
            kept_clips: HashMap::new(),
            recording: None,
            call_back,
            story: Story::default(),
            faults: 0,
            hanging_up: false,
            turned_away: false,
            ended_by: "us",
            ended: false,
        }
    }

    /// A fault of ours came through to the desk: everybody is let go, and every ladder that still owes somebody a doctor
    /// begins again without its caller, a few times at most.
    pub(crate) fn break_down(&mut self, now: Instant, wires: &mut Wires) {
        self.faults = self.faults.saturating_add(1);
        self.note(
            now,
            wires,
            Fact::SafetyNet {
                reason: ENGINE_FAULT.into(),
            },
        );
        let owed = self.ladders_owed();
        self.stop_recording(wires);
        self.return_ports(wires);
        wires.let_go(now, self.id);
        self.caller = Caller::gone();
        self.run = None;
        self.held.clear();
        self.ladders.clear();
        self.partner = None;
        self.connecting = None;
        self.withheld.clear();
        self.asked.clear();
        self.clips.clear();
        self.ended_by = "fault";
        if self.faults <= FAULTS_MAX {
            for start in owed {
                self.start_ladder(now, wires, start);
            }
        }
        self.note_end_if_settled(now, wires);
    }

    /// Its one outcome was written before a restart.
    pub(crate) fn has_outcome(&mut self) {
        self.ended = true;
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether its caller is on the line.
    pub(crate) fn has_caller(&self) -> bool {
        self.caller.is_here()
    }

    /// The trunk that brought it; empty for a call that a restart left without its caller.
    pub(crate) fn trunk(&self) -> &str {
        &self.trunk
    }

    /// Whose it is.
    pub(crate) fn practice(&self) -> &str {
        &self.released.practice.name
    }

    /// A call of ours found nobody to take it.
    pub(crate) fn line_came_to_nothing(&mut self, now: Instant, wires: &mut Wires, leg: LegId) {
        if self.connecting.as_ref().is_some_and(|line| line.leg == leg) {
            self.line_refused(now, wires, 503);
        } else {
            self.person_refused(now, wires, leg, 503);
        }
    }

    /// Something happened to one of the call's sessions.
    pub(crate) fn signalled(&mut self, now: Instant, wires: &mut Wires, leg: LegId, event: sip::Event) {
        if self.caller.is(leg) {
            self.caller_signalled(now, wires, event);
        } else if self.connecting.as_ref().is_some_and(|line| line.leg == leg) {
            self.line_signalled(now, wires, event);
        } else {
            self.person_signalled(now, wires, leg, event);
        }
    }

    /// The media plane reports on one of the call's legs.
    pub(crate) fn media(&mut self, now: Instant, wires: &mut Wires, event: MediaEvent) {
        match event {
            MediaEvent::Digit { leg, digit, .. } if self.caller.is(leg) => self.caller_pressed(now, wires, digit),
            MediaEvent::Digit { leg, digit, .. } => self.person_pressed(now, wires, leg, digit),
            MediaEvent::Played { leg, id, whole } if self.caller.is(leg) => self.caller_heard(now, wires, id, whole),
            MediaEvent::Played { leg, id, whole } => self.person_heard(now, wires, leg, id, whole),
            // Half a question is none: a caller who hears only what is left of it goes to the safety net.
            MediaEvent::Wordless { leg } if self.caller.is(leg) => {
                self.hear(now, wires, flow::Heard::Broken(flow::Broken::Speech));
            }
            MediaEvent::ClipEnded { recording, heard, .. } => self.clip_ended(now, wires, recording, heard),
            MediaEvent::RecordingFailed { recording } => self.recording_failed(now, wires, recording),
            MediaEvent::Lost { leg } => self.fallen_silent(now, wires, leg),
            MediaEvent::Failed { leg } => self.silent(now, wires, leg),
            // A doctor who misses a sentence still has a caller, and the key.
            MediaEvent::Wordless { .. }
            | MediaEvent::FirstPacket { .. }
            | MediaEvent::Closed { .. }
            | MediaEvent::RecordingSealed { .. } => {}
        }
    }

    /// The book has answered, or has been given up on.
    pub(crate) fn recorded(&mut self, now: Instant, wires: &mut Wires, ticket: Ticket, kept: bool) {
        match self.withheld.remove(&ticket) {
            None => {}
            Some(Withheld::Message(id)) => {
                self.hear(
                    now,
                    wires,
                    if kept {
                        flow::Heard::Kept(id)
                    } else {
                        flow::Heard::NotKept(id)
                    },
                );
            }
            // A broken book never keeps a doctor's phone from ringing: the alarm rings, the ladder goes on (house.md §7).
            Some(Withheld::Ladder(start)) => {
                self.start_ladder(now, wires, *start);
            }
            Some(Withheld::Acceptance { start, leg, person }) => self.join(now, wires, *start, leg, person),
            // Without the permission in the book there is no recording, and none for a caller who is gone. The book may
            // have it as begun all the same, if only late.
            Some(Withheld::Recording(recording)) => {
                // Somebody who joined meanwhile may not want it.
                let wanted = self.recording == Some(recording);
                let begun = kept && wanted && self.start_recording(wires, recording);
                if !begun {
                    self.recording = None;
                    self.note(now, wires, Fact::RecordingFailed { recording });
                }
            }
        }
    }

    /// A timer of the call is due.
    pub(crate) fn time(&mut self, now: Instant, wires: &mut Wires) {
        self.answer_when_due(now, wires);
        let wall = self.wall(now);
        if self.held.is_empty()
            && self
                .run
                .as_ref()
                .and_then(flow::Run::timeout)
                .is_some_and(|at| at <= wall)
        {
            self.hear(now, wires, flow::Heard::Time);
        }
        self.line_due(now, wires);
        self.ladders_time(now, wires);
    }

    /// What is broken has changed.
    pub(crate) fn health(&mut self, now: Instant, wires: &mut Wires) {
        let health = wires.health;
        if health.recordings_down {
            self.hear(now, wires, flow::Heard::Broken(flow::Broken::Recordings));
        }
        if health.everything_down {
            self.hear(now, wires, flow::Heard::Broken(flow::Broken::Everything));
        } else if health.book_down {
            self.hear(now, wires, flow::Heard::Broken(flow::Broken::Book));
        }
    }

    /// When the call wants the clock next.
    pub(crate) fn timeout(&self) -> Option<Instant> {
        let run = self
            .run
            .as_ref()
            .filter(|_| self.held.is_empty())
            .and_then(flow::Run::timeout);
        let ladders = self.ladders.iter().filter_map(Ladder::timeout);
        let walls = run.into_iter().chain(ladders).map(|at| instant_at(self.anchor, at));
        walls
            .chain(self.caller.answer_at())
            .chain(self.told_until())
            .chain(self.connecting.as_ref().map(Connecting::until))
            .min()
    }

    /// Nothing is left to do: nobody is on the line, nobody is rung, nothing waits for the book, and the flow has
    /// delivered what a caller who hung up has left behind.
    pub(crate) fn is_over(&self) -> bool {
        !self.caller.is_here()
            && self.run_is_over()
            && self.partner.is_none()
            && self.connecting.is_none()
            && self.ladders.iter().all(Ladder::is_over)
            && self.withheld.is_empty()
    }

    /// The last fact, and the end.
    pub(crate) fn close(&mut self, now: Instant, wires: &mut Wires) {
        self.note_end(now, wires);
    }

    fn run_is_over(&self) -> bool {
        self.run.as_ref().is_none_or(flow::Run::over)
    }

    fn wall(&self, now: Instant) -> Timestamp {
        wall_at(self.anchor, now)
    }

    fn note(&self, now: Instant, wires: &mut Wires, fact: Fact) {
        if !self.turned_away {
            wires.fact(Some(self.id), self.wall(now), fact);
        }
    }

    /// The flow hears something, and what it wants is done. A fault in the flow's run is contained here: the caller gets
    /// the safety net from a fresh run, and after a second fault a goodbye (house.md §5, invariant 2).
    fn hear(&mut self, now: Instant, wires: &mut Wires, heard: flow::Heard) {
        let wall = self.wall(now);
        let Some(run) = self.run.as_mut() else { return };
        if catch_unwind(AssertUnwindSafe(|| run.hear(wall, heard))).is_err() {
            self.faults += 1;
            self.note(
                now,
                wires,
                Fact::SafetyNet {
                    reason: ENGINE_FAULT.into(),
                },
            );
            if self.faults > 1 {
                self.run = None;
                self.hang_up_caller(now, wires);
                self.note_end_if_settled(now, wires);
                return;
            }
            let fresh = self.released.practice.flow_for(&self.line, wall).cloned().map(|flow| {
                let caller = flow::Caller {
                    number: self.number.expose().clone().map(Phi::new),
                    line: self.line.clone(),
                    beforehand: flow::Beforehand::default(),
                };
                let mut run = flow::Run::start(self.released.practice.clone(), flow, caller, wall);
                run.hear(wall, flow::Heard::Broken(flow::Broken::Everything));
                run
            });
            self.run = fresh;
            if self.run.is_none() {
                self.hang_up_caller(now, wires);
            }
        }
        self.do_what_the_flow_wants(now, wires);
        self.note_end_if_settled(now, wires);
    }

    /// The outcome in one phrase (flow-language.md §12).
    fn outcome(&self) -> String {
        // A run that came to nothing does not know of a ladder that began again after it.
        let came_to_nothing = [flow::Outcome::Ended, flow::Outcome::CallerHungUp].map(|outcome| outcome.to_string());
        // Nor does it know of a person who accepted and was gone before the number was read out.
        let left = self
            .story
            .left
            .clone()
            .map(|person| flow::Outcome::CallingBack { person }.to_string());
        let said = self
            .story
            .outcome
            .as_ref()
            .filter(|outcome| !came_to_nothing.contains(outcome) && left.as_ref() != Some(outcome));
        if let Some(outcome) = said {
            outcome.clone()
        } else if let Some(person) = &self.story.calling_back {
            format!("{person} is calling back")
        } else if let Some(ladder) = self.ladders.iter().find(|ladder| ladder.is_exhausted()) {
            format!("still paging {}", ladder.name())
        } else if let Some(outcome) = self
            .story
            .outcome
            .as_ref()
            .filter(|outcome| left.as_ref() != Some(outcome))
        {
            outcome.clone()
        } else if self.story.answered {
            "the caller hung up".into()
        } else {
            "the caller hung up before the answer".into()
        }
    }

    /// Exactly one outcome per call, when the caller is gone and no ladder can still change it.
    fn note_end_if_settled(&mut self, now: Instant, wires: &mut Wires) {
        let climbing = self.ladders.iter().any(Ladder::is_climbing)
            || self.withheld.values().any(|w| matches!(w, Withheld::Ladder(_)));
        let joining = self
            .withheld
            .values()
            .any(|w| matches!(w, Withheld::Acceptance { .. } | Withheld::Message(_)));
        if !self.caller.is_here() && self.run_is_over() && !climbing && !joining {
            self.note_end(now, wires);
        }
    }

    fn note_end(&mut self, now: Instant, wires: &mut Wires) {
        if self.ended {
            return;
        }
        self.ended = true;
        let seconds = u32::try_from(now.saturating_duration_since(self.began).as_secs()).unwrap_or(u32::MAX);
        let outcome = self.outcome();
        self.note(
            now,
            wires,
            Fact::CallEnded {
                outcome,
                ended_by: self.ended_by.into(),
                seconds,
            },
        );
    }
}

/// The instant at which the wall clock will show `at`, by a call's own anchor. A time already past is now.
fn instant_at((instant, wall): (Instant, Timestamp), at: Timestamp) -> Instant {
    let ahead = at.duration_since(wall);
    match std::time::Duration::try_from(ahead) {
        Ok(ahead) => instant.checked_add(ahead).unwrap_or(instant),
        Err(_) => instant,
    }
}

fn signal(party: &str, ours: bool, what: &str) -> Fact {
    Fact::Signal {
        party: party.to_owned(),
        ours,
        what: what.to_owned(),
    }
}

/// For people to read; nothing else looks at it.
fn verdict_fact(verdict: &sip::identity::Verdict) -> Fact {
    use sip::identity::{Attestation, Outcome};
    let result = match verdict.result {
        Outcome::Passed => "passed",
        Outcome::Failed => "failed",
        Outcome::Nothing => "none",
    };
    let attestation = match verdict.attestation {
        Attestation::A => "A",
        Attestation::B => "B",
        Attestation::C => "C",
        Attestation::Unknown => "unknown",
    };
    Fact::Verdict {
        verdict: result.to_owned(),
        attestation: attestation.to_owned(),
    }
}
