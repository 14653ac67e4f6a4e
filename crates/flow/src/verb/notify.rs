//! `- notify: ladder or inbox` with `saying`, which holds nothing about the patient (P001).

use super::StepText;
use crate::model::Act;

pub(super) fn read(step: &mut StepText<'_, '_>) -> Option<Act> {
    let head = step.head()?;
    let target = step.names.target(head, "notify", step.out);
    let saying = step
        .beside
        .need("saying", "Somebody would be woken and not told why.", step.out)?;
    let saying = step.names.speech.unspoken(saying, "saying", step.out)?;
    Some(Act::Notify {
        target: target?,
        saying,
    })
}
