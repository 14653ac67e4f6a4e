//! C003: an unclear answer is urgent or an emergency, never less.

use crate::diagnostic::Diagnostic;
use crate::model::Level;
use crate::parse::protocol::ProtocolDraft;

pub(super) fn check(draft: &ProtocolDraft, out: &mut Vec<Diagnostic>) {
    let level = draft.protocol.if_unclear;
    if level > Level::Urgent {
        out.push(Diagnostic::error(
            "C003",
            &draft.if_unclear,
            format!("An unclear answer is graded {}.", level.name()),
            "A caller too ill to press a key would wait until the office opens.",
            "Write `if an answer is unclear: urgent`.",
        ));
    }
}
