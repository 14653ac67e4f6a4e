//! F013: a line that no flow answers.

use crate::diagnostic::Diagnostic;
use crate::model::Practice;
use crate::parse::practice::PracticeDraft;

pub(super) fn check(draft: &PracticeDraft, practice: &Practice, out: &mut Vec<Diagnostic>) {
    let meant = |line: &str| practice.flows.iter().any(|flow| flow.speaks_for(line));
    for (line, at) in draft.lines.iter().filter(|(line, _)| !meant(line)) {
        out.push(Diagnostic::warning(
            "F013",
            at,
            format!("No flow answers the line `{line}`."),
            "Whoever calls it would hear what callers of another line hear.",
            format!("Write `answers: {{line: {line}, when: any time}}` in a flow of its own, or take the line out."),
        ));
    }
}
