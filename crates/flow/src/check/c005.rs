//! C005: a question of more than 25 words.

use crate::diagnostic::Diagnostic;
use crate::parse::protocol::ProtocolDraft;
use crate::words::Language;

/// What a frightened caller can hold in mind.
const WORDS_MAX: usize = 25;

pub(super) fn check(draft: &ProtocolDraft, out: &mut Vec<Diagnostic>) {
    for (question, at) in draft.protocol.questions.iter().zip(&draft.questions) {
        let words = question.words.text(Language::English).split_whitespace().count();
        if words > WORDS_MAX {
            out.push(Diagnostic::warning(
                "C005",
                at,
                format!("The question has {words} words; {WORDS_MAX} is the most."),
                "By its end the caller has forgotten how it began.",
                "Ask it as two questions.",
            ));
        }
    }
}
