//! `- say: words`, with `can be skipped: no` where they must be heard.

use super::StepText;
use crate::model::Act;
use crate::parse::practice::yes_or_no;

pub(super) fn read(step: &mut StepText<'_, '_>) -> Option<Act> {
    let head = step.head()?;
    let words = step.names.speech.sentence(head, "say", step.out)?;
    let skipped = step
        .beside
        .take("can be skipped")
        .and_then(|node| yes_or_no(node, "can be skipped", step.out));
    // A number or a deadline is heard to its end whatever the file says.
    let can_be_skipped = skipped.unwrap_or(true) && !words.has_fill_in();
    Some(Act::Say { words, can_be_skipped })
}
