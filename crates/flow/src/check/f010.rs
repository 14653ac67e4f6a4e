//! F010: a recording that belongs to no sentence any more: its sentence was changed after it was spoken.

use std::collections::BTreeSet;

use crate::compile::Folder;
use crate::diagnostic::{Diagnostic, Place, nearest};
use crate::model::Practice;
use crate::words::{Language, Part, key_hex};

/// The list of recordings beside the sound files.
const INDEX: &str = "words/index.txt";
/// Hex digits a sound file's name begins with.
const KEY_DIGITS: usize = 16;

pub(crate) fn check(folder: &Folder, practice: &Practice, out: &mut Vec<Diagnostic>) {
    if folder.recordings.is_empty() && !folder.files.contains_key(INDEX) {
        return;
    }
    let parts = practice.all_parts();
    let keys: BTreeSet<String> = parts.iter().map(key_hex).collect();
    for name in &folder.recordings {
        let file = format!("words/{name}");
        let stem = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem);
        let Some((key, slug)) = stem.split_at_checked(KEY_DIGITS) else {
            continue;
        };
        if !key.bytes().all(|byte| byte.is_ascii_hexdigit()) || keys.contains(&key.to_ascii_lowercase()) {
            continue;
        }
        let slug = slug.trim_start_matches('-').replace('-', " ");
        let at = Place {
            file: file.as_str().into(),
            span: 0..0,
            line: 1,
        };
        out.push(stale(&at, &slug, &parts));
    }
    let mut start = 0;
    for (nth, line) in folder
        .files
        .get(INDEX)
        .map_or("", String::as_str)
        .split_inclusive('\n')
        .enumerate()
    {
        let at = Place {
            file: INDEX.into(),
            span: start..start + line.trim_end().len(),
            line: nth + 1,
        };
        start += line.len();
        let columns: Vec<&str> = line.trim().splitn(3, '|').map(str::trim).collect();
        if let [file, language, sentence] = columns.as_slice()
            && !file.starts_with('#')
            && let Some(language) = Language::named(language)
            && !keys.contains(&key_hex(&Part::new(*sentence, language)))
        {
            out.push(stale(&at, sentence, &parts));
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
