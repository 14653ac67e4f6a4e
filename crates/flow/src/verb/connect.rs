//! `- connect to: person or line` with `ring for`, `show`, and `if no answer`, which is required.

use std::time::Duration;

use phi::Phi;

use super::StepText;
use crate::diagnostic::{Diagnostic, Place, did_you_mean};
use crate::model::{Act, Show};
use crate::parse::choice;
use crate::parse::practice::ring_for;
use crate::source::normalized;

pub(super) fn read(step: &mut StepText<'_, '_>) -> Option<Act> {
    const SHOW: [(&str, Show); 2] = [
        ("practice number", Show::PracticeNumber),
        ("caller number", Show::CallerNumber),
    ];
    let dialled = dialled(step);
    let ring_for = step
        .beside
        .take("ring for")
        .map_or(Some(Duration::from_secs(30)), |node| ring_for(node, step.out));
    let show = step
        .beside
        .take("show")
        .map_or(Some(Show::default()), |node| choice(node, "show", &SHOW, step.out));
    let if_no_answer = step.if_nobody("if no answer");
    let (to, dial) = dialled?;
    Some(Act::Connect {
        to,
        dial,
        ring_for: ring_for?,
        show: show?,
        if_no_answer: if_no_answer?,
    })
}

/// A person, an outside line or a line of the practice, and what is dialled. Never an emergency number (S004).
pub(super) fn dialled(step: &mut StepText<'_, '_>) -> Option<(String, Phi<String>)> {
    let (text, head) = step.head_words()?;
    let name = normalized(text);
    let practice = step.names.practice;
    if crate::check::emergency_number(&name) {
        step.out.push(emergency(&head.at, &name));
        return None;
    }
    if let Some(person) = practice.people.get(&name) {
        return Some((name, person.call.clone()));
    }
    if let Some(number) = practice.outside_lines.get(&name).or_else(|| practice.lines.get(&name)) {
        let number = number.clone();
        return Some((name, Phi::new(number)));
    }
    let names = practice
        .people
        .keys()
        .chain(practice.outside_lines.keys())
        .chain(practice.lines.keys())
        .map(String::as_str);
    step.out.push(crate::parse::unknown(
        &head.at,
        format!("The practice knows no person and no line called `{name}`."),
        "The caller would be connected to nobody.",
        &did_you_mean(&name, names),
    ));
    None
}

/// S004. There is no way to say it: a transferred 911 call reaches the wrong town's dispatcher, with our address.
pub(crate) fn emergency(at: &Place, name: &str) -> Diagnostic {
    Diagnostic::error(
        "S004",
        at,
        format!("A call is never connected or transferred to {name}."),
        "Dispatchers would see the practice's number and address instead of the caller's, and help would go to the wrong place.",
        "Use `tell the caller to call 911`.",
    )
}
