//! `after-hours.es.yaml`: English sentence to translation (§8).
//!
//! The tables of a folder are read together, so that a protocol may bring its own. Sentences are compared with their
//! spaces normalized; a translation nobody asks for is reported, because it usually means the English has changed.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::speech::look_for_comment;
use super::words;
use crate::check::f009;
use crate::diagnostic::{Diagnostic, Place};
use crate::source::{Kind, Node, normalized};
use crate::words::Language;

/// Every translation of a folder.
#[derive(Default)]
pub(crate) struct Translations {
    table: BTreeMap<(Language, String), (String, Place)>,
    used: RefCell<BTreeSet<(Language, String)>>,
    /// The file a missing sentence should be added to, by language.
    pub(crate) files: BTreeMap<Language, Vec<String>>,
}

/// The language a file name says it translates to: `after-hours.es.yaml`.
pub(crate) fn language_of(file: &str) -> Option<Language> {
    let stem = file.strip_suffix(".yaml")?;
    Language::ALL
        .into_iter()
        .filter(|language| *language != Language::English)
        .find(|&language| stem.ends_with(&format!(".{}", language.suffix())))
}

impl Translations {
    /// Adds a file's sentences.
    pub(crate) fn add(&mut self, language: Language, file: &str, tree: &Node, out: &mut Vec<Diagnostic>) {
        self.files.entry(language).or_default().push(file.to_owned());
        let Kind::Map { entries, .. } = &tree.kind else {
            out.push(super::not_understood(
                &tree.at,
                format!(
                    "A translation file holds `English sentence: translation`, but {} here.",
                    tree.describe()
                ),
                "Write each English sentence, a colon, and its translation.",
            ));
            return;
        };
        for (english, translation) in entries {
            let Some(text) = words(translation, &english.text, out) else {
                continue;
            };
            look_for_comment(translation, &normalized(text), out);
            let (english_fills, fills) = (fills(&english.text), fills(text));
            if english_fills != fills {
                out.push(f009::other_fills(
                    &translation.at,
                    &english.text,
                    english_fills,
                    language,
                ));
            }
            let before = self
                .table
                .insert((language, english.text.clone()), (normalized(text), english.at.clone()));
            if let Some((before, place)) = before.filter(|(before, _)| *before != normalized(text)) {
                out.push(f009::two_ways(&english.at, &english.text, &before, &place));
            }
        }
    }

    /// The translation of a sentence already normalized.
    pub(crate) fn find(&self, language: Language, english: &str) -> Option<&str> {
        let key = (language, english.to_owned());
        let (text, _) = self.table.get(&key)?;
        self.used.borrow_mut().insert(key);
        Some(text)
    }

    /// The English sentences there are translations of, for "did you mean".
    pub(crate) fn sentences(&self, language: Language) -> impl Iterator<Item = &str> + Clone {
        self.table
            .keys()
            .filter(move |(of, _)| *of == language)
            .map(|(_, english)| english.as_str())
    }

    /// Reports the translations nothing asked for.
    pub(crate) fn unused(&self, out: &mut Vec<Diagnostic>) {
        let used = self.used.borrow();
        for (key, (_, place)) in self.table.iter().filter(|(key, _)| !used.contains(key)) {
            out.push(Diagnostic::warning(
                "F028",
                place,
                format!("Nothing in this practice says `{}`.", key.1),
                "No caller suffers; but a translator's work is lost when the English is changed and the old sentence is left here.",
                "Put the new English sentence in its place, or take it out.",
            ));
        }
    }
}

/// Every `{…}` of a sentence.
fn fills(text: &str) -> BTreeSet<String> {
    text.split('{')
        .skip(1)
        .filter_map(|rest| rest.split_once('}'))
        .map(|(inside, _)| format!("{{{}}}", inside.trim()))
        .collect()
}
