//! F008: a message that is never taken.

use std::collections::BTreeSet;

use crate::diagnostic::Diagnostic;
use crate::model::Act;
use crate::parse::flow::FlowDraft;
use crate::parse::practice::PracticeDraft;

pub(super) fn check(draft: &FlowDraft, _: &PracticeDraft, out: &mut Vec<Diagnostic>) {
    if !draft.broken.is_empty() {
        return;
    }
    let taken: BTreeSet<&str> = draft
        .every_step()
        .filter_map(|(_, _, step)| match &step.act {
            Act::Collect(name) | Act::TakeMessage(name) | Act::TakeRefill(name) => Some(name.as_str()),
            _ => None,
        })
        .collect();
    for name in draft.flow.messages.keys().filter(|name| !taken.contains(name.as_str())) {
        out.push(Diagnostic::warning(
            "F008",
            draft.message_at(name),
            format!("No step takes the message `{name}`."),
            "Callers it was written for would have to leave another, or none.",
            format!("Take it with `- take message: {name}`, or take it out."),
        ));
    }
}
