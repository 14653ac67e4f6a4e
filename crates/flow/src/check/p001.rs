//! P001: a notice holds the practice, the urgency and the time, and nothing about a patient.

use crate::diagnostic::{Diagnostic, Place};
use crate::model::{Act, Sentence};
use crate::parse::flow::FlowDraft;
use crate::parse::practice::PracticeDraft;
use crate::words::{Fill, Language};

/// Beginnings of words that tell why somebody called, or who.
const TELLING: [&str; 26] = [
    "chest",
    "pain",
    "fever",
    "breath",
    "bleed",
    "symptom",
    "seizure",
    "suicid",
    "overdos",
    "pregnan",
    "medicine",
    "medication",
    "refill",
    "prescri",
    "diagnos",
    "birth",
    "born",
    "patient name",
    "caller name",
    "callback",
    "surgery",
    "cancer",
    "hiv",
    "injur",
    "rash",
    "insulin",
];

pub(super) fn check(draft: &FlowDraft, practice: &PracticeDraft, out: &mut Vec<Diagnostic>) {
    for (section, index, step) in draft.every_step() {
        if let Act::Notify { saying, .. } = &step.act {
            look(saying, &practice.practice.name, draft.step_at(section, index), out);
        }
    }
}

pub(super) fn check_practice(draft: &PracticeDraft, out: &mut Vec<Diagnostic>) {
    for (name, ladder) in &draft.practice.ladders {
        look(
            &ladder.they_hear,
            &draft.practice.name,
            draft.they_hear.get(name).unwrap_or(&draft.at),
            out,
        );
    }
}

fn look(sentence: &Sentence, practice: &str, at: &Place, out: &mut Vec<Diagnostic>) {
    // The practice may be named, whatever words its name is made of.
    let text = sentence.text(Language::English).replace(practice, "").to_lowercase();
    let fill = Fill::ALL
        .iter()
        .filter(|fill| **fill != Fill::Time)
        .find(|fill| text.contains(&format!("{{{}}}", fill.name())));
    let starts = |beginning: &&&str| {
        text.match_indices(**beginning).any(|(at, _)| {
            at == 0
                || text
                    .get(..at)
                    .is_some_and(|before| !before.ends_with(char::is_alphanumeric))
        })
    };
    let digits = text.chars().filter(char::is_ascii_digit).count();
    let found = match (fill, TELLING.iter().find(starts)) {
        (Some(fill), _) => format!("`{{{}}}`", fill.name()),
        (None, Some(word)) => format!("`{word}`"),
        // A telephone number, or a date of birth; `911` and a key are shorter.
        (None, None) if digits >= 7 => "a long number".to_owned(),
        (None, None) => return,
    };
    out.push(Diagnostic::error(
        "P001",
        at,
        format!("A notice holds {found}."),
        "A locked phone on a kitchen table would show strangers why somebody called.",
        "Keep to the practice, the urgency and the time; the details wait behind the sign-in.",
    ));
}
