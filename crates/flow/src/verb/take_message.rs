//! `- take message: message`: its details are asked for, kept durably, delivered.

use super::StepText;
use crate::model::Act;

pub(super) fn read(step: &mut StepText<'_, '_>) -> Option<Act> {
    let head = step.head()?;
    step.names.message(head, "take message", step.out).map(Act::TakeMessage)
}
