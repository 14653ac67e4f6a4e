//! U002: 0 used as a choice. Callers press it to reach a person, and `every question` already says what it does.

use crate::diagnostic::Diagnostic;
use crate::model::Act;
use crate::parse::flow::FlowDraft;
use crate::parse::practice::PracticeDraft;

pub(super) fn check(draft: &FlowDraft, _: &PracticeDraft, out: &mut Vec<Diagnostic>) {
    for (section, index, step) in draft.every_step() {
        let keys: Vec<char> = match &step.act {
            Act::Menu(menu) => menu.choices.iter().map(|choice| choice.key).collect(),
            Act::Escalate {
                or_press: Some(choice), ..
            } => vec![choice.key],
            _ => continue,
        };
        if keys.contains(&'0') {
            out.push(Diagnostic::warning(
                "U002",
                draft.step_at(section, index),
                "0 is one of the choices.",
                "Callers who press 0 to reach a person would get something else.",
                "Use another key; set 0 once for all under `every question`.",
            ));
        }
    }
}
