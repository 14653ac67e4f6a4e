//! The practice itself: lines, hours, people, ladders, inboxes. Changes with people, not with releases.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use phi::Phi;

use super::{Act, Amount, Class, Fact, Flow, Known, Sentence, Thing, Value, Waiting};
use crate::library::Phrase;
use crate::time::OfficeHours;
use crate::words::{Language, Part, appointment_vocabulary, at_place, vocabulary, with_person};

/// A practice, compiled with every flow of its folder.
#[derive(Clone, Debug, PartialEq)]
pub struct Practice {
    /// `Cedar Family Medicine`
    pub name: String,
    /// `Texas`
    pub state: String,
    /// Where its clocks hang.
    pub time_zone: TimeZone,
    /// First choice first.
    pub languages: Vec<Language>,
    /// The practice's own lines: name to E.164.
    pub lines: BTreeMap<String, String>,
    /// Lines of others it connects callers to: name to E.164 or a short code.
    pub outside_lines: BTreeMap<String, String>,
    /// When somebody is at the desk.
    pub hours: OfficeHours,
    /// By name.
    pub people: BTreeMap<String, Person>,
    /// Who is on duty, and who answers for every gap.
    pub on_call: OnCall,
    /// By name.
    pub ladders: BTreeMap<String, Ladder>,
    /// By name.
    pub inboxes: BTreeMap<String, Inbox>,
    /// The records system, if it has one.
    pub records: Option<Records>,
    /// How long things are kept.
    pub keep: Keep,
    /// `42 CFR Part 2`, and the like.
    pub confidentiality: Option<String>,
    /// Every flow of the folder, in the order of their file names.
    pub flows: Vec<Arc<Flow>>,
    /// SHA-256-sized mark of everything above, made by [`compile`](crate::compile).
    pub(crate) fingerprint: [u8; 32],
}

impl Practice {
    /// The flow that answers a line now.
    ///
    /// The first whose `when` holds, in the order of the file names; else the line's first flow; for a line that no flow
    /// answers, one that asks about it, or the practice's first: a number we own is always answered. `None` only when there
    /// is no flow at all.
    pub fn flow_for(&self, line: &str, now: Timestamp) -> Option<&Arc<Flow>> {
        let known = Clock {
            practice: self,
            line,
            now,
        };
        let mut of_line = self.flows.iter().filter(|flow| flow.line == line);
        of_line
            .clone()
            .find(|flow| flow.when.holds(&known))
            .or_else(|| of_line.next())
            .or_else(|| self.flows.iter().find(|flow| flow.speaks_for(line)))
            .or_else(|| self.flows.first())
    }

    /// What the person with this telephone presses to accept a call: the accept key, then their PIN if they have one. For
    /// telephones that play a part.
    pub fn keys_to_accept(&self, number: &str) -> (char, Option<&Phi<String>>) {
        let person = self.people.iter().find(|(_, person)| person.call.expose() == number);
        let rings = |ladder: &&Ladder| {
            let named = |rung: &Rung| person.is_some_and(|(name, _)| rung.call == *name);
            ladder.rungs.iter().any(named)
        };
        let mut ladders = self.ladders.values();
        let ladder = ladders.clone().find(rings).or_else(|| ladders.next());
        let pin = person.and_then(|(_, person)| person.pin.as_ref());
        (ladder.map_or('1', |ladder| ladder.accept_with), pin)
    }

    /// Every clip that can ever be spoken in this practice: its own sentences cut at their fill-ins, the built-in
    /// ones, and the words fill-ins are made of. Voice prepares them when the practice is loaded.
    pub fn all_parts(&self) -> Vec<Part> {
        let mut parts: BTreeSet<Part> = BTreeSet::new();
        for &language in &self.languages {
            parts.extend(Phrase::parts(language));
            parts.extend(vocabulary(language));
        }
        if self.flows.iter().any(|flow| flow.speaks_of_appointments()) {
            parts.extend(
                self.languages
                    .iter()
                    .flat_map(|&language| self.appointment_parts(language)),
            );
        }
        for ladder in self.ladders.values() {
            parts.extend(ladder.they_hear.parts());
        }
        for step in self
            .flows
            .iter()
            .flat_map(|flow| &flow.sections)
            .flat_map(|section| &section.steps)
        {
            step.act.spoken(&mut |sentence| parts.extend(sentence.parts()));
            if let Act::Escalate {
                while_waiting: Waiting::HoldMusic,
                ..
            } = step.act
            {
                parts.insert(Part::music());
            }
        }
        parts.into_iter().collect()
    }

    /// What must be heard even on the night when no program can speak: how each flow begins (the emergency notice), its
    /// safety net with all that it can come to say, and what a rung doctor hears. Kept as sound beside the flows
    /// (`nightdesk flow words speak`).
    pub fn last_words(&self) -> Vec<Part> {
        let mut parts: BTreeSet<Part> = BTreeSet::new();
        for &language in &self.languages {
            parts.extend(Phrase::OF_THE_NET.iter().map(|phrase| phrase.part(language)));
        }
        for ladder in self.ladders.values() {
            parts.extend(ladder.they_hear.parts());
        }
        for flow in &self.flows {
            for step in [flow.start, flow.safety_net]
                .into_iter()
                .flat_map(|id| &flow.section(id).steps)
            {
                step.act.spoken(&mut |sentence| parts.extend(sentence.parts()));
                let built_in: &[Phrase] = match step.act {
                    Act::EmergencyNotice(notice) => &[Phrase::notice(notice)],
                    Act::AskPermissionToRecord => &[Phrase::AskPermission, Phrase::WillRecord, Phrase::WillNotRecord],
                    _ => &[],
                };
                for &language in &self.languages {
                    parts.extend(built_in.iter().map(|phrase| phrase.part(language)));
                }
            }
            let keyed = flow.languages.iter().zip('1'..='9');
            parts.extend(keyed.map(|(&language, key)| Phrase::ChooseLanguage.with_key(language, key)));
        }
        parts.into_iter().collect()
    }

    /// The recordings that flows name themselves (`play:`): each file of `words/` with the sentence it is, in the
    /// language flows are written in.
    pub fn played(&self) -> Vec<(&str, Part)> {
        let sections = self.flows.iter().flat_map(|flow| &flow.sections);
        let plays = sections
            .flat_map(|section| &section.steps)
            .filter_map(|step| match &step.act {
                Act::Play { file, words } => Some((
                    file.as_str(),
                    Part::new(words.text(Language::English), Language::English),
                )),
                _ => None,
            });
        plays.collect()
    }

    /// What it takes to say when, with whom and where an appointment is.
    fn appointment_parts(&self, language: Language) -> Vec<Part> {
        let mut parts = appointment_vocabulary(language);
        parts.extend(self.people.keys().map(|name| with_person(name, language)));
        parts.extend(self.places().map(|name| at_place(name, language)));
        parts
    }

    /// The places an appointment can be at, as far as they may be said.
    pub(crate) fn places(&self) -> impl Iterator<Item = &str> {
        let places = self.records.iter().flat_map(|records| &records.places);
        places.map(String::as_str)
    }

    /// SHA-256 over what is released ([`release::fingerprint`](crate::release::fingerprint)): every call record names it.
    pub const fn fingerprint(&self) -> [u8; 32] {
        self.fingerprint
    }
}

/// What can be known of a call before it is answered.
struct Clock<'a> {
    practice: &'a Practice,
    line: &'a str,
    now: Timestamp,
}

impl Known for Clock<'_> {
    fn fact(&self, fact: Fact) -> Option<bool> {
        let hours = &self.practice.hours;
        match fact {
            Fact::OfficeOpen => Some(hours.is_open(self.now)),
            Fact::OfficeClosed => Some(!hours.is_open(self.now)),
            Fact::Holiday => Some(hours.is_holiday(self.now)),
            Fact::LunchTime => Some(hours.is_lunch_time(self.now)),
            Fact::NobodyOnCall | Fact::RecordsDown | Fact::RecordingAllowed | Fact::CalledLately => None,
        }
    }

    fn value(&self, thing: &Thing) -> Option<Value> {
        let local = self.now.to_zoned(self.practice.time_zone.clone());
        match thing {
            Thing::LineCalled => Some(Value::Text(self.line.to_owned())),
            Thing::Time => Some(Value::Amount(Amount::Clock(local.time()))),
            Thing::Day => Some(Value::Text(local.strftime("%A").to_string())),
            Thing::Language | Thing::CallerState | Thing::PatientAge | Thing::Remembered(_) => None,
        }
    }
}

/// Someone who can be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// `physician`
    pub role: String,
    /// E.164.
    pub call: Phi<String>,
    /// Another way to be told.
    pub page: Option<Page>,
    /// Asked for after the accept key, when set.
    pub pin: Option<Phi<String>>,
}

/// `page: wctp 5125550141`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// `wctp`
    pub how: String,
    /// Where.
    pub address: Phi<String>,
}

/// `on call:`
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct OnCall {
    /// Role to where its shifts come from.
    pub roles: BTreeMap<String, Source>,
    /// The person who answers for every gap.
    pub if_nobody: String,
    /// `raise an alarm:`, where the practice says so.
    pub alarm: Option<Gap>,
}

impl OnCall {
    /// What holds where a practice does not say how long before a gap it wants to know of it.
    pub const BEFORE_A_GAP: Duration = Duration::from_secs(48 * 60 * 60);

    /// How long before an uncovered hour the practice is told of it.
    pub fn before_a_gap(&self) -> Duration {
        self.alarm
            .and_then(|alarm| alarm.before_a_gap)
            .unwrap_or(Self::BEFORE_A_GAP)
    }
}

/// Where a role's shifts come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// `primary: Dr. Okafor`: always this person.
    Person(String),
    /// `{from: QGenda, task: CALL}`: a feed by name, with its settings as written.
    Feed {
        /// `QGenda`
        from: String,
        /// The rest of the line.
        settings: BTreeMap<String, String>,
    },
}

/// When an alarm is raised about the schedule itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// So long before an uncovered hour; see [`OnCall::before_a_gap`] for what holds without it.
    pub before_a_gap: Option<Duration>,
    /// When a feed was not read for so long. Kept for the reader of feeds: there is none yet, a shift list is edited by hand
    /// and its age says nothing, so no alarm is raised by this today.
    pub feed_age_max: Option<Duration>,
}

/// How hard we try.
#[derive(Clone, Debug, PartialEq)]
pub struct Ladder {
    /// From the first to the last.
    pub rungs: Vec<Rung>,
    /// What the person called hears; nothing about the patient.
    pub they_hear: Sentence,
    /// The key that accepts; picking up never does.
    pub accept_with: char,
    /// The key that passes it on.
    pub pass_with: char,
    /// What happens after the last rung.
    pub keep_paging: Option<KeepPaging>,
}

/// One rung.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rung {
    /// A role of `on call`, or a person.
    pub call: String,
    /// How often.
    pub tries: u8,
    /// How long between the start of two tries.
    pub apart: Duration,
    /// How long a phone rings.
    pub ring_for: Duration,
}

/// `keep paging: every 5 minutes for 1 hour`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepPaging {
    /// Between two pages.
    pub every: Duration,
    /// Until the board stays red.
    pub lasting: Duration,
}

/// Where messages wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inbox {
    /// Who is told first.
    pub tell: String,
    /// How long they have.
    pub if_unclaimed_after: Option<Duration>,
    /// Who is told next.
    pub then_tell: Option<String>,
    /// What its people may see, where the practice says so; else their role decides (P004).
    pub may_see: Option<Class>,
}

/// `records:`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Records {
    /// `athenahealth`
    pub system: String,
    /// What is read.
    pub reads: Vec<String>,
    /// What is written.
    pub writes: Vec<String>,
    /// Its names of the places appointments are at; no other is said to a caller.
    pub places: Vec<String>,
    /// The business associate agreement with whoever runs it, by its name in the office; none: any with a service of the
    /// system's name. Without one that holds it is not asked (ADM-03).
    pub agreement: Option<String>,
}

/// `keep:`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Messages.
    pub messages: Period,
    /// Call recordings.
    pub recordings: Period,
    /// What callers pressed and answered.
    pub keys: Period,
    /// That there was a call, and what came of it.
    pub calls: Period,
    /// What was done with the practice's flows; never under six years.
    pub audit: Period,
    /// Days between the end of the contract and the end of everything (RET-05).
    pub grace: Period,
}

impl Period {
    /// About how many days; a year is counted long, so that nothing goes before its time.
    pub const fn days(self) -> u32 {
        match self {
            Self::Days(days) => days,
            Self::Years(years) => years.saturating_mul(366),
        }
    }
}

/// A stretch of calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// `90 days`
    Days(u32),
    /// `6 years`
    Years(u32),
}
