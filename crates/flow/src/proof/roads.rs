//! A flow as points and roads.

use std::collections::BTreeMap;

use crate::library::Phrase;
use crate::model::{
    Act, EveryQuestion, Field, Flow, Level, Practice, Recording, SectionId, Sentence, Step, Then, Wanted,
};
use crate::words::{Language, Part, Piece, split};

/// How long words take: from the audio itself where there is some, else [`Estimate`].
pub trait Length {
    /// Seconds one clip lasts.
    fn seconds(&self, part: &Part) -> f64;
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
}

/// What a fill-in takes at most: "by 10:15 am on Wednesday, September 23".
const FILL_SECONDS: f64 = 4.0;
/// A date or a number read back.
const READ_BACK_SECONDS: f64 = 3.0;

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
    /// The records know the caller, or a time fits.
    RecordsHelp,
    /// The records are down, or know nobody.
    RecordsDoNotHelp,
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
            Self::RecordsDoNotHelp => "is not found, or the records are down".to_owned(),
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
    /// Seconds at most: every repeat, every wait, every ring; a caller who asks to hear things again apart.
    pub at_most: f64,
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
        };
        let mut points = BTreeMap::new();
        for (section, steps) in flow.sections.iter().enumerate() {
            let section = SectionId(section);
            for (index, step) in steps.steps.iter().enumerate() {
                builder.step(section, index, step, &mut points);
            }
        }
        Self { flow, points }
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
const SAID_AGAIN_MAX: f64 = 3.0;
/// Silences in a row after which details are no longer asked for.
const SILENCES: f64 = 2.0;
/// What a tone and the answer of the book take.
const TONE: f64 = 0.3;

struct Builder<'b> {
    practice: &'b Practice,
    flow: &'b Flow,
    language: Language,
    length: &'b dyn Length,
}

/// Seconds of a question: once for the attentive, and with every repeat and wait.
#[derive(Clone, Copy)]
struct Asked {
    words: f64,
    at_most: f64,
}

impl Builder<'_> {
    fn text(&self, text: &str, language: Language) -> f64 {
        split(text, language)
            .iter()
            .map(|piece| match piece {
                Piece::Said(part) => self.length.seconds(part),
                Piece::Fill(_) => FILL_SECONDS,
            })
            .sum()
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
        let mut at_most = 0.0;
        for nth in 0..=usize::from(again) {
            at_most += says.get(nth.min(2)).copied().unwrap_or_default() + self.wait();
            if nth > 0 {
                at_most += sorry;
            }
        }
        Asked {
            words: says.first().copied().unwrap_or_default(),
            at_most,
        }
    }

    fn step(&self, section: SectionId, index: usize, step: &Step, points: &mut BTreeMap<At, Point>) {
        let here = At::Step(section, index);
        let next = At::Step(section, index + 1);
        let mut roads = Vec::new();
        self.roads(section, index, step, next, &mut roads, points);
        if step.only_if.is_some() {
            roads.push(Road {
                to: next,
                does: Does::PassesBy,
                words: 0.0,
                at_most: 0.0,
            });
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
        let mut road = |to: At, does: Does, words: f64, at_most: f64| {
            roads.push(Road {
                to,
                does,
                words,
                at_most,
            });
        };
        match &step.act {
            Act::Answer | Act::Remember { .. } | Act::Notify { .. } => road(next, Does::Listens, 0.0, 0.0),
            Act::Say { words, .. } | Act::Play { words, .. } => {
                let seconds = self.said(words);
                road(next, Does::Listens, seconds, seconds);
            }
            Act::EmergencyNotice(notice) => {
                let phrase = Phrase::notice(*notice);
                let languages = self.flow.languages.iter();
                let seconds = languages
                    .map(|language| self.length.seconds(&phrase.part(*language)))
                    .sum();
                road(next, Does::Listens, seconds, seconds);
            }
            Act::ChooseLanguage if self.flow.languages.len() > 1 => {
                let words = self.flow.languages.iter().zip('1'..='9');
                let words = words
                    .map(|(language, key)| self.length.seconds(&Phrase::ChooseLanguage.with_key(*language, key)))
                    .sum();
                let asked = self.asked([words; 3], ask_again.min(1));
                road(next, Does::Presses('1', "a language".to_owned()), words, asked.at_most);
                road(next, Does::StaysSilent, words, asked.at_most);
            }
            Act::AskPermissionToRecord if self.flow.recording == Recording::AskFirst => {
                let words = self.phrase(Phrase::AskPermission);
                let after = self.phrase(Phrase::WillRecord).max(self.phrase(Phrase::WillNotRecord));
                let asked = self.asked([words; 3], 0);
                let about = "the recording".to_owned();
                road(
                    next,
                    Does::Answers("yes or no", about),
                    words + after,
                    asked.at_most + after,
                );
                road(next, Does::StaysSilent, words + after, asked.at_most + after);
            }
            Act::ChooseLanguage | Act::AskPermissionToRecord => road(next, Does::Listens, 0.0, 0.0),
            Act::Menu(menu) => {
                let question = self.said(&menu.question);
                let options: f64 = menu.choices.iter().map(|choice| self.said(&choice.spoken)).sum();
                let asked = self.asked([question + options, question + options, options], ask_again);
                for choice in &menu.choices {
                    let does = Does::Presses(choice.key, choice.label.text(Language::English).to_owned());
                    road(choice.go_to.map_or(next, to), does, asked.words, asked.at_most);
                }
                let silent = menu.if_no_answer.unwrap_or(then);
                road(to(silent), Does::StaysSilent, asked.words, asked.at_most);
                if let Some(zero) = press_zero {
                    road(to(zero), Does::PressesZero, asked.words, asked.at_most);
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
                road(to(*if_yes), Does::Answers("yes", about()), asked.words, asked.at_most);
                road(to(*if_no), Does::Answers("no", about()), asked.words, asked.at_most);
                let silent = if_no_answer.unwrap_or(then);
                road(to(silent), Does::StaysSilent, asked.words, asked.at_most);
                if let Some(zero) = press_zero {
                    road(to(zero), Does::PressesZero, asked.words, asked.at_most);
                }
            }
            Act::Ask { field, if_no_answer } => {
                let asked = self.field(*field);
                road(next, Does::Tells, asked.words, asked.at_most);
                road(
                    to(if_no_answer.unwrap_or(then)),
                    Does::StaysSilent,
                    asked.words,
                    asked.at_most,
                );
                if let Some(zero) = press_zero {
                    road(to(zero), Does::PressesZero, asked.words, asked.at_most);
                }
            }
            Act::Collect(name) | Act::TakeMessage(name) | Act::TakeRefill(name) => {
                let mut asked = self.fields(self.flow.messages.get(name).map_or(&[][..], |kind| &kind.ask));
                if matches!(step.act, Act::TakeRefill(_)) {
                    let words = self.phrase(Phrase::Controlled) + self.phrase(Phrase::YesOrNo);
                    let controlled = self.asked([words; 3], ask_again);
                    asked.words += controlled.words;
                    asked.at_most += controlled.at_most;
                }
                road(next, Does::Tells, asked.words, asked.at_most);
                if let Some(zero) = press_zero {
                    road(to(zero), Does::PressesZero, asked.words, asked.at_most);
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
                road(point(0), Does::Listens, 0.0, 0.0);
                for (nth, question) in protocol.questions.iter().enumerate() {
                    let words = self.said(&question.words);
                    let keys = self.phrase(Phrase::YesOrNo);
                    let asked = self.asked([words, words + keys, words], ask_again);
                    let about = || question.words.text(Language::English).to_owned();
                    let mut roads = Vec::new();
                    let mut road = |to: At, does: Does| {
                        roads.push(Road {
                            to,
                            does,
                            words: asked.words,
                            at_most: asked.at_most,
                        });
                    };
                    road(graded(question.level), Does::Answers("yes", about()));
                    road(point(nth + 1), Does::Answers("no", about()));
                    road(graded(protocol.if_unclear), Does::StaysSilent);
                    if let Some(zero) = press_zero {
                        road(to(zero), Does::PressesZero);
                    }
                    if question.only_if.is_some() {
                        roads.push(Road {
                            to: point(nth + 1),
                            does: Does::PassesBy,
                            words: 0.0,
                            at_most: 0.0,
                        });
                    }
                    points.insert(At::Question(section, index, nth), Point { roads });
                }
            }
            Act::TellToCall911 => {
                let twice = 2.0 * self.phrase(Phrase::Call911Now);
                let at_most = (twice + LINGER) * (1.0 + SAID_AGAIN_MAX);
                road(next, Does::Listens, twice + LINGER, at_most);
                if let Some(zero) = press_zero {
                    road(to(zero), Does::PressesZero, twice, at_most);
                }
            }
            Act::RecordMessage { longest } => {
                let words = self.phrase(Phrase::LeaveAMessage);
                road(
                    next,
                    Does::Tells,
                    words,
                    words + TONE + longest.as_secs_f64() + CONNECT_GRACE,
                );
            }
            Act::FindPatient { if_not_found, .. } => {
                let words = self.phrase(Phrase::RecordsDown);
                road(to(*if_not_found), Does::RecordsDoNotHelp, words, words);
                let asked = self.field(Field::PatientDateOfBirth);
                road(next, Does::RecordsHelp, asked.words, asked.at_most);
            }
            Act::OfferAppointments {
                if_nothing_fits,
                if_records_are_down,
                ..
            } => {
                let words = self.phrase(Phrase::RecordsDown);
                road(to(*if_records_are_down), Does::RecordsDoNotHelp, words, words);
                road(next, Does::RecordsHelp, words, words);
                if let Some(section) = if_nothing_fits {
                    road(to(*section), Does::RecordsDoNotHelp, words, words);
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
                road(
                    At::End(End::Person),
                    Does::IsConnected(ladder.clone()),
                    self.first_answer_seconds(ladder),
                    longest,
                );
                if let Some(choice) = or_press {
                    let does = Does::Presses(choice.key, choice.label.text(Language::English).to_owned());
                    road(choice.go_to.map_or(next, to), does, option, longest);
                }
                let nobody = match if_no_one_accepts {
                    Then::Continue => next,
                    Then::Section(section) => to(*section),
                };
                road(nobody, Does::NobodyAccepts(ladder.clone()), longest, longest);
            }
            Act::Connect {
                to: name,
                ring_for,
                if_no_answer,
                ..
            } => {
                let ring = ring_for.as_secs_f64();
                road(At::End(End::Person), Does::IsConnected(name.clone()), PICKED_UP, ring);
                let nobody = match if_no_answer {
                    Then::Continue => next,
                    Then::Section(section) => to(*section),
                };
                road(nobody, Does::NobodyAnswers(name.clone()), ring, ring + CONNECT_GRACE);
            }
            Act::Transfer { to: name, .. } => {
                road(At::End(End::Person), Does::IsConnected(name.clone()), 0.0, 0.0);
            }
            Act::GoTo(section) => road(to(*section), Does::Listens, 0.0, 0.0),
            Act::HangUp => road(At::End(End::HungUp), Does::Listens, 0.0, 0.0),
        }
    }

    /// Every field of a message: two silences in a row end the asking, so only the first of each counts.
    fn fields(&self, fields: &[Field]) -> Asked {
        fields.iter().map(|field| self.field(*field)).fold(
            Asked {
                words: 0.0,
                at_most: 0.0,
            },
            |sum, asked| Asked {
                words: sum.words + asked.words,
                at_most: sum.at_most + asked.at_most,
            },
        )
    }

    fn field(&self, field: Field) -> Asked {
        let again = f64::from(self.flow.every_question.ask_again);
        let prompt = self.phrase(Phrase::asks(field));
        let sorry = self.phrase(Phrase::StillThere).max(self.phrase(Phrase::NothingHeard));
        match field.wanted() {
            Wanted::YesOrNo => {
                let words = prompt + self.phrase(Phrase::YesOrNo);
                self.asked([words; 3], 1)
            }
            Wanted::Clip { seconds_max } => Asked {
                words: prompt,
                at_most: (prompt + sorry + TONE + CLIP_NOTHING) * (SILENCES - 1.0)
                    + prompt
                    + TONE
                    + f64::from(seconds_max),
            },
            wanted => {
                let digits = match wanted {
                    Wanted::Number => 11.0,
                    Wanted::Date => 8.0,
                    _ => 3.0,
                };
                let wrong = self.phrase(Phrase::NotANumber).max(self.phrase(Phrase::NotABirthDate));
                let confirm = self.phrase(Phrase::YouEntered) + READ_BACK_SECONDS + self.phrase(Phrase::IsThatRight);
                let confirmed = self.asked([confirm; 3], self.flow.every_question.ask_again);
                let once = wrong.max(sorry) + prompt + digits * self.wait();
                Asked {
                    words: prompt + confirm,
                    at_most: (again + 1.0) * (once + confirmed.at_most)
                        + (SILENCES - 1.0) * (prompt + sorry + self.wait()),
                }
            }
        }
    }

    /// From the first ring until the last phone has been given up.
    fn ladder_seconds(&self, ladder: &str) -> f64 {
        self.practice.ladders.get(ladder).map_or(0.0, |ladder| {
            let whisper = self.said(&ladder.they_hear) + PICKED_UP + KEY;
            ladder
                .rungs
                .iter()
                .map(|rung| {
                    let once = rung.ring_for.as_secs_f64() + whisper;
                    rung.apart.as_secs_f64().max(once) * f64::from(rung.tries.saturating_sub(1)) + once
                })
                .sum()
        })
    }

    /// The first phone rings and is picked up, its owner hears why and presses the key.
    fn first_answer_seconds(&self, ladder: &str) -> f64 {
        self.practice
            .ladders
            .get(ladder)
            .map_or(0.0, |ladder| PICKED_UP + self.said(&ladder.they_hear) + KEY)
    }
}

/// A person takes so long to pick up, and to press a key.
const PICKED_UP: f64 = 6.0;
const KEY: f64 = 1.0;
