//! The caller is gone. What they told us is delivered, and whoever was being rung for them is still rung (§5, ESC-12).
//!
//! A hang-up while details are gathered delivers what there is, marked *cut off*. If those details were for a ladder, or
//! the caller had just been graded urgent, the ladder is started and whoever accepts is given the number to call back.

use std::time::Duration;

use jiff::Timestamp;

use super::field::KEEP_PATIENCE;
use super::message::Draft;
use super::offer::{Deed, Deeds};
use super::scene::Scene;
use super::{ClipId, Do, Doing, Escalated, Heard, MessageId, Outcome, Turn, Value, record};
use crate::model::{Act, Field, Level, Target};

/// How long the end of a clip may take to be told after a hang-up.
const CLIP_PATIENCE: Duration = Duration::from_secs(5);
/// How long the run waits to learn who calls back. The ladder itself does not end with the run.
const RINGING_MAX: Duration = Duration::from_secs(3 * 60 * 60);

#[derive(Debug)]
pub(super) enum Parting {
    /// The caller hung up in the middle of a clip: was anything said?
    Clip { id: ClipId, field: Field, until: Timestamp },
    /// The message is being made durable.
    Keeping { id: MessageId, until: Timestamp },
    /// The records were asked to book or cancel, and have not answered.
    Arranging(Deed),
    /// Somebody is being rung to call back.
    Ringing { ladder: String, until: Timestamp },
}

pub(super) fn caller_left(doing: Doing, scene: &mut Scene) -> Turn {
    scene.caller_left = true;
    scene.take_so_far(&doing);
    let clip = doing.clip();
    if let Some((id, _)) = clip {
        scene.out.push_back(Do::EndClip { id });
    }
    match doing {
        Doing::Over | Doing::Parting(_) => Turn::Stay(doing),
        Doing::Bridged(_) => Turn::End,
        Doing::Escalating(escalating) => escalating.caller_left(scene),
        Doing::Offering(offering) => match offering.deed() {
            Some(deed) => Turn::Stay(Doing::Parting(Parting::Arranging(deed.unheard()))),
            None => part(scene),
        },
        _ => match clip {
            Some((id, field)) => Turn::Stay(Doing::Parting(Parting::Clip {
                id,
                field,
                until: scene.after(CLIP_PATIENCE),
            })),
            None => part(scene),
        },
    }
}

/// Delivers what there is to deliver.
fn part(scene: &mut Scene) -> Turn {
    if scene.draft.is_none() && scene.ladder.is_none() && scene.disposition == Some(Level::Urgent) {
        scene.draft = coming(scene);
    }
    let calling = scene.caller.number.is_some();
    let Some(draft) = &scene.draft else { return Turn::End };
    if !draft.kept && (draft.says_something() || (draft.owed && calling)) {
        return match scene.keep_draft() {
            Some(id) => Turn::Stay(Doing::Parting(Parting::keeping(scene, id))),
            None => Turn::End,
        };
    }
    if draft.kept { deliver(scene) } else { Turn::End }
}

/// Graded urgent, gone before the first detail: the message this section was about to gather.
fn coming(scene: &mut Scene) -> Option<Draft> {
    let flow = scene.flow.clone();
    let steps = flow.section(scene.section).steps.get(scene.next_step..)?;
    steps.iter().find_map(|step| match &step.act {
        Act::Collect(name) | Act::TakeMessage(name) => flow.messages.get(name).map(|kind| Draft::new(scene, kind)),
        Act::Escalate { ladder, .. } => Some(Draft::of_caller(scene, ladder)),
        _ => None,
    })
}

fn deliver(scene: &mut Scene) -> Turn {
    let Some(draft) = &mut scene.draft else {
        return Turn::End;
    };
    let (id, goes_to, owed, number) = (draft.id, draft.goes_to.clone(), draft.owed, draft.has_number());
    let kept = draft.kept;
    draft.owed = false;
    match goes_to {
        Target::Inbox(inbox) => {
            if kept {
                scene.reach(Outcome::Message { inbox });
            }
            Turn::End
        }
        Target::Ladder(ladder) if owed && (number || scene.caller.number.is_some()) => {
            scene.escalate_without_caller(ladder.clone(), Some(id));
            Turn::Stay(Doing::Parting(Parting::ringing(scene, ladder)))
        }
        // No number: nobody could be called back, and a doctor is not woken for a silence.
        Target::Ladder(_) => Turn::End,
    }
}

impl Parting {
    pub(super) fn keeping(scene: &Scene, id: MessageId) -> Self {
        Self::Keeping {
            id,
            until: scene.after(KEEP_PATIENCE),
        }
    }

    pub(super) fn ringing(scene: &Scene, ladder: String) -> Self {
        Self::Ringing {
            ladder,
            until: scene.after(RINGING_MAX),
        }
    }

    pub(super) fn hear(self, scene: &mut Scene, heard: Heard) -> Turn {
        match (heard, self) {
            (heard, Self::Arranging(deed)) => match deed.hear(scene, &heard) {
                Deeds::Still(deed) => Turn::Stay(Doing::Parting(Self::Arranging(deed))),
                Deeds::Ended(ended) => {
                    Deed::settled(ended, scene);
                    part(scene)
                }
            },
            (Heard::Clip { id, heard }, Self::Clip { id: clip, field, .. }) if id == clip => {
                if heard.is_some() {
                    if scene.draft.is_none() {
                        record::draft(scene);
                    }
                    scene.tell(field, Value::Clip(clip), None);
                }
                part(scene)
            }
            (Heard::Time, Self::Clip { until, .. }) if scene.now >= until => part(scene),
            (Heard::Kept(kept), Self::Keeping { id, .. }) if kept == id => {
                if let Some(draft) = &mut scene.draft {
                    draft.kept = true;
                }
                deliver(scene)
            }
            // It stays in memory: a ladder is rung all the same, an inbox cannot be said to hold it.
            (Heard::NotKept(not_kept), Self::Keeping { id, .. }) if not_kept == id => deliver(scene),
            (Heard::Time, Self::Keeping { until, .. }) if scene.now >= until => deliver(scene),
            (Heard::Escalation(Escalated::Accepted { person }), Self::Ringing { .. }) => {
                scene.reach(Outcome::CallingBack { person });
                Turn::End
            }
            (Heard::Escalation(Escalated::Exhausted), Self::Ringing { ladder, .. }) => {
                scene.nobody_accepted(&ladder);
                Turn::End
            }
            (Heard::Time, Self::Ringing { ladder, until }) if scene.now >= until => {
                scene.nobody_accepted(&ladder);
                Turn::End
            }
            (_, parting) => Turn::Stay(Doing::Parting(parting)),
        }
    }

    pub(super) fn due(&self) -> Option<Timestamp> {
        match self {
            Self::Arranging(deed) => Some(deed.due()),
            Self::Clip { until, .. } | Self::Keeping { until, .. } | Self::Ringing { until, .. } => Some(*until),
        }
    }
}
