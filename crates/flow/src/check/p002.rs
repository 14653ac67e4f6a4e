//! P002: a message that asks for more than six details.

use crate::diagnostic::Diagnostic;
use crate::parse::flow::FlowDraft;
use crate::parse::practice::PracticeDraft;

/// What callers answer before they hang up.
const DETAILS_MAX: usize = 6;

pub(super) fn check(draft: &FlowDraft, _: &PracticeDraft, out: &mut Vec<Diagnostic>) {
    for (name, message) in &draft.flow.messages {
        if message.ask.len() > DETAILS_MAX {
            out.push(Diagnostic::warning(
                "P002",
                draft.message_at(name),
                format!(
                    "The message `{name}` asks for {} details; {DETAILS_MAX} is the most.",
                    message.ask.len()
                ),
                "Callers hang up before the last one, and more is kept about them than is needed.",
                "Leave out what the person who calls back can ask.",
            ));
        }
    }
}
