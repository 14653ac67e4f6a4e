//! U015: a recording that begins or ends with a long silence. Clips are trimmed when they are made, so callers do not wait;
//! but where the room is not quiet the cut is made at its noise, and whoever listens to the file hears another length.

use super::recordings::{Heard, place};
use crate::diagnostic::Diagnostic;

const SECONDS_MAX: f32 = 2.0;

pub(super) fn check(heard: &[Heard<'_>], out: &mut Vec<Diagnostic>) {
    for one in heard {
        let (where_, seconds) = match (one.measure.before, one.measure.after) {
            (before, _) if before > SECONDS_MAX => ("begins", before),
            (_, after) if after > SECONDS_MAX => ("ends", after),
            _ => continue,
        };
        out.push(Diagnostic::advice(
            "U015",
            &place(one.name),
            format!("The recording {where_} with {seconds:.1} seconds of silence."),
            "It is cut away for callers; in a room that is not quite quiet, not all of it is.",
            "Leave half a second of silence on either side.",
        ));
    }
}
