//! `- hang up`: nothing more is played.

use super::StepText;
use crate::model::Act;

pub(super) fn read(step: &mut StepText<'_, '_>) -> Option<Act> {
    step.bare(Act::HangUp)
}
