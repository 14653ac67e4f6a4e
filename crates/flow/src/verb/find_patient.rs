//! `- find patient by: [caller number, date of birth]`; `if not found` also holds when records are down.

use super::StepText;
use crate::diagnostic::Diagnostic;
use crate::model::{Act, PatientKey};
use crate::parse::{not_understood, word_list};

pub(super) fn read(step: &mut StepText<'_, '_>) -> Option<Act> {
    const KEYS: [(&str, PatientKey); 3] = [
        ("caller number", PatientKey::CallerNumber),
        ("date of birth", PatientKey::DateOfBirth),
        ("medical record number", PatientKey::MedicalRecordNumber),
    ];
    let head = step.head()?;
    let mut by = Vec::new();
    for (name, at) in word_list(head, "find patient by", step.out) {
        match KEYS.iter().find(|(known, _)| *known == name) {
            Some((_, key)) if by.contains(key) => {}
            Some((_, key)) => by.push(*key),
            None => {
                let fix = crate::diagnostic::did_you_mean(name, KEYS.iter().map(|(known, _)| *known));
                step.out.push(not_understood(
                    at,
                    format!("A patient cannot be found by `{name}`."),
                    &fix,
                ));
            }
        }
    }
    if by.len() < 2 {
        step.out.push(Diagnostic::error(
            "F025",
            &head.at,
            "One detail alone does not tell who a patient is.",
            "A caller could hear about somebody else's appointment.",
            "Name two or more: [caller number, date of birth].",
        ));
    }
    let if_not_found = step.need_section(
        "if not found",
        "A caller who is not found, or calls while records are down, would have nowhere to go.",
    )?;
    (by.len() >= 2).then_some(Act::FindPatient { by, if_not_found })
}
