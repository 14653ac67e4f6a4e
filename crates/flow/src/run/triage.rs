//! `triage`: the protocol's questions in order; the first yes decides, silence is never a no (§7).

use std::sync::Arc;

use jiff::Timestamp;

use super::ask::{Ask, Asked, Question};
use super::scene::Scene;
use super::{Answer, Asks, Chosen, Doing, Heard, Note, Turn};
use crate::library::Phrase;
use crate::model::{Level, Protocol, SectionId};

#[derive(Debug)]
pub(super) struct Triaging {
    protocol: Arc<Protocol>,
    /// Emergency, urgent, semi-urgent, routine.
    roads: [SectionId; 4],
    /// The question being asked.
    at: usize,
    ask: Ask,
}

pub(super) fn begin(scene: &mut Scene, protocol: &Arc<Protocol>, roads: [SectionId; 4]) -> Turn {
    next(scene, protocol.clone(), roads, 0)
}

/// Asks the first question from `at` on that applies to this caller.
fn next(scene: &mut Scene, protocol: Arc<Protocol>, roads: [SectionId; 4], mut at: usize) -> Turn {
    while let Some(question) = protocol.questions.get(at) {
        let applies = question.only_if.as_ref().is_none_or(|condition| scene.holds(condition));
        if !applies {
            at += 1;
            continue;
        }
        if !scene.spend() {
            // Out of steps in the middle of the red flags: that is not a no.
            return decide(scene, &protocol, roads, protocol.if_unclear, None);
        }
        let words = scene.sentence(&question.words);
        let with_keys = words.clone().then(scene.phrase(Phrase::YesOrNo));
        let mut asks = Question::new(scene, vec![words.clone(), with_keys, words], vec!['1', '2']);
        asks.may_be_ahead = false;
        asks.must_be_heard = true;
        asks.apologises = false;
        return match asks.ask(scene) {
            Asked::Still(ask) => Turn::Stay(Doing::Triaging(Triaging {
                protocol,
                roads,
                at,
                ask,
            })),
            // Keys ahead are refused, so there is no answer yet; if there were, it would not be one.
            _ => decide(scene, &protocol, roads, protocol.if_unclear, None),
        };
    }
    decide(scene, &protocol, roads, protocol.if_every_answer_is_no, None)
}

impl Triaging {
    pub(super) fn hear(self, scene: &mut Scene, heard: Heard) -> Turn {
        let Self {
            protocol,
            roads,
            at,
            ask,
        } = self;
        let asked = ask.hear(scene, &heard);
        let question = protocol
            .questions
            .get(at)
            .map(|question| (question.id.clone(), question.level));
        let answered = |scene: &mut Scene, answer| {
            if let Some((id, _)) = &question {
                scene.note(Note::Answered {
                    question: id.clone(),
                    answer,
                });
            }
        };
        match asked {
            Asked::Still(ask) => Turn::Stay(Doing::Triaging(Self {
                protocol,
                roads,
                at,
                ask,
            })),
            Asked::Key('1') => {
                answered(scene, Answer::Yes);
                let (id, level) = question.map_or((None, protocol.if_unclear), |(id, level)| (Some(id), level));
                decide(scene, &protocol, roads, level, id)
            }
            Asked::Key(_) => {
                answered(scene, Answer::No);
                next(scene, protocol, roads, at + 1)
            }
            Asked::Zero => {
                if let Some((id, _)) = question {
                    scene.chose(id, Chosen::Zero);
                }
                scene.flow.every_question.press_zero.map_or(Turn::Next, Turn::To)
            }
            Asked::Unanswered { silent } => {
                if let (false, Some((id, _))) = (silent, &question) {
                    scene.chose(id.clone(), Chosen::OtherKeys);
                }
                answered(scene, Answer::Unclear);
                scene.quiet |= silent;
                decide(scene, &protocol, roads, protocol.if_unclear, None)
            }
        }
    }

    /// The stable id of the question being asked.
    pub(super) fn question(&self) -> String {
        let question = self.protocol.questions.get(self.at);
        question.map(|question| question.id.clone()).unwrap_or_default()
    }

    pub(super) fn due(&self) -> Timestamp {
        self.ask.due()
    }

    pub(super) fn asks(&self) -> Asks {
        Asks::Key {
            keys: self.ask.keys(),
            question: Some(self.at),
        }
    }
}

fn decide(
    scene: &mut Scene,
    protocol: &Protocol,
    roads: [SectionId; 4],
    level: Level,
    question: Option<String>,
) -> Turn {
    debug_assert!(
        protocol.if_unclear <= Level::Urgent,
        "the checker refuses anything lower (C003)"
    );
    scene.disposition = Some(level);
    scene.note(Note::Disposition { level, question });
    let [emergency, urgent, semi_urgent, routine] = roads;
    scene.owed = (level == Level::Urgent).then_some(urgent);
    Turn::To(level.choose(emergency, urgent, semi_urgent, routine))
}
