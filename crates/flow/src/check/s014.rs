//! S014: a ladder that takes longer than ten minutes before the caller is told what to do.

use std::time::Duration;

use crate::diagnostic::Diagnostic;
use crate::parse::practice::PracticeDraft;

/// How long a caller stays on the line for words every 15 seconds.
const LONGEST: Duration = Duration::from_secs(600);

pub(super) fn check(draft: &PracticeDraft, out: &mut Vec<Diagnostic>) {
    for (name, ladder) in &draft.practice.ladders {
        // Within a rung a try begins `apart` after the one before began, and never while that one still rings.
        let longest: Duration = ladder
            .rungs
            .iter()
            .map(|rung| rung.apart.max(rung.ring_for) * u32::from(rung.tries.saturating_sub(1)) + rung.ring_for)
            .sum();
        if longest > LONGEST {
            out.push(Diagnostic::warning(
                "S014",
                draft.ladders.get(name).unwrap_or(&draft.at),
                format!(
                    "The ladder `{name}` can take {} minutes before it gives up.",
                    longest.as_secs().div_ceil(60)
                ),
                "The caller would wait that long before being told what to do if nobody comes.",
                "Shorten `apart` or `ring for`, or try fewer times; `keep paging` goes on after the caller was told.",
            ));
        }
    }
}
