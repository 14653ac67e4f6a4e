//! YAML text → a tree that remembers where everything stood.
//!
//! The parser is `serde-saphyr`; scalars are decoded to text by us, because through untyped values it reads a bare `no`
//! as a boolean, and a triage file is full of them. What YAML offers beyond maps, lists and words (anchors, aliases,
//! tags, merge keys, duplicate keys, tabs) is refused in plain words: none of it can be read aloud.
//! Reading never fails: a tree, as far as there is one, beside diagnostics.

mod scalar;

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use serde_yaml::budget::BudgetBreach;
use serde_yaml::options::{DuplicateKeyPolicy, MergeKeyPolicy, NonFiniteFloatPolicy};

use crate::check::f011;
use crate::diagnostic::{Diagnostic, Place};
use scalar::Raw;

/// The longest file that is read.
pub const FILE_BYTES_MAX: usize = 1 << 20;
/// How deep lists and maps may stand in each other.
const DEPTH_MAX: usize = 16;
/// How many scalars, lists and maps a file may hold.
const NODES_MAX: usize = 50_000;

/// What a file came to.
#[derive(Clone, Debug, Default)]
pub struct Read {
    /// The whole file; `None` when it is empty or could not be read.
    pub tree: Option<Node>,
    /// What is wrong with it as YAML.
    pub diagnostics: Vec<Diagnostic>,
}

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Where.
    pub at: Place,
    /// What.
    pub kind: Kind,
    /// The `#` of a comment close behind words that end no sentence. `say: Press # when you are done.` is `Press` to YAML, and
    /// nobody would see it; behind a sentence, or two spaces away as comments are set, a `#` begins what its writer meant.
    pub cut: Option<Place>,
}

/// What a value is. There are no numbers, booleans or dates: everything is words until its reader says otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing stands there: `owner:`.
    Nothing,
    /// Words. Spaces and line breaks as YAML folds them.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// Names with values, in the order written.
    Map {
        /// The entries. No name stands twice.
        entries: Vec<(Name, Node)>,
        /// Written `{…}` on one line.
        braces: bool,
    },
}

/// The name of an entry and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The name.
    pub text: String,
    /// Where.
    pub at: Place,
}

/// Reads a file.
pub fn read(file: &str, text: &str) -> Read {
    let file: Arc<str> = file.into();
    let lines = Lines::new(text);
    let place = |span: Range<usize>| Place {
        line: lines.line(span.start),
        span,
        file: file.clone(),
    };
    let mut diagnostics = Vec::new();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.len() > FILE_BYTES_MAX {
        diagnostics.push(unreadable(
            &place(0..0),
            "The file is longer than a megabyte.".to_owned(),
            "Split the practice into several flows.",
        ));
        return Read {
            tree: None,
            diagnostics,
        };
    }
    if let Some(at) = first_tab(text) {
        diagnostics.push(refused(
            &place(at..at + 1),
            "a tab at the beginning of a line",
            "Use spaces; two for each step to the right.",
        ));
        return Read {
            tree: None,
            diagnostics,
        };
    }
    let raw = match parse(text, DuplicateKeyPolicy::Error) {
        Ok(raw) => raw,
        Err(fault) => {
            let twice = matches!(fault.without_snippet(), serde_yaml::Error::DuplicateMappingKey { .. });
            diagnostics.push(explain(&fault, &place, text));
            // The other rules may still read the file: which of the two is meant does not matter to them.
            match twice.then(|| parse(text, DuplicateKeyPolicy::LastWins)) {
                Some(Ok(raw)) => raw,
                _ => {
                    return Read {
                        tree: None,
                        diagnostics,
                    };
                }
            }
        }
    };
    let mut reading = Reading {
        text,
        place: &place,
        diagnostics,
    };
    let tree = raw
        .map(|raw| reading.node(raw))
        .filter(|tree| tree.kind != Kind::Nothing);
    Read {
        tree,
        diagnostics: reading.diagnostics,
    }
}

impl Node {
    /// The words, if it is words.
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The value under a name, if it is a map that has it.
    pub fn entry(&self, name: &str) -> Option<&Node> {
        self.entries()
            .iter()
            .find(|(key, _)| key.text == name)
            .map(|(_, value)| value)
    }

    /// The entries, if it is a map.
    pub fn entries(&self) -> &[(Name, Node)] {
        match &self.kind {
            Kind::Map { entries, .. } => entries,
            _ => &[],
        }
    }

    /// The items, if it is a list.
    pub fn items(&self) -> &[Node] {
        match &self.kind {
            Kind::List(items) => items,
            _ => &[],
        }
    }

    /// What to say of it in a sentence: `a list stands`.
    pub(crate) const fn describe(&self) -> &'static str {
        match self.kind {
            Kind::Nothing => "nothing stands",
            Kind::Text(_) => "words stand",
            Kind::List(_) => "a list stands",
            Kind::Map { .. } => "names with values stand",
        }
    }
}

/// Spaces and line breaks made one space each, none at the ends: how sentences are compared and spoken.
pub(crate) fn normalized(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn parse(text: &str, duplicate_keys: DuplicateKeyPolicy) -> Result<Option<Raw>, serde_yaml::Error> {
    let options = serde_yaml::options! {
        budget: serde_yaml::budget! {
            max_anchors: 0,
            max_aliases: 0,
            max_merge_keys: 0,
            max_depth: DEPTH_MAX,
            max_nodes: NODES_MAX,
            max_events: NODES_MAX * 3,
            max_documents: 1,
            max_total_scalar_bytes: FILE_BYTES_MAX,
            max_total_comment_bytes: FILE_BYTES_MAX,
        },
        duplicate_keys: duplicate_keys,
        merge_keys: MergeKeyPolicy::Error,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        with_snippet: false,
    };
    serde_yaml::from_str_with_options(text, options)
}

struct Reading<'a> {
    text: &'a str,
    place: &'a dyn Fn(Range<usize>) -> Place,
    diagnostics: Vec<Diagnostic>,
}

impl Reading<'_> {
    fn node(&mut self, raw: Raw) -> Node {
        let at = (self.place)(self.clip(raw.span()));
        self.refuse_tag(&at, true);
        let mut cut = None;
        let kind = match raw.value {
            scalar::Value::Text(text) => {
                cut = self.comment(&at, &text);
                Kind::Text(text)
            }
            // A number, `yes`, `~`: the words as they stand in the file.
            scalar::Value::Plain => match self.text.get(at.span.clone()).map(str::trim) {
                Some("" | "~") | None => Kind::Nothing,
                Some(text) => Kind::Text(text.to_owned()),
            },
            scalar::Value::List(items) => Kind::List(items.into_iter().map(|item| self.node(item)).collect()),
            scalar::Value::Map(entries) => {
                let braces = self.text.get(at.span.start..).is_some_and(|rest| rest.starts_with('{'));
                let mut known = BTreeSet::new();
                let entries: Vec<(Name, Node)> = entries
                    .into_iter()
                    .filter_map(|(key, value)| Some((self.name(key)?, self.node(value))))
                    // The second of two has been reported.
                    .filter(|(name, _)| known.insert(name.text.clone()))
                    .collect();
                if braces {
                    self.look_for_bare_comma(&entries);
                }
                Kind::Map { entries, braces }
            }
        };
        Node { at, kind, cut }
    }

    fn name(&mut self, key: Raw) -> Option<Name> {
        let at = (self.place)(self.clip(key.span()));
        self.refuse_tag(&at, false);
        let text = match key.value {
            scalar::Value::Text(text) => text,
            scalar::Value::Plain => self.text.get(at.span.clone()).unwrap_or("").trim().to_owned(),
            scalar::Value::List(_) | scalar::Value::Map(_) => {
                self.diagnostics.push(refused(
                    &at,
                    "a list or braces where a name belongs",
                    "Write a name in ordinary words before the colon.",
                ));
                return None;
            }
        };
        Some(Name {
            text: normalized(&text),
            at,
        })
    }

    /// F011: `{for: a hospital, lab or pharmacy, go to: x}` makes YAML see a name without a value after the comma.
    fn look_for_bare_comma(&mut self, entries: &[(Name, Node)]) {
        let mut before: Option<&Name> = None;
        for (name, value) in entries {
            if value.kind == Kind::Nothing {
                let setting = before.map(|before| before.text.as_str());
                self.diagnostics.push(f011::bare_comma(&name.at, &name.text, setting));
            } else {
                before = Some(name);
            }
        }
    }

    /// See [`Node::cut`].
    fn comment(&self, at: &Place, words: &str) -> Option<Place> {
        let after = self.text.get(at.span.end..).unwrap_or("");
        let written = self.text.get(at.span.clone()).unwrap_or("");
        let whole = written.starts_with(['"', '\'', '|', '>']) || words.ends_with(['.', '?', '!']);
        let start = at.span.end + 1;
        (!whole && after.starts_with(" #")).then(|| (self.place)(start..start + 1))
    }

    /// `!tag` before a value. The parser drops it silently; a reader would wonder what it does.
    fn refuse_tag(&mut self, at: &Place, value: bool) {
        let before = self.text.get(..at.span.start).unwrap_or("");
        let line = before.rsplit('\n').next().unwrap_or("");
        let same_line = line.trim_end();
        let word = if !same_line.is_empty() || !value {
            same_line.split_whitespace().next_back()
        } else {
            // `name: !tag` with the value on the lines below.
            before
                .trim_end()
                .lines()
                .next_back()
                .filter(|line| !line.contains('#'))
                .and_then(|line| {
                    let word = line.split_whitespace().next_back()?;
                    let head = line.trim_end().strip_suffix(word)?.trim_end();
                    (head.ends_with(':') || head.ends_with('-')).then_some(word)
                })
        };
        if word.is_some_and(|word| word.starts_with('!')) {
            self.diagnostics.push(refused(
                at,
                "a tag (a word that begins with `!`)",
                "Take it out; put words that begin with `!` in quotes.",
            ));
        }
    }

    /// The parser counts from its own marks; never index past the text or into a letter.
    fn clip(&self, span: Range<usize>) -> Range<usize> {
        let floor = |at: usize| {
            let mut at = at.min(self.text.len());
            while !self.text.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        let start = floor(span.start);
        start..floor(span.end).max(start)
    }
}

fn explain(fault: &serde_yaml::Error, place: &dyn Fn(Range<usize>) -> Place, text: &str) -> Diagnostic {
    use serde_yaml::Error;
    let fault = fault.without_snippet();
    let at = place(fault.location().map_or(0..0, |location| {
        let number = |number: u64| usize::try_from(number).unwrap_or(0);
        let span = location.span();
        let start = match span.byte_offset() {
            Some(start) => number(start),
            // A fault of the scanner knows only its line.
            None => text
                .split_inclusive('\n')
                .take(number(location.line()).saturating_sub(1))
                .map(str::len)
                .sum(),
        };
        let start = start.min(text.len());
        start..start.saturating_add(span.byte_len().map_or(0, number)).min(text.len())
    }));
    match fault {
        Error::DuplicateMappingKey { key, .. } => {
            let key = key.as_deref().unwrap_or("a name");
            Diagnostic::error(
                "F021",
                &at,
                format!("`{key}` stands twice in the same place."),
                "One of the two would be lost, and with it a way to reach someone.",
                "Keep one of them, or give the second another name.",
            )
        }
        Error::MergeKeyNotAllowed { .. } => refused(
            &at,
            "a merge key (`<<`)",
            "Write the settings out where they are needed.",
        ),
        Error::UnknownAnchor { .. } | Error::AliasError { .. } => refused(
            &at,
            "an alias (a word that begins with `*`)",
            "Write the words out, or put them in quotes.",
        ),
        Error::MultipleDocuments { .. } => refused(&at, "a second document (`---`)", "Put it in a file of its own."),
        Error::Budget { breach, .. } => match breach {
            BudgetBreach::Anchors { .. } => refused(
                &at,
                "an anchor (a word that begins with `&`)",
                "Write the words out, or put them in quotes.",
            ),
            BudgetBreach::Aliases { .. } | BudgetBreach::AliasAnchorRatio { .. } => refused(
                &at,
                "an alias (a word that begins with `*`)",
                "Write the words out, or put them in quotes.",
            ),
            BudgetBreach::MergeKeys { .. } => refused(
                &at,
                "a merge key (`<<`)",
                "Write the settings out where they are needed.",
            ),
            BudgetBreach::Documents { .. } => refused(&at, "a second document (`---`)", "Put it in a file of its own."),
            BudgetBreach::Depth { .. } => unreadable(
                &at,
                "Lists and settings stand too deep inside each other.".to_owned(),
                "Look for a line that is indented too far.",
            ),
            _ => unreadable(&at, "The file is too large.".to_owned(), "Split it into several files."),
        },
        other => {
            // Only the first line: what follows would quote the file, and files hold private numbers.
            let message = other.to_string();
            let message = message.lines().next().unwrap_or("");
            let message = message
                .split(" at line ")
                .next()
                .unwrap_or("")
                .chars()
                .take(120)
                .collect::<String>();
            let (what, fix) = plainly(&message);
            unreadable(&at, what, fix)
        }
    }
}

/// The scanner's words, as a colleague would say them.
fn plainly(message: &str) -> (String, &'static str) {
    let holds = |words: &[&str]| words.iter().any(|words| message.contains(words));
    if holds(&["mapping values are not allowed"]) {
        (
            "A second colon stands on this line, so it cannot be told where the words begin.".to_owned(),
            "Put words that hold `: ` in quotes: `- say: \"We are open: come in.\"`.",
        )
    } else if holds(&["quoted scalar"]) {
        (
            "A quote is opened here and not closed.".to_owned(),
            "Close the quote on the same line, or take it out.",
        )
    } else if holds(&["expected ',' or '}'", "flow mapping"]) {
        (
            "A brace `{` is opened before this and not closed.".to_owned(),
            "Look at this line and the one above, and put the missing `}`; words that hold a comma need quotes.",
        )
    } else if holds(&["expected ',' or ']'", "flow sequence"]) {
        (
            "A bracket `[` is opened before this and not closed.".to_owned(),
            "Look at this line and the one above, and put the missing `]`.",
        )
    } else if holds(&[
        "did not find expected key",
        "did not find expected '-'",
        "indentation",
        "block collection",
        "block sequence",
    ]) {
        (
            "The spaces at the beginning of this line do not line up with the lines above it.".to_owned(),
            "Begin it exactly below the line it belongs with; two spaces for each step to the right.",
        )
    } else if holds(&["simple key", "expected ':'"]) {
        (
            "A colon is missing on this line or the one above.".to_owned(),
            "Write `name: value`, with a space after the colon.",
        )
    } else {
        (
            format!("The file cannot be read from here on: {message}."),
            "Look at this line and the one above: a missing colon, quote or bracket, or spaces that do not line up.",
        )
    }
}

fn unreadable(at: &Place, what: String, fix: &str) -> Diagnostic {
    Diagnostic::error("F020", at, what, "Nothing in this file would take effect.", fix)
}

fn refused(at: &Place, what: &str, fix: &str) -> Diagnostic {
    Diagnostic::error(
        "F021",
        at,
        format!("This is {what}; practice files do not use it."),
        "A file that cannot be read aloud hides what callers will hear.",
        fix,
    )
}

/// The first tab that stands where a line is indented.
fn first_tab(text: &str) -> Option<usize> {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let indented = line.len() - line.trim_start_matches([' ', '\t']).len();
        let content = line.trim();
        if let (Some(tab), false) = (
            line.get(..indented).and_then(|indent| indent.find('\t')),
            content.is_empty() || content.starts_with('#'),
        ) {
            return Some(start + tab);
        }
        start += line.len();
    }
    None
}

/// Where lines begin.
struct Lines(Vec<usize>);

impl Lines {
    fn new(text: &str) -> Self {
        Self(
            std::iter::once(0)
                .chain(text.match_indices('\n').map(|(at, _)| at + 1))
                .collect(),
        )
    }

    fn line(&self, at: usize) -> usize {
        self.0.partition_point(|&start| start <= at).max(1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn show(node: &Node) -> String {
        match &node.kind {
            Kind::Nothing => "-".to_owned(),
            Kind::Text(text) => format!("{text:?}"),
            Kind::List(items) => format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(" ")),
            Kind::Map { entries, .. } => {
                format!(
                    "{{{}}}",
                    entries
                        .iter()
                        .map(|(name, value)| format!("{}@{}={}", name.text, name.at.line, show(value)))
                        .collect::<Vec<_>>()
                        .join(" ")
                )
            }
        }
    }

    fn tree(text: &str) -> String {
        let read = read("t.yaml", text);
        assert_eq!(read.diagnostics, [], "{text}");
        read.tree.map_or_else(|| "nothing".to_owned(), |tree| show(&tree))
    }

    fn faults(text: &str) -> String {
        read("t.yaml", text)
            .diagnostics
            .iter()
            .map(|found| format!("{} {}: {}\n", found.code, found.line, found.what))
            .collect()
    }

    #[test]
    fn everything_is_words() {
        assert_eq!(
            tree("a: no\nb: yes\nc: 007\nd: +1 512 555 0100\ne: 1e3\nf: 0x1F\n"),
            r#"{a@1="no" b@2="yes" c@3="007" d@4="+1 512 555 0100" e@5="1e3" f@6="0x1F"}"#
        );
        assert_eq!(
            tree("a: \"02091984\"\nb: 'no'\nc: true\nd: 2026-11-18\ne: 2026-11-21.1\n"),
            r#"{a@1="02091984" b@2="no" c@3="true" d@4="2026-11-18" e@5="2026-11-21.1"}"#
        );
        assert_eq!(
            tree("presses: [1, 02, no, \"1\"]\n"),
            r#"{presses@1=["1" "02" "no" "1"]}"#
        );
        assert_eq!(
            tree("no: yes\n1: .inf\nnull: ~\nempty:\n"),
            r#"{no@1="yes" 1@2=".inf" null@3=- empty@4=-}"#
        );
        assert_eq!(
            tree("- answer\n- say: >-\n    One\n    two.\n- say: Ends here. # comment\n"),
            r#"["answer" {say@2="One two."} {say@5="Ends here."}]"#
        );
        assert_eq!(tree("a: {b: c, d: \"e, f\"}\n"), r#"{a@1={b@1="c" d@1="e, f"}}"#);
        assert_eq!(
            tree("a: say it loud!\nb: \"!x\"\nc: go & come * star\n"),
            r#"{a@1="say it loud!" b@2="!x" c@3="go & come * star"}"#
        );
        assert_eq!(tree(""), "nothing");
        assert_eq!(tree("# only a comment\n"), "nothing");
    }

    #[test]
    fn what_cannot_be_read_aloud_is_refused() {
        let all: String = [
            "a: &x 1\n",
            "a: *x\n",
            "a: !secret x\n",
            "a: !!str 5\n",
            "a: !!map\n  b: c\n",
            "<<: {a: b}\n",
            "a: 1\na: 2\n",
            "a:\n\tb: c\n",
            "a: b\n---\nc: d\n",
            "a: [1, 2\n",
            "a: \"open\nb: c\n",
            "a: b: c\n",
            "? [a, b]\n: c\n",
            "{1: a, 1: b}\n",
        ]
        .into_iter()
        .map(faults)
        .collect();
        insta::assert_snapshot!(all);
    }

    #[test]
    fn a_comma_inside_braces_is_told_apart() {
        insta::assert_snapshot!(faults(
            "press 4: {for: a hospital, lab or pharmacy, go to: reach the doctor}\n"
        ));
    }

    #[test]
    fn a_duplicate_key_still_leaves_a_tree() {
        let read = read("t.yaml", "a: 1\nb: 2\na: 3\n");
        assert_eq!(read.diagnostics.len(), 1);
        assert!(read.tree.is_some());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,200}") {
            read("t.yaml", &text);
        }

        #[test]
        fn no_text_that_looks_like_yaml_makes_it_panic(text in "([ \t\n]|[-:{}\\[\\],&*!#'\"|>?é]|[ab1]|: |- ){0,120}") {
            let _ = read("t.yaml", &text).tree.map(|tree| show(&tree));
        }
    }
}
