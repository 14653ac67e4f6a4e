//! What a call knows while it runs, and the few things every verb does: say, spend, remember, end.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp, Zoned};
use phi::Phi;

use super::message::Draft;
use super::records::{Exit, Visit};
use super::{CALL_MAX, Caller, Chosen, ClipId, Do, Doing, Heard, MessageId, Note, Outcome, STEPS_MAX, SayId, Value};
use crate::library::Phrase;
use crate::model::{Amount, Condition, Fact, Field, Flow, Known, Level, Practice, SectionId, Sentence, Thing};
use crate::words::{self, Fill, Language, Words};

/// Keys kept for the next question; more than this is a leaning elbow.
const AHEAD_MAX: usize = 16;
/// Things remembered in one call; a flow of a hundred sections names fewer.
const REMEMBERED_MAX: usize = 64;
/// Words are taken as said when nobody tells us after this long: a caller is never left waiting for a player that died.
const SAID_GRACE: SignedDuration = SignedDuration::from_secs(10);
/// Slower than any voice speaks, so that the grace never cuts a sentence.
const SLOWEST_CHARACTERS_PER_SECOND: i64 = 7;

#[derive(Debug)]
pub(super) struct Scene {
    pub(super) practice: Arc<Practice>,
    pub(super) flow: Arc<Flow>,
    pub(super) caller: Caller,
    pub(super) now: Timestamp,
    pub(super) limit: Timestamp,
    pub(super) out: VecDeque<Do>,
    pub(super) section: SectionId,
    pub(super) next_step: usize,
    pub(super) language: Language,
    pub(super) permission: Option<bool>,
    pub(super) records_down: bool,
    pub(super) recordings_down: bool,
    pub(super) in_net: bool,
    /// Keys pressed before their question.
    pub(super) ahead: VecDeque<Phi<char>>,
    /// Silence at a red-flag question: stop asking for details (§5, quiet-caller rule).
    pub(super) quiet: bool,
    pub(super) disposition: Option<Level>,
    /// Graded urgent, and nobody rung nor 911 named yet: where that leads.
    pub(super) owed: Option<SectionId>,
    /// What the caller told so far in this call; asked once.
    pub(super) told: BTreeMap<Field, Value>,
    /// The message being gathered or just kept.
    pub(super) draft: Option<Draft>,
    /// What they told and did not confirm, or what found nobody.
    pub(super) unconfirmed: BTreeSet<Field>,
    /// What the records call the patient, after a match.
    pub(super) patient: Option<Phi<String>>,
    /// Searches made.
    pub(super) searches: u8,
    /// The patient's next appointment, as far as it is known.
    pub(super) appointment: Option<Visit>,
    /// How the step that asked the records has just come out, for whoever follows the call.
    pub(super) exit: Option<Exit>,
    pub(super) call_back_by: Option<Timestamp>,
    pub(super) ladder: Option<Ladder>,
    pub(super) outcome: Option<Outcome>,
    pub(super) caller_left: bool,
    /// In a replay: how conditions about the age stood in the call itself.
    pub(super) held: Option<BTreeMap<String, bool>>,
    /// In a replay: a condition about the age that the call itself did not meet.
    pub(super) untold: Option<String>,
    remembered: BTreeMap<String, String>,
    ids: u64,
    steps: u16,
    answered: bool,
    spoke_at: Option<Timestamp>,
}

/// A ladder this call started.
#[derive(Debug)]
pub(super) struct Ladder {
    pub(super) name: String,
    /// Whoever accepts is to talk with the caller, who is still on the line.
    pub(super) connect: bool,
}

/// Words being said: over when we are told so, or when it is too late to still be told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Speaking {
    pub(super) id: SayId,
    pub(super) began: Timestamp,
    pub(super) until: Timestamp,
}

impl Speaking {
    pub(super) fn over(&self, now: Timestamp, heard: &Heard) -> bool {
        match heard {
            Heard::Said(id) => *id == self.id,
            Heard::Time => now >= self.until,
            _ => false,
        }
    }
}

impl Scene {
    pub(super) fn new(practice: Arc<Practice>, flow: Arc<Flow>, caller: Caller, now: Timestamp) -> Self {
        Self {
            limit: later(now, CALL_MAX),
            section: flow.start,
            next_step: 0,
            language: flow.languages.first().copied().unwrap_or(Language::English),
            permission: None,
            records_down: !caller.beforehand.records_answer,
            recordings_down: false,
            in_net: false,
            ahead: VecDeque::new(),
            quiet: false,
            disposition: None,
            owed: None,
            told: BTreeMap::new(),
            draft: None,
            unconfirmed: BTreeSet::new(),
            patient: None,
            searches: 0,
            appointment: None,
            exit: None,
            call_back_by: None,
            ladder: None,
            outcome: None,
            caller_left: false,
            held: None,
            untold: None,
            remembered: BTreeMap::new(),
            ids: 0,
            steps: 0,
            answered: false,
            spoke_at: None,
            out: VecDeque::new(),
            practice,
            flow,
            caller,
            now,
        }
    }

    pub(super) fn after(&self, time: Duration) -> Timestamp {
        later(self.now, time)
    }

    pub(super) fn local(&self) -> Zoned {
        self.now.to_zoned(self.practice.time_zone.clone())
    }

    /// One more step; false when the budget is used up.
    pub(super) fn spend(&mut self) -> bool {
        self.steps = self.steps.saturating_add(1);
        self.steps <= STEPS_MAX
    }

    pub(super) fn enter(&mut self, section: SectionId) {
        self.section = section;
        self.next_step = 0;
        let name = self.flow.section(section).name.clone();
        self.note(Note::Section(name));
    }

    pub(super) fn answer(&mut self) {
        if !self.answered {
            self.answered = true;
            self.out.push_back(Do::Answer);
        }
    }

    /// Something was heard of us before this very moment.
    pub(super) fn spoke(&self) -> bool {
        self.spoke_at.is_some_and(|at| at < self.now)
    }

    pub(super) fn note(&mut self, note: Note) {
        self.out.push_back(Do::Note(note));
    }

    /// Notes what the caller did at a question.
    pub(super) fn chose(&mut self, question: String, choice: Chosen) {
        self.note(Note::Chose { question, choice });
    }

    /// Whether a condition of the flow holds. How one about the patient's age stands is noted, because the age itself is
    /// nothing a replay may ask for.
    pub(super) fn holds(&mut self, condition: &Condition) -> bool {
        if !condition.looks_at(&Thing::PatientAge) {
            return condition.holds(&*self);
        }
        let question = format!("if {}", crate::review::condition(condition));
        let holds = match &self.held {
            None => condition.holds(&*self),
            Some(held) => held.get(&question).copied().unwrap_or_else(|| {
                self.untold.get_or_insert(question.clone());
                false
            }),
        };
        self.chose(question, if holds { Chosen::Yes } else { Chosen::No });
        holds
    }

    pub(super) fn next_id(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    pub(super) fn say(&mut self, words: Words, stops_at_key: bool) -> Speaking {
        let id = SayId(self.next_id());
        self.spoke_at.get_or_insert(self.now);
        if words.is_empty() {
            // Nothing to say is said at once.
            return Speaking {
                id,
                began: self.now,
                until: self.now,
            };
        }
        let characters: usize = words.parts.iter().map(|part| part.text.chars().count()).sum();
        let slowest = i64::try_from(characters).unwrap_or(i64::MAX) / SLOWEST_CHARACTERS_PER_SECOND;
        let patience = SignedDuration::from_secs(slowest).saturating_add(SAID_GRACE);
        let until = self.now.saturating_add(patience).unwrap_or(self.now);
        self.out.push_back(Do::Say {
            id,
            words,
            stops_at_key,
        });
        Speaking {
            id,
            began: self.now,
            until,
        }
    }

    pub(super) fn hush(&mut self) {
        self.out.push_back(Do::Hush);
    }

    /// Leaves what is being done: silence, no clip left running, and what was said so far in the message.
    pub(super) fn stop(&mut self, doing: &Doing) {
        self.hush();
        self.take_so_far(doing);
        if let Doing::Offering(offering) = doing {
            offering.leave(self);
        }
        if let Some((id, field)) = doing.clip() {
            self.out.push_back(Do::EndClip { id });
            if let Some(draft) = &mut self.draft {
                draft.put(field, Value::Clip(id));
            }
        }
    }

    /// An answer that was typed and not yet confirmed is better than none.
    pub(super) fn take_so_far(&mut self, doing: &Doing) {
        if let Some((field, value, mark)) = doing.so_far()
            && let Some(draft) = &mut self.draft
        {
            draft.put(field, value);
            if let Some(mark) = mark {
                draft.mark(mark);
            }
        }
    }

    pub(super) fn phrase(&self, phrase: Phrase) -> Words {
        Words::part(phrase.part(self.language))
    }

    /// A practice's sentence in the caller's language, filled in.
    pub(super) fn sentence(&self, sentence: &Sentence) -> Words {
        Words::filled(sentence, self.language, &mut |fill, language| match fill {
            Fill::CallerNumber => self
                .caller
                .number
                .as_ref()
                .map(|number| words::number(number, language)),
            Fill::CallBackBy => self.call_back_by.map(|by| {
                let by = by.to_zoned(self.practice.time_zone.clone());
                words::deadline(by.datetime(), self.local().date(), language)
            }),
            Fill::Time => Some(words::time_of_day(self.local().time(), language)),
            // Only after a match, and only their own.
            Fill::Appointment => self.patient.as_ref().map(|_| match &self.appointment {
                Some(visit) => self.visit_words(visit, language),
                None => Words::part(Phrase::NotInTheBook.part(language)),
            }),
        })
    }

    /// Keeps a key for the next question. Pound and star only skip.
    pub(super) fn press_ahead(&mut self, key: Phi<char>) {
        if key.expose().is_ascii_digit() && self.ahead.len() < AHEAD_MAX {
            self.ahead.push_back(key);
        }
    }

    /// All that later conditions may ask of this call.
    pub(super) fn memory(&self) -> String {
        format!("{:?} {:?} {}", self.remembered, self.permission, self.quiet)
    }

    pub(super) fn remember(&mut self, name: &str, value: &str) {
        if self.remembered.len() < REMEMBERED_MAX || self.remembered.contains_key(name) {
            self.remembered.insert(name.to_owned(), value.to_owned());
        }
    }

    /// Notes how the call stands; a weaker outcome never hides a stronger one.
    pub(super) fn reach(&mut self, outcome: Outcome) {
        if self
            .outcome
            .as_ref()
            .is_none_or(|known| known.weight() <= outcome.weight())
        {
            self.outcome = Some(outcome);
        }
    }

    /// Nobody accepted: what that leaves behind depends on whether the ladder pages on.
    pub(super) fn nobody_accepted(&mut self, ladder: &str) {
        let pages_on = self
            .practice
            .ladders
            .get(ladder)
            .is_some_and(|ladder| ladder.keep_paging.is_some());
        let ladder = ladder.to_owned();
        self.reach(if pages_on {
            Outcome::StillPaging { ladder }
        } else {
            Outcome::NobodyAccepted { ladder }
        });
    }

    /// Where an unanswered question leads. A caller graded urgent who falls silent, wherever 0 or another key had taken them,
    /// did not change their mind: unless the practice says what silence means here, or what urgent asks for was done
    /// already, they go where urgent leads, once, and are asked nothing more (§5, quiet-caller rule).
    pub(super) fn unanswered(&mut self, if_no_answer: Option<SectionId>) -> SectionId {
        if let Some(said) = if_no_answer {
            return said;
        }
        let Some(urgent) = self.owed.take() else {
            return self.flow.every_question.then;
        };
        self.quiet = true;
        urgent
    }

    pub(super) fn ladder_runs_for_caller(&self) -> bool {
        !self.caller_left && self.ladder.as_ref().is_some_and(|ladder| ladder.connect)
    }

    pub(super) fn new_clip(&mut self) -> ClipId {
        ClipId(self.next_id())
    }

    pub(super) fn new_message(&mut self) -> MessageId {
        MessageId(self.next_id())
    }

    /// The last words of every call.
    pub(super) fn end(&mut self) {
        if !matches!(
            self.outcome,
            Some(Outcome::Connected { .. } | Outcome::CallingBack { .. })
        ) {
            self.save_draft();
        }
        let last = self.outcome.take().unwrap_or(if self.caller_left {
            Outcome::CallerHungUp
        } else {
            Outcome::Ended
        });
        if !self.caller_left {
            self.out.push_back(Do::HangUp);
        }
        self.note(Note::Outcome(last));
    }
}

/// A moment later; at the end of time, the end of time.
pub(super) fn later(now: Timestamp, time: Duration) -> Timestamp {
    let time = SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX);
    now.saturating_add(time).unwrap_or(Timestamp::MAX)
}

impl Known for Scene {
    fn fact(&self, fact: Fact) -> Option<bool> {
        let hours = &self.practice.hours;
        match fact {
            Fact::OfficeOpen => Some(hours.is_open(self.now)),
            Fact::OfficeClosed => Some(!hours.is_open(self.now)),
            Fact::Holiday => Some(hours.is_holiday(self.now)),
            Fact::LunchTime => Some(hours.is_lunch_time(self.now)),
            Fact::RecordsDown => Some(self.records_down),
            Fact::RecordingAllowed => Some(self.permission == Some(true) && !self.recordings_down),
            Fact::NobodyOnCall => self.caller.beforehand.nobody_on_call,
            Fact::CalledLately => self.caller.beforehand.called_lately,
        }
    }

    fn value(&self, thing: &Thing) -> Option<crate::model::Value> {
        use crate::model::Value as Is;
        match thing {
            Thing::Language => Some(Is::Text(self.language.name().to_owned())),
            Thing::LineCalled => Some(Is::Text(self.caller.line.clone())),
            Thing::Time => Some(Is::Amount(Amount::Clock(self.local().time()))),
            Thing::Day => Some(Is::Text(self.local().strftime("%A").to_string())),
            Thing::CallerState => {
                let state = self.caller.number.as_ref().and_then(crate::area::state_of);
                state.map(|state| Is::Text(state.to_owned()))
            }
            Thing::PatientAge => self.patient_age_minutes().map(|age| Is::Amount(Amount::Minutes(age))),
            Thing::Remembered(name) => self.remembered.get(name).map(|value| Is::Text(value.clone())),
        }
    }
}

impl Scene {
    fn patient_age_minutes(&self) -> Option<u64> {
        const DAY_MINUTES: u64 = 24 * 60;
        if let Some(Value::Date(born)) = self.told.get(&Field::PatientDateOfBirth) {
            let days = (self.local().date() - *born.expose()).get_days();
            return u64::try_from(days).ok().map(|days| days * DAY_MINUTES);
        }
        match self.told.get(&Field::PatientAge) {
            Some(Value::Years(years)) => Some(u64::from(*years.expose()) * 365 * DAY_MINUTES),
            _ => None,
        }
    }
}
