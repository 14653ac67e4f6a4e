//! `- ask: field`: one detail of the library (§8).

use super::StepText;
use crate::model::Act;

pub(super) fn read(step: &mut StepText<'_, '_>) -> Option<Act> {
    let (text, head) = step.head_words()?;
    let field = super::field(text, &head.at, step.out);
    let if_no_answer = step.section("if no answer");
    Some(Act::Ask {
        field: field?,
        if_no_answer,
    })
}
