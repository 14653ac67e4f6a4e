//! U004: the choices of a menu are not in the order of urgency: red-flag questions stand below something that has none.

use crate::diagnostic::Diagnostic;
use crate::model::{Act, Flow, SectionId};
use crate::parse::flow::FlowDraft;
use crate::parse::practice::PracticeDraft;
use crate::words::Language;

pub(super) fn check(draft: &FlowDraft, _: &PracticeDraft, out: &mut Vec<Diagnostic>) {
    if !draft.broken.is_empty() {
        return;
    }
    for (section, index, step) in draft.every_step() {
        let Act::Menu(menu) = &step.act else { continue };
        let mut calmer = None;
        for choice in &menu.choices {
            let Some(to) = choice.go_to else { continue };
            if !may_be_emergency(&draft.flow, to) {
                calmer.get_or_insert(choice);
            } else if let Some(calmer) = calmer {
                out.push(Diagnostic::advice(
                    "U004",
                    draft.step_at(section, index),
                    format!(
                        "`{}` may be an emergency and comes after `{}`.",
                        choice.label.text(Language::English),
                        calmer.label.text(Language::English)
                    ),
                    "Those who are worst off listen longest.",
                    "Put what may be an emergency first.",
                ));
                break;
            }
        }
    }
}

/// The section itself, or one it leads straight to, asks about red flags or says to call 911.
fn may_be_emergency(flow: &Flow, from: SectionId) -> bool {
    const NEAR: usize = 2;
    let mut near = vec![from];
    for _ in 0..=NEAR {
        let mut next = Vec::new();
        for section in near {
            for step in super::paths::live_steps(flow, section) {
                match &step.act {
                    Act::Triage { .. } | Act::TellToCall911 => return true,
                    Act::Menu(menu) => next.extend(menu.choices.iter().filter_map(|choice| choice.go_to)),
                    Act::AskYesOrNo { if_yes, if_no, .. } => next.extend([*if_yes, *if_no]),
                    Act::GoTo(to) => next.push(*to),
                    _ => {}
                }
            }
        }
        near = next;
    }
    false
}
