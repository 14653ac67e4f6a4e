//! P005: an appointment is spoken before anyone knows whose it is.

use crate::diagnostic::Diagnostic;
use crate::model::{Act, Sentence};
use crate::parse::flow::FlowDraft;
use crate::parse::practice::PracticeDraft;
use crate::words::Fill;

pub(super) fn check(draft: &FlowDraft, _: &PracticeDraft, out: &mut Vec<Diagnostic>) {
    for (section, index, step) in draft.every_step() {
        let tells = sentences(&step.act).into_iter().any(|sentence| {
            let fill = format!("{{{}}}", Fill::Appointment.name());
            sentence.spoken.values().any(|text| text.contains(&fill))
        });
        let before = draft
            .flow
            .sections
            .get(section.0)
            .and_then(|section| section.steps.get(..index))
            .unwrap_or(&[]);
        let matched = before
            .iter()
            .any(|step| matches!(step.act, Act::FindPatient { .. }) && step.only_if.is_none());
        if tells && !matched {
            out.push(Diagnostic::error(
                "P005",
                draft.step_at(section, index),
                "An appointment is spoken before the patient was found.",
                "Whoever calls could hear about somebody else's care.",
                "Put `- find patient by: [caller number, date of birth]` before it in the same section.",
            ));
        }
    }
}

fn sentences(act: &Act) -> Vec<&Sentence> {
    match act {
        Act::Say { words, .. } | Act::Play { words, .. } => vec![words],
        Act::Menu(menu) => std::iter::once(&menu.question)
            .chain(menu.choices.iter().map(|choice| &choice.label))
            .collect(),
        Act::AskYesOrNo { question, .. } => vec![question],
        _ => Vec::new(),
    }
}
