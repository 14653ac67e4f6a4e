//! `- answer`: the call is answered, and its clock starts.

use super::StepText;
use crate::model::Act;

pub(super) fn read(step: &mut StepText<'_, '_>) -> Option<Act> {
    step.bare(Act::Answer)
}
