//! `- choose language`: one key for each language of the flow, each said in its own.

use super::StepText;
use crate::model::Act;

pub(super) fn read(step: &mut StepText<'_, '_>) -> Option<Act> {
    step.bare(Act::ChooseLanguage)
}
