//! P007: something is kept longer than policy.

use crate::diagnostic::Diagnostic;
use crate::model::Period;
use crate::parse::practice::PracticeDraft;

/// The longest a state asks for a record of an adult (design/controls.md §retention).
const MESSAGES_DAYS_MAX: u32 = 10 * 365;
/// What is recorded for quality and disputes is of no use after a year.
const RECORDINGS_DAYS_MAX: u32 = 365;

pub(super) fn check(draft: &PracticeDraft, out: &mut Vec<Diagnostic>) {
    let keep = &draft.practice.keep;
    for (what, period, most, words) in [
        ("messages", keep.messages, MESSAGES_DAYS_MAX, "10 years"),
        ("recordings", keep.recordings, RECORDINGS_DAYS_MAX, "1 year"),
    ] {
        if days(period) > most {
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

const fn days(period: Period) -> u32 {
    match period {
        Period::Days(days) => days,
        Period::Years(years) => years.saturating_mul(365),
    }
}
