//! S009: from the first key to the 911 direction in 90 seconds, for a caller who hears every question once and answers.

use crate::diagnostic::Diagnostic;
use crate::model::SectionId;
use crate::parse::flow::FlowDraft;
use crate::parse::practice::PracticeDraft;
use crate::proof::{At, Estimate, Reach, Roads, directs, longest};

const SECONDS_MAX: f64 = 90.0;

pub(super) fn check(draft: &FlowDraft, practice: &PracticeDraft, out: &mut Vec<Diagnostic>) {
    if !draft.broken.is_empty() {
        return;
    }
    let flow = &draft.flow;
    for &language in &flow.languages {
        let roads = Roads::of(&practice.practice, flow, language, &Estimate);
        let seconds = first_keys(&roads)
            .into_iter()
            .filter_map(|at| {
                let cost = |road: &_| Reach::Attentive.seconds(road);
                let takes = |at, road: &_| Reach::Attentive.takes(&roads, at, road);
                longest(&roads, at, &cost, &takes, &|at| directs(&roads, at))
            })
            .max_by(f64::total_cmp);
        if let Some(seconds) = seconds.filter(|seconds| *seconds > SECONDS_MAX) {
            let triage = draft
                .every_step()
                .find(|(_, _, step)| matches!(step.act, crate::model::Act::Triage { .. }));
            let (section, index) = triage.map_or((SectionId(0), 0), |(section, index, _)| (section, index));
            out.push(Diagnostic::error(
                "S009",
                draft.step_at(section, index),
                format!(
                    "In {} it can take {seconds:.0} seconds from the first key to “call 911 now”; {SECONDS_MAX:.0} is the most.",
                    language.name()
                ),
                "A caller with chest pain would answer questions for that long.",
                "Ask fewer emergency questions, in shorter words, and nothing before them.",
            ));
            return;
        }
    }
}

/// Where a caller comes to by the first key of a call.
fn first_keys(roads: &Roads<'_>) -> Vec<At> {
    let mut seen = std::collections::BTreeSet::new();
    let mut left = vec![roads.start()];
    let mut found = Vec::new();
    while let Some(at) = left.pop() {
        if !seen.insert(at) {
            continue;
        }
        for road in roads.from(at) {
            if road.does.is_key() {
                found.push(road.to);
            } else {
                left.push(road.to);
            }
        }
    }
    found.sort();
    found.dedup();
    found
}
