//! Asking the records: what is asked, what can be answered, and the wait between (integrations §3.2, §3.3, §3.6).
//!
//! The run asks and never waits longer than [`ANSWERS_WITHIN`]: an answer that comes later finds nobody who asked, because
//! every question has a number of its own. What was found stays in the call, and goes when the call goes.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use phi::Phi;

use super::message::{Message, Value};
use super::scene::{Scene, Speaking};
use super::{Do, Heard};
use crate::library::Phrase;
use crate::model::{Act, Appointment, Field, SectionId, Target};
use crate::words::{self, Language, Part, Words};

/// No caller waits longer for the records; then they are down (§3.6).
pub const ANSWERS_WITHIN: Duration = Duration::from_secs(4);
/// Searches of one call (§3.2).
pub const SEARCHES_MAX: u8 = 3;
/// Times, or appointments of theirs, that a caller is told at once (§3.3).
pub(crate) const OFFERED_MAX: usize = 3;

/// A question to the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AskId(pub u64);

/// What is asked of the records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordsAsk {
    /// Who this is.
    Find(Evidence),
    /// The patient's appointments from now on.
    Theirs {
        /// Whose.
        patient: Phi<String>,
    },
    /// Open times.
    Open {
        /// For whom.
        patient: Phi<String>,
        /// The practice's name for the kind of visit.
        visit_type: String,
        /// Not before.
        from: Timestamp,
        /// Not after.
        until: Timestamp,
    },
    /// Look once more whether this time is open, and book it.
    Book {
        /// For whom.
        patient: Phi<String>,
        /// One of the open times.
        visit: Visit,
    },
    /// Cancel this appointment.
    Cancel {
        /// Whose.
        patient: Phi<String>,
        /// One of theirs.
        visit: Visit,
    },
}

impl RecordsAsk {
    /// What it is about, for the record; nothing in it tells of anybody.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Find(_) => "find the patient",
            Self::Theirs { .. } => "appointments of the patient",
            Self::Open { .. } => "open times",
            Self::Book { .. } => "book",
            Self::Cancel { .. } => "cancel",
        }
    }
}

/// By what a patient is found: two details or more (§3.2).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Evidence {
    /// The number the call comes from, E.164; only when nobody says that it is not theirs.
    pub number: Option<Phi<String>>,
    /// The date of birth that was keyed and confirmed.
    pub born: Option<Phi<Date>>,
    /// The records' own number, keyed and confirmed.
    pub record: Option<Phi<String>>,
}

/// An appointment, or a time that is open for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visit {
    /// What the records call it.
    pub id: Phi<String>,
    /// The kind of visit.
    pub visit_type: Phi<String>,
    /// When it begins.
    pub at: Phi<Timestamp>,
    /// With whom; said only when it is one of the practice's people.
    pub with: Option<Phi<String>>,
    /// Where; said only when it is one of the practice's places.
    pub place: Option<Phi<String>>,
}

/// What the records answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordsAnswer {
    /// Exactly one patient, active, alive and not merged into another: this is what the records call them.
    Match(Phi<String>),
    /// Anything else: nobody, two, or one who is not to be served by a machine. Nobody is told which.
    NoMatch,
    /// The patient's appointments, or open times.
    Visits(Vec<Visit>),
    /// It is booked, as the records have it now.
    Booked(Visit),
    /// It is cancelled.
    Cancelled,
    /// They will not: the time was taken meanwhile, or a rule of theirs forbids it.
    Refused,
    /// Nothing was done: the records cannot be reached, or none are connected.
    Down,
    /// It may have been done: the question left, and no answer came.
    Unsure,
}

impl RecordsAnswer {
    /// How it went, for the record; nothing in it tells of anybody.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Match(_) => "one match",
            Self::NoMatch => "no match",
            Self::Visits(_) => "answered",
            Self::Booked(_) => "booked",
            Self::Cancelled => "cancelled",
            Self::Refused => "refused",
            Self::Down => "down",
            Self::Unsure => "not certain",
        }
    }
}

/// How a step that asks the records came out: what is counted as rehearsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Found,
    NotFound,
    Down,
    Arranged(Appointment),
    Kept,
    NothingFits,
}

/// Waiting for one answer, with "one moment" said meanwhile.
#[derive(Debug)]
pub(super) struct Waiting {
    id: AskId,
    until: Timestamp,
    speaking: Option<Speaking>,
    answer: Option<RecordsAnswer>,
}

#[derive(Debug)]
pub(super) enum Waited {
    Still(Waiting),
    Answered(RecordsAnswer),
}

impl Waiting {
    pub(super) fn for_answer(scene: &mut Scene, ask: RecordsAsk) -> Self {
        let words = scene.phrase(Phrase::OneMoment);
        let mut waiting = Self::in_silence(scene, ask);
        waiting.speaking = Some(scene.say(words, false));
        waiting
    }

    /// Nobody is there to hear it, or it was just said.
    pub(super) fn in_silence(scene: &mut Scene, ask: RecordsAsk) -> Self {
        let id = AskId(scene.next_id());
        scene.out.push_back(Do::AskRecords { id, ask });
        Self {
            id,
            until: scene.after(ANSWERS_WITHIN),
            speaking: None,
            answer: None,
        }
    }

    /// The caller is gone, and hears nothing to its end.
    pub(super) fn unheard(mut self) -> Self {
        self.speaking = None;
        self
    }

    pub(super) fn hear(mut self, scene: &mut Scene, heard: &Heard) -> Waited {
        match heard {
            Heard::Records { id, answer } if *id == self.id && self.answer.is_none() => {
                self.answer = Some(answer.clone());
            }
            Heard::Key(key) => scene.press_ahead(*key),
            heard => {
                self.speaking.take_if(|speaking| speaking.over(scene.now, heard));
            }
        }
        if self.answer.is_none() && scene.now >= self.until {
            // Whatever was asked has left the house; whether it was done, nobody knows.
            return Waited::Answered(RecordsAnswer::Unsure);
        }
        match (self.answer, self.speaking) {
            (Some(answer), None) => Waited::Answered(answer),
            (answer, speaking) => Waited::Still(Self {
                answer,
                speaking,
                ..self
            }),
        }
    }

    pub(super) fn due(&self) -> Timestamp {
        match (&self.answer, &self.speaking) {
            (Some(_), Some(speaking)) => speaking.until,
            (None, Some(speaking)) => self.until.min(speaking.until),
            (_, None) => self.until,
        }
    }
}

impl Scene {
    /// The number that calls may tell who calls: it is shown, and the trunk does not say that it is somebody else's (§1.4).
    pub(super) fn number_is_believed(&self) -> bool {
        self.caller.number.is_some() && !self.caller.beforehand.number_is_doubted
    }

    /// The caller asks for a person while nothing but a look into the records is under way.
    pub(super) fn asks_for_a_person(&self, heard: &Heard) -> Option<SectionId> {
        match heard {
            Heard::Key(key) if *key.expose() == '0' => self.flow.every_question.press_zero,
            _ => None,
        }
    }

    /// When, with whom and where, as far as it may be said.
    pub(super) fn visit_words(&self, visit: &Visit, language: Language) -> Words {
        let at = visit.at.expose().to_zoned(self.practice.time_zone.clone());
        let mut said = words::appointment_time(at.datetime(), language);
        let with = visit
            .with
            .as_ref()
            .filter(|name| self.practice.people.contains_key(name.expose()));
        let place = visit
            .place
            .as_ref()
            .filter(|name| self.practice.places().any(|place| place == name.expose()));
        let parts: [Option<Part>; 2] = [
            with.map(|name| words::with_person(name.expose(), language)),
            place.map(|name| words::at_place(name.expose(), language)),
        ];
        said.parts.extend(parts.into_iter().flatten());
        said
    }

    /// Leaves word for staff about something the records may or may not have done. Nobody waits for it, and the caller is
    /// told nothing of it. `down`: where callers go when records are down; whoever reads those messages reads this one.
    pub(super) fn tell_staff(&mut self, down: SectionId, mark: &'static str) {
        let goes_to = self.staff_for(down);
        let number = self.caller.number.clone().map(Value::Number);
        let born = self.told.get(&Field::PatientDateOfBirth).cloned();
        let fields = [(Field::CallbackNumber, number), (Field::PatientDateOfBirth, born)];
        let fields = fields
            .into_iter()
            .filter_map(|(field, value)| Some((field, value?)))
            .collect();
        let id = self.new_message();
        self.out.push_back(Do::Keep {
            id,
            message: Message {
                kind: "appointment".to_owned(),
                goes_to,
                fields,
                call_back_by: None,
                marks: vec![mark.to_owned()],
                cut_off: false,
                missing: Vec::new(),
            },
        });
    }

    fn staff_for(&self, down: SectionId) -> Target {
        let of_section = self.flow.section(down).steps.iter().find_map(|step| match &step.act {
            Act::TakeMessage(name) | Act::TakeRefill(name) | Act::Collect(name) => {
                self.flow.messages.get(name).map(|kind| kind.goes_to.clone())
            }
            _ => None,
        });
        let any = || self.practice.inboxes.keys().next().cloned().map(Target::Inbox);
        let ladder = || self.practice.ladders.keys().next().cloned().unwrap_or_default();
        let inbox = of_section.filter(|target| matches!(target, Target::Inbox(_)));
        inbox.or_else(any).unwrap_or_else(|| Target::Ladder(ladder()))
    }
}
