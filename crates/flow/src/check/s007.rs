//! S007: every message that waits in an inbox says by when someone will call.

use crate::diagnostic::Diagnostic;
use crate::model::Target;
use crate::parse::flow::FlowDraft;
use crate::parse::practice::PracticeDraft;

pub(super) fn check(draft: &FlowDraft, _: &PracticeDraft, out: &mut Vec<Diagnostic>) {
    for (name, message) in &draft.flow.messages {
        if matches!(message.goes_to, Target::Inbox(_)) && message.call_back_by.is_none() {
            out.push(Diagnostic::error(
                "S007",
                draft.message_at(name),
                format!("The message `{name}` waits in an inbox and does not say by when someone will call."),
                "The caller would not know when to worry.",
                "Add `call back by: 10 am on the next business day`.",
            ));
        }
    }
}
