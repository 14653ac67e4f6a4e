//! `say`, `play`, `emergency notice`, `tell the caller to call 911`: words, and what a key does to them.

use std::time::Duration;

use jiff::Timestamp;

use super::scene::{Scene, Speaking};
use super::{Chosen, DIRECTION, Do, Doing, Heard, Note, Outcome, Turn};
use crate::library::Phrase;
use crate::model::{Act, Notice, SectionId, Sentence};
use crate::words::{Language, Words};

/// After the 911 direction the line stays open this long for a key (§4).
const LINGER: Duration = Duration::from_secs(20);
/// How often a key has the direction said again.
const SAID_AGAIN_MAX: u8 = 3;

/// Words that lead on by themselves.
#[derive(Debug)]
pub(super) struct Saying {
    speaking: Speaking,
    keys: Keys,
    /// The next step, or this section.
    then: Option<SectionId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keys {
    /// Any key skips the words, and is kept for the next question.
    Skip,
    /// The words are said to their end; a key is kept for the next question.
    Wait,
    /// The words are said to their end, and a key pressed meanwhile means nothing.
    Ignore,
}

pub(super) fn say(scene: &mut Scene, sentence: &Sentence, can_be_skipped: bool) -> Turn {
    // §4: never when they hold a number or a deadline. And never the last words of a call: a stray key must not turn
    // "if it gets worse, call 911" into a dead line.
    let next = scene.flow.step(scene.section, scene.next_step).map(|step| &step.act);
    let keys = match next {
        None | Some(Act::HangUp) => Keys::Ignore,
        _ if can_be_skipped && !sentence.has_fill_in() => Keys::Skip,
        _ => Keys::Wait,
    };
    let words = scene.sentence(sentence);
    begin(scene, words, keys, None)
}

/// A sentence of the library, then the next step or a section.
pub(super) fn phrase_then(scene: &mut Scene, phrase: Phrase, then: Option<SectionId>) -> Turn {
    let words = scene.phrase(phrase);
    begin(scene, words, Keys::Skip, then)
}

/// What was done for the caller: said to its end, then the next step.
pub(super) fn told(scene: &mut Scene, words: Words) -> Turn {
    begin(scene, words, Keys::Wait, None)
}

/// The approved words in every language of the flow, never skippable; keys pressed during them are not acted on.
pub(super) fn emergency_notice(scene: &mut Scene, notice: Notice) -> Turn {
    scene.ahead.clear();
    let phrase = Phrase::notice(notice);
    let languages: Vec<Language> = scene.flow.languages.clone();
    let parts = languages.into_iter().map(|language| phrase.part(language)).collect();
    begin(scene, Words { parts, private: false }, Keys::Ignore, None)
}

fn begin(scene: &mut Scene, words: Words, keys: Keys, then: Option<SectionId>) -> Turn {
    if words.is_empty() {
        return then.map_or(Turn::Next, Turn::To);
    }
    let speaking = scene.say(words, keys == Keys::Skip);
    Turn::Stay(Doing::Saying(Saying { speaking, keys, then }))
}

impl Saying {
    pub(super) fn hear(self, scene: &mut Scene, heard: Heard) -> Turn {
        let on = |saying: &Self| saying.then.map_or(Turn::Next, Turn::To);
        match heard {
            Heard::Key(key) if self.keys == Keys::Skip => {
                scene.press_ahead(key);
                on(&self)
            }
            Heard::Key(key) if self.keys == Keys::Wait => {
                scene.press_ahead(key);
                Turn::Stay(Doing::Saying(self))
            }
            heard if self.speaking.over(scene.now, &heard) => on(&self),
            _ => Turn::Stay(Doing::Saying(self)),
        }
    }

    pub(super) fn due(&self) -> Timestamp {
        self.speaking.until
    }
}

/// The 911 direction: said twice, nothing else offered, then the line stays open.
#[derive(Debug)]
pub(super) struct Lingering {
    phase: Phase,
    said_again: u8,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Speaking(Speaking),
    Open { until: Timestamp },
}

pub(super) fn call_911(scene: &mut Scene) -> Turn {
    scene.ahead.clear();
    scene.owed = None;
    scene.note(Note::Told911);
    scene.reach(Outcome::Told911);
    let speaking = direct(scene);
    Turn::Stay(Doing::Lingering(Lingering {
        phase: Phase::Speaking(speaking),
        said_again: 0,
    }))
}

fn direct(scene: &mut Scene) -> Speaking {
    let once = scene.phrase(Phrase::Call911Now);
    scene.say(once.clone().then(once), false)
}

impl Lingering {
    pub(super) fn hear(mut self, scene: &mut Scene, heard: Heard) -> Turn {
        match (heard, self.phase) {
            (heard, Phase::Speaking(speaking)) if speaking.over(scene.now, &heard) => {
                self.phase = Phase::Open {
                    until: scene.after(LINGER),
                };
            }
            // 0 is a wish for a person everywhere, here too; any other key asks to hear the direction again.
            (Heard::Key(key), Phase::Open { .. }) => match scene.flow.every_question.press_zero {
                Some(section) if *key.expose() == '0' => {
                    scene.chose(DIRECTION.to_owned(), Chosen::Zero);
                    return Turn::To(section);
                }
                _ if self.said_again < SAID_AGAIN_MAX => {
                    self.said_again += 1;
                    self.phase = Phase::Speaking(direct(scene));
                }
                _ => {}
            },
            (Heard::Time, Phase::Open { until }) if scene.now >= until => return Turn::Next,
            _ => {}
        }
        Turn::Stay(Doing::Lingering(self))
    }

    pub(super) fn due(&self) -> Timestamp {
        match self.phase {
            Phase::Speaking(speaking) => speaking.until,
            Phase::Open { until } => until,
        }
    }
}

/// Words said while something else goes on, such as a ladder.
pub(super) fn aside(scene: &mut Scene, phrase: Phrase, and: Words) -> Speaking {
    let words = scene.phrase(phrase).then(and);
    scene.say(words, false)
}

impl Scene {
    pub(super) fn start_recording(&mut self) {
        if !self.recordings_down {
            self.out.push_back(Do::StartRecording);
        }
    }
}
