//! U011: a recording that is clipped: the wave was louder than its bits can hold, and was cut off.

use super::recordings::{Heard, warning};
use crate::diagnostic::Diagnostic;

/// So many places are no accident of one loud consonant.
const PLACES_MAX: usize = 4;

pub(super) fn check(heard: &[Heard<'_>], out: &mut Vec<Diagnostic>) {
    for one in heard.iter().filter(|one| one.measure.clipped > PLACES_MAX) {
        out.push(warning(
            "U011",
            one.name,
            format!("The sound is cut off at full scale in {} places.", one.measure.clipped),
            "Callers hear words that crackle, and making them quieter does not mend it.",
            "Turn the microphone down and record it again.",
        ));
    }
}
