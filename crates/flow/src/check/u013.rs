//! U013: a recording much longer or shorter than its sentence takes to say: probably another sentence.

use super::recordings::{Heard, warning};
use crate::diagnostic::Diagnostic;
use crate::proof::{Estimate, Length};
use crate::words::Part;

/// The slowest reader takes so much longer than the estimate, and a breath besides.
const SLOWEST: f64 = 2.0;
const BREATH_SECONDS: f64 = 2.0;
/// The fastest is still understood at this share of it.
const FASTEST: f64 = 0.4;
/// What is said in less than this is too short to judge.
const JUDGED_AT_LEAST_SECONDS: f64 = 1.0;

pub(super) fn check(heard: &[Heard<'_>], out: &mut Vec<Diagnostic>) {
    for one in heard {
        let Some(part) = one.part.as_ref().filter(|part| part.text.as_ref() != Part::MUSIC) else {
            continue;
        };
        let (takes, lasts) = (Estimate.seconds(part), f64::from(one.measure.seconds));
        let how = if lasts > takes * SLOWEST + BREATH_SECONDS {
            "long"
        } else if takes > JUDGED_AT_LEAST_SECONDS && lasts < takes * FASTEST {
            "short"
        } else {
            continue;
        };
        out.push(warning(
            "U013",
            one.name,
            format!(
                "The recording lasts {lasts:.1} seconds, too {how} for “{}”, which takes about {takes:.0}.",
                part.text
            ),
            "Callers would hear something else than what was reviewed, or half of it.",
            "Listen to it: is it this sentence, and whole? `nightdesk flow words export` lists which file is which.",
        ));
    }
}
