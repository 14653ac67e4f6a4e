//! C006: more than three conditions joined in one question.

use crate::diagnostic::Diagnostic;
use crate::parse::protocol::ProtocolDraft;
use crate::words::Language;

/// Joined to the first one: "a, b, c or d" joins three, and is what the signs of a stroke take.
const JOINED_MAX: usize = 3;

pub(super) fn check(draft: &ProtocolDraft, out: &mut Vec<Diagnostic>) {
    for (question, at) in draft.protocol.questions.iter().zip(&draft.questions) {
        let joined = joined(question.words.text(Language::English));
        if joined > JOINED_MAX {
            out.push(Diagnostic::warning(
                "C006",
                at,
                format!(
                    "One question asks for {} things; {} is the most.",
                    joined + 1,
                    JOINED_MAX + 1
                ),
                "A caller who has the second of them has forgotten it when the last one is said.",
                "Ask it as two questions.",
            ));
        }
    }
}

/// How many things are joined to the first, by commas, `or` and `and`; `, or` joins once.
fn joined(text: &str) -> usize {
    let text = text.to_lowercase();
    let mut joined = 0;
    let mut before_joins = false;
    for word in text.split_whitespace() {
        let joins = matches!(word, "or" | "and");
        if joins && !before_joins {
            joined += 1;
        }
        before_joins = word.ends_with(',');
        if before_joins {
            joined += 1;
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::joined;

    #[test]
    fn a_comma_before_or_joins_once() {
        assert_eq!(joined("Is there pain?"), 0);
        assert_eq!(joined("Is there chest pain or pressure, or trouble breathing?"), 2);
        assert_eq!(
            joined("Is there sudden weakness, a drooping face, trouble speaking, or the worst headache ever?"),
            3
        );
    }
}
