//! F004: a step after an ending.

use super::paths::ways;
use crate::diagnostic::Diagnostic;
use crate::model::SectionId;
use crate::parse::flow::FlowDraft;
use crate::parse::practice::PracticeDraft;

pub(super) fn check(draft: &FlowDraft, _: &PracticeDraft, out: &mut Vec<Diagnostic>) {
    for (index, section) in draft.flow.sections.iter().enumerate() {
        let Some(end) = section.steps.iter().position(|step| !ways(step, &draft.flow).goes_on) else {
            continue;
        };
        if end + 1 < section.steps.len() {
            out.push(Diagnostic::error(
                "F004",
                draft.step_at(SectionId(index), end + 1),
                format!(
                    "The section `{}` has already ended on line {}.",
                    section.name,
                    draft.step_at(SectionId(index), end).line
                ),
                "No caller would ever hear this step, though its author expects it.",
                "Move it before the ending, or into a section of its own.",
            ));
        }
    }
}
