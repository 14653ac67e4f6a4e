//! `- use: file#section` with `version` and `with`. Pieces are put in before steps are read ([`crate::parse::shared`]), so
//! a `use` that is still there could not be, and has been reported.

use super::StepText;
use crate::model::Act;

pub(super) fn read(step: &mut StepText<'_, '_>) -> Option<Act> {
    for setting in ["version", "with"] {
        step.beside.take(setting);
    }
    None
}
