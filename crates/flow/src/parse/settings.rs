//! The settings beside a name, taken one by one; what is left over was a slip.

use crate::diagnostic::{Diagnostic, Place, did_you_mean};
use crate::source::{Kind, Name, Node};

/// A map being read.
pub(crate) struct Settings<'a> {
    whose: String,
    pub(crate) at: Place,
    left: Vec<(&'a Name, &'a Node)>,
    asked_for: Vec<String>,
}

impl<'a> Settings<'a> {
    /// The settings of a value; a finding when it is something else.
    pub(crate) fn of(node: &'a Node, whose: &str, out: &mut Vec<Diagnostic>) -> Option<Self> {
        let Kind::Map { entries, .. } = &node.kind else {
            out.push(super::not_understood(
                &node.at,
                format!("`{whose}` needs names with values, but {} here.", node.describe()),
                "Write `name: value`, each on a line of its own.",
            ));
            return None;
        };
        let left = entries.iter().map(|(name, value)| (name, value)).collect();
        Some(Self {
            whose: whose.to_owned(),
            at: node.at.clone(),
            left,
            asked_for: Vec::new(),
        })
    }

    /// No settings at all, for a bare word.
    pub(crate) fn none(whose: &str, at: Place) -> Self {
        Self {
            whose: whose.to_owned(),
            at,
            left: Vec::new(),
            asked_for: Vec::new(),
        }
    }

    /// Takes a setting, if it is there.
    pub(crate) fn take(&mut self, name: &str) -> Option<&'a Node> {
        self.asked_for.push(name.to_owned());
        let at = self.left.iter().position(|(left, _)| left.text == name)?;
        Some(self.left.remove(at).1)
    }

    /// Takes a setting that must be there.
    pub(crate) fn need(&mut self, name: &str, suffers: &str, out: &mut Vec<Diagnostic>) -> Option<&'a Node> {
        self.need_one_of(name, std::iter::empty(), suffers, out)
    }

    /// The same for a setting whose values are known; the first of them is proposed.
    pub(crate) fn need_one_of<'n>(
        &mut self,
        name: &str,
        mut known: impl Iterator<Item = &'n str>,
        suffers: &str,
        out: &mut Vec<Diagnostic>,
    ) -> Option<&'a Node> {
        let node = self.take(name);
        if node.is_none() {
            let first = known.next();
            let others = known.collect::<Vec<_>>().join("`, `");
            out.push(Diagnostic::error(
                "F024",
                &self.at,
                format!("`{}` lacks `{name}`.", self.whose),
                suffers,
                match (first, others.is_empty()) {
                    (None, _) => format!("Add `{name}:`."),
                    (Some(first), true) => format!("Add `{name}: {first}`."),
                    (Some(first), false) => format!("Add `{name}: {first}`; there are also `{others}`."),
                },
            ));
        }
        node
    }

    /// Takes every setting whose name begins so: `press 1`, `press 2`.
    pub(crate) fn take_beginning(&mut self, with: &str, example: &str) -> Vec<(&'a Name, &'a Node)> {
        self.asked_for.push(example.to_owned());
        let (taken, left) = self
            .left
            .iter()
            .copied()
            .partition(|(name, _)| name.text.starts_with(with));
        self.left = left;
        taken
    }

    /// Takes whatever is left, when every name is the author's own.
    pub(crate) fn rest(&mut self) -> Vec<(&'a Name, &'a Node)> {
        std::mem::take(&mut self.left)
    }

    /// Reports what nobody asked for.
    pub(crate) fn finish(self, out: &mut Vec<Diagnostic>) {
        for (name, value) in &self.left {
            // F011 has said what is wrong with this one.
            if value.kind == Kind::Nothing
                && out
                    .iter()
                    .any(|found| found.code == "F011" && found.line == name.at.line)
            {
                continue;
            }
            out.push(Diagnostic::error(
                "F023",
                &name.at,
                format!("`{}` is not a setting of `{}`.", name.text, self.whose),
                "It would have no effect, and the caller would not get what its author meant.",
                did_you_mean(&name.text, self.asked_for.iter().map(String::as_str)),
            ));
        }
    }
}
