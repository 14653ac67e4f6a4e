//! F007: an inbox that is not there, and no ladder of that name either. Asked where the name is looked up.

use crate::diagnostic::{Diagnostic, Place, did_you_mean};

pub(crate) fn unknown<'a>(at: &Place, name: &str, targets: impl Iterator<Item = &'a str> + Clone) -> Diagnostic {
    Diagnostic::error(
        "F007",
        at,
        format!("The practice has no inbox and no ladder `{name}`."),
        "What callers leave would reach nobody.",
        did_you_mean(name, targets),
    )
}
