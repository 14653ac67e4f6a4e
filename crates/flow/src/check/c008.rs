//! C008: sample wording. A warning here; the release gate, which comes with releases, refuses it.

use crate::diagnostic::Diagnostic;
use crate::parse::protocol::ProtocolDraft;

pub(super) fn check(draft: &ProtocolDraft, out: &mut Vec<Diagnostic>) {
    if draft.protocol.sample {
        out.push(Diagnostic::warning(
            "C008",
            &draft.source,
            "The protocol says it is sample wording, not for clinical use.",
            "Real callers would be sorted by questions no clinician stands behind.",
            "Have a medical director replace the questions and their source before real callers hear them.",
        ));
    }
}
