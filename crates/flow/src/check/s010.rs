//! S010: more than 60 seconds of our words between "urgent" and the first ring.

use crate::diagnostic::Diagnostic;
use crate::model::Act;
use crate::parse::flow::FlowDraft;
use crate::parse::practice::PracticeDraft;
use crate::proof::{At, Does, Estimate, Road, Roads, longest, rings};

const SECONDS_MAX: f64 = 60.0;

pub(super) fn check(draft: &FlowDraft, practice: &PracticeDraft, out: &mut Vec<Diagnostic>) {
    if !draft.broken.is_empty() {
        return;
    }
    let flow = &draft.flow;
    for (section, index, step) in draft.every_step() {
        let Act::Triage { if_urgent, .. } = &step.act else {
            continue;
        };
        for &language in &flow.languages {
            let roads = Roads::of(&practice.practice, flow, language, &Estimate);
            // 0 is the caller's own wish, not the way this flow goes.
            let takes = |_, road: &Road| road.does != Does::PressesZero;
            let words = |road: &Road| road.words;
            let seconds = longest(&roads, At::Step(*if_urgent, 0), &words, &takes, &|at| rings(&roads, at));
            if let Some(seconds) = seconds.filter(|seconds| *seconds > SECONDS_MAX) {
                out.push(Diagnostic::warning(
                    "S010",
                    draft.step_at(section, index),
                    format!(
                        "In {} an urgent caller hears {seconds:.0} seconds of words before the first phone rings; {SECONDS_MAX:.0} is the most.",
                        language.name()
                    ),
                    "Somebody who needs a doctor now would answer questions while nobody is being called.",
                    "Ask less before `escalate to`, and the rest with `meanwhile ask`.",
                ));
                break;
            }
        }
    }
}
