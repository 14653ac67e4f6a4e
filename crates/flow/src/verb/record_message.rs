//! `- record a message: up to 3 minutes`: a tone, then the caller's voice until silence or #.

use std::time::Duration;

use super::StepText;
use crate::model::Act;
use crate::time::reading;

/// Nobody listens to more.
const LONGEST: Duration = Duration::from_secs(300);

pub(super) fn read(step: &mut StepText<'_, '_>) -> Option<Act> {
    let (text, head) = step.head_words()?;
    let longest = text
        .strip_prefix("up to ")
        .and_then(reading::duration)
        .filter(|longest| (Duration::from_secs(5)..=LONGEST).contains(longest));
    if longest.is_none() {
        step.out.push(crate::parse::not_understood(
            &head.at,
            format!("`{text}` is not how long a message may be."),
            "Write `up to 3 minutes`; five minutes is the most.",
        ));
    }
    Some(Act::RecordMessage { longest: longest? })
}
