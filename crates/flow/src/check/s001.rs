//! S001: no section may end in silence, and nobody who waited in vain, or left word, is hung up on without a word.

use super::paths::ways;
use crate::diagnostic::Diagnostic;
use crate::model::{Act, SectionId, Then};
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
        for (at, step) in section.steps.iter().enumerate() {
            let (then, waited) = match &step.act {
                Act::Escalate {
                    if_no_one_accepts: then,
                    ..
                } => (*then, "has waited for a person in vain"),
                Act::Connect { if_no_answer: then, .. } => (*then, "has waited for an answer in vain"),
                Act::TakeMessage(_) | Act::TakeRefill(_) => (Then::Continue, "has left word"),
                _ => continue,
            };
            let next = match then {
                Then::Continue => (id, at + 1),
                Then::Section(to) => (to, 0),
            };
            if let Some((end, at)) = silent_end(draft, next) {
                out.push(Diagnostic::error(
                    "S001",
                    draft.step_at(end, at),
                    format!("A caller who {waited} is hung up on here without a word."),
                    "The line would go dead, and the caller would not know whether anyone is coming.",
                    "Say before it what happens next: `- say: We will keep trying, and call you back.`",
                ));
            }
        }
    }
}

/// The `hang up` that is come to from here without anything being heard before.
fn silent_end(draft: &FlowDraft, (mut id, mut at): (SectionId, usize)) -> Option<(SectionId, usize)> {
    for _ in 0..draft.flow.sections.len() {
        // What could not be read there may have been words.
        let sound = Some(id).filter(|id| !draft.is_broken(*id))?;
        let steps = draft.flow.sections.get(sound.0)?.steps.get(at..)?;
        let heard = |act: &Act| !matches!(act, Act::Notify { .. } | Act::Remember { .. });
        let next = steps.iter().position(|step| heard(&step.act))?;
        match steps.get(next)?.act {
            Act::HangUp => return Some((id, at + next)),
            Act::GoTo(to) => (id, at) = (to, 0),
            _ => return None,
        }
    }
    None
}
