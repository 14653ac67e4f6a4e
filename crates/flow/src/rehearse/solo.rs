//! The smallest world: one run, one actor, a virtual clock. No SIP, no audio, no ladder machine.
//!
//! Words take [`CHARACTERS_PER_SECOND`], telephones do what the scenario says after plausible seconds, and everything
//! the caller and the run did is written down as a page. It is where a flow is tested in milliseconds; that the true
//! ladder and the true telephone agree with it is the switchboard's to prove with the same scenarios.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use phi::Phi;

use super::{Act, Actor, Failing, Failure, Observed, PaperRecords, Phone, QUIET, Scenario};
use crate::model::{Flow, Practice};
use crate::run::{
    Broken, Caller, ClipId, Do, Escalated, Heard, Message, MessageId, Note, RecordsAnswer, Run, SayId, Taken,
};
use crate::words::{Language, Words};

/// How fast the rehearsal's voice speaks (§18).
pub const CHARACTERS_PER_SECOND: f64 = 15.0;
/// Between two digits of a string typed at once.
const KEY_EVERY: Duration = Duration::from_millis(150);
/// The tone before a clip.
const TONE: Duration = Duration::from_millis(200);
/// A caller who says nothing after the tone.
const NOTHING_SAID: Duration = Duration::from_secs(5);
/// The book's answer.
const KEPT_AFTER: Duration = Duration::from_millis(5);
/// A person takes this long to pick up, and this long to press a key.
const PICKED_UP_AFTER: Duration = Duration::from_secs(6);
const KEY_AFTER: Duration = Duration::from_secs(1);
/// A machine picks up, and is given up.
const MACHINE_AFTER: Duration = Duration::from_secs(12);
/// A screening robot picks up at once.
const SCREENED_AFTER: Duration = Duration::from_secs(1);
const MACHINE_GIVEN: Duration = Duration::from_secs(10);
const BUSY_AFTER: Duration = Duration::from_secs(1);
/// A conversation of the rehearsal, after which the caller hangs up.
const TALK: Duration = Duration::from_secs(30);
/// A rehearsal that lasts longer is broken.
const LASTS_MAX: Duration = Duration::from_secs(6 * 60 * 60);
/// So is one of more events.
const EVENTS_MAX: usize = 20_000;

/// What came of one scenario.
#[derive(Clone, Debug)]
pub struct Rehearsed {
    /// The scenario's name.
    pub name: String,
    /// What the world saw.
    pub observed: Observed,
    /// What is not as expected; empty when it passes.
    pub failures: Vec<Failure>,
    /// The call on a page: who did what, when.
    pub page: String,
    /// How long the call lasted.
    pub lasted: Duration,
    /// When the first telephone rang.
    pub first_ring_after: Option<Duration>,
    /// What the record says of it, in order.
    pub notes: Vec<Note>,
    /// Everything the caller heard, in order, for whoever wants to hear it too.
    pub spoken: Vec<Words>,
    /// Every road the call took through its flow.
    pub(crate) trail: Vec<Taken>,
    /// What the call waits for, when it was played [up to a question](play_up_to_a_question).
    pub waits_for: Option<Awaited>,
}

/// Somebody must say what happens next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// The caller has heard something and may press keys.
    Keys,
    /// The caller was asked to speak after a tone.
    Speech,
    /// This person's telephone rings.
    Phone(String),
}

/// Plays one scenario of a flow.
pub fn play(practice: &Arc<Practice>, flow: &Arc<Flow>, scenario: &Scenario) -> Rehearsed {
    play_by(practice, flow, scenario, false)
}

/// Plays a scenario until it does not say what the caller, or a telephone that rings, does next.
///
/// The same turns always give the same call, so a conversation is held by playing it again from its beginning with one
/// turn more, and printing what is new.
pub fn play_up_to_a_question(practice: &Arc<Practice>, flow: &Arc<Flow>, scenario: &Scenario) -> Rehearsed {
    play_by(practice, flow, scenario, true)
}

fn play_by(practice: &Arc<Practice>, flow: &Arc<Flow>, scenario: &Scenario, pauses: bool) -> Rehearsed {
    let start = scenario
        .now
        .to_zoned(practice.time_zone.clone())
        .map_or(Timestamp::UNIX_EPOCH, |zoned| zoned.timestamp());
    // `failing:` is told as soon as the call begins.
    let records = scenario
        .records
        .clone()
        .map(|holds| PaperRecords::new(holds, practice.time_zone.clone()));
    let caller = Caller {
        number: scenario.caller.clone().map(Phi::new),
        line: scenario.line_called.clone().unwrap_or_else(|| flow.line.clone()),
        beforehand: crate::run::Beforehand {
            nobody_on_call: Some(scenario.on_call.is_empty()),
            called_lately: Some(false),
            records_answer: records.is_some(),
            number_is_doubted: false,
        },
    };
    let run = Run::start_followed(practice.clone(), flow.clone(), caller, start);
    let mut world = World {
        practice: practice.clone(),
        scenario,
        actor: Actor::new(scenario),
        run,
        start,
        now: start,
        events: BTreeMap::new(),
        order: 0,
        saying: None,
        silent_since: start,
        quiet_told: false,
        clip: None,
        keeps: ![Failing::Database, Failing::Disk, Failing::Everything]
            .iter()
            .any(|failing| scenario.failing.contains(failing)),
        records,
        messages: Vec::new(),
        kept: BTreeSet::new(),
        tries: BTreeMap::new(),
        ladder_answers: VecDeque::new(),
        observed: Observed::default(),
        first_ring: None,
        page: String::new(),
        hung_up: false,
        pauses,
        rung: BTreeMap::new(),
        spoken: Vec::new(),
        waits_for: None,
        notes: Vec::new(),
    };
    world.play();
    world.finish()
}

#[derive(Debug)]
enum Event {
    Hear(Heard),
    Press(char),
    Ring {
        person: String,
    },
    /// A person of the ladder accepts, or nobody did.
    Ladder(Escalated),
    CallerHangsUp,
}

struct World<'a> {
    practice: Arc<Practice>,
    scenario: &'a Scenario,
    actor: Actor,
    run: Run,
    start: Timestamp,
    now: Timestamp,
    events: BTreeMap<(Timestamp, u64), Event>,
    order: u64,
    saying: Option<Saying>,
    silent_since: Timestamp,
    quiet_told: bool,
    clip: Option<Clip>,
    keeps: bool,
    records: Option<PaperRecords>,
    messages: Vec<(MessageId, Message)>,
    kept: BTreeSet<MessageId>,
    tries: BTreeMap<String, usize>,
    ladder_answers: VecDeque<(Timestamp, u64)>,
    observed: Observed,
    first_ring: Option<Timestamp>,
    page: String,
    hung_up: bool,
    /// Stops where the scenario does not say what is next.
    pauses: bool,
    rung: BTreeMap<String, usize>,
    spoken: Vec<Words>,
    waits_for: Option<Awaited>,
    notes: Vec<Note>,
}

struct Saying {
    id: SayId,
    words: Words,
    stops_at_key: bool,
    ends: Timestamp,
    heard: bool,
}

struct Clip {
    id: ClipId,
    spoken: Option<Duration>,
    shortest: Duration,
    ends_after_silence: Duration,
    ends: Timestamp,
    longest_ends: Timestamp,
}

impl World<'_> {
    fn play(&mut self) {
        for failing in self.scenario.failing.clone() {
            let broken = match failing {
                Failing::Records => Broken::Records,
                Failing::Speech => Broken::Speech,
                Failing::Everything => Broken::Everything,
                Failing::Disk => Broken::Recordings,
                // Met when a telephone is rung.
                Failing::Trunk => continue,
                // The records are all that a run asks for over it.
                Failing::Internet => Broken::Records,
                // Noticed only when something is to be kept.
                Failing::Database => continue,
            };
            self.tell(Heard::Broken(broken));
        }
        self.work();
        for _ in 0..EVENTS_MAX {
            if self.run.over() || self.since_start(self.now) > LASTS_MAX {
                return;
            }
            let Some(next) = self.next() else { return };
            self.now = next.max(self.now);
            self.happen();
            self.work();
            if self.pauses && self.waits_for.is_none() && !self.hung_up && self.actor.at_a_loss() {
                self.waits_for = Some(if self.clip.is_some() {
                    Awaited::Speech
                } else {
                    Awaited::Keys
                });
            }
            if self.waits_for.is_some() {
                return;
            }
        }
    }

    /// Asks what this telephone does, when nobody has said so.
    fn ask_about(&mut self, person: &str, nth: usize) {
        let planned = self.scenario.phones.get(person).map_or(0, Vec::len);
        if self.pauses && nth >= planned {
            self.waits_for = Some(Awaited::Phone(person.to_owned()));
        }
    }

    fn next(&self) -> Option<Timestamp> {
        let saying = self.saying.as_ref().map(|saying| saying.ends);
        let clip = self.clip.as_ref().map(|clip| clip.ends);
        let event = self.events.keys().next().map(|(at, _)| *at);
        let quiet = (!self.quiet_told && self.saying.is_none()).then(|| later(self.silent_since, QUIET));
        [saying, clip, event, quiet, self.actor.due(), self.run.timeout()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Everything that is due now, one thing at a time.
    fn happen(&mut self) {
        if let Some(saying) = self.saying.take_if(|saying| saying.ends <= self.now) {
            self.silence();
            return self.tell(Heard::Said(saying.id));
        }
        if self.clip.as_ref().is_some_and(|clip| clip.ends <= self.now) {
            return self.end_clip();
        }
        if let Some(entry) = self.events.first_entry()
            && entry.key().0 <= self.now
        {
            let event = entry.remove();
            return self.event(event);
        }
        if !self.quiet_told && self.saying.is_none() && later(self.silent_since, QUIET) <= self.now {
            self.quiet_told = true;
            self.actor.quiet(self.now);
            return self.act();
        }
        if self.actor.due().is_some_and(|due| due <= self.now) {
            self.actor.time(self.now);
            return self.act();
        }
        if self.run.timeout().is_some_and(|due| due <= self.now) {
            self.run.hear(self.now, Heard::Time);
        }
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Hear(heard) => self.tell(heard),
            Event::Press(key) => {
                self.write("caller", &format!("presses {key}"));
                if self.saying.take_if(|saying| saying.stops_at_key).is_some() {
                    self.silence();
                }
                self.tell(Heard::Key(Phi::new(key)));
            }
            Event::Ring { person } => {
                self.first_ring.get_or_insert(self.now);
                self.write("ladder", &format!("rings {person}"));
                self.observed.tried.push(person.clone());
                let rung = self.rung.entry(person.clone()).or_default();
                *rung += 1;
                let nth = *rung - 1;
                self.ask_about(&person, nth);
                self.tell(Heard::Escalation(Escalated::Ringing { person }));
            }
            Event::Ladder(escalated) => {
                match &escalated {
                    Escalated::Accepted { person } => self.write("ladder", &format!("{person} accepts")),
                    _ => self.write("ladder", "nobody accepted"),
                }
                self.tell(Heard::Escalation(escalated));
            }
            Event::CallerHangsUp => self.hang_up(),
        }
    }

    fn hang_up(&mut self) {
        if self.hung_up {
            return;
        }
        self.hung_up = true;
        self.write("caller", "hangs up");
        self.saying = None;
        self.tell(Heard::HungUp);
    }

    fn tell(&mut self, heard: Heard) {
        self.run.hear(self.now, heard);
    }

    fn act(&mut self) {
        let mut at = self.now;
        while let Some(act) = self.actor.poll() {
            match act {
                Act::Press(key) => {
                    self.at(at, Event::Press(key));
                    at = later(at, KEY_EVERY);
                }
                Act::Speak(words) => {
                    self.write("caller", &format!("says: {words}"));
                    if let Some(clip) = &mut self.clip {
                        let spoken = speaking_time(&words);
                        clip.spoken = Some(spoken);
                        clip.ends = later(self.now, spoken + clip.ends_after_silence).min(clip.longest_ends);
                    }
                }
                Act::HangUp => self.hang_up(),
            }
        }
    }

    fn end_clip(&mut self) {
        if let Some(clip) = self.clip.take() {
            let heard = clip.spoken.filter(|spoken| *spoken >= clip.shortest);
            self.tell(Heard::Clip { id: clip.id, heard });
        }
    }

    /// Does what the run wants, then lets the caller hear what is really being said.
    fn work(&mut self) {
        while let Some(order) = self.run.poll() {
            self.obey(order);
        }
        if let Some(saying) = &mut self.saying
            && !saying.heard
        {
            saying.heard = true;
            let text = saying.words.text();
            self.spoken.push(saying.words.clone());
            self.write("we", &text);
            self.observed.transcript.push_str(&text);
            self.observed.transcript.push('\n');
            self.actor.heard(&text);
        }
    }

    fn obey(&mut self, order: Do) {
        match order {
            Do::Answer => self.write("we", "(answer)"),
            Do::Say {
                id,
                words,
                stops_at_key,
            } => {
                let ends = later(self.now, speaking_time(&words.text()));
                self.saying = Some(Saying {
                    id,
                    words,
                    stops_at_key,
                    ends,
                    heard: false,
                });
                self.quiet_told = true;
            }
            Do::Hush => {
                if self.saying.take().is_some() {
                    self.silence();
                }
            }
            Do::StartRecording => {
                self.observed.recording = true;
                self.write("we", "(recording)");
            }
            Do::RecordClip {
                id,
                field,
                longest,
                shortest,
                ends_after_silence,
            } => {
                self.write("we", &format!("(tone: {})", field.name()));
                self.actor.tone();
                let begins = later(self.now, TONE);
                self.clip = Some(Clip {
                    id,
                    spoken: None,
                    shortest,
                    ends_after_silence,
                    ends: later(begins, NOTHING_SAID),
                    longest_ends: later(begins, longest),
                });
                self.silent_since = begins;
                self.quiet_told = false;
            }
            Do::EndClip { id } => {
                if self.clip.as_ref().is_some_and(|clip| clip.id == id)
                    && let Some(clip) = &mut self.clip
                {
                    clip.ends = self.now;
                }
            }
            Do::Keep { id, message } => self.keep(id, message),
            Do::Escalate { ladder, connect, .. } => {
                self.write(
                    "we",
                    &format!("(escalate to {ladder}{})", if connect { "" } else { ", to call back" }),
                );
                self.climb(&ladder);
            }
            Do::LeaveEscalation => self.write("we", "(the ladder goes on alone)"),
            Do::Bridge => {
                self.write("we", "(bridge)");
                self.reached();
                self.at(later(self.now, TALK), Event::CallerHangsUp);
            }
            Do::Connect { to, ring_for, .. } => {
                self.write("we", &format!("(connect to {to})"));
                self.observed.tried.push(to.clone());
                self.ask_about(&to, self.tries.get(&to).copied().unwrap_or_default());
                let (after, heard) = match self.phone(&to) {
                    Phone::Accepts | Phone::AcceptsUnrecorded => (PICKED_UP_AFTER, Heard::Connected),
                    Phone::Busy | Phone::Declines => (BUSY_AFTER, Heard::NotConnected),
                    // A line outside has no accept key: a machine is an answer.
                    Phone::Voicemail | Phone::Screening => (MACHINE_AFTER, Heard::Connected),
                    Phone::NoAnswer => (ring_for, Heard::NotConnected),
                };
                let connected = heard == Heard::Connected;
                self.at(later(self.now, after), Event::Hear(heard));
                if connected {
                    self.at(later(self.now, after + TALK), Event::CallerHangsUp);
                }
            }
            Do::Notify { target, words } => {
                self.write("we", &format!("(notice to {}: {})", target.name(), words.text()));
                self.observed.notices.push(words.text());
            }
            Do::AskRecords { id, ask } => {
                let (answer, after) = match &mut self.records {
                    Some(records) => records.answer(&ask),
                    None => (RecordsAnswer::Down, Duration::ZERO),
                };
                self.write("we", &format!("(records: {}: {})", ask.name(), answer.name()));
                self.at(later(self.now, after), Event::Hear(Heard::Records { id, answer }));
            }
            Do::Note(note) => self.note(note),
            Do::HangUp => {
                self.write("we", "(hang up)");
                self.saying = None;
            }
        }
    }

    fn note(&mut self, note: Note) {
        self.notes.push(note.clone());
        match note {
            Note::Told911 => {
                self.observed.told_911_after.get_or_insert(since(self.start, self.now));
                self.reached();
            }
            Note::Section(name) => self.write("—", &name),
            Note::Disposition { level, .. } => self.write("we", &format!("({})", level.name())),
            Note::SafetyNet(why) => self.write("we", &format!("(safety net: {why:?})")),
            Note::Outcome(outcome) => {
                self.write("=", &outcome.to_string());
                self.reached();
                self.observed.outcome = Some(outcome);
            }
            Note::Language(_)
            | Note::Permission(_)
            | Note::Answered { .. }
            | Note::Chose { .. }
            | Note::Left { .. } => {}
        }
    }

    fn keep(&mut self, id: MessageId, message: Message) {
        let marks = if message.marks.is_empty() {
            String::new()
        } else {
            format!(" [{}]", message.marks.join(", "))
        };
        let cut_off = if message.cut_off { ", cut off" } else { "" };
        let missing: Vec<&str> = message.missing.iter().map(|field| field.name()).collect();
        let missing = if missing.is_empty() {
            String::new()
        } else {
            format!(", missing {}", missing.join(", "))
        };
        self.write(
            "we",
            &format!(
                "(keep {} for {}{marks}{cut_off}{missing})",
                message.kind,
                message.goes_to.name()
            ),
        );
        match self.messages.iter_mut().find(|(known, _)| *known == id) {
            Some((_, known)) => *known = message,
            None => self.messages.push((id, message)),
        }
        if self.keeps {
            self.kept.insert(id);
        }
        let heard = if self.keeps {
            Heard::Kept(id)
        } else {
            Heard::NotKept(id)
        };
        self.at(later(self.now, KEPT_AFTER), Event::Hear(heard));
    }

    /// Climbs the ladder on paper: who rings when, and how it ends.
    fn climb(&mut self, name: &str) {
        for key in self.ladder_answers.drain(..) {
            self.events.remove(&key);
        }
        let Some(ladder) = self.practice.ladders.get(name).cloned() else {
            return;
        };
        let prompt = speaking_time(ladder.they_hear.text(Language::English));
        let mut at = self.now;
        for rung in &ladder.rungs {
            let on_call = self.scenario.on_call.get(&rung.call).cloned();
            let person = on_call.unwrap_or_else(|| {
                if self.practice.people.contains_key(&rung.call) {
                    rung.call.clone()
                } else {
                    self.practice.on_call.if_nobody.clone()
                }
            });
            let mut begins = at;
            for attempt in 0..rung.tries {
                if attempt > 0 {
                    begins = later(begins, rung.apart).max(at);
                }
                self.ladder_at(begins, Event::Ring { person: person.clone() });
                let ended = match self.phone(&person) {
                    Phone::Accepts | Phone::AcceptsUnrecorded => {
                        let accepted = later(begins, PICKED_UP_AFTER + prompt + KEY_AFTER);
                        return self.ladder_at(accepted, Event::Ladder(Escalated::Accepted { person }));
                    }
                    Phone::Declines => later(begins, PICKED_UP_AFTER + prompt + KEY_AFTER),
                    Phone::Voicemail => later(begins, MACHINE_AFTER + prompt + MACHINE_GIVEN),
                    Phone::Screening => later(begins, SCREENED_AFTER + prompt + MACHINE_GIVEN),
                    Phone::NoAnswer => later(begins, rung.ring_for),
                    Phone::Busy => later(begins, BUSY_AFTER),
                };
                at = ended;
            }
        }
        self.ladder_at(at, Event::Ladder(Escalated::Exhausted));
    }

    fn ladder_at(&mut self, at: Timestamp, event: Event) {
        let key = self.at(at, event);
        self.ladder_answers.push_back(key);
    }

    /// What this telephone does the next time it rings.
    fn phone(&mut self, person: &str) -> Phone {
        let tried = self.tries.entry(person.to_owned()).or_default();
        let phone = self
            .scenario
            .phones
            .get(person)
            .and_then(|phones| phones.get(*tried))
            .copied();
        *tried += 1;
        if self.scenario.failing.contains(&Failing::Trunk) {
            // Refused at once, like a busy line.
            return Phone::Busy;
        }
        phone.unwrap_or(Phone::NoAnswer)
    }

    fn at(&mut self, at: Timestamp, event: Event) -> (Timestamp, u64) {
        self.order += 1;
        let key = (at, self.order);
        self.events.insert(key, event);
        key
    }

    fn silence(&mut self) {
        self.silent_since = self.now;
        self.quiet_told = false;
    }

    fn reached(&mut self) {
        self.observed.reached_after.get_or_insert(since(self.start, self.now));
    }

    fn since_start(&self, at: Timestamp) -> Duration {
        since(self.start, at)
    }

    fn write(&mut self, who: &str, what: &str) {
        let at = self.since_start(self.now).as_secs_f64();
        // A String takes whatever is written to it.
        let _ = writeln!(self.page, "{at:7.1}  {who:<6}  {what}");
    }

    fn finish(mut self) -> Rehearsed {
        self.observed.messages = self.messages.into_iter().map(|(_, message)| message).collect();
        self.observed.stuck = self.actor.stuck();
        Rehearsed {
            name: self.scenario.name.clone(),
            failures: self.scenario.expect.judge(&self.observed),
            lasted: since(self.start, self.now),
            first_ring_after: self.first_ring.map(|ring| since(self.start, ring)),
            observed: self.observed,
            page: self.page,
            notes: self.notes,
            spoken: self.spoken,
            trail: self.run.trail().to_vec(),
            waits_for: self.waits_for,
        }
    }
}

pub(super) fn speaking_time(text: &str) -> Duration {
    Duration::from_secs_f64(text.chars().count() as f64 / CHARACTERS_PER_SECOND)
}

fn since(start: Timestamp, at: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(start)).unwrap_or_default()
}

pub(super) fn later(now: Timestamp, time: Duration) -> Timestamp {
    SignedDuration::try_from(time)
        .ok()
        .and_then(|time| now.checked_add(time).ok())
        .unwrap_or(now)
}
