//! The scenarios every flow must have, written by the engine itself (§12), and the rule that nothing was left out (T001).
//!
//! [`must_have`] walks the flow as callers could, key by key and with what they told remembered, so that a question that
//! only parents of a newborn are asked is reached the way they reach it. It gives one scenario for each emergency
//! question, each disposition, silence at each triage, a hang-up at each question, and each thing that can break; and
//! faults: silence and wrong keys at each question, every way a telephone can fail wherever one is rung, a gap in the
//! schedule, no way out, a full disk, the nights the clocks change. Whatever is at fault, the call ends with a person, a
//! promise or a direction.
//! [`unrehearsed`] says which of them neither these nor a practice's own scenarios come to.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use phi::Phi;

use super::judge::SOMEONE;
use super::solo;
use super::suite::{Expectation, Failing, Phone, Scenario, Suite, Turn};
use crate::check::t001;
use crate::diagnostic::{Diagnostic, Place};
use crate::model::{Act, Field, Flow, Level, Practice, SectionId, Target};
use crate::run::{Answer, Asks, Beforehand, Caller, ClipId, Do, Heard, Note, Run, SayId};

/// Places that are looked at; a flow of a thousand sections has fewer.
const PLACES_MAX: usize = 4_000;
/// Events of one walk.
const EVENTS_MAX: usize = 600;
/// Hang-ups that are written out.
const HANG_UPS_MAX: usize = 60;
/// Questions at which silence and wrong keys are written out.
const AT_A_LOSS_MAX: usize = 60;
/// A reserved number (555-01xx) for the scenarios' caller.
const CALLER: &str = "+12025550199";
/// A phone answers at most so often in one call.
const ANSWERS: usize = 12;

/// What must have been rehearsed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Wanted {
    /// A yes to this question of this protocol.
    Yes { protocol: String, question: String },
    /// This grade by this protocol.
    Grade { protocol: String, level: Level },
    /// Silence at the first question.
    Silence { protocol: String },
    /// This is broken.
    Failing(Failing),
}

/// Every scenario a flow must have; those that no caller can come to are left out, and [`unrehearsed`] tells of them.
pub fn must_have(practice: &Arc<Practice>, flow: &Arc<Flow>, now: DateTime) -> Vec<Scenario> {
    let found = Walk::through(practice, flow, now);
    let mut scenarios: Vec<Scenario> = found.reached.into_values().collect();
    scenarios.extend(found.hang_ups);
    scenarios.extend(found.at_a_loss);
    scenarios.extend(found.faults);
    scenarios
}

/// T001: an emergency question, a disposition or a failure that no scenario comes to.
pub fn unrehearsed(practice: &Arc<Practice>, flow: &Arc<Flow>, suites: &[Suite], now: DateTime) -> Vec<Diagnostic> {
    let reached = Walk::through(practice, flow, now).reached;
    let mut missing: BTreeMap<Wanted, usize> = wanted(flow);
    missing.retain(|wanted, _| !reached.contains_key(wanted));
    if missing.is_empty() {
        return Vec::new();
    }
    let own = suites
        .iter()
        .filter(|suite| suite.tests_for == flow.file)
        .flat_map(|suite| &suite.scenarios);
    for scenario in own {
        let notes = solo::play(practice, flow, scenario).notes;
        missing.retain(|wanted, _| !came_to(wanted, scenario, &notes));
    }
    missing
        .into_iter()
        .map(|(wanted, line)| {
            let at = Place {
                file: flow.file.as_str().into(),
                span: 0..0,
                line,
            };
            let (what, fix) = match wanted {
                Wanted::Yes { protocol, question } => (
                    format!("No scenario comes to a yes to the emergency question `{question}` of {protocol}."),
                    "See to it that some caller is asked it, or write the scenario in which one is.",
                ),
                Wanted::Grade { protocol, level } => (
                    format!("No scenario is graded {} by {protocol}.", level.name()),
                    "See to it that some caller comes to it, or write the scenario in which one does.",
                ),
                Wanted::Silence { protocol } => (
                    format!("No scenario falls silent at the questions of {protocol}."),
                    "See to it that some caller is asked them.",
                ),
                Wanted::Failing(failing) => (
                    format!("No scenario has `{}` failing.", failing.name()),
                    "Write one with `failing:`.",
                ),
            };
            t001::unrehearsed(&at, what, fix)
        })
        .collect()
}

/// Nobody answers the first two times, so that the caller has time to press the key that leads away.
fn ring_first(scenario: &mut Scenario) {
    for answers in scenario.phones.values_mut() {
        answers.splice(..0, [Phone::NoAnswer; 2]);
    }
}

fn came_to(wanted: &Wanted, scenario: &Scenario, notes: &[Note]) -> bool {
    notes.iter().any(|note| match (wanted, note) {
        (
            Wanted::Yes { question, .. },
            Note::Answered {
                question: asked,
                answer: Answer::Yes,
            },
        ) => question == asked,
        (Wanted::Grade { level, .. }, Note::Disposition { level: graded, .. }) => level == graded,
        (
            Wanted::Silence { .. },
            Note::Answered {
                answer: Answer::Unclear,
                ..
            },
        ) => true,
        _ => false,
    }) || matches!(wanted, Wanted::Failing(failing) if scenario.failing.contains(failing))
}

/// Everything to be rehearsed, with the line of the step it is about.
fn wanted(flow: &Flow) -> BTreeMap<Wanted, usize> {
    let mut all = BTreeMap::from([(Wanted::Failing(Failing::Everything), 1)]);
    for step in flow.sections.iter().flat_map(|section| &section.steps) {
        match &step.act {
            Act::Triage { protocol, .. } => {
                let name = || protocol.name.clone();
                let graded = protocol
                    .questions
                    .iter()
                    .map(|question| question.level)
                    .chain([protocol.if_every_answer_is_no, protocol.if_unclear]);
                for level in graded {
                    all.insert(
                        Wanted::Grade {
                            protocol: name(),
                            level,
                        },
                        step.line,
                    );
                }
                for question in protocol.questions.iter().filter(|one| one.level == Level::Emergency) {
                    let question = question.id.clone();
                    all.insert(
                        Wanted::Yes {
                            protocol: name(),
                            question,
                        },
                        step.line,
                    );
                }
                all.insert(Wanted::Silence { protocol: name() }, step.line);
            }
            Act::FindPatient { .. } | Act::OfferAppointments { .. } => {
                all.insert(Wanted::Failing(Failing::Records), step.line);
            }
            _ => {}
        }
    }
    all
}

/// A walk through everything callers can do.
struct Walk<'a> {
    practice: &'a Arc<Practice>,
    flow: &'a Arc<Flow>,
    now: DateTime,
    reached: BTreeMap<Wanted, Scenario>,
    hang_ups: Vec<Scenario>,
    /// Silence, and wrong keys.
    at_a_loss: Vec<Scenario>,
    faults: Vec<Scenario>,
    /// Places whose faults are written out: where a telephone rings, where a message is kept.
    tried: BTreeSet<(SectionId, usize)>,
}

/// Where one caller with these keys has come to.
struct Come {
    turns: Vec<Turn>,
    notes: Vec<Note>,
    /// The steps that were taken.
    steps: BTreeSet<(SectionId, usize)>,
    /// The next question, and what makes this place unlike others.
    asked: Option<(Asks, (SectionId, usize), String)>,
    /// A detail was told, a grade given, a phone rung: a hang-up would leave something behind.
    left_something: bool,
    /// A key led away from telephones that ring: they must not be answered before it is pressed.
    left_a_ladder: bool,
    /// Where a telephone rang, and where a message was kept, with what the caller had done by then.
    rang: Option<((SectionId, usize), Vec<Turn>)>,
    kept: Option<((SectionId, usize), Vec<Turn>)>,
}

impl<'a> Walk<'a> {
    fn through(practice: &'a Arc<Practice>, flow: &'a Arc<Flow>, now: DateTime) -> Self {
        let mut walk = Self {
            practice,
            flow,
            now,
            reached: BTreeMap::new(),
            hang_ups: Vec::new(),
            at_a_loss: Vec::new(),
            faults: Vec::new(),
            tried: BTreeSet::new(),
        };
        walk.everything_broken();
        let mut seen = BTreeSet::new();
        let mut left = VecDeque::from([Vec::new()]);
        while let Some(keys) = left.pop_front() {
            if seen.len() >= PLACES_MAX {
                break;
            }
            let come = walk.come(&keys);
            walk.learn(&come);
            walk.faults(&come);
            let Some((
                Asks::Key {
                    keys: offered,
                    question,
                },
                place,
                memory,
            )) = come.asked
            else {
                continue;
            };
            if !seen.insert((place, question, memory)) {
                continue;
            }
            walk.at_a_loss(&come.turns, come.left_a_ladder, place, &offered);
            for key in offered {
                let mut next = keys.clone();
                next.push(key);
                left.push_back(next);
            }
        }
        walk
    }

    /// Plays a caller who presses these keys, one at each question.
    fn come(&self, keys: &[char]) -> Come {
        let mut keys = keys.iter();
        let mut now = self
            .now
            .to_zoned(self.practice.time_zone.clone())
            .map_or(Timestamp::UNIX_EPOCH, |zoned| zoned.timestamp());
        let caller = Caller {
            number: Some(Phi::new(CALLER.to_owned())),
            line: self.flow.line.clone(),
            beforehand: Beforehand::default(),
        };
        let mut run = Run::start(self.practice.clone(), self.flow.clone(), caller, now);
        let mut come = Come {
            turns: Vec::new(),
            notes: Vec::new(),
            steps: BTreeSet::new(),
            asked: None,
            left_something: false,
            left_a_ladder: false,
            rang: None,
            kept: None,
        };
        let (mut said, mut clip): (Option<SayId>, Option<ClipId>) = (None, None);
        for _ in 0..EVENTS_MAX {
            let mut heard = None;
            while let Some(wanted) = run.poll() {
                match wanted {
                    Do::Say { id, .. } => said = Some(id),
                    Do::RecordClip { id, .. } => clip = Some(id),
                    Do::Keep { id, .. } => {
                        come.left_something = true;
                        come.kept.get_or_insert_with(|| (run.place(), come.turns.clone()));
                        heard = Some(Heard::Kept(id));
                    }
                    Do::Escalate { .. } | Do::Connect { .. } => {
                        come.left_something = true;
                        come.rang.get_or_insert_with(|| (run.place(), come.turns.clone()));
                    }
                    Do::Note(note) => {
                        come.left_something |= matches!(note, Note::Disposition { .. } | Note::Told911);
                        come.notes.push(note);
                    }
                    _ => {}
                }
            }
            if run.over() {
                return come;
            }
            come.steps.insert(run.place());
            now = now.saturating_add(jiff::SignedDuration::from_secs(1)).unwrap_or(now);
            let heard = match (heard, said.take(), clip.take()) {
                (Some(heard), ..) => heard,
                (None, Some(id), kept) => {
                    clip = kept;
                    Heard::Said(id)
                }
                (None, None, Some(id)) => {
                    come.turns.push(Turn::Says("A few words".to_owned()));
                    come.left_something = true;
                    Heard::Clip {
                        id,
                        heard: Some(Duration::from_secs(2)),
                    }
                }
                (None, None, None) => match run.asks() {
                    // A person, or nobody: the walk ends where others take over.
                    Asks::Person => return come,
                    asks @ Asks::Key { .. } => match keys.next() {
                        Some(key) => {
                            come.turns.push(Turn::Presses(key.to_string()));
                            let (section, step) = run.place();
                            let act = self.flow.step(section, step).map(|step| &step.act);
                            come.left_a_ladder |= matches!(act, Some(Act::Escalate { .. }));
                            Heard::Key(Phi::new(*key))
                        }
                        None => {
                            come.asked = Some((asks, run.place(), run.memory()));
                            return come;
                        }
                    },
                    Asks::Field { field, confirms } => {
                        come.left_something = true;
                        let typed = match (field, confirms) {
                            (Field::PatientDateOfBirth, false) => "02091984",
                            (Field::PatientAge, false) => "042",
                            _ => "1",
                        };
                        come.turns.push(Turn::Presses(typed.to_owned()));
                        let mut keys = typed.chars().peekable();
                        while let Some(key) = keys.next() {
                            if keys.peek().is_none() {
                                break;
                            }
                            run.hear(now, Heard::Key(Phi::new(key)));
                        }
                        Heard::Key(Phi::new(typed.chars().next_back().unwrap_or('1')))
                    }
                    Asks::Nothing => {
                        let Some(due) = run.timeout() else { return come };
                        now = due.max(now);
                        Heard::Time
                    }
                },
            };
            run.hear(now, heard);
        }
        come
    }

    fn learn(&mut self, come: &Come) {
        let triage = |place: &(SectionId, usize)| match self.flow.step(place.0, place.1).map(|step| &step.act) {
            Some(Act::Triage { protocol, .. }) => Some(protocol.clone()),
            _ => None,
        };
        let mut found = Vec::new();
        for note in &come.notes {
            let Note::Disposition { level, question } = note else {
                continue;
            };
            let Some(protocol) = come.steps.iter().find_map(triage) else {
                continue;
            };
            let expects = self.promised(&protocol, *level);
            let name = protocol.name.clone();
            let told = format!("{name}: graded {}", level.name());
            found.push((
                Wanted::Grade {
                    protocol: name.clone(),
                    level: *level,
                },
                told,
                come.turns.clone(),
                expects.clone(),
            ));
            if let (Level::Emergency, Some(question)) = (level, question) {
                let asked = protocol.questions.iter().find(|one| one.id == *question);
                let words = asked.map_or("", |one| one.words.text(crate::words::Language::English));
                found.push((
                    Wanted::Yes {
                        protocol: name.clone(),
                        question: question.clone(),
                    },
                    format!("{name}: yes to “{words}”"),
                    come.turns.clone(),
                    expects,
                ));
            }
        }
        let silent = |turns: &[Turn]| {
            let mut turns = turns.to_vec();
            turns.push(Turn::StaysSilent);
            turns
        };
        if let Some((Asks::Key { question: Some(_), .. }, place, _)) = &come.asked
            && let Some(protocol) = triage(place)
        {
            let name = protocol.name.clone();
            let expects = self.promised(&protocol, protocol.if_unclear);
            let told = format!("{name}: silence at its questions");
            found.push((
                Wanted::Grade {
                    protocol: name.clone(),
                    level: protocol.if_unclear,
                },
                told.clone(),
                silent(&come.turns),
                expects.clone(),
            ));
            found.push((Wanted::Silence { protocol: name }, told, silent(&come.turns), expects));
        }
        for (wanted, name, turns, expects) in found {
            if !self.reached.contains_key(&wanted) {
                let mut scenario = self.scenario(name, turns, expects);
                if come.left_a_ladder {
                    ring_first(&mut scenario);
                }
                self.reached.insert(wanted, scenario);
            }
        }
        let needs_records = |place: &&(SectionId, usize)| {
            matches!(
                self.flow.step(place.0, place.1).map(|step| &step.act),
                Some(Act::FindPatient { .. } | Act::OfferAppointments { .. })
            )
        };
        let records = Wanted::Failing(Failing::Records);
        if !self.reached.contains_key(&records) && come.steps.iter().any(|place| needs_records(&place)) {
            let mut scenario = self.scenario("The records are down".to_owned(), come.turns.clone(), None);
            scenario.failing.insert(Failing::Records);
            self.reached.insert(records, scenario);
        }
        if let Some((Asks::Key { .. }, ..)) = &come.asked
            && !come.left_something
            && self.hang_ups.len() < HANG_UPS_MAX
        {
            let nth = self.hang_ups.len() + 1;
            let mut turns = come.turns.clone();
            turns.push(Turn::HangsUp);
            let expects = Some("the caller hung up".to_owned());
            let scenario = self.scenario(format!("Hangs up at a question ({nth})"), turns, expects);
            self.hang_ups.push(scenario);
        }
    }

    /// Silence, and keys that mean nothing, at this question.
    fn at_a_loss(&mut self, turns: &[Turn], left_a_ladder: bool, place: (SectionId, usize), offered: &[char]) {
        let rings = |step: &crate::model::Step| matches!(step.act, Act::Escalate { .. });
        // A key that means nothing while telephones ring changes nothing.
        if self.at_a_loss.len() >= 2 * AT_A_LOSS_MAX || self.flow.step(place.0, place.1).is_some_and(rings) {
            return;
        }
        let nth = self.at_a_loss.len() / 2 + 1;
        let wrong = ['9', '8', '7', '6', '5', '#']
            .into_iter()
            .find(|key| !offered.contains(key));
        let wrong = Turn::Presses(wrong.unwrap_or('#').to_string());
        let loses = [
            (format!("Silence at a question ({nth})"), vec![Turn::StaysSilent]),
            (
                format!("Wrong keys at a question ({nth})"),
                vec![wrong; usize::from(self.flow.every_question.ask_again) + 1],
            ),
        ];
        for (name, then) in loses {
            let turns = turns.iter().cloned().chain(then).collect();
            let mut scenario = self.scenario(name, turns, Some(SOMEONE.to_owned()));
            if left_a_ladder {
                ring_first(&mut scenario);
            }
            self.at_a_loss.push(scenario);
        }
    }

    /// Everything that can go wrong where a telephone is rung, or a message kept.
    fn faults(&mut self, come: &Come) {
        if let Some((place, turns)) = &come.rang
            && self.tried.insert(*place)
        {
            let section = self.flow.section(place.0).name.clone();
            for phone in Phone::ALL {
                let name = format!("Every telephone rung by `{section}`: {}", phone.name());
                let mut scenario = self.scenario(name, turns.clone(), Some(SOMEONE.to_owned()));
                for answers in scenario.phones.values_mut() {
                    *answers = vec![phone; ANSWERS];
                }
                self.faults.push(scenario);
            }
            // Nobody is listed in any of these scenarios; here that is what is looked at.
            let gap = match self.flow.step(place.0, place.1).map(|step| &step.act) {
                Some(Act::Escalate { ladder, .. }) => self.first_on(ladder),
                _ => None,
            };
            if let Some(person) = gap {
                let name = format!("A gap in the schedule at `{section}`");
                let outcome = format!("connected to {person}");
                let scenario = self.scenario(name, turns.clone(), Some(outcome));
                self.faults.push(scenario);
            }
            for failing in [Failing::Trunk, Failing::Disk, Failing::Database, Failing::Internet] {
                let name = format!("Failing when `{section}` rings: {}", failing.name());
                self.fails(name, turns, failing);
            }
            self.when_clocks_change(&section, turns);
        }
        if let Some((place, turns)) = &come.kept
            && self.tried.insert(*place)
        {
            let section = self.flow.section(place.0).name.clone();
            let before = self.faults.len();
            for failing in [Failing::Disk, Failing::Database, Failing::Trunk] {
                let name = format!("Failing when `{section}` keeps a message: {}", failing.name());
                self.fails(name, turns, failing);
            }
            self.when_clocks_change(&section, turns);
            if come.left_a_ladder {
                self.faults.iter_mut().skip(before).for_each(ring_first);
            }
        }
    }

    fn fails(&mut self, name: String, turns: &[Turn], failing: Failing) {
        // Nobody is asked to speak when nothing said could be kept.
        let speaks = failing != Failing::Disk;
        let turns = turns.iter().filter(|turn| speaks || !matches!(turn, Turn::Says(_)));
        let mut scenario = self.scenario(name, turns.cloned().collect(), Some(SOMEONE.to_owned()));
        scenario.failing.insert(failing);
        self.faults.push(scenario);
    }

    /// The same call a minute before the next two changes of the clock.
    fn when_clocks_change(&mut self, section: &str, turns: &[Turn]) {
        let zone = &self.practice.time_zone;
        let Ok(from) = self.now.to_zoned(zone.clone()) else {
            return;
        };
        let nights: Vec<DateTime> = zone
            .following(from.timestamp())
            .take(2)
            .filter_map(|change| {
                let before = change
                    .timestamp()
                    .checked_sub(jiff::SignedDuration::from_mins(1))
                    .ok()?;
                Some(before.to_zoned(zone.clone()).datetime())
            })
            .collect();
        for night in nights {
            let name = format!("The clocks change while `{section}` is under way, {}", night.date());
            let mut scenario = self.scenario(name, turns.to_vec(), Some(SOMEONE.to_owned()));
            scenario.now = night;
            self.faults.push(scenario);
        }
    }

    fn everything_broken(&mut self) {
        let expects = self
            .flow
            .section(self.flow.safety_net)
            .steps
            .iter()
            .find_map(|step| match &step.act {
                Act::Escalate { ladder, .. } => self.first_on(ladder).map(|person| format!("connected to {person}")),
                Act::Connect { to, .. } => Some(format!("connected to {to}")),
                _ => None,
            });
        let mut scenario = self.scenario("Everything is broken".to_owned(), vec![Turn::StaysSilent], expects);
        scenario.failing.insert(Failing::Everything);
        self.reached.insert(Wanted::Failing(Failing::Everything), scenario);
        let mut scenario = self.scenario(
            "There is no voice".to_owned(),
            vec![Turn::StaysSilent],
            Some(SOMEONE.to_owned()),
        );
        scenario.failing.insert(Failing::Speech);
        self.faults.push(scenario);
    }

    fn scenario(&self, name: String, conversation: Vec<Turn>, outcome: Option<String>) -> Scenario {
        let practice = &self.practice;
        let everybody = practice.people.keys().map(String::as_str);
        let lines = practice.outside_lines.keys().map(String::as_str);
        Scenario {
            name,
            line: 1,
            now: self.now,
            on_call: BTreeMap::new(),
            caller: Some(CALLER.to_owned()),
            line_called: Some(self.flow.line.clone()),
            phones: everybody
                .chain(lines)
                .map(|name| (name.to_owned(), vec![Phone::Accepts; ANSWERS]))
                .collect(),
            records: None,
            failing: BTreeSet::new(),
            conversation,
            expect: Expectation {
                outcome,
                ..Expectation::default()
            },
        }
    }

    /// What a grade leads to, when everybody answers and the caller says no more; `None` where that hangs on the caller.
    fn promised(&self, protocol: &crate::model::Protocol, level: Level) -> Option<String> {
        let mut section =
            self.flow
                .sections
                .iter()
                .flat_map(|section| &section.steps)
                .find_map(|step| match &step.act {
                    Act::Triage {
                        protocol: own,
                        if_emergency,
                        if_urgent,
                        if_semi_urgent,
                        if_routine,
                    } if own.file == protocol.file => {
                        Some(level.choose(*if_emergency, *if_urgent, *if_semi_urgent, *if_routine))
                    }
                    _ => None,
                })?;
        let mut seen = BTreeSet::new();
        'sections: while seen.insert(section) {
            for step in &self.flow.section(section).steps {
                if step.only_if.is_some() {
                    return None;
                }
                match &step.act {
                    Act::TellToCall911 => return Some("told to call 911".to_owned()),
                    Act::Escalate { ladder, .. } => {
                        return self.first_on(ladder).map(|person| format!("connected to {person}"));
                    }
                    Act::Connect { to, .. } => return Some(format!("connected to {to}")),
                    Act::TakeMessage(name) => {
                        return match &self.flow.messages.get(name)?.goes_to {
                            Target::Inbox(inbox) => Some(format!("message in {inbox}")),
                            Target::Ladder(_) => None,
                        };
                    }
                    Act::GoTo(to) => {
                        section = *to;
                        continue 'sections;
                    }
                    Act::Say { .. }
                    | Act::Play { .. }
                    | Act::Notify { .. }
                    | Act::Remember { .. }
                    | Act::Collect(_) => {}
                    _ => return None,
                }
            }
            return None;
        }
        None
    }

    /// Whose phone rings first, when nobody is listed.
    fn first_on(&self, ladder: &str) -> Option<String> {
        let rung = self.practice.ladders.get(ladder)?.rungs.first()?;
        // A role has nobody listed in these scenarios, so the one who answers for every gap is rung.
        Some(if self.practice.people.contains_key(&rung.call) {
            rung.call.clone()
        } else {
            self.practice.on_call.if_nobody.clone()
        })
    }
}
