//! S011: who the patient is, asked before the red-flag questions.

use std::collections::BTreeSet;

use crate::diagnostic::Diagnostic;
use crate::model::{Act, Class, Field};
use crate::parse::flow::FlowDraft;
use crate::parse::practice::PracticeDraft;
use crate::proof::{At, Estimate, Roads};
use crate::words::Language;

pub(super) fn check(draft: &FlowDraft, practice: &PracticeDraft, out: &mut Vec<Diagnostic>) {
    if !draft.broken.is_empty() {
        return;
    }
    let flow = &draft.flow;
    let roads = Roads::of(&practice.practice, flow, Language::English, &Estimate);
    let reached = super::paths::from_here(&roads, roads.start());
    // Every point from which the red-flag questions still lie ahead.
    let sorted: BTreeSet<At> = super::paths::leading_to(&roads, &|act| matches!(act, Act::Triage { .. }));
    for (section, index, step) in draft.every_step() {
        let at = At::Step(section, index);
        let asked: &[Field] = match &step.act {
            Act::Ask { field, .. } => std::slice::from_ref(field),
            Act::Collect(name) | Act::TakeMessage(name) | Act::TakeRefill(name) => {
                flow.messages.get(name).map_or(&[], |message| &message.ask)
            }
            Act::FindPatient { .. } => &[Field::PatientDateOfBirth],
            _ => continue,
        };
        let Some(field) = asked.iter().find(|field| field.class() == Class::Identity) else {
            continue;
        };
        // The age decides which questions are asked, and is no name.
        if !reached.contains(&at) || *field == Field::PatientAge {
            continue;
        }
        let triage = roads.from(at).iter().any(|road| sorted.contains(&road.to));
        if triage {
            out.push(Diagnostic::error(
                "S011",
                draft.step_at(section, index),
                format!("`{}` is asked before the red-flag questions.", field.name()),
                "A caller in an emergency would spell a name before anybody asks about chest pain.",
                "Put `- triage:` first; ask who the patient is in the section it leads to.",
            ));
        }
    }
}
