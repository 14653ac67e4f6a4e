//! `- take refill: message` with `controlled medicine: doctor reviews`, the only value there is.

use super::StepText;
use crate::model::Act;
use crate::parse::choice;

pub(super) fn read(step: &mut StepText<'_, '_>) -> Option<Act> {
    let head = step.head()?;
    let message = step.names.message(head, "take refill", step.out);
    let controlled = step.beside.need(
        "controlled medicine",
        "A controlled medicine could be refilled with no doctor looking.",
        step.out,
    )?;
    choice(controlled, "controlled medicine", &[("doctor reviews", ())], step.out)?;
    message.map(Act::TakeRefill)
}
