//! F003: a message that is not there. Asked where the name is looked up.

use crate::diagnostic::{Diagnostic, Place, did_you_mean};

pub(crate) fn unknown<'a>(at: &Place, name: &str, messages: impl Iterator<Item = &'a str> + Clone) -> Diagnostic {
    Diagnostic::error(
        "F003",
        at,
        format!("There is no message `{name}`."),
        "The caller would be asked for nothing, and nobody would be told.",
        did_you_mean(name, messages),
    )
}
