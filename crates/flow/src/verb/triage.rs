//! `- triage: protocol` with a section for each of the four dispositions; none may be left out (§7).

use super::StepText;
use crate::diagnostic::did_you_mean;
use crate::model::Act;

pub(super) fn read(step: &mut StepText<'_, '_>) -> Option<Act> {
    let (file, head) = step.head_words()?;
    let protocol = match step.names.protocols.get(file) {
        Some(protocol) => protocol.clone(),
        None => {
            let files = step.names.protocols.keys().map(String::as_str);
            step.out.push(crate::parse::unknown(
                &head.at,
                format!("There is no protocol file `{file}` in this folder."),
                "Callers would be asked nothing about their symptoms.",
                &did_you_mean(file, files),
            ));
            None
        }
    };
    let if_emergency = step.need_section("if emergency", "A caller in an emergency would have nowhere to go.");
    let if_urgent = step.need_section("if urgent", "A caller who needs a doctor now would have nowhere to go.");
    let if_semi_urgent = step.need_section(
        "if semi-urgent",
        "A caller who needs a nurse soon would have nowhere to go.",
    );
    let if_routine = step.need_section(
        "if routine",
        "A caller whose answers are all no would have nowhere to go.",
    );
    Some(Act::Triage {
        protocol: protocol?,
        if_emergency: if_emergency?,
        if_urgent: if_urgent?,
        if_semi_urgent: if_semi_urgent?,
        if_routine: if_routine?,
    })
}
