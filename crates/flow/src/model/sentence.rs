//! A sentence in every language it is spoken in.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::words::{Language, Part, Piece, split};

/// A sentence in every language of the flow it stands in. `{practice}` never changes while a practice is loaded, so it
/// is already replaced; the other fill-ins still stand in braces, for [`Words::filled`](crate::Words::filled).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Sentence {
    /// What is said, by language. English is always there.
    pub spoken: BTreeMap<Language, Arc<str>>,
}

impl Sentence {
    /// The text in a language; in English where a translation is missing.
    pub fn text(&self, language: Language) -> &str {
        self.spoken
            .get(&language)
            .or_else(|| self.spoken.get(&Language::English))
            .map_or("", |text| text)
    }

    /// What it says in other languages than English, each with its language.
    pub(crate) fn translated(&self) -> impl Iterator<Item = String> + '_ {
        self.spoken
            .iter()
            .filter(|(language, _)| **language != Language::English)
            .map(|(language, text)| format!("{}: {text}", language.suffix()))
    }

    /// The clips this sentence can need, in every language it is spoken in.
    pub fn parts(&self) -> impl Iterator<Item = Part> + '_ {
        self.spoken.iter().flat_map(|(&language, text)| {
            split(text, language).into_iter().filter_map(|piece| match piece {
                Piece::Said(part) => Some(part),
                Piece::Fill(_) => None,
            })
        })
    }

    /// Holds a fill-in: such a sentence is heard to its end (§4, `say`).
    pub fn has_fill_in(&self) -> bool {
        self.spoken.iter().any(|(&language, text)| {
            split(text, language)
                .iter()
                .any(|piece| matches!(piece, Piece::Fill(_)))
        })
    }
}
