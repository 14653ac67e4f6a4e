//! U001: more than five choices.

use crate::diagnostic::Diagnostic;
use crate::model::Act;
use crate::parse::flow::FlowDraft;
use crate::parse::practice::PracticeDraft;

/// What callers can hold in mind while they listen.
const CHOICES_MAX: usize = 5;

pub(super) fn check(draft: &FlowDraft, _: &PracticeDraft, out: &mut Vec<Diagnostic>) {
    for (section, index, step) in draft.every_step() {
        if let Act::Menu(menu) = &step.act
            && menu.choices.len() > CHOICES_MAX
        {
            out.push(Diagnostic::warning(
                "U001",
                draft.step_at(section, index),
                format!(
                    "The menu offers {} choices; {CHOICES_MAX} is the most callers remember.",
                    menu.choices.len()
                ),
                "Callers press the wrong key, or none.",
                "Put the rarer choices into a second menu.",
            ));
        }
    }
}
