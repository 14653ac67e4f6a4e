//! The sound files of `words/`, each with the sentence it stands for: what the rules on recordings look at.

use std::collections::BTreeMap;

use crate::compile::Folder;
use crate::diagnostic::{Diagnostic, Place};
use crate::model::Practice;
use crate::recording::{Measure, SoundFile};
use crate::words::{Language, Part, key_hex};

/// The list of recordings beside the sound files.
const INDEX: &str = "words/index.txt";
/// Hex digits a sound file's name begins with.
const KEY_DIGITS: usize = 16;

/// One line of the list.
pub(super) struct Row<'a> {
    pub(super) at: Place,
    pub(super) file: &'a str,
    pub(super) sentence: &'a str,
    pub(super) part: Part,
}

/// The lines of `words/index.txt` that name a file and a sentence.
pub(super) fn rows(folder: &Folder) -> Vec<Row<'_>> {
    let text = folder.files.get(INDEX).map_or("", String::as_str);
    let mut start = 0;
    let mut rows = Vec::new();
    for (nth, line) in text.split_inclusive('\n').enumerate() {
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
        {
            rows.push(Row {
                at,
                file,
                sentence,
                part: Part::new(*sentence, language),
            });
        }
    }
    rows
}

/// The hash a sound file is named by, and the readable rest.
pub(super) fn key_of(name: &str) -> Option<(String, &str)> {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let (key, slug) = stem.split_at_checked(KEY_DIGITS)?;
    let hex = key.bytes().all(|byte| byte.is_ascii_hexdigit());
    hex.then(|| (key.to_ascii_lowercase(), slug))
}

/// Where a finding about a sound file points.
pub(super) fn place(name: &str) -> Place {
    Place {
        file: format!("words/{name}").into(),
        span: 0..0,
        line: 1,
    }
}

/// One that somebody has listened to.
pub(super) struct Heard<'a> {
    pub(super) name: &'a str,
    pub(super) measure: Measure,
    /// What it says, when that is known.
    pub(super) part: Option<Part>,
}

/// Every recording that was listened to and can be used.
pub(super) fn heard<'a>(folder: &'a Folder, practice: &Practice) -> Vec<Heard<'a>> {
    let by_key: BTreeMap<String, Part> = practice
        .all_parts()
        .into_iter()
        .map(|part| (key_hex(&part), part))
        .collect();
    let mut by_name: BTreeMap<&str, Part> = practice.played().into_iter().collect();
    let rows = rows(folder);
    for row in &rows {
        by_name.entry(row.file).or_insert_with(|| row.part.clone());
    }
    let recordings = folder.recordings.iter().flatten();
    recordings
        .filter_map(|(name, recording)| {
            let SoundFile::Heard(measure) = recording else {
                return None;
            };
            let by_hash = || key_of(name).and_then(|(key, _)| by_key.get(&key).cloned());
            Some(Heard {
                name,
                measure: *measure,
                part: by_name.get(name.as_str()).cloned().or_else(by_hash),
            })
        })
        .collect()
}

/// What is wrong with one of them.
pub(super) fn warning(code: &'static str, name: &str, what: String, suffers: &str, fix: &str) -> Diagnostic {
    Diagnostic::warning(code, &place(name), what, suffers, fix)
}
