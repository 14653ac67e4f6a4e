//! V002: an emergency or an urgent call falls to less, and nobody was rung (P1). The finding tells the shortest such call.

use super::proved;
use crate::diagnostic::Diagnostic;
use crate::parse::flow::FlowDraft;
use crate::parse::practice::PracticeDraft;
use crate::proof::Breach;

pub(super) fn check(draft: &FlowDraft, practice: &PracticeDraft, out: &mut Vec<Diagnostic>) {
    for story in proved(draft, practice) {
        if let Breach::FallsToLess(level) = story.breach {
            out.push(Diagnostic::error(
                "V002",
                draft.step_at(story.section, story.step),
                format!(
                    "A call graded {} comes to less than a person here: {}.",
                    level.name(),
                    story.told()
                ),
                "Somebody who needs help tonight would be called back tomorrow.",
                "Ring somebody first: `escalate to:`, or `tell the caller to call 911`.",
            ));
        }
    }
}
