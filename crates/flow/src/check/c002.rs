//! C002: a protocol without emergency or urgent questions.

use crate::diagnostic::Diagnostic;
use crate::model::Level;
use crate::parse::protocol::ProtocolDraft;

pub(super) fn check(draft: &ProtocolDraft, out: &mut Vec<Diagnostic>) {
    for level in [Level::Emergency, Level::Urgent] {
        if !draft.protocol.questions.iter().any(|question| question.level == level) {
            out.push(Diagnostic::error(
                "C002",
                &draft.at,
                format!("The protocol asks no {} question.", level.name()),
                "The callers who are worst off would not be told apart from the others.",
                format!("Add `{}:` and its questions; a clinician writes them.", level.name()),
            ));
        }
    }
}
