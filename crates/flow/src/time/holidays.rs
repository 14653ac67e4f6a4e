//! US federal holidays and the days they are observed on (5 U.S.C. 6103).

use jiff::civil::{Date, Weekday};

/// The name of the federal holiday that falls on this day or is observed on it.
///
/// A holiday on a Saturday is observed on the Friday before, one on a Sunday on the Monday after; the day itself counts
/// too, for practices that work on weekends.
pub fn federal_holiday(date: Date) -> Option<&'static str> {
    if let Some(name) = falls_on(date) {
        return Some(name);
    }
    match date.weekday() {
        Weekday::Friday => date.tomorrow().ok().and_then(fixed),
        Weekday::Monday => date.yesterday().ok().and_then(fixed),
        _ => None,
    }
}

fn falls_on(date: Date) -> Option<&'static str> {
    let nth = (date.day() - 1) / 7 + 1;
    let last = date.day() + 7 > date.days_in_month();
    match (date.month(), date.weekday()) {
        (1, Weekday::Monday) if nth == 3 => Some("Martin Luther King Jr. Day"),
        (2, Weekday::Monday) if nth == 3 => Some("Washington's Birthday"),
        (5, Weekday::Monday) if last => Some("Memorial Day"),
        (9, Weekday::Monday) if nth == 1 => Some("Labor Day"),
        (10, Weekday::Monday) if nth == 2 => Some("Columbus Day"),
        (11, Weekday::Thursday) if nth == 4 => Some("Thanksgiving Day"),
        _ => fixed(date),
    }
}

/// The holidays with a date of their own: only these can fall on a weekend.
fn fixed(date: Date) -> Option<&'static str> {
    match (date.month(), date.day()) {
        (1, 1) => Some("New Year's Day"),
        // Since 2021 (Pub. L. 117-17).
        (6, 19) if date.year() >= 2021 => Some("Juneteenth"),
        (7, 4) => Some("Independence Day"),
        (11, 11) => Some("Veterans Day"),
        (12, 25) => Some("Christmas Day"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;
    use jiff::civil::date;

    use super::federal_holiday;

    fn year(year: i16) -> String {
        date(year, 1, 1)
            .series(1.day())
            .take_while(|day| day.year() == year)
            .filter_map(|day| federal_holiday(day).map(|name| format!("{day} {} {name}\n", day.strftime("%a"))))
            .collect()
    }

    #[test]
    fn a_year_with_an_observed_friday() {
        insta::assert_snapshot!(year(2026), @r"
        2026-01-01 Thu New Year's Day
        2026-01-19 Mon Martin Luther King Jr. Day
        2026-02-16 Mon Washington's Birthday
        2026-05-25 Mon Memorial Day
        2026-06-19 Fri Juneteenth
        2026-07-03 Fri Independence Day
        2026-07-04 Sat Independence Day
        2026-09-07 Mon Labor Day
        2026-10-12 Mon Columbus Day
        2026-11-11 Wed Veterans Day
        2026-11-26 Thu Thanksgiving Day
        2026-12-25 Fri Christmas Day
        ");
    }

    #[test]
    fn new_year_on_a_saturday_is_observed_in_the_old_year() {
        assert_eq!(federal_holiday(date(2021, 12, 31)), Some("New Year's Day"));
        assert_eq!(federal_holiday(date(2023, 1, 2)), Some("New Year's Day")); // 1 January 2023 was a Sunday
        assert_eq!(federal_holiday(date(2027, 12, 24)), Some("Christmas Day")); // 25 December 2027 is a Saturday
        assert_eq!(federal_holiday(date(2026, 11, 27)), None); // the day after Thanksgiving is no federal holiday
    }
}
