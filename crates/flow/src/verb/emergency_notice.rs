//! `- emergency notice`, or `- emergency notice: behavioral health`: fixed words in every language, never skipped.

use super::StepText;
use crate::model::{Act, Notice};
use crate::parse::choice;

pub(super) fn read(step: &mut StepText<'_, '_>) -> Option<Act> {
    const NOTICES: [(&str, Notice); 3] = [
        ("general", Notice::General),
        ("behavioral health", Notice::BehavioralHealth),
        ("obstetric", Notice::Obstetric),
    ];
    let notice = match step.head {
        Some(head) => choice(head, "emergency notice", &NOTICES, step.out)?,
        None => Notice::General,
    };
    Some(Act::EmergencyNotice(notice))
}
