//! `- ask permission to record`: everyone is asked; no answer is a no (§10).

use super::StepText;
use crate::model::Act;

pub(super) fn read(step: &mut StepText<'_, '_>) -> Option<Act> {
    step.bare(Act::AskPermissionToRecord)
}
