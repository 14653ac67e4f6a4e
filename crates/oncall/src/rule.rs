//! Layer 4: standing names, weekly rules and rotations (integrations.md §2.2).
//!
//! One thing to know: a rotation hands over at one instant, so it never leaves a minute empty and never covers one
//! twice; a weekly rule has two edges of its own and follows the rule for shifts on the odd nights ([`crate::zone`]).

use crate::shift::{Source, Span, clock};
use crate::zone::{Edge, instant};
use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// A rule of one role that needs no feed.
#[derive(Debug, Clone)]
pub struct Rule {
    /// The role it fills.
    pub role: String,
    /// When, and who.
    pub times: Times,
    /// Where it was written.
    pub source: Source,
}

/// When a rule holds.
#[derive(Debug, Clone)]
pub enum Times {
    /// A name written in the practice file: always.
    Always {
        /// Who.
        person: String,
    },
    /// Some days of the week, from one time to the next occurrence of another (the same time means 24 hours).
    Weekly {
        /// Who.
        person: String,
        /// The days it begins on.
        days: Vec<Weekday>,
        /// Begins at.
        from: Time,
        /// Ends at; the next day when not later than `from`.
        until: Time,
        /// Where those clocks hang.
        zone: TimeZone,
    },
    /// People in order, each for some days, handing over at one local time.
    Turns {
        /// In order; the first has the first turn. Never more than [`Times::PEOPLE_MAX`] are looked at.
        people: Vec<String>,
        /// How long a turn is.
        days: u16,
        /// The day of the first hand-over.
        first: Date,
        /// The time of every hand-over.
        at: Time,
        /// Where that clock hangs.
        zone: TimeZone,
    },
}

impl Times {
    /// Longest rotation that is kept.
    pub const PEOPLE_MAX: usize = 64;
}

impl Rule {
    /// Who it puts on duty at `at`, with the span it covers and the reason.
    pub(crate) fn covers(&self, at: Timestamp) -> Option<(&str, String)> {
        let (person, span) = self.span_at(at)?;
        let why = match (&self.times, span) {
            (Times::Weekly { zone, .. }, Some(span)) => {
                format!("weekly rule in {}, until {}", self.source, clock(span.until, zone))
            }
            (Times::Turns { zone, .. }, Some(span)) => {
                format!("rotation in {}, until {}", self.source, clock(span.until, zone))
            }
            _ => format!("named in {}", self.source),
        };
        Some((person, why))
    }

    /// The person and, unless it is always, the span that holds `at`.
    fn span_at(&self, at: Timestamp) -> Option<(&str, Option<Span>)> {
        match &self.times {
            Times::Always { person } => Some((person, None)),
            Times::Weekly {
                person,
                days,
                from,
                until,
                zone,
            } => {
                let today = at.to_zoned(zone.clone()).date();
                // A span is at most 24 hours on the clock (25 on the long night), so it began today or yesterday; the
                // day before that is looked at too, so that no zone's oddity is argued away.
                (0..3)
                    .filter_map(|back| today.checked_sub(back.days()).ok())
                    .filter(|day| days.contains(&day.weekday()))
                    .filter_map(|day| weekly_span(day, *from, *until, zone))
                    .find(|span| span.holds(at))
                    .map(|span| (person.as_str(), Some(span)))
            }
            Times::Turns {
                people,
                days,
                first,
                at: hand_over,
                zone,
            } => {
                let people = people.get(..people.len().min(Times::PEOPLE_MAX))?;
                let length = i64::from((*days).max(1));
                let today = at.to_zoned(zone.clone()).date();
                let since = i64::from(first.until(today).ok()?.get_days());
                let turn = since.div_euclid(length);
                // The hand-over is at a time of day, so the turn that holds `at` is this one or the one before; the one
                // after is looked at for zones that skip a whole day.
                (turn - 1..=turn + 1).filter(|turn| *turn >= 0).find_map(|turn| {
                    let span = Span {
                        from: boundary(*first, turn * length, *hand_over, zone)?,
                        until: boundary(*first, (turn + 1) * length, *hand_over, zone)?,
                    };
                    let who = usize::try_from(turn).ok()?.checked_rem(people.len())?;
                    span.holds(at).then_some((people.get(who)?.as_str(), Some(span)))
                })
            }
        }
    }

    /// Every instant in the window at which this rule may change its answer.
    pub(crate) fn edges(&self, window: Span, edges: &mut Vec<Timestamp>) {
        let (Times::Weekly { zone, .. } | Times::Turns { zone, .. }) = &self.times else {
            return;
        };
        let mut day = window.from.to_zoned(zone.clone()).date().saturating_sub(2.days());
        let last = window.until.to_zoned(zone.clone()).date();
        while day <= last {
            match &self.times {
                Times::Weekly { from, until, .. } => {
                    edges.extend(
                        weekly_span(day, *from, *until, zone)
                            .into_iter()
                            .flat_map(|s| [s.from, s.until]),
                    );
                }
                Times::Turns { at, .. } => edges.extend(instant(day.to_datetime(*at), zone, Edge::Start)),
                Times::Always { .. } => {}
            }
            let Ok(next) = day.tomorrow() else { return };
            day = next;
        }
    }

    /// Everyone the rule can name.
    pub(crate) fn people(&self) -> impl Iterator<Item = &str> {
        let people = match &self.times {
            Times::Always { person } | Times::Weekly { person, .. } => std::slice::from_ref(person),
            Times::Turns { people, .. } => people.as_slice(),
        };
        people.iter().map(String::as_str)
    }
}

fn weekly_span(day: Date, from: Time, until: Time, zone: &TimeZone) -> Option<Span> {
    let last = if until <= from { day.tomorrow().ok()? } else { day };
    Some(Span {
        from: instant(day.to_datetime(from), zone, Edge::Start)?,
        until: instant(last.to_datetime(until), zone, Edge::End)?,
    })
}

fn boundary(first: Date, days: i64, at: Time, zone: &TimeZone) -> Option<Timestamp> {
    let day = first.checked_add(jiff::Span::new().try_days(days).ok()?).ok()?;
    instant(day.to_datetime(at), zone, Edge::Start)
}
