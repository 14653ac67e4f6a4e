//! S005: the safety net gives the emergency notice, first of all.

use crate::diagnostic::Diagnostic;
use crate::model::Act;
use crate::parse::flow::FlowDraft;
use crate::parse::practice::PracticeDraft;

pub(super) fn check(draft: &FlowDraft, _: &PracticeDraft, out: &mut Vec<Diagnostic>) {
    let net = draft.flow.safety_net;
    if draft.is_broken(net) {
        return;
    }
    let steps = draft.flow.sections.get(net.0).map_or(&[][..], |section| &section.steps);
    let first = steps.iter().find(|step| !matches!(step.act, Act::Answer));
    if !first.is_some_and(|step| matches!(step.act, Act::EmergencyNotice(_)) && step.only_if.is_none()) {
        out.push(Diagnostic::error(
            "S005",
            draft.section_at(net),
            "The safety net does not begin with the emergency notice.",
            "When everything is broken, a caller in an emergency would not be told to dial 911.",
            "Make `- emergency notice` its first step.",
        ));
    }
}
