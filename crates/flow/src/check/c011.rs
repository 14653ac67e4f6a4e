//! C011: a protocol for an age that nobody has asked for.
//!
//! A practice whose only protocol is for adults says by that whom it treats. But a protocol for children, one whose
//! questions are asked at some ages only, and any of several protocols need the age first where one of them names an age.
//! Protocols that part callers by something else (who is pregnant and who is not) need no age.

use crate::diagnostic::Diagnostic;
use crate::model::{Act, Clause, Condition, Field, Protocol, Thing};
use crate::parse::flow::FlowDraft;
use crate::parse::practice::PracticeDraft;
use crate::proof::{At, Estimate, Roads};
use crate::words::Language;

/// Words of `for:` that name an age callers may not have.
const YOUNG: [&str; 9] = [
    "child", "under", "infant", "newborn", "baby", "babies", "toddler", "teen", "month",
];

/// Words of `for:` that name an age at all.
const AGE: [&str; 7] = ["adult", "adults", "age", "aged", "older", "year", "years"];

pub(super) fn check(draft: &FlowDraft, practice: &PracticeDraft, out: &mut Vec<Diagnostic>) {
    if !draft.broken.is_empty() {
        return;
    }
    let several = draft
        .protocols
        .iter()
        .any(|one| one.protocol.meant_for != draft.protocols.first().map_or("", |first| &first.protocol.meant_for))
        && draft.protocols.iter().any(|one| names_age(&one.protocol.meant_for));
    let roads = Roads::of(&practice.practice, &draft.flow, Language::English, &Estimate);
    for (section, index, step) in draft.every_step() {
        let Act::Triage { protocol, .. } = &step.act else {
            continue;
        };
        if !(several || needs_age(protocol)) {
            continue;
        }
        if super::paths::comes_without(&roads, At::Step(section, index), &|act| tells_age(act)) {
            out.push(Diagnostic::warning(
                "C011",
                draft.step_at(section, index),
                format!(
                    "`{}` is for {}, and nobody has asked how old the patient is.",
                    protocol.name, protocol.meant_for
                ),
                "Callers would be sorted by the questions for people of another age.",
                "Ask first: a menu whose keys `remember: age group is …`, or `- ask: patient age`.",
            ));
        }
    }
}

fn is_young(meant_for: &str) -> bool {
    let meant_for = meant_for.to_lowercase();
    YOUNG.iter().any(|word| meant_for.contains(word))
}

fn names_age(meant_for: &str) -> bool {
    let lower = meant_for.to_lowercase();
    is_young(meant_for)
        || lower
            .split(|c: char| !c.is_alphanumeric())
            .any(|word| AGE.contains(&word))
}

fn needs_age(protocol: &Protocol) -> bool {
    let adults = protocol.meant_for.to_lowercase().contains("adult");
    let young = is_young(&protocol.meant_for);
    let of_some_age = |condition: &Condition| {
        condition.clauses.iter().any(|clause| match clause {
            Clause::Is { thing, .. }
            | Clause::OneOf { thing, .. }
            | Clause::Compare { thing, .. }
            | Clause::Between { thing, .. }
            | Clause::Known { thing, .. } => is_age(thing),
            Clause::Fact(_) => false,
        })
    };
    (young && !adults)
        || protocol
            .questions
            .iter()
            .filter_map(|question| question.only_if.as_ref())
            .any(of_some_age)
}

fn is_age(thing: &Thing) -> bool {
    match thing {
        Thing::PatientAge => true,
        Thing::Remembered(name) => name.split_whitespace().any(|word| word.eq_ignore_ascii_case("age")),
        _ => false,
    }
}

/// After this step somebody knows the age.
fn tells_age(act: &Act) -> bool {
    let remembers = |name: &str| is_age(&Thing::Remembered(name.to_owned()));
    match act {
        Act::Remember { name, .. } => remembers(name),
        Act::Menu(menu) => menu
            .choices
            .iter()
            .any(|choice| choice.remember.as_ref().is_some_and(|(name, _)| remembers(name))),
        Act::Ask { field, .. } => matches!(field, Field::PatientAge | Field::PatientDateOfBirth),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::names_age;

    #[test]
    fn whom_a_protocol_is_for_may_have_nothing_to_do_with_age() {
        for named in [
            "adults, 18 and older",
            "children under 18; ask the age group first",
            "patients of 70 years",
            "Newborns",
        ] {
            assert!(names_age(named), "{named}");
        }
        for other in [
            "anyone who is pregnant, or gave birth in the last six weeks",
            "patients with a pump at home",
            "voyagers",
        ] {
            assert!(!names_age(other), "{other}");
        }
    }
}
