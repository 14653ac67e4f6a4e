//! F001: a section that is not there. Asked where the name is looked up.

use crate::diagnostic::{Diagnostic, Place, did_you_mean};

const SUFFERS: &str = "The call would have nowhere to go from here.";

/// In this flow.
pub(crate) fn unknown<'a>(at: &Place, name: &str, sections: impl Iterator<Item = &'a str> + Clone) -> Diagnostic {
    let what = format!("There is no section `{name}`.");
    let fix = did_you_mean(name, sections);
    // Nothing that is there is like it: it was meant to be written yet.
    let fix = fix.strip_prefix("Write one of: ").map_or(fix.clone(), |those| {
        format!("Write the section below, `{name}:` with its steps, or lead to one of: {those}")
    });
    Diagnostic::error("F001", at, what, SUFFERS, fix)
}

/// In a shared piece.
pub(crate) fn unknown_in<'a>(
    at: &Place,
    file: &str,
    name: &str,
    sections: impl Iterator<Item = &'a str> + Clone,
) -> Diagnostic {
    let what = format!("`{file}` has no section `{name}`.");
    Diagnostic::error("F001", at, what, SUFFERS, did_you_mean(name, sections))
}
