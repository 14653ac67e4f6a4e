//! The practice's clock: when its office is open, which days it is closed, and what "the next business day" comes to.
//!
//! `now` is always an argument. Everything is worked out on the practice's own wall clock, so that the nights the clocks
//! change are like any other: 8 am is when the clock on the wall says so.

mod holidays;
mod promise;
pub(crate) mod reading;

pub use holidays::federal_holiday;
pub use promise::{Day, Promise};

use jiff::Timestamp;
use jiff::civil::{Date, Weekday};
use jiff::tz::{TimeZone, TimeZoneDatabase};

/// The time zone of that name, from the table compiled into the program: no file decides when an office is open.
pub fn zone(name: &str) -> Option<TimeZone> {
    TimeZoneDatabase::bundled().get(name.trim()).ok()
}

/// The hours and closed days of a practice, on its own clock.
#[derive(Clone, Debug, PartialEq)]
pub struct OfficeHours {
    /// The practice's time zone.
    pub zone: TimeZone,
    /// From Monday to Sunday, when the desk is staffed. Two spans in a day mean it is closed between them.
    pub week: [Vec<Span>; 7],
    /// `lunch:`. The office stays open; `it is lunch time` is a fact of its own.
    pub lunch: Option<Span>,
    /// `closed on:`, as written.
    pub closed: Vec<Closed>,
    /// The file states any hours. Without them no flow may ask whether the office is open (F012).
    pub stated: bool,
}

/// A stretch of one day, in minutes after midnight; the end is not part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// First minute.
    pub from: u16,
    /// First minute after it; 1440 is midnight at the end of the day.
    pub to: u16,
}

/// One entry of `closed on:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// `US federal holidays`, with the days they are observed on.
    FederalHolidays,
    /// `2026-11-27`, or `2026-12-24 to 2026-12-26`.
    Days {
        /// First day.
        first: Date,
        /// Last day, included.
        last: Date,
    },
    /// `2026-12-24 from noon`
    From {
        /// The day.
        date: Date,
        /// Minutes after midnight.
        minute: u16,
    },
    /// `2026-12-26 until noon`
    Until {
        /// The day.
        date: Date,
        /// Minutes after midnight.
        minute: u16,
    },
}

impl OfficeHours {
    /// No hours, no closed days: a line that is answered at any time.
    pub fn unstated(zone: TimeZone) -> Self {
        Self {
            zone,
            week: Default::default(),
            lunch: None,
            closed: Vec::new(),
            stated: false,
        }
    }

    /// Somebody is at the desk.
    pub fn is_open(&self, now: Timestamp) -> bool {
        let local = now.to_zoned(self.zone.clone());
        let minute = minute_of_day(local.time());
        self.spans(local.date()).iter().any(|span| span.holds(minute))
    }

    /// Today is a day the practice is closed that would otherwise be a working day like others, in whole or in part.
    pub fn is_holiday(&self, now: Timestamp) -> bool {
        let today = now.to_zoned(self.zone.clone()).date();
        self.closed.iter().any(|closed| closed.touches(today))
    }

    /// The office is open, and at lunch.
    pub fn is_lunch_time(&self, now: Timestamp) -> bool {
        let minute = minute_of_day(now.to_zoned(self.zone.clone()).time());
        self.is_open(now) && self.lunch.is_some_and(|lunch| lunch.holds(minute))
    }

    /// The office opens on that day, if only for the morning. Without stated hours, Monday to Friday count.
    pub fn is_business_day(&self, date: Date) -> bool {
        !self.spans(date).is_empty()
    }

    /// When the office is open on that day, closed days taken away.
    pub fn spans(&self, date: Date) -> Vec<Span> {
        let mut spans = if self.stated {
            self.week
                .get(weekday_index(date.weekday()))
                .cloned()
                .unwrap_or_default()
        } else if matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday) {
            Vec::new()
        } else {
            vec![Span::WHOLE_DAY]
        };
        for closed in &self.closed {
            closed.cut(date, &mut spans);
        }
        spans
    }
}

impl Span {
    /// Midnight to midnight.
    pub const WHOLE_DAY: Self = Self { from: 0, to: 1440 };

    const fn holds(self, minute: u16) -> bool {
        self.from <= minute && minute < self.to
    }
}

impl Closed {
    fn touches(self, date: Date) -> bool {
        match self {
            Self::FederalHolidays => federal_holiday(date).is_some(),
            Self::Days { first, last } => first <= date && date <= last,
            Self::From { date: day, .. } | Self::Until { date: day, .. } => day == date,
        }
    }

    fn cut(self, date: Date, spans: &mut Vec<Span>) {
        if !self.touches(date) {
            return;
        }
        match self {
            Self::FederalHolidays | Self::Days { .. } => spans.clear(),
            Self::From { minute, .. } => {
                for span in spans.iter_mut() {
                    span.to = span.to.min(minute);
                }
            }
            Self::Until { minute, .. } => {
                for span in spans.iter_mut() {
                    span.from = span.from.max(minute);
                }
            }
        }
        spans.retain(|span| span.from < span.to);
    }
}

/// Monday is 0.
pub(crate) fn weekday_index(day: Weekday) -> usize {
    usize::try_from(day.to_monday_zero_offset()).expect("a weekday's offset is 0 to 6")
}

fn minute_of_day(time: jiff::civil::Time) -> u16 {
    let minutes = i16::from(time.hour()) * 60 + i16::from(time.minute());
    u16::try_from(minutes).expect("hours and minutes of a day are not negative")
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    /// Cedar: Monday to Thursday 8 to 5, Friday 8 to 3, federal holidays, the day after Thanksgiving, half of Christmas Eve.
    pub(super) fn cedar() -> OfficeHours {
        let long = vec![Span { from: 480, to: 1020 }];
        let short = vec![Span { from: 480, to: 900 }];
        OfficeHours {
            zone: zone("America/Chicago").expect("a bundled zone"),
            week: [
                long.clone(),
                long.clone(),
                long.clone(),
                long,
                short,
                Vec::new(),
                Vec::new(),
            ],
            lunch: Some(Span { from: 720, to: 780 }),
            closed: vec![
                Closed::FederalHolidays,
                Closed::Days {
                    first: date(2026, 11, 27),
                    last: date(2026, 11, 27),
                },
                Closed::From {
                    date: date(2026, 12, 24),
                    minute: 720,
                },
            ],
            stated: true,
        }
    }

    pub(super) fn at(text: &str) -> Timestamp {
        text.parse::<jiff::Zoned>().expect("a zoned time").timestamp()
    }

    #[test]
    fn the_office_opens_and_closes_to_the_minute() {
        let hours = cedar();
        for (when, open) in [
            ("2026-11-23T07:59:59-06:00[America/Chicago]", false),
            ("2026-11-23T08:00:00-06:00[America/Chicago]", true),
            ("2026-11-23T16:59:59-06:00[America/Chicago]", true),
            ("2026-11-23T17:00:00-06:00[America/Chicago]", false),
            ("2026-11-20T15:00:00-06:00[America/Chicago]", false), // Friday closes at 3
            ("2026-11-21T12:00:00-06:00[America/Chicago]", false), // Saturday
            ("2026-11-26T10:00:00-06:00[America/Chicago]", false), // Thanksgiving
            ("2026-11-27T10:00:00-06:00[America/Chicago]", false), // closed on: 2026-11-27
            ("2026-12-24T11:59:00-06:00[America/Chicago]", true),
            ("2026-12-24T12:00:00-06:00[America/Chicago]", false), // from noon
        ] {
            assert_eq!(hours.is_open(at(when)), open, "{when}");
        }
    }

    #[test]
    fn the_wall_clock_decides_on_the_days_the_clocks_change() {
        let mut hours = cedar();
        hours.week = std::array::from_fn(|_| vec![Span { from: 480, to: 1020 }]);
        // Sunday 8 March 2026: 2 am becomes 3 am; 8 am on the wall is 13:00 UTC, not 14:00.
        assert!(!hours.is_open("2026-03-08T12:59:59Z".parse().unwrap()));
        assert!(hours.is_open("2026-03-08T13:00:00Z".parse().unwrap()));
        // Sunday 1 November 2026: 2 am becomes 1 am; 8 am is 14:00 UTC.
        assert!(!hours.is_open("2026-11-01T13:59:59Z".parse().unwrap()));
        assert!(hours.is_open("2026-11-01T14:00:00Z".parse().unwrap()));
        // An office open from 1 to 2 in the morning that night is open for both of the hours called one o'clock.
        hours.week = std::array::from_fn(|_| vec![Span { from: 60, to: 120 }]);
        assert!(hours.is_open("2026-11-01T06:30:00Z".parse().unwrap()));
        assert!(hours.is_open("2026-11-01T07:30:00Z".parse().unwrap()));
        assert!(!hours.is_open("2026-11-01T08:00:00Z".parse().unwrap()));
    }

    #[test]
    fn lunch_is_a_fact_of_an_open_office() {
        let hours = cedar();
        assert!(hours.is_lunch_time(at("2026-11-23T12:30:00-06:00[America/Chicago]")));
        assert!(hours.is_open(at("2026-11-23T12:30:00-06:00[America/Chicago]")));
        assert!(!hours.is_lunch_time(at("2026-11-22T12:30:00-06:00[America/Chicago]"))); // Sunday
        assert!(!hours.is_lunch_time(at("2026-11-23T13:00:00-06:00[America/Chicago]")));
    }

    #[test]
    fn a_half_day_is_a_holiday_and_a_business_day() {
        let hours = cedar();
        assert!(hours.is_holiday(at("2026-12-24T09:00:00-06:00[America/Chicago]")));
        assert!(hours.is_business_day(date(2026, 12, 24)));
        assert!(!hours.is_business_day(date(2026, 12, 25)));
        assert!(!hours.is_holiday(at("2026-11-21T09:00:00-06:00[America/Chicago]"))); // an ordinary Saturday
    }
}
