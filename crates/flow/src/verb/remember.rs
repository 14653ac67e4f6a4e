//! `- remember: name is value`: a plain fact for later conditions.

use std::collections::{BTreeMap, BTreeSet};

use super::StepText;
use crate::diagnostic::Diagnostic;
use crate::model::Act;
use crate::parse::{not_understood, words};
use crate::source::{Kind, Node, normalized};

pub(super) fn read(step: &mut StepText<'_, '_>) -> Option<Act> {
    let head = step.head()?;
    let (name, value) = pair(head, step.out)?;
    Some(Act::Remember { name, value })
}

/// `age group is under 3 months`, or `{age group: under 3 months}`.
pub(super) fn pair(node: &Node, out: &mut Vec<Diagnostic>) -> Option<(String, String)> {
    if let [(name, value)] = node.entries() {
        return Some((name.text.clone(), normalized(words(value, &name.text, out)?)));
    }
    let text = normalized(node.text().unwrap_or(""));
    let found = text
        .split_once(" is ")
        .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()));
    if found.is_none() {
        out.push(not_understood(
            &node.at,
            format!("`{text}` does not say what to remember."),
            "Write `remember: age group is under 3 months`.",
        ));
    }
    found
}

/// Every name a flow remembers, with its values, wherever `remember` stands: conditions are read against them.
pub(crate) fn pairs(node: &Node, found: &mut BTreeMap<String, BTreeSet<String>>) {
    match &node.kind {
        Kind::Map { entries, .. } => {
            for (name, value) in entries {
                if name.text == "remember" {
                    // What is wrong with it is said where the step is read.
                    if let Some((name, value)) = pair(value, &mut Vec::new()) {
                        found.entry(name).or_default().insert(value);
                    }
                } else {
                    pairs(value, found);
                }
            }
        }
        Kind::List(items) => items.iter().for_each(|item| pairs(item, found)),
        Kind::Nothing | Kind::Text(_) => {}
    }
}
