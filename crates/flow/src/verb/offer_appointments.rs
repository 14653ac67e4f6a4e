//! `- offer appointments: [book, move, cancel]` with `visit types`, `within`, `if nothing fits`, `if records are down`.

use super::StepText;
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::model::{Act, Appointment, Sentence, VisitType};
use crate::parse::{duration, not_understood, word_list, words};
use crate::source::{Kind, Node, normalized};
use crate::words::Language;

/// How far ahead appointments are offered when the flow does not say.
const WITHIN_DAYS: u32 = 14;
/// Kinds of visit in one menu.
const VISIT_TYPES_MAX: usize = 9;

pub(super) fn read(step: &mut StepText<'_, '_>) -> Option<Act> {
    const WANTED: [(&str, Appointment); 3] = [
        ("book", Appointment::Book),
        ("move", Appointment::Move),
        ("cancel", Appointment::Cancel),
    ];
    let head = step.head()?;
    let mut wanted = Vec::new();
    for (name, at) in word_list(head, "offer appointments", step.out) {
        match WANTED.iter().find(|(known, _)| *known == name) {
            Some((_, kind)) if wanted.contains(kind) => {}
            Some((_, kind)) => wanted.push(*kind),
            None => {
                let fix = did_you_mean(name, WANTED.iter().map(|(known, _)| *known));
                step.out.push(not_understood(
                    at,
                    format!("Nobody can `{name}` an appointment here."),
                    &fix,
                ));
            }
        }
    }
    let visit_types = match step.beside.take("visit types") {
        Some(node) => visit_types(step, node),
        None => Vec::new(),
    };
    if visit_types.is_empty() && wanted.iter().any(|kind| *kind != Appointment::Cancel) {
        step.out.push(Diagnostic::error(
            "F024",
            &step.beside.at,
            "`offer appointments` lacks `visit types`.",
            "No kind of visit may be booked that is not named, so every caller would be told that nothing fits.",
            "Add `visit types:` and the names your records have for them: [office visit, video visit].",
        ));
    }
    let within_days = step
        .beside
        .take("within")
        .and_then(|node| duration(node, "within", step.out))
        .and_then(|within| u32::try_from(within.as_secs() / 86_400).ok())
        .unwrap_or(WITHIN_DAYS);
    let if_nothing_fits = step.section("if nothing fits");
    let if_records_are_down = step.need_section(
        "if records are down",
        "When the records system is down, the caller would have nowhere to go.",
    )?;
    (!wanted.is_empty()).then_some(Act::OfferAppointments {
        wanted,
        visit_types,
        within_days,
        if_nothing_fits,
        if_records_are_down,
    })
}

/// Each with the line callers hear when there are several: `For an office visit, press 1.`
fn visit_types(step: &mut StepText<'_, '_>, node: &Node) -> Vec<VisitType> {
    let items = match &node.kind {
        Kind::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    if items.len() > VISIT_TYPES_MAX {
        step.out.push(not_understood(
            &node.at,
            format!("{} kinds of visit are more than a telephone has keys for.", items.len()),
            "Name nine at most.",
        ));
    }
    let several = items.len() > 1;
    let mut types = Vec::new();
    for (item, key) in items.iter().zip('1'..='9') {
        let Some(name) = words(item, "visit types", step.out).map(normalized) else {
            continue;
        };
        // A kind that is alone is not said, so it needs no translation.
        let spoken = several.then(|| step.names.speech.sentence(item, "visit types", step.out));
        let spoken = spoken.flatten().map(|label| step.names.speech.option(&one(label), key));
        types.push(VisitType { name, spoken });
    }
    types
}

/// `office visit` → `an office visit`. Other languages are written as they are said.
fn one(mut label: Sentence) -> Sentence {
    let text = label.text(Language::English).to_owned();
    let has_one = ["a ", "an ", "the "].iter().any(|article| text.starts_with(article));
    if !has_one {
        let vowel = text.starts_with(['a', 'e', 'i', 'o', 'A', 'E', 'I', 'O']);
        let article = if vowel { "an" } else { "a" };
        label
            .spoken
            .insert(Language::English, format!("{article} {text}").into());
    }
    label
}
