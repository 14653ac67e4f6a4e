//! The language as a table: every name that can be written, what may stand after it, and one sentence for whoever asks.
//!
//! Editors live on it: `flow lsp` for what can be typed next and what a word means, `flow schema` for those that know JSON
//! Schema. The readers in `parse/` and `verb/` stay the truth; a test writes a slip beside every name here and compares what
//! the reader then offers with this table, so that neither can know a setting the other does not.

mod files;
mod schema;
mod verbs;

pub use files::{FLOW, PRACTICE, PROTOCOL, SHARED, TESTS, file};
pub use schema::schema;
pub use verbs::{IF, VERBS, verb};

/// A name with what stands after it.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// How it is written.
    pub name: Name,
    /// Whether the file is wrong without it.
    pub needed: bool,
    /// What stands after it.
    pub holds: Holds,
    /// What it means, in a sentence.
    pub means: &'static str,
}

/// How a name is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// These words.
    Is(&'static str),
    /// The author's own words: what they name.
    Own(&'static str),
    /// These words and a key of the telephone: `press 1`.
    Key(&'static str),
}

/// What stands after a name.
#[derive(Clone, Copy, Debug)]
pub enum Holds {
    /// One value.
    One(Takes),
    /// Values between brackets, or one.
    List(Takes),
    /// Names with values.
    Map(&'static [Entry]),
    /// Items of names with values, each after a dash.
    Maps(&'static [Entry]),
    /// One value, or names with values.
    Either(Takes, &'static [Entry]),
    /// Items of either, each after a dash.
    Eithers(Takes, &'static [Entry]),
    /// The steps of a section.
    Steps,
}

/// A value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Words: an example of them.
    Words(&'static str),
    /// One of these.
    OneOf(&'static [&'static str]),
    /// Something the practice or the flow has a name for.
    Named(Kind),
    /// `continue`, or a section.
    ContinueOrSection,
    /// A clause, or several joined by *and* (§6).
    Condition,
}

/// What has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A section of this flow.
    Section,
    /// A message of this flow.
    Message,
    /// A ladder of the practice.
    Ladder,
    /// An inbox of the practice.
    Inbox,
    /// An inbox or a ladder.
    InboxOrLadder,
    /// A person of the practice.
    Person,
    /// A person or a role that is on call.
    PersonOrRole,
    /// A person, an outside line or a line.
    PersonOrLine,
    /// A line of the practice.
    Line,
    /// A detail of the library (§8).
    Field,
    /// A protocol file of the folder.
    ProtocolFile,
    /// A shared piece: `file.shared.yaml#section`.
    Piece,
    /// The practice file.
    PracticeFile,
    /// A flow file.
    FlowFile,
    /// A language callers can choose.
    Language,
}

/// A verb: what stands after its colon and beside it.
#[derive(Clone, Copy, Debug)]
pub struct Verb {
    /// The verb.
    pub name: &'static str,
    /// What stands after the colon; nothing for a bare verb.
    pub after: Option<Holds>,
    /// Whether it may also stand bare.
    pub bare: bool,
    /// Its settings; `if` besides, which every step may carry.
    pub beside: &'static [Entry],
    /// What happens, in a sentence.
    pub does: &'static str,
}

impl Entry {
    /// The words it is written with, as an author would first type them.
    pub fn written(&self) -> String {
        match self.name {
            Name::Is(name) => name.to_owned(),
            Name::Own(what) => what.to_owned(),
            Name::Key(before) => format!("{before}1"),
        }
    }

    /// Whether this is how `text` is to be understood.
    pub fn is(&self, text: &str) -> bool {
        match self.name {
            Name::Is(name) => name == text,
            Name::Own(_) => true,
            Name::Key(before) => text.strip_prefix(before).is_some_and(|key| key.len() == 1),
        }
    }
}

/// The entry for a name: written words before the author's own.
pub fn entry<'a>(entries: &'a [Entry], text: &str) -> Option<&'a Entry> {
    let own = |entry: &&Entry| matches!(entry.name, Name::Own(_));
    entries
        .iter()
        .find(|entry| !own(entry) && entry.is(text))
        .or_else(|| entries.iter().find(own))
}

const fn may(name: &'static str, holds: Holds, means: &'static str) -> Entry {
    Entry {
        name: Name::Is(name),
        needed: false,
        holds,
        means,
    }
}

const fn must(name: &'static str, holds: Holds, means: &'static str) -> Entry {
    Entry {
        name: Name::Is(name),
        needed: true,
        holds,
        means,
    }
}

const fn own(what: &'static str, holds: Holds, means: &'static str) -> Entry {
    Entry {
        name: Name::Own(what),
        needed: false,
        holds,
        means,
    }
}

const fn key(before: &'static str, holds: Holds, means: &'static str) -> Entry {
    Entry {
        name: Name::Key(before),
        needed: false,
        holds,
        means,
    }
}

const fn words(example: &'static str) -> Holds {
    Holds::One(Takes::Words(example))
}

const fn one_of(these: &'static [&'static str]) -> Holds {
    Holds::One(Takes::OneOf(these))
}

const fn named(kind: Kind) -> Holds {
    Holds::One(Takes::Named(kind))
}

#[cfg(test)]
mod tests;
