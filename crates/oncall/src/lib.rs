//! Who is on duty and how hard we try. Pure: text and instants in, names and decisions out.
//!
//! Two questions are answered here. [`Roster::who`] says who is on duty for a role at an instant, from layers of shifts
//! (integrations.md §2.2), and why, in words a person on call would accept. [`Escalation`] rings those people, rung by
//! rung, until one of them presses the accept key (flow-language.md §9): a SIP 200 is not a person (ESC-06).
//!
//! What to know first: nothing here reads a clock or a file. The shell reads the shift list and gives its text to
//! [`list::parse`]; the desk answers [`Output::Resolve`] with [`Roster::who`] at each try, so that a hand-off between
//! two tries rings the person who has just come on duty (ONC-01).
//!
//! Recipe, a new source of shifts: parse it to [`Shift`]s of [`Layer::Feed`] with its own [`Source`] name, convert wall
//! clock times with [`zone::instant`], and refuse the whole text when its shape is wrong (integrations.md §2.3 step 2).

mod escalation;
mod ladder;
pub mod list;
mod rule;
mod shift;
pub mod zone;

pub use escalation::{Attempt, Ended, Ending, Escalation, Input, KeyClass, Output, Place, Snapshot, Tried, TryId};
pub use ladder::{KeepPaging, Ladder, LadderFault, Rung, Scale};
pub use rule::{Rule, Times};
pub use shift::{Alarm, Change, Layer, OnDuty, Override, Roster, RosterFault, Shift, Source, Span};
