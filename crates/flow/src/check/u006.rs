//! U006: words of more than 20 seconds before the first key is named.

use crate::diagnostic::Diagnostic;
use crate::model::{Act, Sentence};
use crate::parse::flow::FlowDraft;
use crate::parse::practice::PracticeDraft;
use crate::proof::{Estimate, Length};
use crate::words::{Language, Part};

const SECONDS_MAX: f64 = 20.0;

pub(super) fn check(draft: &FlowDraft, _: &PracticeDraft, out: &mut Vec<Diagnostic>) {
    for (section, index, step) in draft.every_step() {
        let before: Vec<&Sentence> = match &step.act {
            Act::Menu(menu) => std::iter::once(&menu.question)
                .chain(menu.choices.first().map(|choice| &choice.spoken))
                .collect(),
            Act::AskYesOrNo { question, .. } => vec![question],
            _ => continue,
        };
        let slowest = draft
            .flow
            .languages
            .iter()
            .map(|&language| {
                (
                    language,
                    before.iter().map(|sentence| seconds(sentence, language)).sum::<f64>(),
                )
            })
            .max_by(|(_, a), (_, b)| a.total_cmp(b));
        if let Some((language, seconds)) = slowest.filter(|(_, seconds)| *seconds > SECONDS_MAX) {
            out.push(Diagnostic::warning(
                "U006",
                draft.step_at(section, index),
                format!(
                    "In {} callers listen for {seconds:.0} seconds before they hear of the first key; {SECONDS_MAX:.0} is the most.",
                    language.name()
                ),
                "They press anything, or hang up.",
                "Ask in one short sentence; say the rest in a `say:` before it, which a key skips.",
            ));
        }
    }
}

fn seconds(sentence: &Sentence, language: Language) -> f64 {
    Estimate.seconds(&Part::new(sentence.text(language), language))
}
