//! T001: an emergency question, a disposition or a failure that no scenario comes to. Asked where scenarios are played.

use crate::diagnostic::{Diagnostic, Place};

pub(crate) fn unrehearsed(at: &Place, what: String, fix: &str) -> Diagnostic {
    Diagnostic::error(
        "T001",
        at,
        what,
        "What has never been rehearsed is tried for the first time on a caller.",
        fix,
    )
}
