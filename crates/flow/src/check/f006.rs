//! F006: callers can circle without an ending.
//!
//! Two kinds: sections from which no ending can be reached at all, and a way on which a caller who does nothing, and whom
//! nobody answers, comes round to where they were.

use std::collections::{BTreeMap, BTreeSet};

use super::paths::{leads_to, live_steps, reachable, ways};
use crate::diagnostic::Diagnostic;
use crate::model::{Flow, SectionId};
use crate::parse::flow::FlowDraft;
use crate::parse::practice::PracticeDraft;

pub(super) fn check(draft: &FlowDraft, _: &PracticeDraft, out: &mut Vec<Diagnostic>) {
    let flow = &draft.flow;
    if !draft.broken.is_empty() {
        return;
    }
    let all = reachable(flow, [flow.start, flow.safety_net]);
    let ending = ending(flow, &all);
    let mut told: BTreeSet<SectionId> = BTreeSet::new();
    for &section in &all {
        // A section that leads nowhere is S001's.
        if !ending.contains(&section) && !told.contains(&section) && !leads_to(flow, section).is_empty() {
            let ahead = reachable(flow, [section]);
            if told.is_disjoint(&ahead) {
                told.extend(&ahead);
                out.push(circle(draft, section, &ahead));
            }
        }
    }
    for &section in &all {
        if let Some(round) = silent_circle(flow, section)
            && told.is_disjoint(&round)
        {
            told.extend(&round);
            out.push(circle(draft, section, &round));
        }
    }
}

/// The sections from which an ending can be reached.
fn ending(flow: &Flow, all: &BTreeSet<SectionId>) -> BTreeSet<SectionId> {
    let mut back: BTreeMap<SectionId, Vec<SectionId>> = BTreeMap::new();
    let mut left = Vec::new();
    for &section in all {
        for to in leads_to(flow, section) {
            back.entry(to).or_default().push(section);
        }
        if live_steps(flow, section).iter().any(|step| ways(step, flow).can_end) {
            left.push(section);
        }
    }
    let mut found = BTreeSet::new();
    while let Some(section) = left.pop() {
        if found.insert(section) {
            left.extend(back.get(&section).into_iter().flatten());
        }
    }
    found
}

/// The sections a silent caller goes through, if they come back to where they began.
fn silent_circle(flow: &Flow, start: SectionId) -> Option<BTreeSet<SectionId>> {
    let mut round = BTreeSet::new();
    let mut section = start;
    while round.insert(section) {
        section = live_steps(flow, section)
            .iter()
            .find_map(|step| ways(step, flow).if_nothing_happens.filter(|_| step.only_if.is_none()))?;
    }
    (section == start).then_some(round)
}

fn circle(draft: &FlowDraft, section: SectionId, round: &BTreeSet<SectionId>) -> Diagnostic {
    let names: Vec<&str> = round
        .iter()
        .filter_map(|id| draft.flow.sections.get(id.0))
        .map(|section| section.name.as_str())
        .collect();
    Diagnostic::error(
        "F006",
        draft.section_at(section),
        format!("Callers can circle without an ending through: {}.", names.join(", ")),
        "A caller would hear the same words again and again, and reach nobody.",
        "Lead one of these sections to a person, a message or a goodbye.",
    )
}
