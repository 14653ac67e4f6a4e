//! S003: an escalation or a connection that does not say what happens when nobody answers. Asked where the step is read,
//! because there is no such step without it.

use crate::diagnostic::{Diagnostic, Place};

pub(crate) fn unsaid(at: &Place, verb: &str, setting: &str) -> Diagnostic {
    Diagnostic::error(
        "S003",
        at,
        format!("`{verb}` does not say what happens when nobody answers."),
        "The caller would wait in silence for a person who does not come.",
        format!("Add `{setting}:` and a section that tells the caller what to do."),
    )
}
