//! `offer appointments`: book, move, cancel, in what the records have open (integrations §3.3).
//!
//! A move books the new time first and cancels the old one after, never the other way round; when the old one cannot be
//! cancelled, staff is told, not the caller. Once something was asked to be booked or cancelled it is seen through, whether
//! or not the caller stays: a [`Deed`] outlives them.

use jiff::{SignedDuration, Timestamp};
use phi::Phi;

use super::ask::{Ask, Asked, Question};
use super::records::{Exit, OFFERED_MAX, RecordsAnswer, RecordsAsk, Visit, Waited, Waiting};
use super::scene::Scene;
use super::{Asks, Doing, Heard, Outcome, Turn, say};
use crate::library::Phrase;
use crate::model::{Appointment, SectionId, VisitType};
use crate::words::Words;

/// What staff is told.
const NOT_CANCELLED: &str = "moved: the old appointment is not cancelled";
const BOOKING_UNSURE: &str = "a booking may have been made";
const CANCELLING_UNSURE: &str = "a cancellation may have been made";

/// What a flow offers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offer<'a> {
    pub(super) wanted: &'a [Appointment],
    pub(super) visit_types: &'a [VisitType],
    pub(super) within_days: u32,
    pub(super) if_nothing_fits: Option<SectionId>,
    pub(super) if_records_are_down: SectionId,
}

#[derive(Debug)]
pub(super) struct Offering {
    plan: Plan,
    phase: Phase,
}

#[derive(Debug)]
struct Plan {
    patient: Phi<String>,
    wanted: Vec<Appointment>,
    visit_types: Vec<VisitType>,
    within_days: u32,
    nothing_fits: SectionId,
    down: SectionId,
    what: Appointment,
    visit_type: String,
    /// What is moved.
    old: Option<Visit>,
    /// Times that somebody else took while they were offered here; after the first, times are offered once more.
    taken: Vec<Phi<String>>,
}

#[derive(Debug)]
enum Phase {
    Asking(Ask, About),
    /// Their appointments are looked up.
    Listing(Waiting),
    /// Open times are looked up.
    Opening(Waiting),
    /// It is being done.
    Doing(Deed),
}

/// What is asked.
#[derive(Debug)]
enum About {
    /// Book, move or cancel.
    What,
    /// Which kind of visit.
    Kind,
    /// Which of their appointments.
    Which(Vec<Visit>),
    /// Which of the open times.
    Times(Vec<Visit>),
    /// Cancel this one, really?
    Sure(Visit),
}

pub(super) fn begin(scene: &mut Scene, offer: Offer<'_>) -> Turn {
    let down = offer.if_records_are_down;
    let first = offer.wanted.first().copied();
    // Without a match nobody's appointments can be touched: a person must help.
    let (Some(patient), Some(what), false) = (scene.patient.clone(), first, scene.records_down) else {
        return is_down(scene, down);
    };
    let plan = Plan {
        patient,
        wanted: offer.wanted.to_vec(),
        visit_types: offer.visit_types.to_vec(),
        within_days: offer.within_days,
        nothing_fits: offer.if_nothing_fits.unwrap_or(down),
        down,
        what,
        visit_type: String::new(),
        old: None,
        taken: Vec::new(),
    };
    if plan.wanted.len() < 2 {
        return plan.begun(scene);
    }
    let says = plan
        .wanted
        .iter()
        .zip('1'..)
        .fold(Words::default(), |said, (what, key)| {
            let phrase = match what {
                Appointment::Book => Phrase::ToBook,
                Appointment::Move => Phrase::ToMove,
                Appointment::Cancel => Phrase::ToCancel,
            };
            said.then(Words::part(phrase.with_key(scene.language, key)))
        });
    let question = Question::new(scene, vec![says], keys(plan.wanted.len()));
    plan.ask(scene, question, About::What)
}

impl Plan {
    fn ask(self, scene: &mut Scene, question: Question, about: About) -> Turn {
        let asked = question.ask(scene);
        self.go_on(scene, asked, about)
    }

    fn stay(self, phase: Phase) -> Turn {
        Turn::Stay(Doing::Offering(Offering { plan: self, phase }))
    }

    fn go_on(mut self, scene: &mut Scene, asked: Asked, about: About) -> Turn {
        let key = match asked {
            Asked::Still(ask) => return self.stay(Phase::Asking(ask, about)),
            Asked::Zero => return scene.flow.every_question.press_zero.map_or(Turn::Next, Turn::To),
            Asked::Unanswered { .. } => return Turn::To(scene.unanswered(None)),
            Asked::Key(key) => key,
        };
        match about {
            About::What => {
                if let Some(what) = nth(&self.wanted, key) {
                    self.what = what;
                }
                self.begun(scene)
            }
            About::Kind => match nth(&self.visit_types, key) {
                Some(kind) => self.open(scene, kind.name),
                None => self.nothing_fits(scene),
            },
            // The key after the last: none of these.
            About::Which(visits) => match nth(&visits, key) {
                Some(visit) => self.theirs(scene, visit),
                None => self.nothing_fits(scene),
            },
            About::Times(visits) => match nth(&visits, key) {
                Some(visit) => {
                    let deed = Deed::book(scene, &self, visit);
                    self.stay(Phase::Doing(deed))
                }
                None => self.nothing_fits(scene),
            },
            About::Sure(visit) if key == '1' => {
                let deed = Deed::cancel(scene, &self, visit);
                self.stay(Phase::Doing(deed))
            }
            About::Sure(visit) => {
                scene.appointment = Some(visit);
                scene.exit = Some(Exit::Kept);
                scene.reach(Outcome::AppointmentKept);
                say::phrase_then(scene, Phrase::Kept, None)
            }
        }
    }

    /// The caller has said what they want, or only one thing is to be had.
    fn begun(self, scene: &mut Scene) -> Turn {
        if self.what != Appointment::Book {
            let patient = self.patient.clone();
            let waiting = Waiting::for_answer(scene, RecordsAsk::Theirs { patient });
            return self.stay(Phase::Listing(waiting));
        }
        if let [only] = self.visit_types.as_slice() {
            let name = only.name.clone();
            return self.open(scene, name);
        }
        if self.visit_types.is_empty() {
            return self.nothing_fits(scene);
        }
        let options = self
            .visit_types
            .iter()
            .filter_map(|kind| kind.spoken.as_ref())
            .fold(Words::default(), |said, line| said.then(scene.sentence(line)));
        let whole = scene.phrase(Phrase::WhichVisit).then(options.clone());
        let question = Question::new(scene, vec![whole.clone(), whole, options], keys(self.visit_types.len()));
        self.ask(scene, question, About::Kind)
    }

    /// Their appointments have come.
    fn listed(self, scene: &mut Scene, visits: Vec<Visit>) -> Turn {
        let mut visits = scene.ahead_of_now(visits);
        visits.truncate(OFFERED_MAX);
        if visits.len() < 2 {
            return match visits.pop() {
                Some(only) => self.theirs(scene, only),
                None => self.nothing_fits(scene),
            };
        }
        let opening = scene.phrase(Phrase::TheirAppointments);
        self.choose(scene, opening, visits, About::Which)
    }

    /// This one is to be moved or cancelled.
    fn theirs(mut self, scene: &mut Scene, visit: Visit) -> Turn {
        // §3.3: a kind of visit that is not named in the flow is for a person to touch.
        let may = self.visit_types.is_empty() || self.names(&visit);
        if !may {
            return self.nothing_fits(scene);
        }
        if self.what == Appointment::Move {
            let kind = visit.visit_type.expose().clone();
            self.old = Some(visit);
            return self.open(scene, kind);
        }
        let words = scene
            .phrase(Phrase::YourAppointment)
            .then(scene.visit_words(&visit, scene.language))
            .then(scene.phrase(Phrase::SureToCancel));
        let mut question = Question::new(scene, vec![words], vec!['1', '2']);
        // Which one it is must have been heard.
        question.may_be_ahead = false;
        self.ask(scene, question, About::Sure(visit))
    }

    fn names(&self, visit: &Visit) -> bool {
        self.visit_types
            .iter()
            .any(|kind| kind.name == *visit.visit_type.expose())
    }

    fn open(mut self, scene: &mut Scene, visit_type: String) -> Turn {
        let days = SignedDuration::from_hours(24 * i64::from(self.within_days));
        let ask = RecordsAsk::Open {
            patient: self.patient.clone(),
            visit_type: visit_type.clone(),
            from: scene.now,
            until: scene.now.saturating_add(days).unwrap_or(Timestamp::MAX),
        };
        self.visit_type = visit_type;
        let waiting = Waiting::for_answer(scene, ask);
        self.stay(Phase::Opening(waiting))
    }

    /// Open times have come. What was not asked for is not offered, whatever the records say.
    fn opened(self, scene: &mut Scene, visits: Vec<Visit>) -> Turn {
        let mut visits = scene.ahead_of_now(visits);
        visits.retain(|visit| *visit.visit_type.expose() == self.visit_type && !self.taken.contains(&visit.id));
        visits.truncate(OFFERED_MAX);
        if visits.is_empty() {
            return self.nothing_fits(scene);
        }
        let taken = if self.taken.is_empty() {
            Words::default()
        } else {
            scene.phrase(Phrase::JustTaken)
        };
        // What is moved is said first, so that the caller knows which of theirs is meant.
        let old = self.old.as_ref().map_or_else(Words::default, |old| {
            scene
                .phrase(Phrase::YourAppointment)
                .then(scene.visit_words(old, scene.language))
        });
        let opening = taken.then(old).then(scene.phrase(Phrase::TheseTimes));
        self.choose(scene, opening, visits, About::Times)
    }

    /// A few appointments or times, a key for each, and one for none of them.
    fn choose(
        self,
        scene: &mut Scene,
        opening: Words,
        visits: Vec<Visit>,
        about: impl FnOnce(Vec<Visit>) -> About,
    ) -> Turn {
        let language = scene.language;
        let mut keyed = '1'..;
        let mut options = Words::default();
        for (visit, key) in visits.iter().zip(&mut keyed) {
            options = options
                .then(scene.visit_words(visit, language))
                .then(Words::part(Phrase::ForThis.with_key(language, key)));
        }
        if let Some(key) = keyed.next() {
            options = options.then(Words::part(Phrase::ForNone.with_key(language, key)));
        }
        let whole = opening.then(options.clone());
        let mut question = Question::new(scene, vec![whole.clone(), whole, options], keys(visits.len() + 1));
        // A time that was not heard was not chosen.
        question.may_be_ahead = false;
        self.ask(scene, question, about(visits))
    }

    fn nothing_fits(self, scene: &mut Scene) -> Turn {
        scene.exit = Some(Exit::NothingFits);
        say::phrase_then(scene, Phrase::NothingFits, Some(self.nothing_fits))
    }

    fn done(mut self, scene: &mut Scene, ended: Ended) -> Turn {
        match ended {
            Ended::Booked(visit) => {
                let words = scene
                    .phrase(Phrase::Booked)
                    .then(scene.visit_words(&visit, scene.language));
                arranged(scene, Appointment::Book, Some(visit));
                say::told(scene, words)
            }
            Ended::Moved(visit) => {
                let words = scene
                    .phrase(Phrase::Moved)
                    .then(scene.visit_words(&visit, scene.language));
                arranged(scene, Appointment::Move, Some(visit));
                say::told(scene, words)
            }
            Ended::Cancelled => {
                arranged(scene, Appointment::Cancel, None);
                let words = scene.phrase(Phrase::Cancelled);
                say::told(scene, words)
            }
            Ended::Taken(visit) if self.taken.is_empty() => {
                self.taken.push(visit.id);
                let kind = self.visit_type.clone();
                self.open(scene, kind)
            }
            Ended::Taken(_) => self.nothing_fits(scene),
            Ended::Down => {
                scene.records_down = true;
                is_down(scene, self.down)
            }
        }
    }
}

impl Offering {
    pub(super) fn hear(self, scene: &mut Scene, heard: &Heard) -> Turn {
        let Self { plan, phase } = self;
        if let (Phase::Listing(_) | Phase::Opening(_), Some(person)) = (&phase, scene.asks_for_a_person(heard)) {
            return Turn::To(person);
        }
        let (waited, listing) = match phase {
            Phase::Asking(ask, about) => {
                let asked = ask.hear(scene, heard);
                return plan.go_on(scene, asked, about);
            }
            Phase::Doing(deed) => {
                return match deed.hear(scene, heard) {
                    Deeds::Still(deed) => plan.stay(Phase::Doing(deed)),
                    Deeds::Ended(ended) => plan.done(scene, ended),
                };
            }
            Phase::Listing(waiting) => (waiting.hear(scene, heard), true),
            Phase::Opening(waiting) => (waiting.hear(scene, heard), false),
        };
        match waited {
            Waited::Still(waiting) if listing => plan.stay(Phase::Listing(waiting)),
            Waited::Still(waiting) => plan.stay(Phase::Opening(waiting)),
            Waited::Answered(RecordsAnswer::Visits(visits)) if listing => plan.listed(scene, visits),
            Waited::Answered(RecordsAnswer::Visits(visits)) => plan.opened(scene, visits),
            Waited::Answered(RecordsAnswer::Refused) => plan.nothing_fits(scene),
            Waited::Answered(_) => {
                scene.records_down = true;
                is_down(scene, plan.down)
            }
        }
    }

    pub(super) fn due(&self) -> Timestamp {
        match &self.phase {
            Phase::Asking(ask, _) => ask.due(),
            Phase::Listing(waiting) | Phase::Opening(waiting) => waiting.due(),
            Phase::Doing(deed) => deed.due(),
        }
    }

    pub(super) fn asks(&self) -> Asks {
        match &self.phase {
            Phase::Asking(ask, _) => Asks::Key {
                keys: ask.keys(),
                question: None,
            },
            Phase::Listing(_) | Phase::Opening(_) | Phase::Doing(_) => Asks::Nothing,
        }
    }

    /// What the records were asked to do, and have not answered yet.
    pub(super) fn deed(self) -> Option<Deed> {
        match self.phase {
            Phase::Doing(deed) => Some(deed),
            _ => None,
        }
    }

    /// The call goes elsewhere while the records are asked to do something: staff finds out what became of it.
    pub(super) fn leave(&self, scene: &mut Scene) {
        if let Phase::Doing(deed) = &self.phase {
            deed.leave(scene);
        }
    }
}

/// Something the records were asked to do: book, cancel, or book and then cancel.
#[derive(Debug)]
pub(super) struct Deed {
    patient: Phi<String>,
    down: SectionId,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// `old`: what is cancelled once the new one stands.
    Books {
        waiting: Waiting,
        visit: Visit,
        old: Option<Visit>,
    },
    /// `booked`: what stands in its place.
    Cancels { waiting: Waiting, booked: Option<Visit> },
}

#[derive(Debug)]
pub(super) enum Deeds {
    Still(Deed),
    Ended(Ended),
}

/// What became of it.
#[derive(Debug)]
pub(super) enum Ended {
    Booked(Visit),
    Moved(Visit),
    Cancelled,
    /// Not booked, and nothing else is changed.
    Taken(Visit),
    Down,
}

impl Deed {
    fn book(scene: &mut Scene, plan: &Plan, visit: Visit) -> Self {
        let patient = plan.patient.clone();
        let ask = RecordsAsk::Book {
            patient: patient.clone(),
            visit: visit.clone(),
        };
        Self {
            patient,
            down: plan.down,
            stage: Stage::Books {
                waiting: Waiting::for_answer(scene, ask),
                visit,
                old: plan.old.clone(),
            },
        }
    }

    fn cancel(scene: &mut Scene, plan: &Plan, visit: Visit) -> Self {
        let patient = plan.patient.clone();
        let ask = RecordsAsk::Cancel {
            patient: patient.clone(),
            visit,
        };
        Self {
            patient,
            down: plan.down,
            stage: Stage::Cancels {
                waiting: Waiting::for_answer(scene, ask),
                booked: None,
            },
        }
    }

    /// Nobody listens any more; it is seen through all the same.
    pub(super) fn unheard(self) -> Self {
        let stage = match self.stage {
            Stage::Books { waiting, visit, old } => Stage::Books {
                waiting: waiting.unheard(),
                visit,
                old,
            },
            Stage::Cancels { waiting, booked } => Stage::Cancels {
                waiting: waiting.unheard(),
                booked,
            },
        };
        Self { stage, ..self }
    }

    pub(super) fn due(&self) -> Timestamp {
        match &self.stage {
            Stage::Books { waiting, .. } | Stage::Cancels { waiting, .. } => waiting.due(),
        }
    }

    pub(super) fn hear(self, scene: &mut Scene, heard: &Heard) -> Deeds {
        let Self { patient, down, stage } = self;
        match stage {
            Stage::Books { waiting, visit, old } => match (waiting.hear(scene, heard), old) {
                (Waited::Still(waiting), old) => Deeds::Still(Self {
                    patient,
                    down,
                    stage: Stage::Books { waiting, visit, old },
                }),
                (Waited::Answered(RecordsAnswer::Booked(booked)), None) => Deeds::Ended(Ended::Booked(booked)),
                (Waited::Answered(RecordsAnswer::Booked(booked)), Some(old)) => {
                    let ask = RecordsAsk::Cancel {
                        patient: patient.clone(),
                        visit: old,
                    };
                    Deeds::Still(Self {
                        patient,
                        down,
                        stage: Stage::Cancels {
                            waiting: Waiting::in_silence(scene, ask),
                            booked: Some(booked),
                        },
                    })
                }
                (Waited::Answered(RecordsAnswer::Down), _) => Deeds::Ended(Ended::Down),
                (Waited::Answered(RecordsAnswer::Refused), _) => Deeds::Ended(Ended::Taken(visit)),
                (Waited::Answered(_), _) => {
                    scene.tell_staff(down, BOOKING_UNSURE);
                    Deeds::Ended(Ended::Down)
                }
            },
            Stage::Cancels { waiting, booked } => match (waiting.hear(scene, heard), booked) {
                (Waited::Still(waiting), booked) => Deeds::Still(Self {
                    patient,
                    down,
                    stage: Stage::Cancels { waiting, booked },
                }),
                (Waited::Answered(RecordsAnswer::Cancelled), Some(booked)) => Deeds::Ended(Ended::Moved(booked)),
                (Waited::Answered(RecordsAnswer::Cancelled), None) => Deeds::Ended(Ended::Cancelled),
                (Waited::Answered(_), Some(booked)) => {
                    scene.tell_staff(down, NOT_CANCELLED);
                    Deeds::Ended(Ended::Moved(booked))
                }
                (Waited::Answered(RecordsAnswer::Unsure), None) => {
                    scene.tell_staff(down, CANCELLING_UNSURE);
                    Deeds::Ended(Ended::Down)
                }
                (Waited::Answered(_), None) => Deeds::Ended(Ended::Down),
            },
        }
    }

    /// What became of it when nobody listens any more.
    pub(super) fn settled(ended: Ended, scene: &mut Scene) {
        match ended {
            Ended::Booked(visit) => arranged(scene, Appointment::Book, Some(visit)),
            Ended::Moved(visit) => arranged(scene, Appointment::Move, Some(visit)),
            Ended::Cancelled => arranged(scene, Appointment::Cancel, None),
            Ended::Taken(_) | Ended::Down => {}
        }
    }

    fn leave(&self, scene: &mut Scene) {
        let mark = match &self.stage {
            Stage::Books { .. } => BOOKING_UNSURE,
            Stage::Cancels { booked: Some(_), .. } => NOT_CANCELLED,
            Stage::Cancels { booked: None, .. } => CANCELLING_UNSURE,
        };
        scene.tell_staff(self.down, mark);
    }
}

fn arranged(scene: &mut Scene, what: Appointment, visit: Option<Visit>) {
    scene.appointment = visit;
    scene.exit = Some(Exit::Arranged(what));
    scene.reach(match what {
        Appointment::Book => Outcome::AppointmentBooked,
        Appointment::Move => Outcome::AppointmentMoved,
        Appointment::Cancel => Outcome::AppointmentCancelled,
    });
}

fn is_down(scene: &mut Scene, down: SectionId) -> Turn {
    scene.exit = Some(Exit::Down);
    say::phrase_then(scene, Phrase::RecordsDown, Some(down))
}

impl Scene {
    /// What is still to come, soonest first.
    pub(super) fn ahead_of_now(&self, mut visits: Vec<Visit>) -> Vec<Visit> {
        visits.retain(|visit| *visit.at.expose() > self.now);
        visits.sort_by_key(|visit| *visit.at.expose());
        visits
    }
}

/// `1`, `2`, … for so many choices.
fn keys(choices: usize) -> Vec<char> {
    ('1'..='9').take(choices).collect()
}

/// The choice behind a key; `None` behind the one after the last.
fn nth<T: Clone>(choices: &[T], key: char) -> Option<T> {
    let at = usize::try_from(key.to_digit(10)?).ok()?.checked_sub(1)?;
    choices.get(at).cloned()
}
