//! F012: a flow relies on hours or holidays the practice does not state.

use crate::diagnostic::{Diagnostic, Place};
use crate::model::{Clause, Condition, Fact};
use crate::parse::flow::FlowDraft;
use crate::parse::practice::PracticeDraft;

pub(super) fn check(draft: &FlowDraft, practice: &PracticeDraft, out: &mut Vec<Diagnostic>) {
    let when = draft.when.as_ref().map(|at| (&draft.flow.when, at));
    let steps = draft
        .every_step()
        .filter_map(|(section, index, step)| Some((step.only_if.as_ref()?, draft.step_at(section, index))));
    for (condition, at) in when.into_iter().chain(steps) {
        relies(condition, at, practice, out);
    }
    for (name, message) in &draft.flow.messages {
        if !practice.practice.hours.stated
            && message
                .call_back_by
                .is_some_and(|promise| promise.counts_business_days())
        {
            out.push(missing(
                draft.message_at(name),
                "business days",
                "hours",
                "Write `hours:` in the practice file.",
            ));
        }
    }
}

fn relies(condition: &Condition, at: &Place, practice: &PracticeDraft, out: &mut Vec<Diagnostic>) {
    let hours = &practice.practice.hours;
    for clause in &condition.clauses {
        let Clause::Fact(fact) = clause else { continue };
        match fact {
            Fact::OfficeOpen | Fact::OfficeClosed if !hours.stated => {
                out.push(missing(
                    at,
                    "office hours",
                    "hours",
                    "Write `hours:` in the practice file, or `any time` here.",
                ));
            }
            Fact::Holiday if !practice.holidays_stated => {
                out.push(missing(
                    at,
                    "holidays",
                    "closed days",
                    "Write `closed on: [US federal holidays]` in the practice file.",
                ));
            }
            Fact::LunchTime if hours.lunch.is_none() => {
                out.push(missing(
                    at,
                    "lunch time",
                    "lunch",
                    "Write `lunch: noon to 1:00 pm` in the practice file.",
                ));
            }
            _ => {}
        }
    }
}

fn missing(at: &Place, relies_on: &str, lacks: &str, fix: &str) -> Diagnostic {
    Diagnostic::error(
        "F012",
        at,
        format!("This relies on {relies_on}, and the practice file states no {lacks}."),
        "Callers would be sent the wrong way at the wrong hour.",
        fix,
    )
}
