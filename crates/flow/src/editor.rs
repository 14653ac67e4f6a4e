//! What an editor asks while somebody types: what may come next, what this means, where that is.
//!
//! A file that is being typed is broken most of the time, so nothing here needs it to be YAML: lines, their indentation and
//! the [`manual`](crate::manual) say where the cursor stands. What is wrong with the file is [`compile`](crate::compile)'s.

mod names;
mod spot;

use std::ops::Range;

use crate::compile::Folder;
use crate::diagnostic::Place;
use crate::manual::{self, Holds, Kind, Name, Takes, VERBS};
use crate::parse::condition::FACTS;
use names::Named;
use spot::{Scope, Spot};

/// Something that may be typed here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suggestion {
    /// What is shown.
    pub label: String,
    /// What is put in the place of `over`.
    pub text: String,
    /// The bytes of the file it takes the place of: what was typed of it.
    pub over: Range<usize>,
    /// What it means.
    pub means: String,
    /// What it is.
    pub sort: Sort,
}

/// What a suggestion is, for the sign an editor puts before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// A verb.
    Verb,
    /// A setting.
    Setting,
    /// A value the language knows.
    Value,
    /// Something this practice has given a name.
    Name,
}

/// What something means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meaning {
    /// The bytes it is said of.
    pub span: Range<usize>,
    /// Sentences.
    pub text: String,
}

/// A section, a message, a person: what a file gives a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Landmark {
    /// Its name.
    pub name: String,
    /// What it is among: `sections`, `people`.
    pub among: String,
    /// The name's bytes.
    pub span: Range<usize>,
    /// Its bytes to the end.
    pub whole: Range<usize>,
}

/// What may be typed at a byte of a file.
pub fn suggest(folder: &Folder, file: &str, at: usize) -> Vec<Suggestion> {
    let Some(spot) = Spot::find(folder, file, at) else {
        return Vec::new();
    };
    let over = spot.typed();
    let offer = |label: String, text: String, means: &str, sort| Suggestion {
        label,
        text,
        over: over.clone(),
        means: means.to_owned(),
        sort,
    };
    if let Some(holds) = spot.value() {
        return values(folder, file, &holds)
            .into_iter()
            .map(|(value, means, sort)| offer(value.clone(), value, &means, sort))
            .collect();
    }
    let entries = |entries: &'static [manual::Entry]| {
        let absent = |entry: &&manual::Entry| match entry.name {
            Name::Is(name) => !spot.beside.contains(&name),
            Name::Key(_) => true,
            Name::Own(_) => false,
        };
        entries.iter().filter(absent).map(|entry| {
            let name = match entry.name {
                Name::Key(before) => format!("{before}{}", spot.free_key(before)),
                _ => entry.written(),
            };
            let colon = after_colon(&entry.holds);
            offer(name.clone(), format!("{name}:{colon}"), entry.means, Sort::Setting)
        })
    };
    match spot.scope {
        Scope::Steps if spot.dash => VERBS
            .iter()
            .map(|verb| {
                let text = match verb.after {
                    Some(_) if !verb.bare => format!("{}: ", verb.name),
                    _ => verb.name.to_owned(),
                };
                offer(verb.name.to_owned(), text, verb.does, Sort::Verb)
            })
            .collect(),
        Scope::Step(verb) => entries(verb.beside)
            .chain(entries(std::slice::from_ref(&manual::IF)))
            .collect(),
        Scope::Map(all) => entries(all).collect(),
        Scope::Items(takes, all) if spot.dash => {
            let values = takes
                .map(|takes| values(folder, file, &Holds::One(takes)))
                .unwrap_or_default();
            let values = values
                .into_iter()
                .filter(|(_, _, sort)| *sort == Sort::Value)
                .map(|(value, means, sort)| offer(value.clone(), value, &means, sort));
            entries(all).chain(values).collect()
        }
        _ => Vec::new(),
    }
}

/// What the word at a byte of a file means.
pub fn meaning(folder: &Folder, file: &str, at: usize) -> Option<Meaning> {
    let spot = Spot::find(folder, file, at)?;
    if let Some((name, span)) = spot.name_under(at) {
        let text = match spot.scope {
            Scope::Steps => manual::verb(&name)?.does.to_owned(),
            _ => {
                let entry = spot.entry(&name)?;
                let needed = if entry.needed { " Needed." } else { "" };
                format!("{}{needed}", entry.means)
            }
        };
        return Some(Meaning { span, text });
    }
    let (value, span) = spot.value_under(at)?;
    let Takes::Named(kind) = takes(&spot.value()?)? else {
        return None;
    };
    let text = names::tell(folder, file, kind, &value)?;
    Some(Meaning { span, text })
}

/// Where the thing is whose name stands at a byte of a file.
pub fn definition(folder: &Folder, file: &str, at: usize) -> Option<Place> {
    let spot = Spot::find(folder, file, at)?;
    let (value, _) = spot.value_under(at)?;
    let kind = match takes(&spot.value()?)? {
        Takes::Named(kind) => kind,
        Takes::ContinueOrSection => Kind::Section,
        Takes::Words(_) | Takes::OneOf(_) | Takes::Condition => return None,
    };
    let found = names::all(folder, file, kind)
        .into_iter()
        .find(|named| named.name == value)?;
    let text = folder.files.get(&found.file)?;
    let line = text.get(..found.span.start)?.lines().count().max(1);
    Some(Place {
        file: found.file.as_str().into(),
        span: found.span,
        line,
    })
}

/// What a file gives names to, from top to bottom.
pub fn landmarks(text: &str) -> Vec<Landmark> {
    ["people", "ladders", "inboxes", "sections", "messages"]
        .into_iter()
        .flat_map(|among| {
            names::below(text, among)
                .into_iter()
                .map(|(name, span, whole)| Landmark {
                    name,
                    among: among.to_owned(),
                    span,
                    whole,
                })
        })
        .collect()
}

fn takes(holds: &Holds) -> Option<Takes> {
    match holds {
        Holds::One(takes) | Holds::List(takes) | Holds::Either(takes, _) | Holds::Eithers(takes, _) => Some(*takes),
        Holds::Map(_) | Holds::Maps(_) | Holds::Steps => None,
    }
}

/// What may stand after a colon, what each means.
fn values(folder: &Folder, file: &str, holds: &Holds) -> Vec<(String, String, Sort)> {
    let named = |kind| {
        names::all(folder, file, kind)
            .into_iter()
            .map(|Named { name, means, .. }| (name, means, Sort::Name))
    };
    match takes(holds) {
        Some(Takes::OneOf(these)) => these
            .iter()
            .map(|one| ((*one).to_owned(), String::new(), Sort::Value))
            .collect(),
        Some(Takes::Named(kind)) => named(kind).collect(),
        Some(Takes::ContinueOrSection) => std::iter::once((
            "continue".to_owned(),
            "The step after this one is done.".to_owned(),
            Sort::Value,
        ))
        .chain(named(Kind::Section))
        .collect(),
        Some(Takes::Condition) => std::iter::once("any time")
            .chain(FACTS.iter().map(|(fact, _)| *fact))
            .map(|fact| (fact.to_owned(), "A fact the engine knows.".to_owned(), Sort::Value))
            .collect(),
        Some(Takes::Words(example)) => vec![(example.to_owned(), "An example.".to_owned(), Sort::Value)],
        None => Vec::new(),
    }
}

const fn after_colon(holds: &Holds) -> &'static str {
    match holds {
        Holds::One(_) | Holds::Either(..) | Holds::List(_) => " ",
        Holds::Map(_) => " ",
        Holds::Maps(_) | Holds::Eithers(..) | Holds::Steps => "",
    }
}

#[cfg(test)]
mod tests;
