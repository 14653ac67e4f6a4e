//! F005: a section nobody can reach.

use super::paths::reachable;
use crate::diagnostic::Diagnostic;
use crate::model::SectionId;
use crate::parse::flow::FlowDraft;
use crate::parse::practice::PracticeDraft;

pub(super) fn check(draft: &FlowDraft, _: &PracticeDraft, out: &mut Vec<Diagnostic>) {
    // A step that could not be read may be the very one that leads there.
    if !draft.broken.is_empty() {
        return;
    }
    let flow = &draft.flow;
    let seen = reachable(flow, [flow.start, flow.safety_net]);
    for (index, section) in flow.sections.iter().enumerate() {
        if !seen.contains(&SectionId(index)) {
            out.push(Diagnostic::warning(
                "F005",
                draft.section_at(SectionId(index)),
                format!("Nothing leads to the section `{}`.", section.name),
                "Callers who need it would not get there.",
                "Lead to it with a key or `go to:`, or take it out.",
            ));
        }
    }
}
