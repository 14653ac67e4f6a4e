//! The caller of a scenario: hears, waits until the line is quiet, acts.
//!
//! It acts only when the line has been quiet for [`QUIET`] after words it heard since its last act, one turn at a time,
//! so that a script written as a list of keys is played as a caller would who listens. Digits written as one string are
//! typed at once.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;

use super::squeezed;
use super::suite::{Scenario, Turn};

/// How long the line is silent before it is the caller's turn.
pub const QUIET: Duration = Duration::from_millis(700);

/// What the caller does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Presses a key. Several in a row are typed at once.
    Press(char),
    /// Speaks this.
    Speak(String),
    /// Hangs up.
    HangUp,
}

/// The scripted caller.
#[derive(Clone, Debug)]
pub struct Actor {
    turns: VecDeque<Turn>,
    /// What was heard since the last `hears` that came true, squeezed.
    heard: String,
    words_since_act: bool,
    /// The same since the last turn of any kind.
    words_since_turn: bool,
    quiet: bool,
    /// A `waits` that has begun ends here.
    waits_until: Option<Timestamp>,
    out: VecDeque<Act>,
}

impl Actor {
    /// The caller of this scenario, before the call is answered.
    pub fn new(scenario: &Scenario) -> Self {
        Self {
            turns: scenario.conversation.iter().cloned().collect(),
            heard: String::new(),
            words_since_act: false,
            words_since_turn: false,
            quiet: false,
            waits_until: None,
            out: VecDeque::new(),
        }
    }

    /// These words begin to be heard: a sentence, or one clip of it.
    pub fn heard(&mut self, text: &str) {
        self.quiet = false;
        self.words_since_act = true;
        self.words_since_turn = true;
        self.heard.push_str(&squeezed(text));
        self.listen();
    }

    /// The line has been silent for [`QUIET`].
    pub fn quiet(&mut self, now: Timestamp) {
        self.quiet = true;
        self.time(now);
    }

    /// A tone was heard: it is no silence, and no words.
    pub fn tone(&mut self) {
        self.quiet = false;
    }

    /// Time passes; needed while the caller `waits`.
    pub fn time(&mut self, now: Timestamp) {
        if let Some(Turn::Waits(time)) = self.turns.front() {
            let until = *self.waits_until.get_or_insert_with(|| later(now, *time));
            if now >= until {
                self.turns.pop_front();
                self.waits_until = None;
                self.words_since_turn = false;
                self.listen();
            }
        }
        if self.quiet && self.words_since_act && self.out.is_empty() {
            self.act();
        }
    }

    /// When [`time`](Self::time) would change something by itself.
    pub fn due(&self) -> Option<Timestamp> {
        self.waits_until
    }

    /// The next thing the caller does.
    pub fn poll(&mut self) -> Option<Act> {
        self.out.pop_front()
    }

    /// Every turn was played.
    pub fn finished(&self) -> bool {
        self.turns.iter().all(|turn| *turn == Turn::StaysSilent) && self.out.is_empty()
    }

    /// It is the caller's turn, and the script has nothing for it: somebody must say what the caller does.
    pub fn at_a_loss(&self) -> bool {
        self.turns.is_empty() && self.out.is_empty() && self.quiet && self.words_since_turn
    }

    /// The turn that never came, in the words of the file, when the call is over and it is still to be played.
    pub fn stuck(&self) -> Option<String> {
        if self.finished() {
            return None;
        }
        self.turns
            .iter()
            .find(|turn| **turn != Turn::StaysSilent)
            .map(|turn| match turn {
                Turn::Hears(words) => format!("hears: {words}"),
                Turn::Presses(keys) => format!("presses: {keys}"),
                Turn::Says(words) => format!("says: {words}"),
                Turn::StaysSilent => "stays silent".to_owned(),
                Turn::Waits(time) => format!("waits: {} seconds", time.as_secs()),
                Turn::HangsUp => "hangs up".to_owned(),
            })
    }

    /// Ticks off every `hears` that is true by now, and the silence before it.
    fn listen(&mut self) {
        loop {
            let at = usize::from(matches!(self.turns.front(), Some(Turn::StaysSilent)));
            let Some(Turn::Hears(words)) = self.turns.get(at) else {
                return;
            };
            let words = squeezed(words);
            let Some(from) = self.heard.find(&words) else { return };
            self.heard.drain(..from + words.len());
            self.turns.drain(..=at);
        }
    }

    fn act(&mut self) {
        match self.turns.front() {
            Some(Turn::Presses(keys)) => self.out.extend(keys.chars().map(Act::Press)),
            Some(Turn::Says(words)) => self.out.push_back(Act::Speak(words.clone())),
            Some(Turn::HangsUp) => self.out.push_back(Act::HangUp),
            _ => return,
        }
        self.turns.pop_front();
        self.words_since_act = false;
        self.words_since_turn = false;
        self.listen();
    }
}

fn later(now: Timestamp, time: Duration) -> Timestamp {
    jiff::SignedDuration::try_from(time)
        .ok()
        .and_then(|time| now.checked_add(time).ok())
        .unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearse::Suite;

    fn actor(conversation: &str) -> Actor {
        let text = format!(
            "tests for: a.flow.yaml\ngiven: {{now: 2026-11-21 11:40 pm}}\nscenarios:\n  - name: a\n    conversation: {conversation}\n    expect: {{outcome: ended}}\n"
        );
        let (suite, found) = Suite::parse("a", &text);
        assert_eq!(found, []);
        Actor::new(&suite.unwrap().scenarios[0])
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn acts(actor: &mut Actor) -> Vec<Act> {
        std::iter::from_fn(|| actor.poll()).collect()
    }

    #[test]
    fn a_list_is_one_key_per_quiet_turn_and_a_string_is_typed_at_once() {
        let mut actor = actor("[{presses: [1, \"23\"]}]");
        actor.quiet(at(0));
        assert_eq!(acts(&mut actor), [], "nothing was heard yet");
        actor.heard("Press 1.");
        actor.quiet(at(1));
        assert_eq!(acts(&mut actor), [Act::Press('1')]);
        actor.quiet(at(2));
        assert_eq!(acts(&mut actor), [], "no words since the last act");
        actor.heard("Press two, three.");
        actor.quiet(at(3));
        assert_eq!(acts(&mut actor), [Act::Press('2'), Act::Press('3')]);
        assert!(actor.finished());
    }

    #[test]
    fn hears_matches_across_clips_without_regard_to_case_and_punctuation() {
        let mut actor = actor("[{hears: \"February 9, 1984\"}, hangs up]");
        for clip in ["You entered", "February", "9,", "19"] {
            actor.heard(clip);
        }
        actor.quiet(at(0));
        assert_eq!(actor.stuck().as_deref(), Some("hears: February 9, 1984"));
        actor.heard("84");
        actor.quiet(at(1));
        assert_eq!(acts(&mut actor), [Act::HangUp]);
    }

    #[test]
    fn staying_silent_lasts_until_the_next_hears_comes_true() {
        let mut actor = actor("[stays silent, {hears: call 911 now}, {presses: 1}]");
        actor.heard("Press 1.");
        actor.quiet(at(0));
        actor.heard("Press 1, please.");
        actor.quiet(at(9));
        assert_eq!(acts(&mut actor), []);
        actor.heard("Call 911 now.");
        actor.quiet(at(20));
        assert_eq!(acts(&mut actor), [Act::Press('1')]);
    }

    #[test]
    fn waiting_takes_its_time() {
        let mut actor = actor("[{waits: 10 seconds}, {presses: 1}]");
        actor.heard("Press 1.");
        actor.quiet(at(0));
        assert_eq!(acts(&mut actor), []);
        assert_eq!(actor.due(), Some(at(10)));
        actor.time(at(10));
        assert_eq!(acts(&mut actor), [Act::Press('1')]);
    }
}
