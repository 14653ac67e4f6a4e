//! S012: a condition nobody can decide would send the caller somewhere less safe.
//!
//! What is not known makes a clause false (§6), so the step is passed by. That is harmless for a sentence; it is not when
//! the step rings a phone, asks about red flags or says to call 911, and what follows does none of these.

use std::collections::BTreeSet;

use crate::diagnostic::Diagnostic;
use crate::model::{Act, Clause, Condition, Fact, Flow, Level, SectionId, Step, Thing};
use crate::parse::flow::FlowDraft;
use crate::parse::practice::PracticeDraft;
use crate::proof::{At, Estimate, Roads};
use crate::words::Language;

pub(super) fn check(draft: &FlowDraft, practice: &PracticeDraft, out: &mut Vec<Diagnostic>) {
    if !draft.broken.is_empty() {
        return;
    }
    let flow = &draft.flow;
    let roads = Roads::of(&practice.practice, flow, Language::English, &Estimate);
    for (section, index, step) in draft.every_step() {
        let at = At::Step(section, index);
        if let Some(condition) = &step.only_if
            && let Some(unknown) = unknown(condition, &roads, at)
        {
            let rest = flow
                .sections
                .get(section.0)
                .and_then(|section| section.steps.get(index + 1..));
            if helps(step, flow, &mut BTreeSet::new()) && !any_helps(rest.unwrap_or(&[]), flow, &mut BTreeSet::new()) {
                out.push(finding(draft, section, index, &unknown, "this step"));
            }
        }
        let Act::Triage { protocol, .. } = &step.act else {
            continue;
        };
        for question in &protocol.questions {
            if question.level <= Level::Urgent
                && let Some(condition) = &question.only_if
                && let Some(unknown) = unknown(condition, &roads, at)
            {
                let what = format!("the question “{}”", question.words.text(Language::English));
                out.push(finding(draft, section, index, &unknown, &what));
            }
        }
    }
}

fn finding(draft: &FlowDraft, section: SectionId, index: usize, unknown: &str, what: &str) -> Diagnostic {
    Diagnostic::error(
        "S012",
        draft.step_at(section, index),
        format!("When `{unknown}` is not known, {what} is passed by, and what follows is less safe."),
        "A caller nobody knows enough about would get less than one who is known.",
        format!("Put the safer way last, without `if:`; or see to it that `{unknown}` is known on every way here."),
    )
}

/// The first thing of a condition that may not be known here.
fn unknown(condition: &Condition, roads: &Roads<'_>, at: At) -> Option<String> {
    condition.clauses.iter().find_map(|clause| match clause {
        Clause::Fact(Fact::NobodyOnCall) => Some("nobody is on call".to_owned()),
        Clause::Fact(Fact::CalledLately) => Some("this number called in the last hour".to_owned()),
        Clause::Fact(_) | Clause::Known { .. } => None,
        Clause::Is { thing, .. }
        | Clause::OneOf { thing, .. }
        | Clause::Compare { thing, .. }
        | Clause::Between { thing, .. } => match thing {
            Thing::CallerState => Some("caller state".to_owned()),
            // Whoever is asked need not answer.
            Thing::PatientAge => Some("patient age".to_owned()),
            Thing::Remembered(name) => {
                super::paths::comes_without(roads, at, &|act| remembers(act, name)).then(|| name.clone())
            }
            Thing::Language | Thing::LineCalled | Thing::Time | Thing::Day => None,
        },
    })
}

/// Every way on from this act remembers the name.
fn remembers(act: &Act, name: &str) -> bool {
    match act {
        Act::Remember { name: known, .. } => known == name,
        Act::Menu(menu) => menu
            .choices
            .iter()
            .all(|choice| choice.remember.as_ref().is_some_and(|(known, _)| known == name)),
        _ => false,
    }
}

/// The step rings a phone, asks about red flags or says to call 911, or leads straight to one that does.
fn helps(step: &Step, flow: &Flow, seen: &mut BTreeSet<SectionId>) -> bool {
    match &step.act {
        Act::Escalate { .. } | Act::Connect { .. } | Act::TellToCall911 | Act::Triage { .. } | Act::Transfer { .. } => {
            true
        }
        Act::GoTo(section) => {
            seen.insert(*section)
                && any_helps(
                    flow.sections.get(section.0).map_or(&[][..], |section| &section.steps),
                    flow,
                    seen,
                )
        }
        _ => false,
    }
}

/// What a caller who is led along without a choice comes to.
fn any_helps(steps: &[Step], flow: &Flow, seen: &mut BTreeSet<SectionId>) -> bool {
    for step in steps.iter().filter(|step| step.only_if.is_none()) {
        if helps(step, flow, seen) {
            return true;
        }
        if matches!(
            step.act,
            Act::HangUp
                | Act::Menu(_)
                | Act::AskYesOrNo { .. }
                | Act::TakeMessage(_)
                | Act::TakeRefill(_)
                | Act::GoTo(_)
        ) {
            return false;
        }
    }
    false
}
