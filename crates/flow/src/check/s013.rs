//! S013: a ladder has at least two people, with telephones of their own.

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnostic::Diagnostic;
use crate::model::Source;
use crate::parse::practice::PracticeDraft;

pub(super) fn check(draft: &PracticeDraft, out: &mut Vec<Diagnostic>) {
    let practice = &draft.practice;
    for (name, ladder) in &practice.ladders {
        // A rung that could not be read may be the second person.
        if draft.broken_ladders.contains(name) {
            continue;
        }
        let at = draft.ladders.get(name).unwrap_or(&draft.at);
        // A role read from a feed may be anyone, so it counts as one more person of its own.
        let callees: BTreeSet<&str> = ladder
            .rungs
            .iter()
            .map(|rung| match practice.on_call.roles.get(&rung.call) {
                Some(Source::Person(person)) => person.as_str(),
                _ => rung.call.as_str(),
            })
            .collect();
        if callees.len() < 2 {
            out.push(Diagnostic::error(
                "S013",
                at,
                format!("The ladder `{name}` reaches only one person."),
                "When that person's phone is off, nobody would be reached.",
                "Add a rung with somebody else: `- {call: backup, tries: 2, apart: 2 minutes, ring for: 25 seconds}`.",
            ));
        }
        let mut numbers: BTreeMap<&str, &str> = BTreeMap::new();
        for callee in callees {
            let Some(person) = practice
                .people
                .get(callee)
                .filter(|person| !person.call.expose().is_empty())
            else {
                continue;
            };
            if let Some(other) = numbers.insert(person.call.expose(), callee) {
                out.push(Diagnostic::error(
                    "S013",
                    at,
                    format!("`{other}` and `{callee}` on the ladder `{name}` share one telephone number."),
                    "One phone that is off or busy would be all there is.",
                    "Give one of them a number of their own.",
                ));
            }
        }
    }
}
