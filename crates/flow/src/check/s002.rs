//! S002: the emergency notice is within the first two things heard.

use std::collections::BTreeSet;

use crate::diagnostic::Diagnostic;
use crate::model::{Act, SectionId};
use crate::parse::flow::FlowDraft;
use crate::parse::practice::PracticeDraft;

pub(super) fn check(draft: &FlowDraft, _: &PracticeDraft, out: &mut Vec<Diagnostic>) {
    let mut heard = 0;
    let mut section = draft.flow.start;
    let mut seen = BTreeSet::new();
    // The opening runs straight on: anything that branches is heard, and two of those are already too many.
    while seen.insert(section) {
        if draft.is_broken(section) {
            return;
        }
        let Some(steps) = draft.flow.sections.get(section.0) else {
            return;
        };
        let mut next = None;
        for (index, step) in steps.steps.iter().enumerate() {
            match &step.act {
                Act::EmergencyNotice(_) if heard < 2 && step.only_if.is_none() => return,
                Act::GoTo(to) if step.only_if.is_none() => {
                    next = Some(*to);
                    break;
                }
                Act::Answer | Act::GoTo(_) | Act::Remember { .. } | Act::Notify { .. } => {}
                _ => heard += 1,
            }
            if heard >= 2 {
                return late(draft, section, index, out);
            }
        }
        match next {
            Some(to) => section = to,
            None => break,
        }
    }
    late(draft, section, 0, out);
}

fn late(draft: &FlowDraft, section: SectionId, step: usize, out: &mut Vec<Diagnostic>) {
    out.push(Diagnostic::error(
        "S002",
        draft.step_at(section, step),
        "Two things have been heard and the emergency notice was neither of them.",
        "A caller with chest pain would listen to a menu.",
        "Put `- emergency notice` right after the greeting.",
    ));
}
