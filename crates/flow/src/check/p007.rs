//! P007: something is kept longer than policy.

use crate::diagnostic::Diagnostic;
use crate::parse::practice::PracticeDraft;

/// The longest a state asks for a record of an adult (design/controls.md §retention).
const MESSAGES_DAYS_MAX: u32 = 10 * 366;
/// What the law asks of documents (45 CFR 164.316(b)(2)(i)); nobody asks more of callers' voices.
const RECORDINGS_DAYS_MAX: u32 = 6 * 366;

pub(super) fn check(draft: &PracticeDraft, out: &mut Vec<Diagnostic>) {
    let keep = &draft.practice.keep;
    for (what, period, most, words) in [
        ("messages", keep.messages, MESSAGES_DAYS_MAX, "10 years"),
        ("recordings", keep.recordings, RECORDINGS_DAYS_MAX, "6 years"),
    ] {
        if period.days() > most {
            out.push(Diagnostic::warning(
                "P007",
                draft.keep.as_ref().unwrap_or(&draft.at),
                format!("{what} are kept longer than {words}."),
                "Whatever is kept can be lost, stolen or subpoenaed; callers' voices longest of all.",
                format!("Write `{what}: {words}` or less, or note who asks for more."),
            ));
        }
    }
}
