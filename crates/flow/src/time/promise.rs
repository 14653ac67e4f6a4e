//! When someone will call back: `10 am on the next business day`, `5 pm in two business days`, `the next 9 am`, `9 am tomorrow`.
//!
//! One thing to know: after midnight `9 am tomorrow` is thirty hours away. A nurse who calls every morning is `the next 9 am`.

use jiff::civil::{Date, Time};
use jiff::{Timestamp, ToSpan};

use super::{OfficeHours, minute_of_day, reading};

/// A time on a day that is counted from the moment it is promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promise {
    /// The time on the practice's clock.
    pub time: Time,
    /// The day.
    pub day: Day,
}

/// How the day is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Day {
    /// `today`; the day after once that time is past, because a promise in the past is none.
    Today,
    /// `the next 9 am`: this morning for who calls at 2 am, and for who calls in the evening the morning after.
    Next,
    /// `tomorrow`
    Tomorrow,
    /// `on the next business day` is 1, `in two business days` is 2.
    ///
    /// The next business day is the next day the office opens: at 2 am on a Tuesday that is this Tuesday.
    BusinessDays(u8),
}

/// How far ahead a business day is looked for before calendar days are taken instead.
const SEARCH_DAYS_MAX: i32 = 60;

impl Promise {
    /// Reads the words of `call back by`. The error says what was expected, in one sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim().to_lowercase();
        let expected = || {
            format!(
                "`{text}` is not a time someone can be held to; write it like `10 am on the next business day`, `5 pm in two business days` or `the next 9 am`."
            )
        };
        const DAYS: [(&str, Day); 5] = [
            ("on the next business day", Day::BusinessDays(1)),
            ("next business day", Day::BusinessDays(1)),
            ("the next ", Day::Next),
            ("tomorrow", Day::Tomorrow),
            ("today", Day::Today),
        ];
        let (clock, day) = DAYS
            .iter()
            .find_map(|(words, day)| {
                let clock = text.strip_suffix(words).or_else(|| text.strip_prefix(words))?;
                Some((clock, *day))
            })
            .or_else(|| {
                let (clock, count) = text.strip_suffix("business days")?.rsplit_once(" in ")?;
                let count = u8::try_from(reading::count(count.trim())?).ok()?;
                (1..=20).contains(&count).then_some((clock, Day::BusinessDays(count)))
            })
            .ok_or_else(expected)?;
        let clock = clock.trim().trim_start_matches("at ");
        let minute = reading::clock(clock)
            .filter(|&minute| minute < 1440)
            .ok_or_else(expected)?;
        let time = reading::time(minute).ok_or_else(expected)?;
        Ok(Self { time, day })
    }

    /// The moment the promise made `now` falls due. Always after `now`.
    ///
    /// A time the clocks skip that night is kept at the first moment after the gap; a time that comes twice is kept the
    /// first time.
    pub fn due(&self, hours: &OfficeHours, now: Timestamp) -> Timestamp {
        let local = now.to_zoned(hours.zone.clone());
        let today = local.date();
        let mut day = match self.day {
            Day::Today | Day::Next => Some(today),
            Day::Tomorrow => today.tomorrow().ok(),
            Day::BusinessDays(count) => {
                let minute = minute_of_day(local.time());
                let not_open_yet = hours.spans(today).first().is_some_and(|span| minute < span.from);
                business_day(hours, today, not_open_yet, count)
            }
        };
        for _ in 0..SEARCH_DAYS_MAX {
            let Some(date) = day else { break };
            let Ok(due) = date.to_datetime(self.time).to_zoned(hours.zone.clone()) else {
                break;
            };
            if due.timestamp() > now {
                return due.timestamp();
            }
            day = match self.day {
                Day::BusinessDays(_) => business_day(hours, date, false, 1),
                Day::Today | Day::Next | Day::Tomorrow => date.tomorrow().ok(),
            };
        }
        // Only at the end of the calendar the library knows.
        now.checked_add(24.hours()).unwrap_or(Timestamp::MAX)
    }

    /// Needs to know which days are business days (F012).
    pub const fn counts_business_days(&self) -> bool {
        matches!(self.day, Day::BusinessDays(_))
    }
}

/// The `count`th business day after this one; this one is the first when the office has yet to open.
fn business_day(hours: &OfficeHours, from: Date, today_counts: bool, count: u8) -> Option<Date> {
    let mut left = count.max(1);
    let first = i32::from(!today_counts);
    for ahead in first..=SEARCH_DAYS_MAX {
        let date = from.checked_add(ahead.days()).ok()?;
        if hours.is_business_day(date) {
            left -= 1;
            if left == 0 {
                return Some(date);
            }
        }
    }
    from.checked_add(i32::from(count).days()).ok()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{at, cedar};
    use super::*;

    fn due(words: &str, now: &str) -> String {
        let hours = cedar();
        let due = Promise::parse(words).unwrap().due(&hours, at(now));
        due.to_zoned(hours.zone.clone()).strftime("%a %F %R").to_string()
    }

    #[test]
    fn promises_fall_on_days_the_office_opens() {
        let saturday_night = "2026-11-21T23:40:00-06:00[America/Chicago]";
        assert_eq!(
            due("10 am on the next business day", saturday_night),
            "Mon 2026-11-23 10:00"
        );
        assert_eq!(due("next business day 10 am", saturday_night), "Mon 2026-11-23 10:00");
        assert_eq!(due("5 pm in two business days", saturday_night), "Tue 2026-11-24 17:00");
        assert_eq!(
            due("noon on the next business day", saturday_night),
            "Mon 2026-11-23 12:00"
        );
        assert_eq!(due("9 am tomorrow", saturday_night), "Sun 2026-11-22 09:00");
        assert_eq!(due("5 pm today", saturday_night), "Sun 2026-11-22 17:00");
        assert_eq!(due("the next 9 am", saturday_night), "Sun 2026-11-22 09:00");
        let two_hours_later = "2026-11-22T01:40:00-06:00[America/Chicago]";
        assert_eq!(due("the next 9 am", two_hours_later), "Sun 2026-11-22 09:00");
        assert_eq!(due("9 am tomorrow", two_hours_later), "Mon 2026-11-23 09:00");
        // The night before Thanksgiving: Thursday and Friday are closed days, then comes the weekend.
        assert_eq!(
            due(
                "10 am on the next business day",
                "2026-11-25T20:00:00-06:00[America/Chicago]"
            ),
            "Mon 2026-11-30 10:00"
        );
        // Friday 3 July 2026 is Independence Day, observed.
        assert_eq!(
            due(
                "10 am on the next business day",
                "2026-07-02T18:00:00-05:00[America/Chicago]"
            ),
            "Mon 2026-07-06 10:00"
        );
        // Half of Christmas Eve is a business day.
        assert_eq!(
            due(
                "10 am on the next business day",
                "2026-12-23T18:00:00-06:00[America/Chicago]"
            ),
            "Thu 2026-12-24 10:00"
        );
    }

    #[test]
    fn before_the_office_opens_the_next_business_day_is_today() {
        let tuesday_night = "2026-11-24T02:00:00-06:00[America/Chicago]";
        assert_eq!(
            due("10 am on the next business day", tuesday_night),
            "Tue 2026-11-24 10:00"
        );
        assert_eq!(due("5 pm in two business days", tuesday_night), "Wed 2026-11-25 17:00");
        assert_eq!(
            due(
                "10 am on the next business day",
                "2026-11-24T08:00:00-06:00[America/Chicago]"
            ),
            "Wed 2026-11-25 10:00"
        );
    }

    #[test]
    fn a_promise_on_a_night_the_clocks_change() {
        // 2:30 am does not exist on 8 March 2026; the promise is kept at 3:30 am, an hour that does.
        let hours = cedar();
        let promise = Promise::parse("2:30 am tomorrow").unwrap();
        let due = promise.due(&hours, at("2026-03-07T22:00:00-06:00[America/Chicago]"));
        assert_eq!(due, "2026-03-08T08:30:00Z".parse::<Timestamp>().unwrap());
        // 1:30 am comes twice on 1 November 2026; the first one counts.
        let promise = Promise::parse("1:30 am tomorrow").unwrap();
        let due = promise.due(&hours, at("2026-10-31T22:00:00-05:00[America/Chicago]"));
        assert_eq!(due, "2026-11-01T06:30:00Z".parse::<Timestamp>().unwrap());
        // Across the change 9 am is still 9 am.
        assert_eq!(
            self::due("9 am tomorrow", "2026-10-31T22:00:00-05:00[America/Chicago]"),
            "Sun 2026-11-01 09:00"
        );
    }

    #[test]
    fn an_office_that_never_opens_still_promises_a_day() {
        let mut hours = cedar();
        hours.week = Default::default();
        let now = at("2026-11-21T23:40:00-06:00[America/Chicago]");
        assert!(
            Promise::parse("10 am on the next business day")
                .unwrap()
                .due(&hours, now)
                > now
        );
    }

    #[test]
    fn what_nobody_can_be_held_to_is_refused() {
        for text in [
            "soon",
            "10 on the next business day",
            "25 pm tomorrow",
            "10 am",
            "5 pm in many business days",
            "midnight in 0 business days",
            "the next",
            "the next business day",
        ] {
            assert!(Promise::parse(text).is_err(), "{text}");
        }
    }
}
