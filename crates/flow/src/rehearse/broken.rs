//! T002: a scenario of the practice that does not end as it says.

use std::sync::Arc;

use super::solo::{self, Rehearsed};
use super::suite::Suite;
use crate::diagnostic::{Diagnostic, Place};
use crate::model::{Flow, Practice};
use crate::run::Note;

/// Every scenario of a flow that fails, told as the way its caller would go.
pub fn broken(practice: &Arc<Practice>, flow: &Arc<Flow>, suites: &[Suite]) -> Vec<Diagnostic> {
    let own = suites.iter().filter(|suite| suite.tests_for == flow.file);
    let scenarios = own.flat_map(|suite| suite.scenarios.iter().map(move |scenario| (suite, scenario)));
    let found = scenarios.filter_map(|(suite, scenario)| {
        let rehearsed = solo::play(practice, flow, scenario);
        let first = rehearsed.failures.first()?;
        let at = Place {
            file: suite.file.as_str().into(),
            span: 0..0,
            line: scenario.line,
        };
        Some(Diagnostic::error(
            "T002",
            &at,
            format!("The scenario “{}” fails: {first}.", scenario.name),
            way(&rehearsed),
            "If that is right now, change the scenario; if not, the flow. `nightdesk flow test` shows the call word by word.",
        ))
    });
    found.collect()
}

/// The sections a caller comes through, and the end.
fn way(rehearsed: &Rehearsed) -> String {
    let sections = rehearsed.notes.iter().filter_map(|note| match note {
        Note::Section(name) => Some(name.as_str()),
        _ => None,
    });
    let through = sections.collect::<Vec<_>>().join(", then ");
    let end = match &rehearsed.observed.outcome {
        Some(outcome) => format!("and the call ends: {outcome}"),
        None => "and the call does not end".to_owned(),
    };
    format!("This caller comes through {through}, {end}.")
}
