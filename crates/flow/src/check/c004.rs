//! C004: what callers are asked is phrased as a question.

use crate::diagnostic::Diagnostic;
use crate::parse::protocol::ProtocolDraft;
use crate::words::Language;

pub(super) fn check(draft: &ProtocolDraft, out: &mut Vec<Diagnostic>) {
    for (question, at) in draft.protocol.questions.iter().zip(&draft.questions) {
        if !question.words.text(Language::English).trim_end().ends_with('?') {
            out.push(Diagnostic::warning(
                "C004",
                at,
                "This is not phrased as a question.",
                "The caller would not know what a yes means.",
                "Ask something that can be answered with yes or no, and end it with a question mark.",
            ));
        }
    }
}
