//! U005: `transfer to` lets go of the caller; `connect to` stays.

use crate::diagnostic::Diagnostic;
use crate::model::Act;
use crate::parse::flow::FlowDraft;
use crate::parse::practice::PracticeDraft;

pub(super) fn check(draft: &FlowDraft, _: &PracticeDraft, out: &mut Vec<Diagnostic>) {
    for (section, index, step) in draft.every_step() {
        if matches!(step.act, Act::Transfer { .. }) {
            out.push(Diagnostic::advice(
                "U005",
                draft.step_at(section, index),
                "The call is transferred and let go of.",
                "If nobody picks up there, the caller is lost.",
                "Use `connect to:` with `if no answer:`.",
            ));
        }
    }
}
