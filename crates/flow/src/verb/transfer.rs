//! `- transfer to: line`: blind, and therefore discouraged (U005).

use super::StepText;
use crate::model::Act;

pub(super) fn read(step: &mut StepText<'_, '_>) -> Option<Act> {
    let (to, dial) = super::connect::dialled(step)?;
    Some(Act::Transfer { to, dial })
}
