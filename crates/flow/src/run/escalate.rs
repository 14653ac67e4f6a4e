//! `escalate to`: a ladder is climbed while the caller waits in company (§9).
//!
//! Only a person's key accepts; a pick-up never does, and that is the ladder's business, not ours. What this verb keeps:
//! who calls is durable before the first phone rings, the caller hears a voice every 15 s, may be asked for details and
//! may leave by a key, and a hang-up does not stop the ladder.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::connect;
use super::field::{FieldAsk, Fielded, KEEP_PATIENCE, SILENCES_MAX};
use super::hang_up::Parting;
use super::message::Draft;
use super::scene::{Ladder, Scene, Speaking};
use super::{Asks, Chosen, ClipId, Do, Doing, Escalated, Heard, MessageId, Outcome, Turn, say};
use crate::library::Phrase;
use crate::model::{Act, Choice, Field, IfAccepted, IfCallerHangsUp, Then, Waiting};
use crate::words::{Language, Part, Words};

/// A voice at least this often (§9).
const WORDS_EVERY: Duration = Duration::from_secs(15);
/// Shorter music is none.
const MUSIC_AT_LEAST: SignedDuration = SignedDuration::from_secs(1);
/// A ladder that has not told how it ended by now is taken as exhausted; the longest one allowed is far shorter (S014).
const LADDER_MAX: Duration = Duration::from_secs(45 * 60);

/// What a caller is told, or leaves behind, after a ladder was climbed in vain may take this long.
const TOLD_WITHIN: Duration = Duration::from_secs(5 * 60);

#[derive(Debug)]
pub(super) struct Escalating {
    ladder: String,
    if_accepted: IfAccepted,
    if_no_one_accepts: Then,
    if_the_caller_hangs_up: IfCallerHangsUp,
    while_waiting: Waiting,
    or_press: Option<Choice>,
    meanwhile: VecDeque<Field>,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    /// Who calls is being made durable; no phone rings yet.
    Keeping { id: MessageId, until: Timestamp },
    Ringing {
        voice: Voice,
        words_at: Timestamp,
        until: Timestamp,
    },
}

/// What the caller hears at the moment.
#[derive(Debug)]
enum Voice {
    Quiet,
    /// Begins again when it ends; the next words end it.
    Music(Speaking),
    Speaking(Speaking),
    Asking(Field, FieldAsk),
}

pub(super) fn begin(scene: &mut Scene, act: &Act) -> Turn {
    let Act::Escalate {
        ladder,
        about,
        while_waiting,
        meanwhile_ask,
        or_press,
        if_accepted,
        if_no_one_accepts,
        if_the_caller_hangs_up,
    } = act
    else {
        return Turn::Next;
    };
    scene.ahead.clear();
    let mut escalating = Escalating {
        ladder: ladder.clone(),
        if_accepted: *if_accepted,
        if_no_one_accepts: *if_no_one_accepts,
        if_the_caller_hangs_up: *if_the_caller_hangs_up,
        while_waiting: *while_waiting,
        or_press: or_press.clone(),
        meanwhile: meanwhile_ask
            .iter()
            .copied()
            .filter(|field| !scene.told.contains_key(field))
            .collect(),
        phase: Phase::Keeping {
            id: MessageId(0),
            until: scene.now,
        },
    };
    let known = scene
        .draft
        .as_ref()
        .filter(|draft| draft.kept && (about.as_ref() == Some(&draft.kind) || draft.goes_to.name() == ladder));
    match known.map(|draft| draft.id) {
        Some(id) => escalating.ring(scene, Some(id)),
        // The net waits for no book.
        None if scene.in_net => escalating.ring(scene, None),
        None => {
            scene.save_draft();
            scene.draft = Some(Draft::of_caller(scene, ladder));
            let Some(id) = scene.keep_draft() else {
                return escalating.ring(scene, None);
            };
            escalating.phase = Phase::Keeping {
                id,
                until: scene.after(KEEP_PATIENCE),
            };
            Turn::Stay(Doing::Escalating(escalating))
        }
    }
}

impl Escalating {
    pub(super) fn hear(mut self, scene: &mut Scene, heard: Heard) -> Turn {
        let empty = Phase::Ringing {
            voice: Voice::Quiet,
            words_at: scene.now,
            until: scene.now,
        };
        let (voice, words_at, until) = match std::mem::replace(&mut self.phase, empty) {
            Phase::Keeping { id, until } => {
                self.phase = Phase::Keeping { id, until };
                return match heard {
                    Heard::Kept(kept) if kept == id => {
                        if let Some(draft) = &mut scene.draft {
                            draft.kept = true;
                        }
                        self.ring(scene, Some(id))
                    }
                    // The book is broken; what is known stays in memory, and the phone rings all the same.
                    Heard::NotKept(not_kept) if not_kept == id => self.ring(scene, Some(id)),
                    Heard::Time if scene.now >= until => self.ring(scene, Some(id)),
                    _ => Turn::Stay(Doing::Escalating(self)),
                };
            }
            Phase::Ringing { voice, words_at, until } => (voice, words_at, until),
        };
        let voice = match (heard, voice) {
            (Heard::Escalation(Escalated::Accepted { person }), voice) => {
                self.leave_voice(scene, &voice);
                return match self.if_accepted {
                    IfAccepted::ConnectThem => connect::bridge(scene, person),
                    IfAccepted::TheyCallBack => {
                        scene.reach(Outcome::CallingBack { person });
                        Turn::Next
                    }
                };
            }
            (Heard::Escalation(Escalated::Exhausted), voice) => return self.nobody(scene, &voice),
            (Heard::Time, voice) if scene.now >= until => return self.nobody(scene, &voice),
            (Heard::Key(key), voice) if self.leaves(*key.expose(), &voice) => {
                self.leave_voice(scene, &voice);
                return self.leave(scene);
            }
            // While a number is asked for, the key of the way out is a digit of it; one that nothing follows was the way out.
            (Heard::Time, Voice::Asking(field, ask)) if self.is_way_out(ask.stray(scene.now)) => {
                self.leave_voice(scene, &Voice::Asking(field, ask));
                return self.leave(scene);
            }
            (heard, Voice::Asking(field, ask)) => {
                let fielded = ask.hear(scene, &heard);
                self.fielded(scene, field, fielded)
            }
            (heard, Voice::Speaking(speaking)) if speaking.over(scene.now, &heard) => self.ask_next(scene),
            (Heard::Time, Voice::Quiet | Voice::Music(_)) if scene.now >= words_at => {
                Voice::Speaking(self.company(scene))
            }
            (heard, Voice::Music(playing)) if playing.over(scene.now, &heard) => {
                // What ends as it begins was not heard by anybody, and would be begun for ever.
                match scene.now.duration_since(playing.began) >= MUSIC_AT_LEAST {
                    true => self.between_words(scene),
                    false => Voice::Quiet,
                }
            }
            (_, voice) => voice,
        };
        // Counted from the end of whatever was said or asked last.
        let words_at = match voice {
            Voice::Quiet | Voice::Music(_) if words_at > scene.now => words_at,
            _ => scene.after(WORDS_EVERY),
        };
        self.phase = Phase::Ringing { voice, words_at, until };
        Turn::Stay(Doing::Escalating(self))
    }

    pub(super) fn due(&self) -> Timestamp {
        match &self.phase {
            Phase::Keeping { until, .. } => *until,
            Phase::Ringing { voice, words_at, until } => match voice {
                Voice::Quiet => *words_at,
                Voice::Music(playing) => playing.until.min(*words_at),
                Voice::Speaking(speaking) => speaking.until,
                Voice::Asking(_, ask) => ask.due(),
            }
            .min(*until),
        }
    }

    /// The way out, where there is one; else the people who are rung.
    pub(super) fn asks(&self) -> Asks {
        match (&self.phase, &self.or_press) {
            (Phase::Ringing { .. }, Some(choice)) => Asks::Key {
                keys: vec![choice.key],
                question: None,
            },
            (Phase::Keeping { .. }, _) => Asks::Nothing,
            _ => Asks::Person,
        }
    }

    /// The ladder being climbed.
    pub(super) fn ladder(&self) -> &str {
        &self.ladder
    }

    pub(super) fn clip(&self) -> Option<(ClipId, Field)> {
        match &self.phase {
            Phase::Ringing {
                voice: Voice::Asking(_, ask),
                ..
            } => ask.clip(),
            _ => None,
        }
    }

    /// The caller hung up while phones ring (D3).
    pub(super) fn caller_left(self, scene: &mut Scene) -> Turn {
        if self.if_the_caller_hangs_up == IfCallerHangsUp::Stop {
            return Turn::End;
        }
        match self.phase {
            Phase::Keeping { id, .. } => Turn::Stay(Doing::Parting(Parting::keeping(scene, id))),
            Phase::Ringing { voice, .. } => {
                if let Voice::Asking(..) = voice {
                    scene.save_answers();
                }
                Turn::Stay(Doing::Parting(Parting::ringing(scene, self.ladder)))
            }
        }
    }

    fn ring(mut self, scene: &mut Scene, message: Option<MessageId>) -> Turn {
        let connect = self.if_accepted == IfAccepted::ConnectThem;
        if let Some(draft) = &mut scene.draft {
            draft.owed = false;
        }
        scene.owed = None;
        scene.ladder = Some(Ladder {
            name: self.ladder.clone(),
            connect,
        });
        scene.out.push_back(Do::Escalate {
            ladder: self.ladder.clone(),
            message,
            keep_going_after_hang_up: self.if_the_caller_hangs_up == IfCallerHangsUp::KeepGoing,
            connect,
        });
        let voice = if let Some(choice) = &self.or_press {
            let words = scene.sentence(&choice.spoken);
            Voice::Speaking(scene.say(words, false))
        } else if scene.in_net {
            // Nobody has told this caller yet that a phone rings.
            Voice::Speaking(self.company(scene))
        } else {
            self.ask_next(scene)
        };
        let words_at = scene.after(WORDS_EVERY);
        self.phase = Phase::Ringing {
            voice,
            words_at,
            until: scene.after(LADDER_MAX),
        };
        Turn::Stay(Doing::Escalating(self))
    }

    fn company(&self, scene: &mut Scene) -> Speaking {
        let phrase = match self.while_waiting {
            Waiting::CalmWords => Phrase::StillHere,
            Waiting::Words | Waiting::HoldMusic | Waiting::Quiet => Phrase::StillTrying,
        };
        let or_press = self
            .or_press
            .as_ref()
            .map(|choice| scene.sentence(&choice.spoken))
            .unwrap_or_default();
        say::aside(scene, phrase, or_press)
    }

    fn ask_next(&mut self, scene: &mut Scene) -> Voice {
        match self.meanwhile.pop_front() {
            Some(field) => {
                let fielded = FieldAsk::begin(scene, field, SILENCES_MAX);
                self.fielded(scene, field, fielded)
            }
            None => self.between_words(scene),
        }
    }

    fn between_words(&self, scene: &mut Scene) -> Voice {
        match self.while_waiting {
            Waiting::HoldMusic => {
                let parts = vec![Part::music()];
                Voice::Music(scene.say(Words { parts, private: false }, false))
            }
            Waiting::Words | Waiting::CalmWords | Waiting::Quiet => Voice::Quiet,
        }
    }

    fn fielded(&mut self, scene: &mut Scene, field: Field, fielded: Fielded) -> Voice {
        match fielded {
            Fielded::Still(ask) => return Voice::Asking(field, ask),
            Fielded::Answered { value, mark } => scene.tell(field, value, mark),
            // Silence: no more questions, the phones ring on. 0: they are already on their way to a person.
            Fielded::Missing { .. } | Fielded::Zero => self.meanwhile.clear(),
        }
        if self.meanwhile.is_empty() {
            scene.save_answers();
        }
        self.ask_next(scene)
    }

    fn leaves(&self, key: char, voice: &Voice) -> bool {
        let asked = matches!(voice, Voice::Asking(_, ask) if ask.takes(key));
        !asked && self.is_way_out(Some(key))
    }

    fn is_way_out(&self, key: Option<char>) -> bool {
        let way_out = self.or_press.as_ref().map(|choice| choice.key);
        key.is_some() && key == way_out
    }

    fn leave(self, scene: &mut Scene) -> Turn {
        scene.out.push_back(Do::LeaveEscalation);
        if let Some(ladder) = &mut scene.ladder {
            ladder.connect = false;
        }
        let Some(choice) = self.or_press else { return Turn::Next };
        let label = choice.label.text(Language::English).to_owned();
        scene.chose(self.ladder, Chosen::Option(label));
        if let Some((name, value)) = &choice.remember {
            scene.remember(name, value);
        }
        choice.go_to.map_or(Turn::Next, Turn::To)
    }

    fn nobody(self, scene: &mut Scene, voice: &Voice) -> Turn {
        self.leave_voice(scene, voice);
        scene.nobody_accepted(&self.ladder);
        // Whoever waited this long is told what to do, however long the call has lasted.
        scene.limit = scene.limit.max(scene.after(TOLD_WITHIN));
        match self.if_no_one_accepts {
            Then::Continue => Turn::Next,
            Then::Section(section) => Turn::To(section),
        }
    }

    /// Stops speaking and asking, and keeps what was answered so far.
    fn leave_voice(&self, scene: &mut Scene, voice: &Voice) {
        if let Voice::Asking(_, ask) = voice {
            if let Some((id, _)) = ask.clip() {
                scene.out.push_back(Do::EndClip { id });
            }
            scene.save_answers();
        }
        if !matches!(voice, Voice::Quiet) {
            scene.hush();
        }
    }
}

impl Scene {
    /// Answers given while phones ring are added to the message the phones ring for; nobody waits for it.
    fn save_answers(&mut self) {
        if self
            .draft
            .as_ref()
            .is_some_and(|draft| !draft.kept && draft.says_something())
        {
            self.keep_draft();
        }
    }
}
