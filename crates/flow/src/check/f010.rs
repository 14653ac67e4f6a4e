//! F010: a recording that belongs to no sentence any more: its sentence was changed after it was spoken.

use std::collections::BTreeSet;

use super::recordings::{key_of, place, rows};
use crate::compile::Folder;
use crate::diagnostic::{Diagnostic, Place, nearest};
use crate::model::Practice;
use crate::words::{Part, key_hex};

pub(crate) fn check(folder: &Folder, practice: &Practice, out: &mut Vec<Diagnostic>) {
    let parts = practice.all_parts();
    let keys: BTreeSet<String> = parts.iter().map(key_hex).collect();
    for name in folder.recordings.iter().flat_map(|recordings| recordings.keys()) {
        if let Some((key, slug)) = key_of(name)
            && !keys.contains(&key)
        {
            let said = slug.trim_start_matches('-').replace('-', " ");
            out.push(stale(&place(name), &said, &parts));
        }
    }
    for row in rows(folder) {
        if !keys.contains(&key_hex(&row.part)) {
            out.push(stale(&row.at, row.sentence, &parts));
        }
    }
}

fn stale(at: &Place, said: &str, parts: &[Part]) -> Diagnostic {
    let now = nearest(said, parts.iter().map(|part| part.text.as_ref()));
    Diagnostic::warning(
        "F010",
        at,
        format!("This recording says “{said}”, and no sentence of the practice reads so any more."),
        "Callers hear a computer's voice there instead of the one that was recorded.",
        now.map_or_else(
            || "Record the new sentence, or take the recording out.".to_owned(),
            |now| format!("The sentence now reads “{now}”; record it again: `nightdesk flow words export`."),
        ),
    )
}
