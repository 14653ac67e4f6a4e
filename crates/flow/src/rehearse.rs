//! Rehearsals: the scenarios a practice writes beside its flow, and what it takes to play them (§12).
//!
//! [`Suite`] reads a `*.tests.yaml`; an [`Actor`] is the caller of one scenario and acts on what it hears, wherever the
//! words come from; [`Expectation::judge`] compares what happened with what was asked for. [`solo`] is the smallest
//! world there is, a run alone on a virtual clock; the true world, with phones and ladders, stands on the same pieces.
//! [`must_have`] writes the scenarios no practice may go without, [`Coverage`] says what all of a practice's own walk, and
//! [`measured`] sends a thousand strangers through a flow with a stop-watch, and [`replay()`] the callers of last quarter through
//! the next version. [`broken`] tells of the scenarios that fail, in words.
//!
//! One thing to know: an actor never looks inside a run. It hears words, waits until the line is quiet, and presses or
//! speaks, as a caller would; the same scenario therefore plays in memory, over SIP, and by a manager's telephone.

mod actor;
mod broken;
mod coverage;
mod judge;
mod must_have;
mod paper;
mod replay;
mod script;
pub mod solo;
mod strangers;
mod suite;

pub use actor::{Act, Actor, QUIET};
pub use broken::broken;
pub use coverage::{Branch, Coverage};
pub use judge::{Failure, Observed};
pub use must_have::{must_have, unrehearsed};
pub use paper::{OnPaper, PaperPatient, PaperRecords, PaperVisit};
pub use replay::{End, Happened, Parting, Past, Replayed, Verdict, completed, replay};
pub use solo::{Awaited, Rehearsed};
pub use strangers::measured;
pub use suite::{Expectation, ExpectedMessage, Failing, Phone, Scenario, Suite, Turn};

/// Letters and digits only, in lower case: how what is heard is compared with what a scenario expects to hear.
pub(crate) fn squeezed(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

/// Lower-case words with one space between them, for words that must not be found inside others.
pub(crate) fn worded(text: &str) -> String {
    let spaced: String = text
        .chars()
        .map(|c| if c.is_alphanumeric() { c } else { ' ' })
        .flat_map(char::to_lowercase)
        .collect();
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}
