//! `*.shared.yaml`: pieces several flows use, pinned by version (§4, `use`).
//!
//! ```yaml
//! shared: Closing words
//! format: 1
//! version: 3
//! needs: [doctor]
//! sections:
//!   goodbye:
//!     - say: Thank you. Goodbye.
//!     - hang up
//! ```
//!
//! `- use: closing.shared.yaml#goodbye` with `version: 3` and `with: {doctor: reach the doctor}` puts the steps of that
//! section in its own place, before anything else is read; sections the piece leads to come along under a name of their
//! own. What is wrong in a piece is therefore found where it stands. A piece uses no other piece, so it cannot recurse.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::settings::Settings;
use super::{not_understood, unknown, word_list, words};
use crate::check::f001;
use crate::diagnostic::{Diagnostic, Place, did_you_mean};
use crate::source::{Kind, Name, Node, normalized};

/// How often one flow may use shared pieces.
const USES_MAX: usize = 100;

/// Settings whose value is the name of a section.
const LEADS: [&str; 13] = [
    "go to",
    "if yes",
    "if no",
    "if no answer",
    "if emergency",
    "if urgent",
    "if semi-urgent",
    "if routine",
    "if not found",
    "if nothing fits",
    "if records are down",
    "if no one accepts",
    "then",
];

/// The file is a shared piece.
pub(crate) fn is_shared(file: &str) -> bool {
    file.ends_with(".shared.yaml")
}

struct Piece {
    name: String,
    version: String,
    needs: BTreeSet<String>,
    sections: BTreeMap<String, (Name, Node)>,
}

/// A flow's tree with every `use` replaced by what it stands for. One that cannot be is left, and reported.
pub(crate) fn expanded(tree: &Node, files: &BTreeMap<String, Option<Node>>, out: &mut Vec<Diagnostic>) -> Node {
    let mut expansion = Expansion {
        files,
        pieces: BTreeMap::new(),
        uses: 0,
        named: BTreeMap::new(),
        coming: VecDeque::new(),
        out,
    };
    let mut tree = tree.clone();
    let Kind::Map { entries, .. } = &mut tree.kind else {
        return tree;
    };
    for (name, value) in entries.iter_mut() {
        match (name.text.as_str(), &mut value.kind) {
            ("safety net", Kind::List(steps)) => expansion.list(steps),
            ("sections", Kind::Map { entries, .. }) => {
                for (_, section) in entries.iter_mut() {
                    if let Kind::List(steps) = &mut section.kind {
                        expansion.list(steps);
                    }
                }
                while let Some(section) = expansion.coming.pop_front() {
                    entries.push(section);
                }
            }
            _ => {}
        }
    }
    tree
}

struct Expansion<'a, 'o> {
    files: &'a BTreeMap<String, Option<Node>>,
    pieces: BTreeMap<String, Option<Piece>>,
    uses: usize,
    /// The name a section of a piece came along under: by file, what it was given, and its own name.
    named: BTreeMap<(String, BTreeMap<String, String>, String), String>,
    coming: VecDeque<(Name, Node)>,
    out: &'o mut Vec<Diagnostic>,
}

/// One `use` as written.
struct Use<'n> {
    at: &'n Place,
    file: String,
    section: String,
    version: Option<(String, &'n Place)>,
    with: BTreeMap<String, String>,
    with_at: Vec<(String, &'n Place)>,
    only_if: Option<&'n Node>,
}

impl Expansion<'_, '_> {
    fn list(&mut self, steps: &mut Vec<Node>) {
        let mut expanded = Vec::with_capacity(steps.len());
        for step in steps.drain(..) {
            match step.entry("use").is_some().then(|| self.steps(&step)).flatten() {
                Some(more) => expanded.extend(more),
                None => expanded.push(step),
            }
        }
        *steps = expanded;
    }

    fn steps(&mut self, step: &Node) -> Option<Vec<Node>> {
        let wanted = self.read(step)?;
        self.uses += 1;
        if self.uses > USES_MAX {
            self.out.push(not_understood(
                wanted.at,
                format!("A flow uses shared pieces at most {USES_MAX} times."),
                "Split it into two flows.",
            ));
            return None;
        }
        if !self.pieces.contains_key(&wanted.file) {
            let piece = self.files.get(&wanted.file).and_then(Option::as_ref);
            let piece = piece.and_then(|tree| piece_of(tree, self.out));
            self.pieces.insert(wanted.file.clone(), piece);
        }
        let piece = self.pieces.get(&wanted.file).and_then(Option::as_ref);
        let Some(piece) = piece else {
            if !self.files.contains_key(&wanted.file) {
                let files = self.files.keys().map(String::as_str);
                self.out.push(unknown(
                    wanted.at,
                    format!("There is no shared file `{}` in this folder.", wanted.file),
                    "Nothing would happen at this step.",
                    &did_you_mean(&wanted.file, files),
                ));
            }
            return None;
        };
        if !fits(&wanted, piece, self.out) {
            return None;
        }
        let Some((_, section)) = piece.sections.get(&wanted.section) else {
            let sections = piece.sections.keys().map(String::as_str);
            self.out
                .push(f001::unknown_in(wanted.at, &wanted.file, &wanted.section, sections));
            return None;
        };
        let mut led_to = Vec::new();
        let mut steps = Vec::new();
        for node in section.items() {
            let mut node = node.clone();
            self::rename(&mut node, "", piece, &wanted, &mut self.named, &mut led_to);
            if let Some(condition) = wanted.only_if {
                only_if(&mut node, condition);
            }
            steps.push(node);
        }
        // Whatever the piece leads to comes along, and what that leads to.
        let mut brought: BTreeSet<String> = BTreeSet::new();
        while let Some((own, name)) = led_to.pop() {
            if !brought.insert(own.clone()) {
                continue;
            }
            if let Some((place, node)) = piece.sections.get(&own) {
                let mut node = node.clone();
                self::rename(&mut node, "", piece, &wanted, &mut self.named, &mut led_to);
                let known = self.coming.iter().any(|(known, _)| known.text == name);
                if !known {
                    let name = Name {
                        text: name,
                        at: place.at.clone(),
                    };
                    self.coming.push_back((name, node));
                }
            }
        }
        Some(steps)
    }

    fn read<'n>(&mut self, step: &'n Node) -> Option<Use<'n>> {
        let mut settings = Settings::of(step, "use", self.out)?;
        let head = settings.take("use")?;
        let text = words(head, "use", self.out)?.trim();
        let Some((file, section)) = text.split_once('#') else {
            self.out.push(not_understood(
                &head.at,
                format!("`{text}` does not say which section is used."),
                "Write file and section: `use: closing.shared.yaml#goodbye`.",
            ));
            return None;
        };
        let version = settings
            .need(
                "version",
                "The piece could change, and callers would hear what nobody here has read.",
                self.out,
            )
            .and_then(|node| Some((normalized(words(node, "version", self.out)?), &node.at)));
        let mut with = BTreeMap::new();
        let mut with_at = Vec::new();
        if let Some(node) = settings.take("with") {
            for (name, value) in node.entries() {
                if let Some(text) = words(value, &name.text, self.out) {
                    with.insert(name.text.clone(), normalized(text));
                    with_at.push((name.text.clone(), &name.at));
                }
            }
        }
        let only_if = settings.take("if");
        settings.finish(self.out);
        Some(Use {
            at: &head.at,
            file: file.trim().to_owned(),
            section: normalized(section),
            version,
            with,
            with_at,
            only_if,
        })
    }
}

/// The version is the one pinned, and the piece is given what it needs.
fn fits(wanted: &Use<'_>, piece: &Piece, out: &mut Vec<Diagnostic>) -> bool {
    let before = out.len();
    match &wanted.version {
        Some((version, at)) if *version != piece.version => out.push(Diagnostic::error(
            "F029",
            at,
            format!(
                "`{}` is at version {}, and version {version} is asked for.",
                wanted.file, piece.version
            ),
            "Callers would hear words that nobody approved for this flow.",
            format!("Read the piece again, then write `version: {}`.", piece.version),
        )),
        Some(_) => {}
        // It lacks a version, which has been said.
        None => return false,
    }
    for need in piece.needs.iter().filter(|need| !wanted.with.contains_key(*need)) {
        out.push(Diagnostic::error(
            "F024",
            wanted.at,
            format!("`{}` needs to be told `{need}`.", wanted.file),
            "The piece would lead nowhere.",
            format!("Add `with: {{{need}: …}}`."),
        ));
    }
    for (name, at) in wanted.with_at.iter().filter(|(name, _)| !piece.needs.contains(name)) {
        out.push(Diagnostic::error(
            "F023",
            at,
            format!("`{}` does not ask for `{name}`.", wanted.file),
            "It would have no effect, and the caller would not get what its author meant.",
            did_you_mean(name, piece.needs.iter().map(String::as_str)),
        ));
    }
    out.len() == before
}

fn piece_of(tree: &Node, out: &mut Vec<Diagnostic>) -> Option<Piece> {
    let mut top = Settings::of(tree, "the shared file", out)?;
    super::format(&mut top, out);
    let mut text = |name: &str, suffers: &str, out: &mut Vec<Diagnostic>| {
        let node = top.need(name, suffers, out)?;
        Some(normalized(words(node, name, out)?))
    };
    let name = text("shared", "Reports could not name it.", out);
    let version = text("version", "Nobody could tell which words a caller heard.", out);
    let needs = top.take("needs").map_or_else(BTreeSet::new, |node| {
        word_list(node, "needs", out)
            .into_iter()
            .map(|(need, _)| normalized(need))
            .collect()
    });
    let sections = top.need("sections", "There would be nothing to use.", out)?;
    let sections: BTreeMap<String, (Name, Node)> = sections
        .entries()
        .iter()
        .map(|(name, node)| (name.text.clone(), (name.clone(), node.clone())))
        .collect();
    top.finish(out);
    for node in sections.values().flat_map(|(_, node)| node.items()) {
        if node.entry("use").is_some() {
            out.push(not_understood(
                &node.at,
                "A shared piece uses no other piece.".to_owned(),
                "Write its steps out here, or use both pieces in the flow.",
            ));
            return None;
        }
    }
    Some(Piece {
        name: name?,
        version: version?,
        needs,
        sections,
    })
}

/// Puts in what the piece was told, and gives its own sections the name they come along under.
fn rename(
    node: &mut Node,
    under: &str,
    piece: &Piece,
    wanted: &Use<'_>,
    named: &mut BTreeMap<(String, BTreeMap<String, String>, String), String>,
    led_to: &mut Vec<(String, String)>,
) {
    match &mut node.kind {
        Kind::Text(text) => {
            let word = normalized(text);
            if let Some(given) = wanted.with.get(&word) {
                given.clone_into(text);
            } else if LEADS.contains(&under) && piece.sections.contains_key(&word) {
                let key = (wanted.file.clone(), wanted.with.clone(), word.clone());
                let uses = named
                    .keys()
                    .filter(|(file, with, own)| *file == key.0 && *own == word && *with != key.1)
                    .count();
                let name = named.entry(key).or_insert_with(|| match uses {
                    0 => format!("{word} of {}", piece.name),
                    more => format!("{word} of {} ({})", piece.name, more + 1),
                });
                led_to.push((word, name.clone()));
                name.clone_into(text);
            }
        }
        Kind::List(items) => {
            for item in items {
                rename(item, under, piece, wanted, named, led_to);
            }
        }
        Kind::Map { entries, .. } => {
            for (name, value) in entries {
                rename(value, &name.text, piece, wanted, named, led_to);
            }
        }
        Kind::Nothing => {}
    }
}

/// Gives a step the condition its `use` stands under, beside its own.
fn only_if(node: &mut Node, condition: &Node) {
    let name = |text: &str| Name {
        text: text.to_owned(),
        at: node.at.clone(),
    };
    if let Kind::Text(verb) = &node.kind {
        let verb = (
            name(verb.trim()),
            Node {
                at: node.at.clone(),
                kind: Kind::Nothing,
                cut: None,
            },
        );
        node.kind = Kind::Map {
            entries: vec![verb, (name("if"), condition.clone())],
            braces: false,
        };
        return;
    }
    let key = name("if");
    let Kind::Map { entries, .. } = &mut node.kind else {
        return;
    };
    match entries.iter_mut().find(|(name, _)| name.text == "if") {
        Some((_, own)) => {
            let both = [condition.text().unwrap_or(""), own.text().unwrap_or("")].join(" and ");
            own.kind = Kind::Text(both);
        }
        None => entries.push((key, condition.clone())),
    }
}
