//! Wall-clock times to instants, so that the two odd nights of the year leave nobody uncovered (integrations.md §2.3
//! step 3).
//!
//! The one thing to know: a start and an end that name the same wall-clock minute are not always the same instant. In
//! the repeated hour a shift *starts* at the first 1:30 and *ends* at the second, so the hour is covered twice, never
//! left empty. In the skipped hour every boundary moves to the moment the clocks jump (2:30 becomes 3:00).

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};

/// Which end of a shift a wall-clock time is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// The shift begins: in a repeated hour, the first of the two.
    Start,
    /// The shift is over: in a repeated hour, the second of the two.
    End,
}

/// The instant a wall clock in `zone` shows `local`; `None` outside the years the calendar knows.
pub fn instant(local: DateTime, zone: &TimeZone, edge: Edge) -> Option<Timestamp> {
    let ambiguous = zone.to_ambiguous_timestamp(local);
    match (ambiguous.offset(), edge) {
        (AmbiguousOffset::Unambiguous { .. }, _) => ambiguous.compatible().ok(),
        (AmbiguousOffset::Fold { .. }, Edge::Start) => ambiguous.earlier().ok(),
        (AmbiguousOffset::Fold { .. }, Edge::End) => ambiguous.later().ok(),
        (AmbiguousOffset::Gap { .. }, _) => {
            // The two readings of a time that never was lie on both sides of the jump: the first transition after the
            // earlier one is the jump itself.
            let before = ambiguous.earlier().ok()?;
            zone.following(before).next().map(|jump| jump.timestamp())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Edge, instant};
    use jiff::civil::{DateTime, date};
    use jiff::tz::TimeZone;

    fn chicago() -> TimeZone {
        TimeZone::get("America/Chicago").expect("the zone is in every tz database")
    }

    fn utc(local: DateTime, edge: Edge) -> String {
        instant(local, &chicago(), edge).expect("in range").to_string()
    }

    #[test]
    fn an_ordinary_night_has_one_answer() {
        let five_pm = date(2026, 11, 20).at(17, 0, 0, 0);
        assert_eq!(utc(five_pm, Edge::Start), "2026-11-20T23:00:00Z");
        assert_eq!(utc(five_pm, Edge::End), "2026-11-20T23:00:00Z");
    }

    #[test]
    fn the_skipped_half_past_two_is_three_oclock() {
        let half_past_two = date(2026, 3, 8).at(2, 30, 0, 0);
        assert_eq!(utc(half_past_two, Edge::Start), "2026-03-08T08:00:00Z");
        assert_eq!(utc(half_past_two, Edge::End), "2026-03-08T08:00:00Z");
        assert_eq!(
            utc(date(2026, 3, 8).at(3, 0, 0, 0), Edge::Start),
            "2026-03-08T08:00:00Z"
        );
    }

    #[test]
    fn the_repeated_half_past_one_starts_early_and_ends_late() {
        let half_past_one = date(2026, 11, 1).at(1, 30, 0, 0);
        assert_eq!(utc(half_past_one, Edge::Start), "2026-11-01T06:30:00Z");
        assert_eq!(utc(half_past_one, Edge::End), "2026-11-01T07:30:00Z");
    }
}
