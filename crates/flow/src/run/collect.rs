//! `collect`, `take message`, `take refill`, `ask`: the details, one by one, kept before anybody depends on them.
//!
//! What the caller told once in a call is not asked again. Two silences in a row and the asking stops; the number that
//! called stands in for the one not given (§4, §5).

use std::collections::VecDeque;

use jiff::Timestamp;

use super::ask::{Ask, Asked, Question};
use super::field::{FieldAsk, Fielded, KEEP_PATIENCE, SILENCES_MAX};
use super::message::Draft;
use super::scene::{Ladder, Scene};
use super::{Asks, Broken, CONTROLLED, Chosen, ClipId, Do, Doing, Heard, MessageId, Outcome, Turn, Value, Why};
use crate::library::Phrase;
use crate::model::{Field, SectionId, Target, Wanted};

/// What `take refill` writes on a message unless the caller said no (§4: the only choice the language offers).
pub(super) const DOCTOR_MUST_REVIEW: &str = "doctor must review";

/// Why the details are gathered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// For an escalation that follows.
    Collect,
    /// For the message itself.
    Take,
    /// For a refill.
    Refill,
}

#[derive(Debug)]
pub(super) struct Collecting {
    about: About,
    queue: VecDeque<Field>,
    /// In a row.
    silences: u8,
    phase: Phase,
}

#[derive(Clone, Copy, Debug)]
enum About {
    Message(Purpose),
    /// `ask:`, one field and no message.
    Field {
        if_no_answer: Option<SectionId>,
    },
}

#[derive(Debug)]
enum Phase {
    Field(Field, FieldAsk),
    Controlled(Ask),
    Keeping { id: MessageId, until: Timestamp },
}

pub(super) fn message(scene: &mut Scene, name: &str, purpose: Purpose) -> Turn {
    let Some(kind) = scene.flow.messages.get(name).cloned() else {
        return Turn::Net(Why::DeadEnd);
    };
    // 0 may lead back here: the same message goes on where it was left.
    let left = scene.draft.take_if(|draft| !draft.kept && draft.kind == kind.name);
    scene.save_draft();
    let mut draft = left.unwrap_or_else(|| Draft::new(scene, &kind));
    if purpose == Purpose::Refill {
        // Only a clear no takes it away: a call that is cut off before the question leaves it standing.
        draft.mark(DOCTOR_MUST_REVIEW);
    }
    let mut queue = VecDeque::new();
    for field in kind.ask.iter().copied() {
        let clip = matches!(field.wanted(), Wanted::Clip { .. });
        // What a reason, a medicine or a message says belongs to one message; the rest to the call.
        let for_the_call = !matches!(field, Field::Reason | Field::Medicine | Field::VoiceMessage);
        match scene.told.get(&field) {
            Some(value) if for_the_call => draft.put(field, value.clone()),
            _ if clip && (!kind.keep_audio || scene.recordings_down) => {}
            _ => queue.push_back(field),
        }
    }
    if scene.quiet {
        // §5, quiet-caller rule: somebody who could not answer a red-flag question is not asked for details; a number
        // is asked for only when none is known at all.
        let number_known = scene.caller.number.is_some();
        queue.retain(|field| *field == Field::CallbackNumber && !number_known);
    }
    scene.draft = Some(draft);
    next(scene, About::Message(purpose), queue, 0)
}

pub(super) fn ask(scene: &mut Scene, field: Field, if_no_answer: Option<SectionId>) -> Turn {
    next(scene, About::Field { if_no_answer }, VecDeque::from([field]), 0)
}

fn next(scene: &mut Scene, about: About, mut queue: VecDeque<Field>, silences: u8) -> Turn {
    let Some(field) = queue.pop_front() else {
        return asked_all(scene, about, silences);
    };
    let fielded = FieldAsk::begin(scene, field, SILENCES_MAX.saturating_sub(silences).max(1));
    go_on(scene, about, queue, silences, field, fielded)
}

fn go_on(
    scene: &mut Scene,
    about: About,
    mut queue: VecDeque<Field>,
    silences: u8,
    field: Field,
    fielded: Fielded,
) -> Turn {
    match fielded {
        Fielded::Still(ask) => Turn::Stay(Doing::Collecting(Collecting {
            about,
            queue,
            silences,
            phase: Phase::Field(field, ask),
        })),
        Fielded::Answered { value, mark } => {
            scene.tell(field, value, mark);
            next(scene, about, queue, 0)
        }
        Fielded::Missing { silences: more, mark } => {
            scene.chose(field.name().to_owned(), Chosen::nothing(more > 0));
            if let About::Field { if_no_answer } = about {
                return Turn::To(scene.unanswered(if_no_answer));
            }
            if let (Some(mark), Some(draft)) = (mark, &mut scene.draft) {
                draft.mark(mark);
            }
            let silences = silences.saturating_add(more);
            if silences >= SILENCES_MAX {
                queue.clear();
            }
            next(scene, about, queue, silences)
        }
        Fielded::Zero => {
            scene.chose(field.name().to_owned(), Chosen::Zero);
            scene.flow.every_question.press_zero.map_or(Turn::Next, Turn::To)
        }
    }
}

fn asked_all(scene: &mut Scene, about: About, silences: u8) -> Turn {
    let About::Message(purpose) = about else {
        return Turn::Next;
    };
    if purpose == Purpose::Refill && silences < SILENCES_MAX && !scene.quiet {
        let words = scene.phrase(Phrase::Controlled).then(scene.phrase(Phrase::YesOrNo));
        let mut question = Question::new(scene, vec![words], vec!['1', '2']);
        question.may_be_ahead = false;
        if let Asked::Still(ask) = question.ask(scene) {
            let phase = Phase::Controlled(ask);
            return Turn::Stay(Doing::Collecting(Collecting {
                about,
                queue: VecDeque::new(),
                silences,
                phase,
            }));
        }
    }
    keep(scene, about)
}

fn keep(scene: &mut Scene, about: About) -> Turn {
    if let Some(draft) = &mut scene.draft {
        draft.asked_all = true;
    }
    let Some(id) = scene.keep_draft() else {
        return Turn::Next;
    };
    let phase = Phase::Keeping {
        id,
        until: scene.after(KEEP_PATIENCE),
    };
    Turn::Stay(Doing::Collecting(Collecting {
        about,
        queue: VecDeque::new(),
        silences: 0,
        phase,
    }))
}

impl Collecting {
    pub(super) fn hear(self, scene: &mut Scene, heard: Heard) -> Turn {
        let Self {
            about,
            queue,
            silences,
            phase,
        } = self;
        match phase {
            Phase::Field(field, ask) => {
                let fielded = ask.hear(scene, &heard);
                go_on(scene, about, queue, silences, field, fielded)
            }
            Phase::Controlled(ask) => match ask.hear(scene, &heard) {
                Asked::Still(ask) => Turn::Stay(Doing::Collecting(Self {
                    about,
                    queue,
                    silences,
                    phase: Phase::Controlled(ask),
                })),
                Asked::Key('2') => {
                    if let Some(draft) = &mut scene.draft {
                        draft.marks.retain(|mark| mark != DOCTOR_MUST_REVIEW);
                    }
                    keep(scene, about)
                }
                // Not sure counts as yes: the mark stays.
                Asked::Key(_) | Asked::Unanswered { .. } => keep(scene, about),
                Asked::Zero => {
                    scene.chose(CONTROLLED.to_owned(), Chosen::Zero);
                    scene.flow.every_question.press_zero.map_or(Turn::Next, Turn::To)
                }
            },
            Phase::Keeping { id, until } => match heard {
                Heard::Kept(kept) if kept == id => accepted(scene, about),
                Heard::NotKept(not_kept) if not_kept == id => Turn::Net(Why::Broken(Broken::Book)),
                Heard::Time if scene.now >= until => Turn::Net(Why::Broken(Broken::Book)),
                Heard::Key(key) => {
                    scene.press_ahead(key);
                    Turn::Stay(Doing::Collecting(Self {
                        about,
                        queue,
                        silences,
                        phase: Phase::Keeping { id, until },
                    }))
                }
                _ => Turn::Stay(Doing::Collecting(Self {
                    about,
                    queue,
                    silences,
                    phase: Phase::Keeping { id, until },
                })),
            },
        }
    }

    pub(super) fn due(&self) -> Timestamp {
        match &self.phase {
            Phase::Field(_, ask) => ask.due(),
            Phase::Controlled(ask) => ask.due(),
            Phase::Keeping { until, .. } => *until,
        }
    }

    pub(super) fn asks(&self) -> Asks {
        match &self.phase {
            Phase::Field(_, ask) => ask.asks(),
            Phase::Controlled(ask) => Asks::Key {
                keys: ask.keys(),
                question: None,
            },
            Phase::Keeping { .. } => Asks::Nothing,
        }
    }

    pub(super) fn so_far(&self) -> Option<(Field, Value, Option<&'static str>)> {
        match &self.phase {
            Phase::Field(_, ask) => ask.so_far(),
            _ => None,
        }
    }

    /// The detail, or the question, that is asked; `None` while the message is made durable.
    pub(super) fn during(&self) -> Option<&'static str> {
        match &self.phase {
            Phase::Field(field, _) => Some(field.name()),
            Phase::Controlled(_) => Some(CONTROLLED),
            Phase::Keeping { .. } => None,
        }
    }

    pub(super) fn clip(&self) -> Option<(ClipId, Field)> {
        match &self.phase {
            Phase::Field(_, ask) => ask.clip(),
            _ => None,
        }
    }
}

/// The message is durable: only now may anything be promised or anybody be rung for it.
fn accepted(scene: &mut Scene, about: About) -> Turn {
    let Some(draft) = &mut scene.draft else {
        return Turn::Next;
    };
    draft.kept = true;
    let (id, goes_to, call_back_by) = (draft.id, draft.goes_to.clone(), draft.call_back_by);
    if matches!(about, About::Message(Purpose::Take | Purpose::Refill)) {
        scene.call_back_by = call_back_by;
        match goes_to {
            Target::Inbox(inbox) => scene.reach(Outcome::Message { inbox }),
            Target::Ladder(ladder) => {
                draft.owed = false;
                scene.escalate_without_caller(ladder, Some(id));
            }
        }
    }
    Turn::Next
}

impl Scene {
    /// The caller answered: remembered for the call and put into the message.
    pub(super) fn tell(&mut self, field: Field, value: Value, mark: Option<&'static str>) {
        self.told.insert(field, value.clone());
        if mark.is_some() {
            self.unconfirmed.insert(field);
        } else {
            self.unconfirmed.remove(&field);
        }
        if let Some(draft) = &mut self.draft {
            draft.put(field, value);
        }
        if let Some(mark) = mark {
            self.mark(mark);
        }
    }

    fn mark(&mut self, mark: &str) {
        if let Some(draft) = &mut self.draft {
            draft.mark(mark);
        }
    }

    /// Starts a ladder whose person calls back, because nobody waits on the line.
    pub(super) fn escalate_without_caller(&mut self, ladder: String, message: Option<MessageId>) {
        self.owed = None;
        self.ladder = Some(Ladder {
            name: ladder.clone(),
            connect: false,
        });
        self.out.push_back(Do::Escalate {
            ladder,
            message,
            keep_going_after_hang_up: true,
            connect: false,
        });
    }
}
