//! Which roads a followed call took, for coverage and for timed strangers.
//!
//! Kept only while somebody follows ([`Run::start_followed`](super::Run::start_followed)): a call of the house keeps
//! nothing. A key is noted only where one of a few was asked for, never a digit of a number or a date.

use std::collections::VecDeque;

use phi::Phi;

use super::{Asks, Doing, Escalated, Exit, Heard, STEPS_MAX, Turn};
use crate::model::SectionId;

/// Roads that are noted; a call has fewer, by its step budget.
const TAKEN_MAX: usize = 4 * STEPS_MAX as usize;

/// One road.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    /// The step it leaves.
    pub(crate) at: (SectionId, usize),
    /// The red-flag question it leaves.
    pub(crate) question: Option<usize>,
    /// What happened.
    pub(crate) by: By,
    /// The caller was being asked something as it happened.
    pub(crate) asked: bool,
    /// Where it leads.
    pub(crate) to: Went,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// A key, where one of a few was asked for.
    Key(char),
    /// The step's `if:` does not hold.
    Skipped,
    /// Somebody accepted, or answered.
    Reached,
    /// The records were asked, and it came out so.
    Records(Exit),
    /// The caller is gone.
    HungUp,
    /// Anything else: words ended, time ran out, nobody came.
    Other,
}

/// Where a road leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Went {
    /// The next step.
    On,
    /// Another section.
    To(SectionId),
    /// A question of the same triage.
    Question(usize),
    /// It stays at this step.
    Stays,
    /// The safety net, or the end.
    Away,
}

#[derive(Debug, Default)]
pub(super) struct Trail {
    taken: Vec<Taken>,
    passed_by: bool,
}

/// How things stood before something was heard.
pub(super) struct Before {
    at: (SectionId, usize),
    asks: Asks,
    rings: bool,
    by: By,
}

impl Before {
    pub(super) fn new(at: (SectionId, usize), doing: &Doing, heard: &Heard) -> Self {
        let asks = doing.asks();
        let by = match heard {
            Heard::Key(key) if matches!(asks, Asks::Key { .. }) => By::Key(*key.expose()),
            Heard::Escalation(Escalated::Accepted { .. }) | Heard::Connected => By::Reached,
            Heard::HungUp => By::HungUp,
            _ => By::Other,
        };
        Self {
            at,
            asks,
            rings: matches!(doing, Doing::Escalating(_) | Doing::Connecting(_)),
            by,
        }
    }

    fn question(&self) -> Option<usize> {
        match self.asks {
            Asks::Key { question, .. } => question,
            _ => None,
        }
    }
}

impl Trail {
    pub(super) fn taken(&self) -> &[Taken] {
        &self.taken
    }

    /// The step just looked at is not taken.
    pub(super) fn passed_by(&mut self) {
        self.passed_by = true;
    }

    /// What came of something heard.
    pub(super) fn heard(&mut self, before: Before, turn: &Turn) {
        let was = before.question();
        let to = match turn {
            Turn::Stay(doing) => match (doing, doing.asks()) {
                (Doing::Triaging(_), Asks::Key { question: Some(is), .. }) if was.is_some_and(|was| was != is) => {
                    Went::Question(is)
                }
                (Doing::Bridged(_) | Doing::Parting(_), _) if before.rings => Went::Stays,
                // The answer is in; what it leads to is said first.
                (Doing::Saying(_), _) if matches!(before.asks, Asks::Key { .. }) => Went::On,
                // A question within a step was answered, such as whether a medicine is a controlled one.
                (Doing::Collecting(_), Asks::Nothing) if matches!(before.asks, Asks::Key { .. }) => Went::Stays,
                _ => return,
            },
            turn => went(turn),
        };
        self.note(Taken {
            at: before.at,
            question: was,
            by: before.by,
            asked: before.asks != Asks::Nothing,
            to,
        });
    }

    /// What came of a step as it was begun. `ahead`: the keys that waited for it, of which `left` still do.
    pub(super) fn took(&mut self, at: (SectionId, usize), ahead: &VecDeque<Phi<char>>, left: usize, turn: &Turn) {
        let passed_by = std::mem::take(&mut self.passed_by);
        let to = match turn {
            Turn::Stay(doing) => match doing.asks() {
                Asks::Key {
                    question: Some(first), ..
                } => Went::Question(first),
                _ => return,
            },
            turn => went(turn),
        };
        let used = ahead.len().checked_sub(left + 1).and_then(|last| ahead.get(last));
        let by = match used {
            _ if passed_by => By::Skipped,
            Some(key) => By::Key(*key.expose()),
            None => By::Other,
        };
        self.note(Taken {
            at,
            question: None,
            by,
            asked: true,
            to,
        });
    }

    /// How a step that asked the records came out.
    pub(super) fn came_out(&mut self, at: (SectionId, usize), exit: Exit) {
        self.note(Taken {
            at,
            question: None,
            by: By::Records(exit),
            asked: false,
            to: Went::Stays,
        });
    }

    fn note(&mut self, taken: Taken) {
        if self.taken.len() < TAKEN_MAX {
            self.taken.push(taken);
        }
    }
}

fn went(turn: &Turn) -> Went {
    match turn {
        Turn::Next => Went::On,
        Turn::To(section) => Went::To(*section),
        Turn::Stay(_) => Went::Stays,
        Turn::Net(_) | Turn::End => Went::Away,
    }
}
