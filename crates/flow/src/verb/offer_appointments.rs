//! `- offer appointments: [book, move, cancel]` with `visit types`, `within`, `if nothing fits`, `if records are down`.

use super::StepText;
use crate::diagnostic::did_you_mean;
use crate::model::{Act, Appointment};
use crate::parse::{duration, not_understood, word_list};

/// How far ahead appointments are offered when the flow does not say.
const WITHIN_DAYS: u32 = 14;

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
    let visit_types = step.beside.take("visit types").map_or_else(Vec::new, |node| {
        word_list(node, "visit types", step.out)
            .into_iter()
            .map(|(text, _)| text.to_owned())
            .collect()
    });
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
