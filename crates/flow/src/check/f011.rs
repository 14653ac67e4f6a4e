//! F011: a comma inside `{…}` without quotes. Asked while YAML is read, because afterwards the words are gone.

use crate::diagnostic::{Diagnostic, Place};

/// `cut` was meant to be the end of what stands after `setting`.
pub(crate) fn bare_comma(at: &Place, cut: &str, setting: Option<&str>) -> Diagnostic {
    let whole = setting.map_or_else(|| cut.to_owned(), |setting| format!("{setting}: …, {cut}"));
    Diagnostic::error(
        "F011",
        at,
        format!("Inside {{…}} a comma begins a new setting, so `{cut}` was cut off from the words before it."),
        "Callers would hear half of the sentence.",
        format!(
            "Put the whole words in quotes: `{whole}` becomes `{}: \"…, {cut}\"`.",
            setting.unwrap_or("for")
        ),
    )
}
