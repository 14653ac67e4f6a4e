//! `- collect: message`: its details are asked for; two silences end the asking (§4).

use super::StepText;
use crate::model::Act;

pub(super) fn read(step: &mut StepText<'_, '_>) -> Option<Act> {
    let head = step.head()?;
    step.names.message(head, "collect", step.out).map(Act::Collect)
}
