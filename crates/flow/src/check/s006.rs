//! S006: the safety net tries to reach a person.

use crate::diagnostic::Diagnostic;
use crate::model::Act;
use crate::parse::flow::FlowDraft;
use crate::parse::practice::PracticeDraft;

pub(super) fn check(draft: &FlowDraft, _: &PracticeDraft, out: &mut Vec<Diagnostic>) {
    let net = draft.flow.safety_net;
    let steps = draft.flow.sections.get(net.0).map_or(&[][..], |section| &section.steps);
    let reaches = steps
        .iter()
        .any(|step| matches!(step.act, Act::Escalate { .. } | Act::Connect { .. }) && step.only_if.is_none());
    if !reaches && !draft.is_broken(net) {
        out.push(Diagnostic::error(
            "S006",
            draft.section_at(net),
            "The safety net tries to reach nobody.",
            "When everything is broken, no person would be called.",
            "Add `- escalate to: …` with `if no one accepts: continue`.",
        ));
    }
}
