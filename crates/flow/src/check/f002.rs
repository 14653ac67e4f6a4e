//! F002: a ladder that is not there. Asked where the name is looked up.

use crate::diagnostic::{Diagnostic, Place, did_you_mean};

pub(crate) fn unknown<'a>(at: &Place, name: &str, ladders: impl Iterator<Item = &'a str> + Clone) -> Diagnostic {
    Diagnostic::error(
        "F002",
        at,
        format!("The practice has no ladder `{name}`."),
        "Nobody would be called.",
        did_you_mean(name, ladders),
    )
}
