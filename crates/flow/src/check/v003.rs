//! V003: a caller is asked something, and from there no person can be reached, whatever they press (P2).
//! A warning here, so that a laboratory's lines run; the release refuses it.

use super::proved;
use crate::diagnostic::Diagnostic;
use crate::parse::flow::FlowDraft;
use crate::parse::practice::PracticeDraft;
use crate::proof::Breach;

pub(super) fn check(draft: &FlowDraft, practice: &PracticeDraft, out: &mut Vec<Diagnostic>) {
    for story in proved(draft, practice) {
        if story.breach == Breach::NobodyReachable {
            out.push(Diagnostic::warning(
                "V003",
                draft.step_at(story.section, story.step),
                format!(
                    "From here no person can be reached, whatever the caller presses: {}.",
                    story.told()
                ),
                "A caller who gets worse in the middle of the call would have no way to a person.",
                "Set `press 0:` under `every question` to a section that rings somebody.",
            ));
        }
    }
}
