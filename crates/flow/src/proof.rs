//! What can be proved of a compiled flow, whoever calls: every way through it, walked once.
//!
//! [`Roads`] turns a flow into points and the roads between them: one point for each step, one for each red-flag
//! question, a road for everything a caller or the world can do there, with the seconds the words on it take. The
//! proofs are searches over it: [`stories`] finds the shortest call that ends in nothing, falls from urgent to less, or
//! waits where no person can be reached (P1, P2); [`bounds`] says how long a caller waits at worst (P3).
//!
//! One thing to know: conditions are taken as free. A road that only exists on a holiday is a road, and so is passing
//! it by, so a proof holds on every day; it may also find a story no day allows, as S001 may.

mod bounds;
mod roads;
mod stories;

pub(crate) use bounds::{Assumed, directs, longest, rings, to_go};
pub use bounds::{Awaits, Bounds, Reach, bounds, longest_way};
pub(crate) use roads::{ACCEPTS_AFTER, DIGIT_EVERY, PICKED_UP, REACTION, RECORDS, SPEAKS, TONE, WAITED_FOR_THE_KEY};
pub use roads::{At, Does, End, Estimate, FillIns, Length, Point, Road, Roads};
pub use stories::{Breach, Story, stories};

#[cfg(test)]
mod model;
