//! S001: no section may end in silence.

use super::paths::ways;
use crate::diagnostic::Diagnostic;
use crate::model::SectionId;
use crate::parse::flow::FlowDraft;
use crate::parse::practice::PracticeDraft;

pub(super) fn check(draft: &FlowDraft, _: &PracticeDraft, out: &mut Vec<Diagnostic>) {
    for (index, section) in draft.flow.sections.iter().enumerate() {
        let id = SectionId(index);
        let Some(last) = section.steps.len().checked_sub(1) else {
            continue;
        };
        let falls_off = section.steps.iter().all(|step| ways(step, &draft.flow).goes_on);
        if falls_off && !draft.is_broken(id) {
            out.push(Diagnostic::error(
                "S001",
                draft.step_at(id, last),
                format!(
                    "The section `{}` ends and says neither where to go nor goodbye.",
                    section.name
                ),
                "The caller would be left in silence, not knowing whether anyone is coming.",
                "End it with `go to: …` or `hang up`, after words that say what happens next.",
            ));
        }
    }
}
