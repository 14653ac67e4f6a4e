//! S015: a caller with a new symptom can only leave a message.

use std::collections::BTreeSet;

use super::paths::{live_steps, ways};
use crate::diagnostic::Diagnostic;
use crate::model::{Act, Flow, SectionId};
use crate::parse::flow::FlowDraft;
use crate::parse::practice::PracticeDraft;
use crate::words::Language;

/// What a key is called that callers with a symptom press.
const SYMPTOM: [&str; 15] = [
    "symptom",
    "sick",
    "hurt",
    "pain",
    "medical question",
    "medical problem",
    "injur",
    "fever",
    "bleeding",
    "not feeling well",
    "feel ill",
    "trouble breathing",
    "swallowed",
    "contraction",
    "reaction",
];

pub(super) fn check(draft: &FlowDraft, _: &PracticeDraft, out: &mut Vec<Diagnostic>) {
    if !draft.broken.is_empty() {
        return;
    }
    let flow = &draft.flow;
    for (section, index, step) in draft.every_step() {
        let Act::Menu(menu) = &step.act else { continue };
        for choice in &menu.choices {
            let label = choice.label.text(Language::English).to_lowercase();
            let (Some(to), Some(word)) = (choice.go_to, SYMPTOM.iter().find(|word| label.contains(**word))) else {
                continue;
            };
            if !helped(flow, to) {
                out.push(Diagnostic::error(
                    "S015",
                    draft.step_at(section, index),
                    format!(
                        "Key {} is for `{word}`, and behind it there are no red-flag questions and no person.",
                        choice.key
                    ),
                    "A caller with a heart attack could only leave a message.",
                    "Lead it to a section with `- triage:`, or to a person with `- escalate to:`.",
                ));
            }
        }
    }
}

/// Red-flag questions, the 911 direction or a person lie ahead, without pressing 0 and without falling silent.
fn helped(flow: &Flow, from: SectionId) -> bool {
    let mut seen = BTreeSet::new();
    let mut left = vec![from];
    let aside = [flow.every_question.press_zero, Some(flow.every_question.then)];
    while let Some(section) = left.pop() {
        if !seen.insert(section) {
            continue;
        }
        for step in live_steps(flow, section) {
            match &step.act {
                Act::Triage { .. }
                | Act::Escalate { .. }
                | Act::Connect { .. }
                | Act::TellToCall911
                | Act::Transfer { .. } => {
                    return true;
                }
                Act::Menu(menu) => left.extend(menu.choices.iter().filter_map(|choice| choice.go_to)),
                Act::AskYesOrNo { if_yes, if_no, .. } => left.extend([*if_yes, *if_no]),
                _ => left.extend(ways(step, flow).to.into_iter().filter(|to| !aside.contains(&Some(*to)))),
            }
        }
    }
    false
}
