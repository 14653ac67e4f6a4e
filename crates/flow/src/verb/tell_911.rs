//! `- tell the caller to call 911`: fixed words, said twice, nothing else offered.

use super::StepText;
use crate::model::Act;

pub(super) fn read(step: &mut StepText<'_, '_>) -> Option<Act> {
    step.bare(Act::TellToCall911)
}
