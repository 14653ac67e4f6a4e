//! U003: a message without a call-back number.

use crate::diagnostic::Diagnostic;
use crate::model::Field;
use crate::parse::flow::FlowDraft;
use crate::parse::practice::PracticeDraft;

pub(super) fn check(draft: &FlowDraft, _: &PracticeDraft, out: &mut Vec<Diagnostic>) {
    for (name, message) in &draft.flow.messages {
        if !message.ask.contains(&Field::CallbackNumber) {
            out.push(Diagnostic::warning(
                "U003",
                draft.message_at(name),
                format!("The message `{name}` does not ask for a call-back number."),
                "A caller whose number is hidden, or who calls from somebody else's phone, could not be called back.",
                "Ask for `callback number` first.",
            ));
        }
    }
}
