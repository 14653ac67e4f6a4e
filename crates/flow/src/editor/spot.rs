//! Where the cursor stands: in which part of the language, after which name, with how much typed.

use std::ops::Range;

use crate::compile::Folder;
use crate::manual::{self, Entry, Holds, Takes, Verb};

/// What may be written at a place.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scope {
    /// These names.
    Map(&'static [Entry]),
    /// Items: a value, or these names.
    Items(Option<Takes>, &'static [Entry]),
    /// Steps.
    Steps,
    /// What stands beside a verb.
    Step(&'static Verb),
    /// Nothing we know of.
    Nothing,
}

/// A line in two: where its words begin, and whether a dash stands before them.
#[derive(Clone, Copy, Debug)]
struct Line<'a> {
    /// The first byte of the line.
    at: usize,
    /// Columns before the dash, or before the words.
    indent: usize,
    dash: bool,
    /// Columns before the words.
    column: usize,
    words: &'a str,
}

impl<'a> Line<'a> {
    fn read(at: usize, text: &'a str) -> Option<Self> {
        let words = text.trim_start_matches(' ');
        let indent = text.len() - words.len();
        let rest = words
            .strip_prefix('-')
            .filter(|rest| rest.is_empty() || rest.starts_with(' '));
        let (dash, after) = (rest.is_some(), rest.map_or(words, |rest| rest.trim_start_matches(' ')));
        let blank = !dash && (after.is_empty() || after.starts_with('#'));
        (!blank).then_some(Self {
            at,
            indent,
            dash,
            column: text.len() - after.len(),
            words: after,
        })
    }

    /// The name before the colon.
    fn name(&self) -> &'a str {
        name_in(self.words).map_or(self.words.trim(), |(name, _)| name)
    }
}

/// The name of `name: value`, and how many bytes come before the value.
fn name_in(words: &str) -> Option<(&str, usize)> {
    let colon = words.match_indices(':').map(|(at, _)| at).find(|at| {
        words
            .get(at + 1..)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    })?;
    let value = words.get(colon + 1..)?;
    Some((
        words.get(..colon)?.trim(),
        colon + 1 + (value.len() - value.trim_start().len()),
    ))
}

/// A step on the way from the top of the file to the cursor.
#[derive(Debug)]
enum Owner<'a> {
    Key(&'a str),
    /// An item, and the first name in it.
    Item(&'a str),
}

/// A place in a file.
#[derive(Debug)]
pub(super) struct Spot<'a> {
    pub(super) scope: Scope,
    /// Whether a dash begins this.
    pub(super) dash: bool,
    /// Names that stand beside this one already.
    pub(super) beside: Vec<&'a str>,
    text: &'a str,
    /// The piece of the line the cursor is in: a line, or what stands between two commas of braces.
    piece: Range<usize>,
    /// The cursor.
    at: usize,
    /// In brackets, after this name.
    listed: Option<&'a str>,
}

impl<'a> Spot<'a> {
    pub(super) fn find(folder: &'a Folder, file: &str, at: usize) -> Option<Self> {
        let text = folder.files.get(file)?.as_str();
        let top = manual::file(file)?;
        let begins = text.get(..at)?.rfind('\n').map_or(0, |end| end + 1);
        let ends = text.get(at..)?.find('\n').map_or(text.len(), |end| at + end);
        let lines: Vec<Line<'a>> = lines(text);
        // Somebody who has typed nothing yet stands where the spaces end.
        let here = text.get(begins..ends)?;
        let line = Line::read(begins, here).unwrap_or(Line {
            at: begins,
            indent: at - begins,
            dash: false,
            column: at - begins,
            words: "",
        });
        let above: Vec<Line<'a>> = lines.iter().copied().filter(|other| other.at < begins).collect();
        let mut owners = owners(&above, &line);
        let mut beside = beside(&lines, &line);
        let words_at = begins + line.column;
        let mut piece = words_at..ends;
        let mut dash = line.dash;
        let mut listed = None;
        // Braces and brackets of this line that are open where the cursor stands.
        let before = text.get(words_at..at.max(words_at))?;
        for open in opened(before) {
            let inside = words_at + open.at + 1;
            let holder = text.get(piece.start..words_at + open.at)?;
            let name = name_in(holder).map(|(name, _)| name);
            if open.bracket {
                listed = name;
            } else {
                if dash {
                    owners.push(Owner::Item(""));
                    dash = false;
                }
                owners.extend(name.map(Owner::Key));
                beside = text
                    .get(inside..ends)
                    .unwrap_or_default()
                    .split([',', '}'])
                    .filter_map(|part| Some(name_in(part)?.0))
                    .collect();
                listed = None;
            }
            let begin = open.last_comma.map_or(inside, |comma| words_at + comma + 1);
            let space = text.get(begin..ends)?;
            let begin = begin + (space.len() - space.trim_start_matches(' ').len());
            let end = text
                .get(begin..ends)?
                .find([',', '}', ']'])
                .map_or(ends, |end| begin + end);
            piece = begin.min(at)..end.max(at);
        }
        if listed.is_none() {
            let rest = text.get(piece.clone())?;
            let end = rest.find(" #").unwrap_or(rest.len());
            piece.end = piece.start + rest.get(..end)?.trim_end().len();
        }
        let scope = owners
            .iter()
            .fold(Scope::Map(top), |scope, owner| descend(scope, owner));
        Some(Self {
            scope,
            dash,
            beside,
            text,
            piece,
            at,
            listed,
        })
    }

    fn piece(&self) -> &'a str {
        self.text.get(self.piece.clone()).unwrap_or_default()
    }

    /// The name of this piece, and where its value begins.
    fn named(&self) -> Option<(&'a str, usize)> {
        if self.listed.is_some() {
            return None;
        }
        name_in(self.piece()).map(|(name, value)| (name, self.piece.start + value))
    }

    /// What holds after the name before the cursor; `None` while a name is being typed.
    pub(super) fn value(&self) -> Option<Holds> {
        let name = match self.listed {
            Some(name) => name,
            None => {
                let (name, value) = self.named()?;
                // Before the colon it is the name that is being typed.
                let colon = self.piece().find(':').map_or(value, |colon| self.piece.start + colon);
                if self.at <= colon {
                    return None;
                }
                name
            }
        };
        match self.scope {
            Scope::Steps => manual::verb(name)?.after,
            _ => Some(self.entry(name)?.holds),
        }
    }

    /// What was typed so far of what is being typed.
    pub(super) fn typed(&self) -> Range<usize> {
        let begin = match self.named() {
            Some((_, value)) if self.value().is_some() => value.min(self.at),
            _ => self.piece.start.min(self.at),
        };
        begin..self.at
    }

    /// The entry of a name here.
    pub(super) fn entry(&self, name: &str) -> Option<&'static Entry> {
        match self.scope {
            Scope::Map(entries) | Scope::Items(_, entries) => manual::entry(entries, name),
            Scope::Step(_) if name == "if" => Some(&manual::IF),
            Scope::Step(verb) => manual::entry(verb.beside, name),
            Scope::Steps | Scope::Nothing => None,
        }
    }

    /// The name at a byte, where it is one.
    pub(super) fn name_under(&self, at: usize) -> Option<(String, Range<usize>)> {
        let (name, span) = match self.named() {
            Some((name, _)) => (name, self.piece.start..self.piece.start + name.len()),
            None if self.dash && self.listed.is_none() => (self.piece(), self.piece.clone()),
            None => return None,
        };
        span.contains(&at).then(|| (name.to_owned(), span))
    }

    /// The value at a byte.
    pub(super) fn value_under(&self, at: usize) -> Option<(String, Range<usize>)> {
        let begin = match self.listed {
            Some(_) => self.piece.start,
            None => self.named()?.1,
        };
        let value = self.text.get(begin..self.piece.end)?.trim_end();
        let span = begin..begin + value.len();
        let bare = value.trim_matches(['"', '\'']);
        (span.start <= at && at <= span.end && !bare.is_empty()).then(|| (bare.to_owned(), span))
    }

    /// A key that no line beside this one uses.
    pub(super) fn free_key(&self, before: &str) -> char {
        ('1'..='9')
            .find(|key| !self.beside.contains(&format!("{before}{key}").as_str()))
            .unwrap_or('1')
    }
}

fn lines(text: &str) -> Vec<Line<'_>> {
    let mut at = 0;
    text.split_inclusive('\n')
        .filter_map(|line| {
            let begins = at;
            at += line.len();
            Line::read(begins, line.trim_end_matches(['\n', '\r']))
        })
        .collect()
}

/// The names a line stands under, from the top of the file.
fn owners<'a>(above: &[Line<'a>], line: &Line<'a>) -> Vec<Owner<'a>> {
    let mut owners = Vec::new();
    // A list may stand as far left as the name it belongs to.
    let (mut limit, mut from_dash) = (line.indent, line.dash);
    for other in above.iter().rev() {
        if limit == 0 && !from_dash {
            break;
        }
        if other.dash {
            if from_dash || other.column > limit {
                if other.indent < limit && other.column <= limit {
                    owners.push(Owner::Key(other.name()));
                    owners.push(Owner::Item(other.name()));
                    (limit, from_dash) = (other.indent, true);
                }
                continue;
            }
            if other.column < limit {
                owners.push(Owner::Key(other.name()));
            }
            owners.push(Owner::Item(other.name()));
            (limit, from_dash) = (other.indent, true);
        } else if other.indent < limit || (from_dash && other.indent == limit) {
            owners.push(Owner::Key(other.name()));
            (limit, from_dash) = (other.indent, false);
        }
    }
    owners.reverse();
    owners
}

/// The names that stand beside a line: in the same map, above and below it.
fn beside<'a>(lines: &[Line<'a>], line: &Line<'_>) -> Vec<&'a str> {
    let Some(here) = lines.iter().position(|other| other.at >= line.at) else {
        return same_map(lines.iter().rev(), line);
    };
    let (above, rest) = lines.split_at(here);
    let mut names = same_map(above.iter().rev(), line);
    if !line.dash {
        let below = rest
            .iter()
            .filter(|other| other.at > line.at)
            .take_while(|other| other.column > line.column || (other.column == line.column && !other.dash));
        names.extend(below.filter(|other| other.column == line.column).map(Line::name));
    }
    names
}

fn same_map<'a, 'b>(above: impl Iterator<Item = &'b Line<'a>>, line: &Line<'_>) -> Vec<&'a str>
where
    'a: 'b,
{
    let mut names = Vec::new();
    if line.dash {
        return names;
    }
    for other in above {
        if other.column < line.column {
            break;
        }
        if other.column == line.column {
            names.push(other.name());
            if other.dash {
                break;
            }
        }
    }
    names
}

/// A brace or bracket that is open at the end of some words.
struct Open {
    at: usize,
    bracket: bool,
    last_comma: Option<usize>,
}

fn opened(words: &str) -> Vec<Open> {
    let mut open: Vec<Open> = Vec::new();
    let mut quoted = None;
    for (at, letter) in words.char_indices() {
        match (quoted, letter) {
            (Some(quote), _) if letter == quote => quoted = None,
            (Some(_), _) => {}
            (None, '"') => quoted = Some('"'),
            (None, '{' | '[') => open.push(Open {
                at,
                bracket: letter == '[',
                last_comma: None,
            }),
            (None, '}' | ']') => {
                open.pop();
            }
            (None, ',') => {
                if let Some(open) = open.last_mut() {
                    open.last_comma = Some(at);
                }
            }
            (None, _) => {}
        }
    }
    open
}

fn descend(scope: Scope, owner: &Owner<'_>) -> Scope {
    let into = |holds: &Holds| match *holds {
        Holds::Map(entries) | Holds::Either(_, entries) => Scope::Map(entries),
        Holds::Maps(entries) => Scope::Items(None, entries),
        Holds::Eithers(takes, entries) => Scope::Items(Some(takes), entries),
        Holds::Steps => Scope::Steps,
        Holds::One(_) | Holds::List(_) => Scope::Nothing,
    };
    match (scope, owner) {
        (Scope::Map(entries), Owner::Key(name)) => {
            manual::entry(entries, name).map_or(Scope::Nothing, |entry| into(&entry.holds))
        }
        (Scope::Step(verb), Owner::Key(name)) => {
            manual::entry(verb.beside, name).map_or(Scope::Nothing, |entry| into(&entry.holds))
        }
        (Scope::Steps, Owner::Item(name)) => manual::verb(name).map_or(Scope::Nothing, Scope::Step),
        (Scope::Items(_, entries), Owner::Item(_)) => Scope::Map(entries),
        _ => Scope::Nothing,
    }
}
