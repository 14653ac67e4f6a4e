//! `record a message: up to …`: a tone, the caller's voice, and a message that is kept when it can be (§4).

use std::time::Duration;

use jiff::Timestamp;

use super::message::Draft;
use super::scene::{Scene, Speaking};
use super::{Chosen, ClipId, Do, Doing, Heard, MESSAGE, MessageId, Outcome, Turn, Value, field};
use crate::library::Phrase;
use crate::model::{Field, Kind, Target};

#[derive(Debug)]
pub(super) struct Recording {
    longest: Duration,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    Asking(Speaking),
    Listening { clip: ClipId, until: Timestamp },
    Keeping { id: MessageId, until: Timestamp },
}

pub(super) fn begin(scene: &mut Scene, longest: Duration) -> Turn {
    scene.ahead.clear();
    if scene.recordings_down {
        return Turn::Next;
    }
    let words = scene.phrase(Phrase::LeaveAMessage);
    let speaking = scene.say(words, true);
    Turn::Stay(Doing::Recording(Recording {
        longest,
        phase: Phase::Asking(speaking),
    }))
}

impl Recording {
    pub(super) fn hear(mut self, scene: &mut Scene, heard: Heard) -> Turn {
        match (heard, &self.phase) {
            (Heard::Key(_), Phase::Asking(_)) => self.listen(scene),
            (heard, Phase::Asking(speaking)) if speaking.over(scene.now, &heard) => self.listen(scene),
            (Heard::Key(key), Phase::Listening { clip, .. }) if *key.expose() == '#' => {
                scene.out.push_back(Do::EndClip { id: *clip });
            }
            (Heard::Clip { id, heard }, Phase::Listening { clip, .. }) if id == *clip => {
                if heard.is_none() {
                    scene.chose(MESSAGE.to_owned(), Chosen::Silence);
                    return Turn::Next;
                }
                let Some(id) = leave(scene, *clip) else {
                    return Turn::Next;
                };
                self.phase = Phase::Keeping {
                    id,
                    until: scene.after(field::KEEP_PATIENCE),
                };
            }
            (Heard::Time, Phase::Listening { clip, until }) if scene.now >= *until => {
                // Whoever records has fallen silent; what was said up to here may well be there.
                scene.out.push_back(Do::EndClip { id: *clip });
                let Some(id) = leave(scene, *clip) else {
                    return Turn::Next;
                };
                self.phase = Phase::Keeping {
                    id,
                    until: scene.after(field::KEEP_PATIENCE),
                };
            }
            (Heard::Kept(id), Phase::Keeping { id: kept, .. }) if id == *kept => {
                if let Some(draft) = &mut scene.draft {
                    draft.kept = true;
                    if let Target::Inbox(inbox) = &draft.goes_to {
                        let inbox = inbox.clone();
                        scene.reach(Outcome::Message { inbox });
                    }
                }
                return Turn::Next;
            }
            // The clip itself is sealed by now; that the book cannot note it must not hold the caller.
            (Heard::NotKept(id), Phase::Keeping { id: kept, .. }) if id == *kept => return Turn::Next,
            (Heard::Time, Phase::Keeping { until, .. }) if scene.now >= *until => return Turn::Next,
            _ => {}
        }
        Turn::Stay(Doing::Recording(self))
    }

    fn listen(&mut self, scene: &mut Scene) {
        let clip = field::record(scene, Field::VoiceMessage, self.longest);
        self.phase = Phase::Listening {
            clip,
            until: scene.after(self.longest.saturating_add(field::CLIP_GRACE)),
        };
    }

    pub(super) fn due(&self) -> Timestamp {
        match self.phase {
            Phase::Asking(speaking) => speaking.until,
            Phase::Listening { until, .. } | Phase::Keeping { until, .. } => until,
        }
    }

    pub(super) fn clip(&self) -> Option<(ClipId, Field)> {
        match self.phase {
            Phase::Listening { clip, .. } => Some((clip, Field::VoiceMessage)),
            _ => None,
        }
    }
}

/// Puts the clip into the message that waits for the ladder, or into one of its own.
fn leave(scene: &mut Scene, clip: ClipId) -> Option<MessageId> {
    if scene.draft.is_none() {
        draft(scene);
    }
    scene.tell(Field::VoiceMessage, Value::Clip(clip), None);
    scene.keep_draft()
}

/// A message for a clip that belongs to no other: to the ladder that ran, else to an inbox somebody reads.
pub(super) fn draft(scene: &mut Scene) {
    let ladder = scene.ladder.as_ref().map(|ladder| Target::Ladder(ladder.name.clone()));
    let inbox = || {
        scene
            .flow
            .messages
            .values()
            .map(|kind| &kind.goes_to)
            .find(|to| matches!(to, Target::Inbox(_)))
            .cloned()
    };
    let any_inbox = || {
        scene
            .practice
            .inboxes
            .keys()
            .next()
            .map(|name| Target::Inbox(name.clone()))
    };
    let any_ladder = || {
        scene
            .practice
            .ladders
            .keys()
            .next()
            .map(|name| Target::Ladder(name.clone()))
    };
    let Some(goes_to) = ladder.or_else(inbox).or_else(any_inbox).or_else(any_ladder) else {
        return;
    };
    let kind = Kind {
        name: "voice message".to_owned(),
        ask: vec![Field::CallbackNumber, Field::VoiceMessage],
        goes_to,
        call_back_by: None,
        mark_as: None,
        keep_audio: true,
    };
    let mut draft = Draft::new(scene, &kind);
    // A ladder that ran needs no second start.
    draft.owed &= scene.ladder.is_none();
    draft.asked_all = !scene.caller_left;
    scene.draft = Some(draft);
}
