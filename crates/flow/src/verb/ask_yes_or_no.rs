//! `- ask yes or no: question` with `if yes`, `if no`, and `if no answer` where the flow's own rule will not do.

use super::StepText;
use crate::model::Act;

pub(super) fn read(step: &mut StepText<'_, '_>) -> Option<Act> {
    let head = step.head()?;
    let question = step.names.speech.sentence(head, "ask yes or no", step.out);
    let if_yes = step.need_section("if yes", "A caller who presses 1 would have nowhere to go.");
    let if_no = step.need_section("if no", "A caller who presses 2 would have nowhere to go.");
    let if_no_answer = step.section("if no answer");
    Some(Act::AskYesOrNo {
        question: question?,
        if_yes: if_yes?,
        if_no: if_no?,
        if_no_answer,
    })
}
