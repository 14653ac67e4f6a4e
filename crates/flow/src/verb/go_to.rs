//! `- go to: section`.

use super::StepText;
use crate::model::Act;

pub(super) fn read(step: &mut StepText<'_, '_>) -> Option<Act> {
    let head = step.head()?;
    step.names.section(head, "go to", step.out).map(Act::GoTo)
}
