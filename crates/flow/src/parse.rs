//! Trees → the typed model, file by file, with every name looked up on the way.
//!
//! A name that leads nowhere is a diagnostic and a hole; the rest of the file is still read, so that one slip does not
//! hide the next. Whatever has a hole never becomes a [`Practice`](crate::Practice).

pub(crate) mod condition;
pub(crate) mod flow;
pub(crate) mod practice;
pub(crate) mod protocol;
pub(crate) mod settings;
pub(crate) mod shared;
pub(crate) mod speech;
pub(crate) mod translations;

use jiff::civil::Date;

use crate::approval::Approved;
use crate::diagnostic::{Diagnostic, Place};
use crate::model::Approval;
use crate::source::{Kind, Node, normalized};
use settings::Settings;

/// The words of a value, or a finding that something else stands there.
pub(crate) fn words<'a>(node: &'a Node, what: &str, out: &mut Vec<Diagnostic>) -> Option<&'a str> {
    match &node.kind {
        Kind::Text(text) if !text.trim().is_empty() => Some(text),
        _ => {
            out.push(not_understood(
                &node.at,
                format!("`{what}` should be words, but {} here.", node.describe()),
                "Write it in words; if they hold `: `, `#`, braces or brackets, put them in quotes.",
            ));
            None
        }
    }
}

/// A list of words; one word alone counts as a list of one.
pub(crate) fn word_list<'a>(node: &'a Node, what: &str, out: &mut Vec<Diagnostic>) -> Vec<(&'a str, &'a Place)> {
    match &node.kind {
        Kind::List(items) => items
            .iter()
            .filter_map(|item| Some((words(item, what, out)?.trim(), &item.at)))
            .collect(),
        Kind::Text(text) => vec![(text.trim(), &node.at)],
        _ => {
            out.push(not_understood(
                &node.at,
                format!("`{what}` should be a list, but {} here.", node.describe()),
                "Write a list in brackets: [one, two].",
            ));
            Vec::new()
        }
    }
}

/// One of a few fixed phrases.
pub(crate) fn choice<T: Copy>(node: &Node, what: &str, choices: &[(&str, T)], out: &mut Vec<Diagnostic>) -> Option<T> {
    let text = normalized(words(node, what, out)?);
    let found = choices
        .iter()
        .find(|(phrase, _)| phrase.eq_ignore_ascii_case(&text))
        .map(|(_, value)| *value);
    if found.is_none() {
        let phrases: Vec<&str> = choices.iter().map(|(phrase, _)| *phrase).collect();
        out.push(not_understood(
            &node.at,
            format!("`{what}` cannot be `{text}`."),
            &crate::diagnostic::did_you_mean(&text, phrases.iter().copied()),
        ));
    }
    found
}

/// `format: 1`
pub(crate) fn format(settings: &mut Settings<'_>, out: &mut Vec<Diagnostic>) {
    if let Some(node) = settings.need("format", "A file of another format could be read wrongly.", out)
        && words(node, "format", out).is_some_and(|text| text.trim() != "1")
    {
        out.push(not_understood(
            &node.at,
            "This engine reads format 1.".to_owned(),
            "Write `format: 1`.",
        ));
    }
}

/// `clinical approval: {by, on, review by}`
pub(crate) fn approval(settings: &mut Settings<'_>, out: &mut Vec<Diagnostic>) -> Option<Approved> {
    let node = settings.need(
        "clinical approval",
        "Callers would be sorted by rules no clinician has read.",
        out,
    )?;
    let mut fields = Settings::of(node, "clinical approval", out)?;
    let by = fields
        .need("by", "Nobody could be asked about these words.", out)
        .and_then(|node| words(node, "by", out));
    let on = fields
        .need("on", "Nobody could tell how old the approval is.", out)
        .and_then(|node| date(node, "on", out));
    let review_by = fields
        .need("review by", "The wording would never be looked at again.", out)
        .and_then(|node| Some((date(node, "review by", out)?, node.at.clone())));
    let signed = fields
        .take("fingerprint")
        .and_then(|node| Some((words(node, "fingerprint", out)?.trim().to_owned(), node.at.clone())));
    fields.finish(out);
    let (review_by, at) = review_by?;
    Some(Approved {
        approval: Approval {
            by: by?.trim().to_owned(),
            on: on?,
            review_by,
        },
        review_by: at,
        signed,
    })
}

/// `2026-11-18`
pub(crate) fn date(node: &Node, what: &str, out: &mut Vec<Diagnostic>) -> Option<Date> {
    let text = words(node, what, out)?.trim();
    let date = text.parse::<Date>().ok().filter(|_| text.len() == "2026-11-18".len());
    if date.is_none() {
        out.push(not_understood(
            &node.at,
            format!("`{what}` should be a day, but `{text}` is none."),
            "Write year, month and day: 2026-11-18.",
        ));
    }
    date
}

/// `6 seconds`
pub(crate) fn duration(node: &Node, what: &str, out: &mut Vec<Diagnostic>) -> Option<std::time::Duration> {
    let text = words(node, what, out)?.trim();
    let duration = crate::time::reading::duration(text);
    if duration.is_none() {
        out.push(not_understood(
            &node.at,
            format!("`{what}` should be a length of time, but `{text}` is none."),
            "Write a number and a unit: 6 seconds, 2 minutes, 1 hour, 14 days.",
        ));
    }
    duration
}

/// F025: words that mean nothing here.
pub(crate) fn not_understood(at: &Place, what: String, fix: &str) -> Diagnostic {
    Diagnostic::error(
        "F025",
        at,
        what,
        "The engine would have to guess, and it does not guess about callers.",
        fix,
    )
}

/// F026: a person, role, line or file that is not there.
pub(crate) fn unknown(at: &Place, what: String, suffers: &str, fix: &str) -> Diagnostic {
    Diagnostic::error("F026", at, what, suffers, fix)
}
