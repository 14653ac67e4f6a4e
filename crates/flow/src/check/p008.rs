//! P008: a behavioral-health practice says whether 42 CFR Part 2 binds it.

use crate::diagnostic::Diagnostic;
use crate::model::{Act, Notice};
use crate::parse::flow::FlowDraft;
use crate::parse::practice::PracticeDraft;

pub(super) fn check(draft: &FlowDraft, practice: &PracticeDraft, out: &mut Vec<Diagnostic>) {
    if practice.practice.confidentiality.is_some() {
        return;
    }
    let behavioral = draft
        .every_step()
        .find(|(_, _, step)| matches!(step.act, Act::EmergencyNotice(Notice::BehavioralHealth)));
    if let Some((section, index, _)) = behavioral {
        out.push(Diagnostic::error(
            "P008",
            draft.step_at(section, index),
            "This is a behavioral-health line, and the practice does not say which confidentiality rule binds it.",
            "What callers say about drugs or alcohol could be passed on without the notice the law asks for.",
            "Write `confidentiality: 42 CFR Part 2`, or `confidentiality: HIPAA`, in the practice file.",
        ));
    }
}
