//! C009: reading level above grade 8, over all questions of a protocol together (Flesch-Kincaid; a grade of one question
//! alone says little).

use crate::diagnostic::Diagnostic;
use crate::parse::protocol::ProtocolDraft;
use crate::words::Language;

const GRADE_MAX: f64 = 8.0;

pub(super) fn check(draft: &ProtocolDraft, out: &mut Vec<Diagnostic>) {
    let questions = draft.protocol.questions.iter();
    let texts: Vec<&str> = questions
        .map(|question| question.words.text(Language::English))
        .collect();
    let Some(grade) = grade(&texts).filter(|grade| *grade > GRADE_MAX) else {
        return;
    };
    // Pointed at where most is to be gained.
    let hardest = texts
        .iter()
        .zip(&draft.questions)
        .max_by(|(a, _), (b, _)| level(a).total_cmp(&level(b)))
        .map_or(&draft.at, |(_, at)| at);
    out.push(Diagnostic::warning(
        "C009",
        hardest,
        format!("The questions read at grade {grade:.0}; {GRADE_MAX:.0} is the most."),
        "Frightened callers would press a key without having understood what they were asked.",
        "Begin with this question: shorter words, and one thing at a time.",
    ));
}

fn level(text: &str) -> f64 {
    grade(&[text]).unwrap_or(0.0)
}

#[expect(clippy::cast_precision_loss, reason = "no protocol has 2^52 words")]
fn grade(questions: &[&str]) -> Option<f64> {
    let words: Vec<&str> = questions
        .iter()
        .flat_map(|text| text.split(|c: char| !c.is_alphanumeric() && c != '\''))
        .filter(|word| !word.is_empty())
        .collect();
    if words.is_empty() {
        return None;
    }
    let syllables: usize = words.iter().map(|word| syllables(word)).sum();
    let (words, questions) = (words.len() as f64, questions.len() as f64);
    Some(0.39 * words / questions + 11.8 * syllables as f64 / words - 15.59)
}

/// Groups of vowels, a silent `e` at the end not counted.
fn syllables(word: &str) -> usize {
    let word = word.to_lowercase();
    let vowel = |c: char| matches!(c, 'a' | 'e' | 'i' | 'o' | 'u' | 'y');
    let mut groups = 0;
    let mut before = false;
    for c in word.chars() {
        groups += usize::from(vowel(c) && !before);
        before = vowel(c);
    }
    let silent = word.ends_with('e') && !word.ends_with("le") && groups > 1;
    (groups - usize::from(silent)).max(1)
}

#[cfg(test)]
mod tests {
    use super::{grade, syllables};

    #[test]
    fn short_words_are_a_low_grade() {
        assert_eq!(
            ["chest", "breathing", "medicine", "the", "trouble", "fever"].map(syllables),
            [1, 2, 3, 1, 2, 2]
        );
        assert!(grade(&["Is there chest pain, or trouble breathing?"]).unwrap() < 6.0);
        assert!(grade(&["Has the individual experienced progressive neurological deterioration?"]).unwrap() > 12.0);
    }
}
