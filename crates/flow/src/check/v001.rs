//! V001: a call can end in nothing: no person, no promise, no direction (P1). The finding tells the shortest such call.
//! A warning here, so that a laboratory's lines run; the release refuses it.

use super::proved;
use crate::diagnostic::Diagnostic;
use crate::parse::flow::FlowDraft;
use crate::parse::practice::PracticeDraft;
use crate::proof::Breach;

pub(super) fn check(draft: &FlowDraft, practice: &PracticeDraft, out: &mut Vec<Diagnostic>) {
    for story in proved(draft, practice) {
        if story.breach == Breach::EndsInNothing {
            out.push(Diagnostic::warning(
                "V001",
                draft.step_at(story.section, story.step),
                format!("A call can end here with nothing: {}.", story.told()),
                "The caller would hang up with no person, no promise and nothing to do.",
                "Take a message, ring somebody, or say where to turn, before the call ends.",
            ));
        }
    }
}
