//! S017: a menu asks the caller to judge how urgent it is (self-triage). Frightened people press the wrong key, and brave
//! ones press "it can wait".

use crate::diagnostic::Diagnostic;
use crate::model::Act;
use crate::parse::flow::FlowDraft;
use crate::parse::practice::PracticeDraft;
use crate::words::Language;

const JUDGES: [&str; 7] = [
    "urgent",
    "emergenc",
    "serious",
    "severe",
    "life-threatening",
    "minor",
    "critical condition",
];

pub(super) fn check(draft: &FlowDraft, _: &PracticeDraft, out: &mut Vec<Diagnostic>) {
    for (section, index, step) in draft.every_step() {
        let Act::Menu(menu) = &step.act else { continue };
        let judged = menu.choices.iter().find_map(|choice| {
            let label = choice.label.text(Language::English).to_lowercase();
            JUDGES
                .iter()
                .find(|word| label.contains(**word))
                .map(|word| (choice.key, *word))
        });
        if let Some((key, word)) = judged {
            out.push(Diagnostic::warning(
                "S017",
                draft.step_at(section, index),
                format!("Key {key} asks the caller to judge whether it is `{word}`."),
                "Somebody with a heart attack who does not want to be a bother would press the other key.",
                "Ask what the call is about, and let `triage:` find out how bad it is.",
            ));
        }
    }
}
