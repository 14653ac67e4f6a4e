//! P003: a detail is asked and shown to nobody.

use super::paths::{live_steps, reachable, ways};
use crate::diagnostic::Diagnostic;
use crate::model::{Act, Step};
use crate::parse::flow::FlowDraft;
use crate::parse::practice::PracticeDraft;

pub(super) fn check(draft: &FlowDraft, _: &PracticeDraft, out: &mut Vec<Diagnostic>) {
    if !draft.broken.is_empty() {
        return;
    }
    for (section, index, step) in draft.every_step() {
        if !matches!(step.act, Act::Ask { .. } | Act::Collect(_)) {
            continue;
        }
        let rest = live_steps(&draft.flow, section).get(index..).unwrap_or(&[]);
        // 0 is a way out of the question, not the way of what was asked.
        let zero = draft.flow.every_question.press_zero;
        let ahead = reachable(
            &draft.flow,
            rest.iter()
                .flat_map(|step| ways(step, &draft.flow).to)
                .filter(|to| Some(*to) != zero),
        );
        let shown = rest.iter().any(shows)
            || ahead
                .into_iter()
                .any(|section| live_steps(&draft.flow, section).iter().any(shows));
        if !shown {
            out.push(Diagnostic::error(
                "P003",
                draft.step_at(section, index),
                "What is asked here is shown to nobody.",
                "The caller would tell us and nobody would know.",
                "Follow it with `escalate to`, `take message` or `take refill`, or do not ask.",
            ));
        }
    }
}

/// Somebody is shown what was asked before.
fn shows(step: &Step) -> bool {
    matches!(
        step.act,
        Act::Escalate { .. } | Act::TakeMessage(_) | Act::TakeRefill(_) | Act::FindPatient { .. }
    )
}
