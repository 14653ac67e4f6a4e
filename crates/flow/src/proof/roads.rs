//! A flow as points and roads.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use jiff::civil::Date;
use phi::Phi;

use crate::library::Phrase;
use crate::model::{
    Act, Appointment, EveryQuestion, Field, Flow, Level, PatientKey, Practice, Recording, SectionId, Sentence, Step,
    Then, VisitType, Wanted,
};
use crate::run::{ANSWERS_WITHIN, OFFERED_MAX};
use crate::words::{self, Fill, Language, Part, Piece, Words, split};

/// How long words take: from the audio itself where there is some, else [`Estimate`].
pub trait Length {
    /// Seconds one clip lasts.
    fn seconds(&self, part: &Part) -> f64;

    /// What fill-ins take at most, where that is known beforehand; else the longest clips are looked for.
    fn fill_ins(&self, language: Language) -> Option<FillIns> {
        let _ = language;
        None
    }
}

/// Seconds that fill-ins take at most, in one language.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FillIns {
    /// Ten digits.
    pub number: f64,
    /// A date of birth.
    pub date: f64,
    /// By when somebody calls.
    pub deadline: f64,
    /// A time of day.
    pub time: f64,
    /// When an appointment is, without whom and where.
    pub appointment: f64,
}

/// Fifteen characters a second, the rate the rehearsed timings of §18 were taken at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Estimate;

impl Length for Estimate {
    fn seconds(&self, part: &Part) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "no clip has 2^52 characters")]
        let characters = part.text.chars().count() as f64;
        characters / crate::rehearse::solo::CHARACTERS_PER_SECOND
    }

    fn fill_ins(&self, language: Language) -> Option<FillIns> {
        // Characters of the longest; a test counts them again.
        let [number, date, deadline, time, appointment] = match language {
            Language::English => [12.0, 16.0, 34.0, 8.0, 32.0],
            Language::Spanish => [12.0, 22.0, 62.0, 25.0, 55.0],
        };
        let seconds = |characters: f64| characters / crate::rehearse::solo::CHARACTERS_PER_SECOND;
        Some(FillIns {
            number: seconds(number),
            date: seconds(date),
            deadline: seconds(deadline),
            time: seconds(time),
            appointment: seconds(appointment),
        })
    }
}

/// The longest clips each kind of fill-in can be made of.
fn longest_fill_ins(length: &dyn Length, language: Language) -> FillIns {
    let longest = |of: &mut dyn Iterator<Item = Words>| {
        let seconds = |words: Words| words.parts.iter().map(|part| length.seconds(part)).sum::<f64>();
        of.map(seconds).max_by(f64::total_cmp).unwrap_or_default()
    };
    let one = |words: Words| longest(&mut std::iter::once(words));
    let birth_date = |day: Date| words::birth_date(Phi::new(day), language);
    let days = || Date::constant(2021, 1, 1).series(jiff::Span::new().days(1)).take(365);
    let midnight = jiff::civil::Time::midnight();
    // A number is as long as ten of its longest digit.
    let mut digits = (0..=9).map(|digit| words::number(&Phi::new(digit.to_string().repeat(10)), language));
    let mut years = (1910..=2030).map(|year| birth_date(Date::constant(year, 1, 1)));
    let mut days_of_year = days().map(birth_date);
    let mut times = (0..24 * 4).map(|quarter| {
        let time = midnight.wrapping_add(jiff::Span::new().minutes(15 * quarter));
        words::time_of_day(time, language)
    });
    let time = longest(&mut times);
    let today = Date::constant(2020, 1, 1);
    let mut deadlines = days().map(|day| words::deadline(day.to_datetime(midnight), today, language));
    // A day of any month, then a time of any day.
    let visit = |day: Date, minutes: i64| {
        let time = midnight.wrapping_add(jiff::Span::new().minutes(minutes));
        words::appointment_time(day.to_datetime(time), language)
    };
    let mut visit_days = days().map(|day| visit(day, 0));
    let mut visit_times = (0..24 * 12).map(|five| visit(today, 5 * five));
    FillIns {
        appointment: longest(&mut visit_days) + longest(&mut visit_times) - one(visit(today, 0)),
        number: longest(&mut digits),
        date: longest(&mut years) + (longest(&mut days_of_year) - one(birth_date(Date::constant(2021, 1, 1)))).max(0.0),
        deadline: longest(&mut deadlines) + (time - one(words::time_of_day(midnight, language))).max(0.0),
        time,
    }
}

/// Where a call can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum At {
    /// About to take a step.
    Step(SectionId, usize),
    /// A red-flag question of the triage at that step is asked.
    Question(SectionId, usize, usize),
    /// The call is over.
    End(End),
}

/// How a call can be over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum End {
    /// The caller talks with someone.
    Person,
    /// The flow hung up.
    HungUp,
}

/// What leads from one point to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Does {
    /// Nobody does anything; the words end.
    Listens,
    /// The caller presses a key of a menu, for this.
    Presses(char, String),
    /// The caller answers a question.
    Answers(&'static str, String),
    /// The caller presses 0.
    PressesZero,
    /// The caller presses nothing, or nothing that means anything.
    StaysSilent,
    /// The caller tells what they are asked.
    Tells,
    /// Every person of this ladder was tried in vain.
    NobodyAccepts(String),
    /// Somebody accepts, or answers.
    IsConnected(String),
    /// This line does not answer.
    NobodyAnswers(String),
    /// The records know the caller.
    RecordsHelp,
    /// The records know nobody, or not for certain.
    IsNotFound,
    /// The records are down.
    RecordsAreDown,
    /// The records have done what the caller wanted.
    Arranges(Appointment),
    /// The caller would rather not cancel.
    Keeps,
    /// No time fits, or nothing may be arranged by telephone.
    NothingFits,
    /// The step's `if:` does not hold.
    PassesBy,
}

impl Does {
    /// The line of a story; `None` for what a listener would not mention.
    pub fn told(&self) -> Option<String> {
        Some(match self {
            Self::Listens | Self::PassesBy => return None,
            Self::Presses(key, what) => format!("presses {key} for {what}"),
            Self::Answers(answer, question) => format!("answers {answer} to “{question}”"),
            Self::PressesZero => "presses 0".to_owned(),
            Self::StaysSilent => "stays silent".to_owned(),
            Self::Tells => "leaves the details asked for".to_owned(),
            Self::NobodyAccepts(ladder) => format!("waits, and nobody on {ladder} accepts"),
            Self::IsConnected(to) => format!("is connected to {to}"),
            Self::NobodyAnswers(to) => format!("waits, and {to} does not answer"),
            Self::RecordsHelp => "is found in the records".to_owned(),
            Self::IsNotFound => "is not found in the records".to_owned(),
            Self::RecordsAreDown => "finds the records down".to_owned(),
            Self::Arranges(Appointment::Book) => "books an appointment".to_owned(),
            Self::Arranges(Appointment::Move) => "moves their appointment".to_owned(),
            Self::Arranges(Appointment::Cancel) => "cancels their appointment".to_owned(),
            Self::Keeps => "keeps their appointment".to_owned(),
            Self::NothingFits => "finds no time that fits".to_owned(),
        })
    }

    /// The caller presses a key here.
    pub fn is_key(&self) -> bool {
        matches!(self, Self::Presses(..) | Self::Answers(..) | Self::PressesZero)
    }
}

/// One way on.
#[derive(Clone, Debug, PartialEq)]
pub struct Road {
    /// Where it leads.
    pub to: At,
    /// What is done there.
    pub does: Does,
    /// Seconds of our words before it, for a caller who hears each once and to its end.
    pub words: f64,
    /// Seconds of the same caller with what they do themselves: reach for the key, type, speak.
    pub answered: f64,
    /// Seconds at most: every repeat, every wait, every ring; a caller who asks to hear things again apart.
    pub at_most: f64,
    /// Of `answered` and of `at_most`: what a caller is spared who was looked for by their date of birth before.
    pub(crate) spared: [f64; 2],
}

/// A place of a call, with what can follow.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Point {
    /// Every way on.
    pub roads: Vec<Road>,
}

/// All of a flow, in one language.
#[derive(Debug)]
pub struct Roads<'a> {
    /// The flow.
    pub flow: &'a Flow,
    points: BTreeMap<At, Point>,
}

impl<'a> Roads<'a> {
    /// Every point and road of a flow, with the words' length in a language.
    pub fn of(practice: &Practice, flow: &'a Flow, language: Language, length: &dyn Length) -> Self {
        let builder = Builder {
            practice,
            flow,
            language,
            length,
            fills: OnceCell::new(),
        };
        let mut points = BTreeMap::new();
        for (section, steps) in flow.sections.iter().enumerate() {
            let section = SectionId(section);
            for (index, step) in steps.steps.iter().enumerate() {
                builder.step(section, index, step, &mut points);
            }
        }
        let mut roads = Self { flow, points };
        roads.spare(builder.field(Field::PatientDateOfBirth));
        roads
    }

    /// What was told once in a call is not asked again, so a date of birth counts where the patient is looked for, and not
    /// in a message after that; but in one from which the call can come to be looked for (again) it does.
    fn spare(&mut self, born: Asked) {
        let looks: Vec<At> = self.points().filter(|at| self.looks_by_date(*at)).collect();
        if looks.is_empty() {
            return;
        }
        let mut back: BTreeMap<At, Vec<At>> = BTreeMap::new();
        for (at, point) in &self.points {
            for road in &point.roads {
                back.entry(road.to).or_default().push(*at);
            }
        }
        let mut before = std::collections::BTreeSet::new();
        let mut left = looks;
        while let Some(at) = left.pop() {
            if before.insert(at) {
                left.extend(back.get(&at).into_iter().flatten());
            }
        }
        let flow = self.flow;
        let asks = |act: &Act| match act {
            Act::Ask { field, .. } => *field == Field::PatientDateOfBirth,
            Act::Collect(name) | Act::TakeMessage(name) | Act::TakeRefill(name) => flow
                .messages
                .get(name)
                .is_some_and(|kind| kind.ask.contains(&Field::PatientDateOfBirth)),
            _ => false,
        };
        for (at, point) in &mut self.points {
            let At::Step(section, index) = at else { continue };
            let asked = flow.step(*section, *index).is_some_and(|step| asks(&step.act));
            if asked && !before.contains(at) {
                for road in point.roads.iter_mut().filter(|road| road.does != Does::PassesBy) {
                    road.spared = [born.answered, born.at_most];
                }
            }
        }
    }

    /// The patient is looked for here, by their date of birth.
    pub(crate) fn looks_by_date(&self, at: At) -> bool {
        matches!(at, At::Step(..))
            && self.step(at).is_some_and(|step| match &step.act {
                Act::FindPatient { by, .. } => by.contains(&PatientKey::DateOfBirth),
                _ => false,
            })
    }

    /// Where calls begin.
    pub fn start(&self) -> At {
        At::Step(self.flow.start, 0)
    }

    /// The ways on from a point; none where a call is over, or a section has run out.
    pub fn from(&self, at: At) -> &[Road] {
        self.points.get(&at).map_or(&[], |point| &point.roads)
    }

    /// Every point.
    pub fn points(&self) -> impl Iterator<Item = At> + '_ {
        self.points.keys().copied()
    }

    /// The step a point belongs to.
    pub fn step(&self, at: At) -> Option<&'a Step> {
        match at {
            At::Step(section, step) | At::Question(section, step, _) => {
                self.flow.sections.get(section.0)?.steps.get(step)
            }
            At::End(_) => None,
        }
    }
}

/// Waits and answers of the engine's own, as in `run`.
const LINGER: f64 = 20.0;
const CLIP_NOTHING: f64 = 5.0;
const CONNECT_GRACE: f64 = 10.0;
/// Silences in a row after which details are no longer asked for.
const SILENCES: f64 = 2.0;
/// The longest wait for an answer of the records.
pub(crate) const RECORDS: f64 = ANSWERS_WITHIN.as_secs() as f64;
/// Times told at once.
const OFFERED: f64 = OFFERED_MAX as f64;
/// A lone 1 for "this number" is waited for this long, in case it is the first of eleven digits.
const LONE_ONE: f64 = 1.5;
/// What a tone takes.
pub(crate) const TONE: f64 = 0.3;
/// The answer of a book that is well; one that is not leads to the safety net, which asks for nothing.
pub(super) const KEPT: f64 = 0.01;

/// How the caller who answers at once behaves: a key so soon after the words, a digit so soon after the last, so much
/// said after a tone.
pub(crate) const REACTION: f64 = 1.0;
pub(crate) const DIGIT_EVERY: f64 = 0.5;
pub(crate) const SPEAKS: f64 = 5.0;
/// So much silence ends what is said: less where no long story is expected.
const PAUSE: f64 = 4.0;
const SHORT_PAUSE: f64 = 3.0;
const STORY: u32 = 30;
/// How a telephone behaves that is answered at once.
pub(crate) const PICKED_UP: f64 = 6.0;
pub(crate) const ACCEPTS_AFTER: f64 = 1.0;
/// An answered telephone is waited at for the key this long, as the ladder does (`oncall::Ladder::THEY_HEAR_FOR`).
pub(crate) const WAITED_FOR_THE_KEY: f64 = 20.0;

struct Builder<'b> {
    practice: &'b Practice,
    flow: &'b Flow,
    language: Language,
    length: &'b dyn Length,
    fills: OnceCell<FillIns>,
}

/// Seconds of a question: its words once, answered at once, and with every repeat and wait.
#[derive(Clone, Copy)]
struct Asked {
    words: f64,
    answered: f64,
    at_most: f64,
}

impl Builder<'_> {
    fn text(&self, text: &str, language: Language) -> f64 {
        split(text, language)
            .iter()
            .map(|piece| match piece {
                Piece::Said(part) => self.length.seconds(part),
                Piece::Fill(Fill::CallerNumber) => self.fills().number,
                Piece::Fill(Fill::CallBackBy) => self.fills().deadline,
                Piece::Fill(Fill::Time) => self.fills().time,
                Piece::Fill(Fill::Appointment) => self.visit().max(self.phrase(Phrase::NotInTheBook)),
            })
            .sum()
    }

    fn fills(&self) -> FillIns {
        *self.fills.get_or_init(|| {
            let known = self.length.fill_ins(self.language);
            known.unwrap_or_else(|| longest_fill_ins(self.length, self.language))
        })
    }

    fn said(&self, sentence: &Sentence) -> f64 {
        self.text(sentence.text(self.language), self.language)
    }

    fn phrase(&self, phrase: Phrase) -> f64 {
        self.length.seconds(&phrase.part(self.language))
    }

    fn wait(&self) -> f64 {
        self.flow.every_question.wait.as_secs_f64()
    }

    /// `says`: what is said the first time, the second, and from then on.
    fn asked(&self, says: [f64; 3], again: u8) -> Asked {
        let sorry = self.phrase(Phrase::StillThere).max(self.phrase(Phrase::NotUnderstood));
        self.asked_with(says, again, sorry)
    }

    /// The same, with what is said before it is asked again.
    fn asked_with(&self, says: [f64; 3], again: u8, sorry: f64) -> Asked {
        let mut at_most = 0.0;
        for nth in 0..=usize::from(again) {
            at_most += says.get(nth.min(2)).copied().unwrap_or_default() + self.wait();
            if nth > 0 {
                at_most += sorry;
            }
        }
        let words = says.first().copied().unwrap_or_default();
        Asked {
            words,
            answered: words + REACTION,
            at_most,
        }
    }

    fn step(&self, section: SectionId, index: usize, step: &Step, points: &mut BTreeMap<At, Point>) {
        let here = At::Step(section, index);
        let next = At::Step(section, index + 1);
        let mut roads = Vec::new();
        self.roads(section, index, step, next, &mut roads, points);
        if step.only_if.is_some() {
            roads.push(Road::new(next, Does::PassesBy, plain(0.0)));
        }
        points.insert(here, Point { roads });
    }

    fn roads(
        &self,
        section: SectionId,
        index: usize,
        step: &Step,
        next: At,
        roads: &mut Vec<Road>,
        points: &mut BTreeMap<At, Point>,
    ) {
        let EveryQuestion {
            ask_again,
            then,
            press_zero,
            ..
        } = self.flow.every_question;
        let to = |section: SectionId| At::Step(section, 0);
        let mut road = |to: At, does: Does, asked: Asked| roads.push(Road::new(to, does, asked));
        match &step.act {
            Act::Answer | Act::Remember { .. } | Act::Notify { .. } => road(next, Does::Listens, plain(0.0)),
            Act::Say { words, .. } | Act::Play { words, .. } => {
                let language = self.language_at(section, index);
                road(next, Does::Listens, plain(self.text(words.text(language), language)));
            }
            Act::EmergencyNotice(notice) => {
                let phrase = Phrase::notice(*notice);
                let languages = self.flow.languages.iter();
                let seconds = languages
                    .map(|language| self.length.seconds(&phrase.part(*language)))
                    .sum();
                road(next, Does::Listens, plain(seconds));
            }
            Act::ChooseLanguage if self.flow.languages.len() > 1 => {
                let words = self.flow.languages.iter().zip('1'..='9');
                let words = words
                    .map(|(language, key)| self.length.seconds(&Phrase::ChooseLanguage.with_key(*language, key)))
                    .sum();
                // Nobody has chosen yet, so a wrong key is met in the first language, whatever is chosen then.
                let first = self.flow.languages.first().copied().unwrap_or(self.language);
                let sorry = |language| {
                    self.length
                        .seconds(&Part::new(Phrase::NotUnderstood.text(language), language))
                };
                let asked = self.asked_with([words; 3], ask_again.min(1), sorry(first));
                for (language, key) in self.flow.languages.iter().zip('1'..='9') {
                    road(next, Does::Presses(key, language.name().to_owned()), asked);
                }
                road(next, Does::StaysSilent, asked);
            }
            Act::AskPermissionToRecord if self.flow.recording == Recording::AskFirst => {
                let words = self.phrase(Phrase::AskPermission);
                let after = self.phrase(Phrase::WillRecord).max(self.phrase(Phrase::WillNotRecord));
                let asked = self.asked([words; 3], 0).and(plain(after));
                for answer in ["yes", "no"] {
                    road(next, Does::Answers(answer, "the recording".to_owned()), asked);
                }
                road(next, Does::StaysSilent, asked);
            }
            Act::ChooseLanguage | Act::AskPermissionToRecord => road(next, Does::Listens, plain(0.0)),
            Act::Menu(menu) => {
                let question = self.said(&menu.question);
                let options: f64 = menu.choices.iter().map(|choice| self.said(&choice.spoken)).sum();
                let asked = self.asked([question + options, question + options, options], ask_again);
                for choice in &menu.choices {
                    let does = Does::Presses(choice.key, choice.label.text(Language::English).to_owned());
                    road(choice.go_to.map_or(next, to), does, asked);
                }
                road(to(menu.if_no_answer.unwrap_or(then)), Does::StaysSilent, asked);
                if let Some(zero) = press_zero {
                    road(to(zero), Does::PressesZero, asked);
                }
            }
            Act::AskYesOrNo {
                question,
                if_yes,
                if_no,
                if_no_answer,
            } => {
                let keys = self.phrase(Phrase::YesOrNo);
                let whole = self.said(question) + keys;
                let asked = self.asked([whole, whole, keys], ask_again);
                let about = || question.text(Language::English).to_owned();
                road(to(*if_yes), Does::Answers("yes", about()), asked);
                road(to(*if_no), Does::Answers("no", about()), asked);
                road(to(if_no_answer.unwrap_or(then)), Does::StaysSilent, asked);
                if let Some(zero) = press_zero {
                    road(to(zero), Does::PressesZero, asked);
                }
            }
            Act::Ask { field, if_no_answer } => {
                let asked = self.field(*field);
                road(next, Does::Tells, asked);
                road(to(if_no_answer.unwrap_or(then)), Does::StaysSilent, asked);
                if let Some(zero) = press_zero {
                    road(to(zero), Does::PressesZero, asked);
                }
            }
            Act::Collect(name) | Act::TakeMessage(name) | Act::TakeRefill(name) => {
                let mut asked = self.fields(self.flow.messages.get(name).map_or(&[][..], |kind| &kind.ask));
                if matches!(step.act, Act::TakeRefill(_)) {
                    let words = self.phrase(Phrase::Controlled) + self.phrase(Phrase::YesOrNo);
                    asked = asked.and(self.asked([words; 3], ask_again));
                }
                asked.answered += KEPT;
                asked.at_most += KEPT;
                road(next, Does::Tells, asked);
                if let Some(zero) = press_zero {
                    road(to(zero), Does::PressesZero, asked);
                }
            }
            Act::Triage {
                protocol,
                if_emergency,
                if_urgent,
                if_semi_urgent,
                if_routine,
            } => {
                let graded = |level: Level| to(level.choose(*if_emergency, *if_urgent, *if_semi_urgent, *if_routine));
                let point = |nth: usize| {
                    if nth < protocol.questions.len() {
                        At::Question(section, index, nth)
                    } else {
                        graded(protocol.if_every_answer_is_no)
                    }
                };
                road(point(0), Does::Listens, plain(0.0));
                for (nth, question) in protocol.questions.iter().enumerate() {
                    let words = self.said(&question.words);
                    let keys = self.phrase(Phrase::YesOrNo);
                    let asked = self.asked([words, words + keys, words], ask_again);
                    let about = || question.words.text(Language::English).to_owned();
                    let mut roads = Vec::new();
                    let mut road = |to: At, does: Does| roads.push(Road::new(to, does, asked));
                    road(graded(question.level), Does::Answers("yes", about()));
                    road(point(nth + 1), Does::Answers("no", about()));
                    road(graded(protocol.if_unclear), Does::StaysSilent);
                    if let Some(zero) = press_zero {
                        road(to(zero), Does::PressesZero);
                    }
                    if question.only_if.is_some() {
                        roads.push(Road::new(point(nth + 1), Does::PassesBy, plain(0.0)));
                    }
                    points.insert(At::Question(section, index, nth), Point { roads });
                }
            }
            Act::TellToCall911 => {
                let twice = 2.0 * self.phrase(Phrase::Call911Now);
                road(next, Does::Listens, plain(twice + LINGER));
                if let Some(zero) = press_zero {
                    let asked = Asked {
                        words: twice,
                        answered: twice + REACTION,
                        at_most: twice + LINGER,
                    };
                    road(to(zero), Does::PressesZero, asked);
                }
            }
            Act::RecordMessage { longest } => {
                let words = self.phrase(Phrase::LeaveAMessage);
                let asked = Asked {
                    words,
                    answered: words + TONE + SPEAKS + PAUSE + KEPT,
                    at_most: words + TONE + longest.as_secs_f64() + CONNECT_GRACE + KEPT,
                };
                road(next, Does::Tells, asked);
            }
            Act::FindPatient { by, if_not_found } => {
                let keyed = by.iter().filter_map(|key| match key {
                    PatientKey::CallerNumber => None,
                    PatientKey::DateOfBirth => Some(Field::PatientDateOfBirth),
                    PatientKey::MedicalRecordNumber => Some(Field::MedicalRecordNumber),
                });
                let keyed = keyed.map(|field| self.field(field)).fold(plain(0.0), Asked::and);
                let searched = keyed.and(self.looked_up());
                let found = if self.flow.says_the_appointment() {
                    searched.and(plain(RECORDS))
                } else {
                    searched
                };
                road(next, Does::RecordsHelp, found);
                let not_found = searched.and(plain(self.phrase(Phrase::NotMatched)));
                road(to(*if_not_found), Does::IsNotFound, not_found);
                let down = found.and(plain(self.phrase(Phrase::RecordsDown)));
                road(to(*if_not_found), Does::RecordsAreDown, down);
                if let Some(zero) = press_zero {
                    road(to(zero), Does::PressesZero, searched);
                }
            }
            Act::OfferAppointments {
                wanted,
                visit_types,
                if_nothing_fits,
                if_records_are_down,
                ..
            } => {
                let ways: Vec<Arranging> = wanted
                    .iter()
                    .map(|what| self.arranging(*what, wanted, visit_types, ask_again))
                    .collect();
                let longest = |of: &dyn Fn(&Arranging) -> Asked| ways.iter().map(of).fold(plain(0.0), Asked::max);
                let asked = longest(&|way| way.asked);
                for way in &ways {
                    road(next, Does::Arranges(way.what), way.asked.and(way.done));
                    if way.what == Appointment::Cancel {
                        let kept = plain(self.phrase(Phrase::Kept));
                        road(next, Does::Keeps, way.asked.and(kept));
                    }
                }
                let nothing = plain(self.phrase(Phrase::NothingFits));
                let nothing_fits = to(if_nothing_fits.unwrap_or(*if_records_are_down));
                road(nothing_fits, Does::NothingFits, asked.and(nothing));
                let done = longest(&|way| way.asked.and(self.looked_up()));
                let down = done.and(plain(self.phrase(Phrase::RecordsDown)));
                road(to(*if_records_are_down), Does::RecordsAreDown, down);
                road(to(then), Does::StaysSilent, asked);
                if let Some(zero) = press_zero {
                    road(to(zero), Does::PressesZero, asked);
                }
            }
            Act::Escalate {
                ladder,
                or_press,
                if_no_one_accepts,
                ..
            } => {
                let longest = self.ladder_seconds(ladder);
                let option = or_press.as_ref().map_or(0.0, |choice| self.said(&choice.spoken));
                let first = self.first_answer_seconds(ladder);
                let asked = |words: f64, answered: f64| Asked {
                    words,
                    answered: answered + KEPT,
                    at_most: longest + KEPT,
                };
                let does = Does::IsConnected(ladder.clone());
                road(At::End(End::Person), does, asked(first, first));
                if let Some(choice) = or_press {
                    let does = Does::Presses(choice.key, choice.label.text(Language::English).to_owned());
                    road(choice.go_to.map_or(next, to), does, asked(option, option + REACTION));
                }
                let nobody = match if_no_one_accepts {
                    Then::Continue => next,
                    Then::Section(section) => to(*section),
                };
                road(nobody, Does::NobodyAccepts(ladder.clone()), asked(longest, longest));
            }
            Act::Connect {
                to: name,
                ring_for,
                if_no_answer,
                ..
            } => {
                let ring = ring_for.as_secs_f64();
                let answered = Asked {
                    words: PICKED_UP,
                    answered: PICKED_UP,
                    at_most: ring,
                };
                road(At::End(End::Person), Does::IsConnected(name.clone()), answered);
                let nobody = match if_no_answer {
                    Then::Continue => next,
                    Then::Section(section) => to(*section),
                };
                let unanswered = Asked {
                    at_most: ring + CONNECT_GRACE,
                    ..plain(ring)
                };
                road(nobody, Does::NobodyAnswers(name.clone()), unanswered);
            }
            Act::Transfer { to: name, .. } => {
                road(At::End(End::Person), Does::IsConnected(name.clone()), plain(0.0));
            }
            Act::GoTo(section) => road(to(*section), Does::Listens, plain(0.0)),
            Act::HangUp => road(At::End(End::HungUp), Does::Listens, plain(0.0)),
        }
    }

    /// Words before the caller chose a language are said in the flow's first one.
    fn language_at(&self, section: SectionId, index: usize) -> Language {
        let steps = self
            .flow
            .sections
            .get(section.0)
            .map_or(&[][..], |section| &section.steps);
        let chosen_later = steps
            .get(index..)
            .unwrap_or_default()
            .iter()
            .any(|step| step.act == Act::ChooseLanguage);
        match self.flow.languages.first() {
            Some(first) if chosen_later && section == self.flow.start => *first,
            _ => self.language,
        }
    }

    /// Every field of a message: two silences in a row end the asking, so only the first of each counts.
    fn fields(&self, fields: &[Field]) -> Asked {
        fields
            .iter()
            .map(|field| self.field(*field))
            .fold(plain(0.0), Asked::and)
    }

    fn field(&self, field: Field) -> Asked {
        let prompt = match field {
            // Which of the two is said hangs on whether the call shows its number.
            Field::CallbackNumber => self
                .phrase(Phrase::CallbackNumberThis)
                .max(self.phrase(Phrase::CallbackNumberAny)),
            field => self.phrase(Phrase::asks(field)),
        };
        let (still_there, nothing) = (self.phrase(Phrase::StillThere), self.phrase(Phrase::NothingHeard));
        let wait = self.wait();
        let (digits, read_back) = match field.wanted() {
            Wanted::YesOrNo => {
                let words = prompt + self.phrase(Phrase::YesOrNo);
                return self.asked([words; 3], 1);
            }
            Wanted::Clip { seconds_max } => {
                return Asked {
                    words: prompt,
                    answered: prompt
                        + TONE
                        + SPEAKS.min(f64::from(seconds_max))
                        + if u32::from(seconds_max) > STORY {
                            PAUSE
                        } else {
                            SHORT_PAUSE
                        },
                    at_most: (prompt + TONE + CLIP_NOTHING + nothing) * (SILENCES - 1.0)
                        + prompt
                        + TONE
                        + f64::from(seconds_max),
                };
            }
            // Eleven digits begin with a 1, which waits less for the next; ten do not.
            Wanted::Number => (10.0 * wait + LONE_ONE.max(wait), self.fills().number),
            Wanted::Date => (8.0 * wait, self.fills().date),
            Wanted::Code => (10.0 * wait, self.fills().number),
            // An age is not read back.
            _ => (3.0 * wait, 0.0),
        };
        let typed = match field.wanted() {
            Wanted::Number => 11.0,
            Wanted::Date => 8.0,
            Wanted::Code => 10.0,
            _ => 3.0,
        };
        let tries = f64::from(self.flow.every_question.ask_again) + 1.0;
        let silence = prompt + wait + still_there;
        if read_back == 0.0 {
            let wrong = self.phrase(Phrase::NotUnderstood);
            return Asked {
                words: prompt,
                answered: prompt + REACTION + typed * DIGIT_EVERY,
                at_most: tries * (prompt + digits) + (tries - 1.0) * wrong + silence,
            };
        }
        let confirm = self.phrase(Phrase::YouEntered) + read_back + self.phrase(Phrase::IsThatRight);
        let confirmed = self.asked([confirm; 3], 1);
        Asked {
            words: prompt + confirm,
            answered: prompt + REACTION + typed * DIGIT_EVERY + confirmed.answered,
            at_most: tries * (prompt + digits + confirmed.at_most) + silence,
        }
    }

    /// "One moment", and the longest wait for an answer.
    fn looked_up(&self) -> Asked {
        let words = self.phrase(Phrase::OneMoment);
        let seconds = words.max(RECORDS);
        Asked {
            words,
            answered: seconds,
            at_most: seconds,
        }
    }

    /// The longest way through `offer appointments` to one thing: the first time is taken by somebody else.
    fn arranging(&self, what: Appointment, wanted: &[Appointment], visit_types: &[VisitType], again: u8) -> Arranging {
        let looked_up = self.looked_up();
        let phrase = |phrase: Phrase| self.phrase(phrase);
        // Keys are as long as one another, nearly; the longest is taken.
        let keyed = |phrase: Phrase| {
            let seconds = |key| self.length.seconds(&phrase.with_key(self.language, key));
            ('1'..='4').map(seconds).max_by(f64::total_cmp).unwrap_or_default()
        };
        let visit = self.visit();
        let choices = OFFERED * (visit + keyed(Phrase::ForThis)) + keyed(Phrase::ForNone);
        let choose = |opening: f64| self.asked([opening + choices, opening + choices, choices], again);
        let mut asked = plain(0.0);
        if wanted.len() > 1 {
            let words = wanted.iter().map(|what| {
                keyed(match what {
                    Appointment::Book => Phrase::ToBook,
                    Appointment::Move => Phrase::ToMove,
                    Appointment::Cancel => Phrase::ToCancel,
                })
            });
            asked = asked.and(self.asked([words.sum(); 3], again));
        }
        if what == Appointment::Book {
            if visit_types.len() > 1 {
                let lines = visit_types.iter().filter_map(|kind| kind.spoken.as_ref());
                let options: f64 = lines.map(|line| self.said(line)).sum();
                let whole = phrase(Phrase::WhichVisit) + options;
                asked = asked.and(self.asked([whole, whole, options], again));
            }
        } else {
            asked = asked.and(looked_up).and(choose(phrase(Phrase::TheirAppointments)));
        }
        let done = match what {
            Appointment::Cancel => {
                let words = phrase(Phrase::YourAppointment) + visit + phrase(Phrase::SureToCancel);
                asked = asked.and(self.asked([words; 3], again));
                looked_up.and(plain(phrase(Phrase::Cancelled)))
            }
            Appointment::Book | Appointment::Move => {
                let moves = what == Appointment::Move;
                let old = if moves {
                    phrase(Phrase::YourAppointment) + visit
                } else {
                    0.0
                };
                let times = phrase(Phrase::TheseTimes) + old;
                asked = asked.and(looked_up).and(choose(times)).and(looked_up).and(looked_up);
                asked = asked.and(choose(times + phrase(Phrase::JustTaken)));
                if moves {
                    looked_up.and(plain(RECORDS + phrase(Phrase::Moved) + visit))
                } else {
                    looked_up.and(plain(phrase(Phrase::Booked) + visit))
                }
            }
        };
        Arranging { what, asked, done }
    }

    /// An appointment as it is said, with the longest names.
    fn visit(&self) -> f64 {
        let longest = |parts: &mut dyn Iterator<Item = Part>| {
            let seconds = parts.map(|part| self.length.seconds(&part));
            seconds.max_by(f64::total_cmp).unwrap_or_default()
        };
        let people = self.practice.people.keys();
        let with = longest(&mut people.map(|name| words::with_person(name, self.language)));
        let place = longest(&mut self.practice.places().map(|name| words::at_place(name, self.language)));
        self.fills().appointment + with + place
    }

    /// From the first ring until the last phone has been given up: each rings out, or is answered by somebody, or some
    /// machine, that presses nothing.
    fn ladder_seconds(&self, ladder: &str) -> f64 {
        self.practice.ladders.get(ladder).map_or(0.0, |ladder| {
            ladder
                .rungs
                .iter()
                .map(|rung| {
                    let once = rung.ring_for.as_secs_f64() + WAITED_FOR_THE_KEY;
                    rung.apart.as_secs_f64().max(once) * f64::from(rung.tries.saturating_sub(1)) + once
                })
                .sum()
        })
    }

    /// The first phone rings and is picked up, its owner hears why and presses the key.
    fn first_answer_seconds(&self, ladder: &str) -> f64 {
        self.practice.ladders.get(ladder).map_or(0.0, |ladder| {
            // Whoever is rung hears English.
            PICKED_UP + self.text(ladder.they_hear.text(Language::English), Language::English) + ACCEPTS_AFTER
        })
    }
}

/// One thing `offer appointments` arranges.
struct Arranging {
    what: Appointment,
    /// Up to the answer to the last question.
    asked: Asked,
    /// From there until it is done and said.
    done: Asked,
}

impl Road {
    fn new(to: At, does: Does, asked: Asked) -> Self {
        Self {
            to,
            does,
            words: asked.words,
            answered: asked.answered,
            at_most: asked.at_most,
            spared: [0.0; 2],
        }
    }
}

impl Asked {
    /// The longer of both, one by one.
    fn max(self, other: Self) -> Self {
        Self {
            words: self.words.max(other.words),
            answered: self.answered.max(other.answered),
            at_most: self.at_most.max(other.at_most),
        }
    }

    /// This, then that.
    fn and(self, next: Self) -> Self {
        Self {
            words: self.words + next.words,
            answered: self.answered + next.answered,
            at_most: self.at_most + next.at_most,
        }
    }
}

/// Nobody can make it longer or shorter.
const fn plain(seconds: f64) -> Asked {
    Asked {
        words: seconds,
        answered: seconds,
        at_most: seconds,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_estimate_knows_its_longest_fill_ins() {
        for language in Language::ALL {
            let counted = longest_fill_ins(&Estimate, language);
            let known = Estimate.fill_ins(language).expect("it knows them");
            for (counted, known) in [
                (counted.number, known.number),
                (counted.date, known.date),
                (counted.deadline, known.deadline),
                (counted.time, known.time),
                (counted.appointment, known.appointment),
            ] {
                assert!(
                    (counted - known).abs() < 0.001,
                    "{language}: {counted} s, not {known} s"
                );
            }
        }
    }
}
