//! Sentences: translated, their fill-ins checked, `{practice}` put in.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::translations::Translations;
use super::words;
use crate::check::f009;
use crate::diagnostic::{Diagnostic, Place, did_you_mean, nearest};
use crate::library::option_line;
use crate::model::Sentence;
use crate::source::{Node, normalized};
use crate::words::{Fill, Language};

/// How the sentences of one file are made.
pub(crate) struct Speech<'a> {
    /// The practice's name, for `{practice}`.
    pub(crate) practice: &'a str,
    /// The languages to speak, English among them.
    pub(crate) languages: &'a [Language],
    /// Where the other languages come from.
    pub(crate) translations: &'a Translations,
}

impl Speech<'_> {
    /// A sentence as written in the file.
    pub(crate) fn sentence(&self, node: &Node, what: &str, out: &mut Vec<Diagnostic>) -> Option<Sentence> {
        let english = normalized(words(node, what, out)?);
        look_for_comment(node, &english, out);
        Some(self.spoken(&english, &node.at, out))
    }

    /// A sentence that is written, not spoken: a notice needs no translation.
    pub(crate) fn unspoken(&self, node: &Node, what: &str, out: &mut Vec<Diagnostic>) -> Option<Sentence> {
        let english = normalized(words(node, what, out)?);
        look_for_comment(node, &english, out);
        self.look_at_fills(&english, &node.at, out);
        Some(Sentence {
            spoken: [(Language::English, self.with_practice(&english))].into(),
        })
    }

    /// A menu's line from its label: the label is what is translated, the line is made around it.
    pub(crate) fn option(&self, label: &Sentence, key: char) -> Sentence {
        let spoken = label
            .spoken
            .iter()
            .map(|(&language, label)| (language, option_line(label, key, language).into()))
            .collect();
        Sentence { spoken }
    }

    fn spoken(&self, english: &str, at: &Place, out: &mut Vec<Diagnostic>) -> Sentence {
        self.look_at_fills(english, at, out);
        let mut spoken: BTreeMap<Language, Arc<str>> = BTreeMap::new();
        spoken.insert(Language::English, self.with_practice(english));
        for &language in self.languages.iter().filter(|language| **language != Language::English) {
            match self.translations.find(language, english) {
                Some(text) => {
                    spoken.insert(language, self.with_practice(text));
                }
                None => out.push(self.untranslated(language, english, at)),
            }
        }
        Sentence { spoken }
    }

    fn with_practice(&self, text: &str) -> Arc<str> {
        text.replace("{practice}", self.practice).into()
    }

    /// F009.
    fn untranslated(&self, language: Language, english: &str, at: &Place) -> Diagnostic {
        // The one beside the file, when there is one.
        let stem = at.file.split('.').next().unwrap_or("words");
        let beside = format!("{stem}.{}.yaml", language.suffix());
        let files = self.translations.files.get(&language).map_or(&[][..], Vec::as_slice);
        let file = match files.first() {
            Some(first) if !files.contains(&beside) => first.clone(),
            _ => beside,
        };
        let stale = nearest(english, self.translations.sentences(language));
        f009::untranslated(at, english, language, &file, stale)
    }

    fn look_at_fills(&self, text: &str, at: &Place, out: &mut Vec<Diagnostic>) {
        let mut rest = text;
        while let Some((_, after)) = rest.split_once('{') {
            let Some((inside, after)) = after.split_once('}') else {
                out.push(super::not_understood(
                    at,
                    "A brace is opened and not closed.".to_owned(),
                    "Write a fill-in as `{practice}`.",
                ));
                return;
            };
            let name = inside.trim();
            if name != "practice" && Fill::named(name).is_none() {
                let names = std::iter::once("practice").chain(Fill::ALL.iter().map(|fill| fill.name()));
                out.push(super::not_understood(
                    at,
                    format!("`{{{name}}}` is not a fill-in."),
                    &did_you_mean(name, names),
                ));
            }
            rest = after;
        }
    }
}

/// F021: words that are heard, cut short by what YAML takes for a comment.
pub(super) fn look_for_comment(node: &Node, words: &str, out: &mut Vec<Diagnostic>) {
    let Some(at) = &node.cut else {
        return;
    };
    out.push(Diagnostic::error(
        "F021",
        at,
        "What stands after this `#` is a comment.",
        format!("Callers would hear no more than “{words}”."),
        "Put the words in quotes if the `#` is one of them; write two spaces before it if it begins a comment.",
    ));
}
