//! F030: a flow asks of the records what the practice does not let it (SCH-02: reading the book is one thing, writing in
//! it another). A practice that names no records at all has none yet: its callers take the road of records that are down.

use crate::diagnostic::Diagnostic;
use crate::model::Act;
use crate::parse::flow::FlowDraft;
use crate::parse::practice::PracticeDraft;

pub(super) fn check(draft: &FlowDraft, practice: &PracticeDraft, out: &mut Vec<Diagnostic>) {
    let Some(records) = &practice.practice.records else {
        return;
    };
    for (section, index, step) in draft.every_step() {
        let needs: &[(&str, &[String], &str)] = match &step.act {
            Act::FindPatient { .. } => &[("reads", &records.reads, "patients")],
            Act::OfferAppointments { .. } => &[
                ("reads", &records.reads, "open appointments"),
                ("writes", &records.writes, "appointments"),
            ],
            _ => &[],
        };
        let lacks = needs.iter().find(|(_, may, what)| !may.iter().any(|one| one == what));
        if let Some((verb, _, what)) = lacks {
            out.push(Diagnostic::error(
                "F030",
                draft.step_at(section, index),
                format!("This step needs `{what}`, and `{verb}:` of the practice's records does not hold it."),
                "The records would refuse, and every caller would be told that the book cannot be opened.",
                format!("Add `{what}` to `records: {verb}:` in the practice file, or take the step out."),
            ));
        }
    }
}
