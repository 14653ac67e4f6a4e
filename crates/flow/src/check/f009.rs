//! F009: a sentence that is not translated, or not as it reads in English. Asked where sentences are read.

use std::collections::BTreeSet;

use crate::diagnostic::{Diagnostic, Place};
use crate::words::Language;

/// Nobody has translated it; `stale` is a sentence that was nearly the same.
pub(crate) fn untranslated(
    at: &Place,
    english: &str,
    language: Language,
    file: &str,
    stale: Option<&str>,
) -> Diagnostic {
    Diagnostic::error(
        "F009",
        at,
        format!("`{english}` has no {} wording.", language.name()),
        format!("A caller who chose {} would hear English here.", language.name()),
        match stale {
            Some(stale) => format!(
                "{file} has `{stale}`; if that is the same sentence, put the new English before its translation and read it again."
            ),
            None => format!("Add `{english}:` and its translation to {file}."),
        },
    )
}

/// The translation holds other fill-ins than the English.
pub(crate) fn other_fills(at: &Place, english: &str, fills: BTreeSet<String>, language: Language) -> Diagnostic {
    let fills: Vec<String> = fills.into_iter().collect();
    Diagnostic::error(
        "F009",
        at,
        format!("The translation of `{english}` does not hold the same fill-ins."),
        format!("Callers in {} would not hear what is filled in.", language.name()),
        match fills.as_slice() {
            [] => "Use exactly no fill-in.".to_owned(),
            fills => format!("Use exactly {}.", fills.join(" and ")),
        },
    )
}

/// Two files, or two lines, say it differently.
pub(crate) fn two_ways(at: &Place, english: &str, other: &str, other_at: &Place) -> Diagnostic {
    Diagnostic::error(
        "F009",
        at,
        format!(
            "`{english}` is translated in two ways; the other is on line {} of {}.",
            other_at.line, other_at.file
        ),
        "Which of the two callers hear would depend on the order of the files.",
        format!("Keep one of them. The other reads: `{other}`."),
    )
}
