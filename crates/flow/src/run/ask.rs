//! One question answered with one key: said, waited for, said again shorter, given up (§5).
//!
//! Every verb that asks is built on it; what an answer means is the verb's business.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::Heard;
use super::scene::{Scene, Speaking};
use crate::library::Phrase;
use crate::words::Words;

/// A key this soon after a red-flag question began was meant for the question before.
const UNHEARD: SignedDuration = SignedDuration::from_millis(500);

/// What is asked, and how.
#[derive(Clone, Debug)]
pub(super) struct Question {
    /// The first time, the second time, and (shorter) from then on.
    pub(super) says: Vec<Words>,
    /// The keys that answer.
    pub(super) keys: Vec<char>,
    /// How often it is said again.
    pub(super) ask_again: u8,
    /// How long it waits each time.
    pub(super) wait: Duration,
    /// Whether a key pressed before it was asked may answer it.
    pub(super) may_be_ahead: bool,
    /// It must have been heard for half a second.
    pub(super) must_be_heard: bool,
    /// Says "I did not hear a key" before it is asked again.
    pub(super) apologises: bool,
}

/// How it stands.
#[derive(Debug)]
pub(super) enum Asked {
    Still(Ask),
    Key(char),
    /// 0, and 0 leads somewhere.
    Zero,
    /// Asked as often as it may be. `silent`: not one key was pressed.
    Unanswered {
        silent: bool,
    },
}

#[derive(Debug)]
pub(super) struct Ask {
    question: Question,
    asked_again: u8,
    any_key: bool,
    phase: Phase,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Speaking(Speaking),
    Waiting { until: Timestamp },
}

impl Question {
    /// A question of the flow: its own wait and repeats, keys ahead welcome.
    pub(super) fn new(scene: &Scene, says: Vec<Words>, keys: Vec<char>) -> Self {
        let every = &scene.flow.every_question;
        Self {
            says,
            keys,
            ask_again: every.ask_again,
            wait: every.wait,
            may_be_ahead: true,
            must_be_heard: false,
            apologises: true,
        }
    }

    pub(super) fn ask(self, scene: &mut Scene) -> Asked {
        if self.may_be_ahead {
            while let Some(key) = scene.ahead.pop_front() {
                if self.keys.contains(key.expose()) {
                    return Asked::Key(*key.expose());
                }
                if *key.expose() == '0' && scene.flow.every_question.press_zero.is_some() {
                    return Asked::Zero;
                }
            }
        } else {
            scene.ahead.clear();
        }
        let words = self.says.first().cloned().unwrap_or_default();
        let phase = Phase::Speaking(scene.say(words, !self.must_be_heard));
        Asked::Still(Ask {
            question: self,
            asked_again: 0,
            any_key: false,
            phase,
        })
    }
}

impl Ask {
    pub(super) fn hear(mut self, scene: &mut Scene, heard: &Heard) -> Asked {
        match (heard, self.phase) {
            (Heard::Key(key), _) => self.key(scene, *key.expose()),
            (heard, Phase::Speaking(speaking)) if speaking.over(scene.now, heard) => {
                self.phase = Phase::Waiting {
                    until: scene.after(self.question.wait),
                };
                Asked::Still(self)
            }
            (Heard::Time, Phase::Waiting { until }) if scene.now >= until => {
                let sorry = (self.question.apologises && !self.any_key).then_some(Phrase::StillThere);
                self.again(scene, sorry)
            }
            // Anything else leaves the question as it stands.
            _ => Asked::Still(self),
        }
    }

    /// The keys that answer.
    pub(super) fn keys(&self) -> Vec<char> {
        self.question.keys.clone()
    }

    pub(super) fn due(&self) -> Timestamp {
        match self.phase {
            Phase::Speaking(speaking) => speaking.until,
            Phase::Waiting { until } => until,
        }
    }

    fn key(mut self, scene: &mut Scene, key: char) -> Asked {
        if let Phase::Speaking(speaking) = self.phase
            && self.question.must_be_heard
        {
            if scene.now < speaking.began.saturating_add(UNHEARD).unwrap_or(scene.now) {
                return Asked::Still(self);
            }
            // These words do not stop at a key by themselves.
            scene.hush();
        }
        let every = &scene.flow.every_question;
        if self.question.keys.contains(&key) {
            return Asked::Key(key);
        }
        if key == '0' && every.press_zero.is_some() {
            return Asked::Zero;
        }
        self.any_key = true;
        if key == '*' && every.press_star && scene.spend() {
            return self.say(scene, None);
        }
        self.again(scene, Some(Phrase::NotUnderstood))
    }

    fn again(mut self, scene: &mut Scene, sorry: Option<Phrase>) -> Asked {
        if self.asked_again >= self.question.ask_again || !scene.spend() {
            return Asked::Unanswered { silent: !self.any_key };
        }
        self.asked_again += 1;
        self.say(scene, sorry)
    }

    fn say(mut self, scene: &mut Scene, sorry: Option<Phrase>) -> Asked {
        let sorry = sorry.map(|phrase| scene.phrase(phrase)).unwrap_or_default();
        let last = self.question.says.len().saturating_sub(1);
        let words = self
            .question
            .says
            .get(usize::from(self.asked_again).min(last))
            .cloned()
            .unwrap_or_default();
        self.phase = Phase::Speaking(scene.say(sorry.then(words), !self.question.must_be_heard));
        Asked::Still(self)
    }
}
