//! C010: the engine takes in and routes; it never reassures or advises (§2.7).

use crate::diagnostic::{Diagnostic, Place};
use crate::model::Act;
use crate::parse::flow::FlowDraft;
use crate::parse::practice::PracticeDraft;
use crate::parse::protocol::ProtocolDraft;
use crate::words::Language;

/// What has been heard from machines that meant well.
const SOOTHING: [&str; 16] = [
    "you are fine",
    "you're fine",
    "you will be fine",
    "nothing to worry about",
    "do not worry",
    "don't worry",
    "no need to",
    "not an emergency",
    "not serious",
    "is normal",
    "it will pass",
    "should go away",
    "take an aspirin",
    "take two",
    "take some",
    "take a dose",
];

pub(super) fn check(draft: &ProtocolDraft, out: &mut Vec<Diagnostic>) {
    for (question, at) in draft.protocol.questions.iter().zip(&draft.questions) {
        look(question.words.text(Language::English), at, out);
    }
}

pub(super) fn check_flow(draft: &FlowDraft, _: &PracticeDraft, out: &mut Vec<Diagnostic>) {
    for (section, index, step) in draft.every_step() {
        let words = match &step.act {
            Act::Say { words, .. } | Act::Play { words, .. } => words,
            Act::Menu(menu) => &menu.question,
            Act::AskYesOrNo { question, .. } => question,
            _ => continue,
        };
        look(words.text(Language::English), draft.step_at(section, index), out);
    }
}

fn look(text: &str, at: &Place, out: &mut Vec<Diagnostic>) {
    let text = text.to_lowercase();
    if let Some(phrase) = SOOTHING.iter().find(|phrase| text.contains(**phrase)) {
        out.push(Diagnostic::error(
            "C010",
            at,
            format!("`{phrase}` reassures or advises the caller."),
            "A caller who is in danger could believe it and wait.",
            "Say what will happen next; leave advice to the clinician who calls.",
        ));
    }
}
