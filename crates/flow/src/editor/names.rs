//! What a practice has given names to, read from lines alone, so that a slip elsewhere hides none of it.

use std::ops::Range;

use crate::compile::Folder;
use crate::manual::Kind;
use crate::model::Field;
use crate::words::Language;

/// Something with a name.
#[derive(Clone, Debug)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) file: String,
    pub(super) span: Range<usize>,
    /// What it is, without anybody's number.
    pub(super) means: String,
}

/// Lines of a section that are shown of it.
const LINES_SHOWN: usize = 6;

/// Everything of a kind.
pub(super) fn all(folder: &Folder, file: &str, kind: Kind) -> Vec<Named> {
    let practice = folder
        .files
        .keys()
        .find(|name| *name == "practice.yaml" || name.ends_with(".practice.yaml"));
    let among = |file: &str, top: &str, what: &str| -> Vec<Named> {
        let Some(text) = folder.files.get(file) else {
            return Vec::new();
        };
        below(text, top)
            .into_iter()
            .map(|(name, span, whole)| Named {
                means: match top {
                    "sections" => shown(text, &whole),
                    "people" => role(text, &whole).unwrap_or_else(|| what.to_owned()),
                    _ => what.to_owned(),
                },
                name,
                file: file.to_owned(),
                span,
            })
            .collect()
    };
    let theirs = |top: &str, what: &str| practice.map_or_else(Vec::new, |file| among(file, top, what));
    let files = |ending: &str, what: &str| -> Vec<Named> {
        let fits = folder.files.keys().filter(|name| name.ends_with(ending));
        fits.map(|name| Named {
            name: name.clone(),
            file: name.clone(),
            span: 0..0,
            means: what.to_owned(),
        })
        .collect()
    };
    let known = |names: &mut dyn Iterator<Item = &'static str>, what: &str| -> Vec<Named> {
        names
            .map(|name| Named {
                name: name.to_owned(),
                file: String::new(),
                span: 0..0,
                means: what.to_owned(),
            })
            .collect()
    };
    match kind {
        Kind::Section => among(file, "sections", "A section."),
        Kind::Message => among(file, "messages", "A message of this flow."),
        Kind::Ladder => theirs("ladders", "A ladder: people who are rung until one accepts."),
        Kind::Inbox => theirs("inboxes", "An inbox."),
        Kind::InboxOrLadder => {
            let mut both = theirs("inboxes", "An inbox.");
            both.extend(theirs("ladders", "A ladder: people who are rung until one accepts."));
            both
        }
        Kind::Person => theirs("people", "A person."),
        Kind::PersonOrRole => {
            let settings = ["if nobody is listed", "raise an alarm"];
            let mut both = theirs("on call", "Whoever is on duty.");
            both.retain(|named| !settings.contains(&named.name.as_str()));
            both.extend(theirs("people", "A person."));
            both
        }
        Kind::PersonOrLine => {
            let mut both = theirs("people", "A person.");
            both.extend(theirs("outside lines", "A line outside the practice."));
            both.extend(theirs("lines", "A line of the practice."));
            both
        }
        Kind::Line => theirs("lines", "A line of the practice."),
        Kind::Field => known(
            &mut Field::ALL.iter().map(|field| field.name()),
            "A detail callers can be asked for.",
        ),
        Kind::Language => known(&mut Language::ALL.iter().map(|language| language.name()), "A language."),
        Kind::ProtocolFile => files(".protocol.yaml", "A protocol: triage questions in order."),
        Kind::FlowFile => files(".flow.yaml", "A flow."),
        Kind::PracticeFile => practice
            .map(|name| files(name, "The practice file."))
            .unwrap_or_default(),
        Kind::Piece => {
            let shared = folder.files.keys().filter(|name| name.ends_with(".shared.yaml"));
            shared
                .flat_map(|file| {
                    among(file, "sections", "A shared piece.")
                        .into_iter()
                        .map(move |mut named| {
                            named.name = format!("{file}#{}", named.name);
                            named
                        })
                })
                .collect()
        }
    }
}

/// What to say of the thing with this name.
pub(super) fn tell(folder: &Folder, file: &str, kind: Kind, name: &str) -> Option<String> {
    let found = all(folder, file, kind).into_iter().find(|named| named.name == name)?;
    Some(found.means)
}

/// The names below a top name, with their own bytes and those of all that belongs to them.
pub(super) fn below(text: &str, top: &str) -> Vec<(String, Range<usize>, Range<usize>)> {
    let mut found: Vec<(String, Range<usize>, Range<usize>)> = Vec::new();
    let (mut at, mut inside, mut depth) = (0, false, None);
    for whole in text.split_inclusive('\n') {
        let (begins, line) = (at, whole.trim_end());
        at += whole.len();
        let words = line.trim_start_matches(' ');
        let indent = line.len() - words.len();
        if words.is_empty() || words.starts_with('#') {
            continue;
        }
        if indent == 0 {
            let rest = words.strip_prefix(top).and_then(|rest| rest.strip_prefix(':'));
            inside = rest.is_some();
            // `lines: {main line: +1 512 555 0100}`
            if let Some(braces) = rest.and_then(|rest| rest.trim().strip_prefix('{')) {
                found.extend(in_braces(braces, begins + line.len() - braces.len()));
            }
            continue;
        }
        if !inside {
            continue;
        }
        let name = words.split_once(':').map(|(name, _)| name.trim_matches(['"', '\'']));
        match (*depth.get_or_insert(indent) == indent, name) {
            (true, Some(name)) if !words.starts_with('-') => {
                let start = begins + indent;
                found.push((name.to_owned(), start..start + name.len(), start..begins + line.len()));
            }
            _ => {
                if let Some((_, _, whole)) = found.last_mut() {
                    whole.end = begins + line.len();
                }
            }
        }
    }
    found
}

fn in_braces(braces: &str, at: usize) -> Vec<(String, Range<usize>, Range<usize>)> {
    let mut begin = at;
    let parts = braces.trim_end_matches('}').split(',');
    parts
        .filter_map(|part| {
            let (start, whole) = (begin + (part.len() - part.trim_start().len()), begin + part.len());
            begin = whole + 1;
            let name = part.split_once(':')?.0.trim();
            Some((name.to_owned(), start..start + name.len(), start..whole))
        })
        .collect()
}

/// The first lines of a section.
fn shown(text: &str, whole: &Range<usize>) -> String {
    let lines: Vec<&str> = text.get(whole.clone()).unwrap_or_default().lines().collect();
    let mut shown = lines.iter().take(LINES_SHOWN).copied().collect::<Vec<_>>().join("\n");
    if lines.len() > LINES_SHOWN {
        shown.push_str("\n  …");
    }
    shown
}

/// What somebody is: never their number.
fn role(text: &str, whole: &Range<usize>) -> Option<String> {
    let (_, after) = text.get(whole.clone())?.split_once("role:")?;
    let role = after.split([',', '}', '\n']).next()?.trim();
    (!role.is_empty()).then(|| role.to_owned())
}
