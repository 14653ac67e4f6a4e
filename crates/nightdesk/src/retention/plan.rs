//! What goes when, and what may not go: arithmetic on months, periods and holds; nothing here touches a disk.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use seal::{Month, Place, Retention, Tenant};

/// What nobody may go below without being warned: as long as the law wants documents of security kept (45 CFR
/// 164.316(b)(2)(i)); RET-01.
pub(super) const SIX_YEARS_DAYS: u32 = 6 * 365;

/// How long one practice keeps what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    /// Its name.
    pub(super) name: String,
    /// Days, by class.
    pub(super) days: BTreeMap<Retention, u32>,
    /// Days between the end of its contract and the end of everything.
    pub(super) grace: u32,
}

impl Kept {
    /// Of a practice whose folder says nothing, or is not there any more, and of the house.
    pub(super) fn otherwise(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            days: Retention::ALL.into_iter().map(|class| (class, 6 * 366)).collect(),
            grace: 30,
        }
    }

    /// How many days a class is kept.
    pub(super) fn of(&self, class: Retention) -> u32 {
        self.days.get(&class).copied().unwrap_or(6 * 366)
    }
}

/// A hold, as far as months go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    /// Its name.
    pub(super) hold: String,
    /// Whose; none: everybody's.
    pub(super) tenant: Option<Tenant>,
    /// From this month.
    pub(super) from: Month,
    /// Through this one.
    pub(super) through: Month,
}

/// A month's class of a practice, and when it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    /// Which.
    pub(super) place: Place,
    /// The practice's name.
    pub(super) practice: String,
    /// The first day on which all of it is older than it has to be.
    pub(super) on: Date,
    /// Days it is kept.
    pub(super) days: u32,
    /// The holds that keep it longer.
    pub(super) held: Vec<String>,
}

impl Item {
    /// It is to go today.
    pub(super) fn is_due(&self, today: Date) -> bool {
        self.on <= today && self.held.is_empty()
    }
}

/// Every place there is a key for, in the order in which they go.
pub(super) fn plan(
    places: impl IntoIterator<Item = Place>,
    kept: &BTreeMap<Tenant, Kept>,
    holds: &[Held],
) -> Vec<Item> {
    let mut items: Vec<Item> = places
        .into_iter()
        .map(|place| {
            let unknown = Kept::otherwise(&place.tenant.to_string());
            let of = kept.get(&place.tenant).unwrap_or(&unknown);
            let days = of.of(place.class);
            Item {
                place,
                practice: of.name.clone(),
                on: due_on(place.month, days),
                days,
                held: holding(holds, place.tenant, place.month),
            }
        })
        .collect();
    items.sort_by_key(|item| (item.on, item.place));
    items.dedup();
    items
}

/// The holds over a month of a practice.
pub(super) fn holding(holds: &[Held], tenant: Tenant, month: Month) -> Vec<String> {
    let over = |hold: &&Held| hold.tenant.is_none_or(|of| of == tenant) && hold.from <= month && month <= hold.through;
    let mut names: Vec<String> = holds.iter().filter(over).map(|hold| hold.hold.clone()).collect();
    names.sort();
    names.dedup();
    names
}

/// A month goes as a whole: when what was written in its last moment is old enough.
fn due_on(month: Month, days: u32) -> Date {
    let next = month.plus(1);
    let first = i16::try_from(next.year())
        .ok()
        .zip(i8::try_from(next.month()).ok())
        .and_then(|(year, month)| Date::new(year, month, 1).ok());
    let days = Span::new().try_days(days).unwrap_or_default();
    first.unwrap_or(Date::MAX).saturating_add(days)
}

/// The month a time lies in, and the day.
pub(super) fn today(now: Timestamp) -> Date {
    now.to_zoned(TimeZone::UTC).date()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn month(text: &str) -> Month {
        text.parse().expect("a month")
    }

    fn day(text: &str) -> Date {
        text.parse().expect("a day")
    }

    fn cedar() -> Tenant {
        Tenant::named("Cedar")
    }

    fn place(tenant: Tenant, text: &str, class: Retention) -> Place {
        Place {
            tenant,
            class,
            month: month(text),
        }
    }

    /// Proves RET-07, RET-03: each class goes by its own period, the youngest row of the month decides, and every class has
    /// an end, also of a practice nobody says anything about.
    #[test]
    fn each_class_goes_by_its_own_period() {
        let mut of = Kept::otherwise("Cedar");
        of.days.insert(Retention::Audio, 90);
        let kept = BTreeMap::from([(cedar(), of)]);
        let places = [
            place(cedar(), "2026-08", Retention::Calls),
            place(cedar(), "2026-08", Retention::Audio),
            place(Tenant::named("gone"), "2020-01", Retention::Keys),
        ];
        let items = plan(places, &kept, &[]);
        let on: Vec<_> = items.iter().map(|item| (item.place.class, item.on)).collect();
        assert_eq!(
            on,
            [
                (Retention::Keys, day("2026-02-05")),
                (Retention::Audio, day("2026-11-30")),
                (Retention::Calls, day("2032-09-05")),
            ]
        );
        assert!(items[1].is_due(day("2026-11-30")) && !items[1].is_due(day("2026-11-29")));
    }

    /// Proves RET-03: a hold beats every period, and only where it holds.
    #[test]
    fn a_hold_beats_everything() {
        let held = |tenant, from, through| Held {
            hold: "State v. Doe".into(),
            tenant,
            from: month(from),
            through: month(through),
        };
        let places = [
            place(cedar(), "2019-01", Retention::Audio),
            place(cedar(), "2019-03", Retention::Audio),
            place(Tenant::named("Maple"), "2019-01", Retention::Audio),
        ];
        let due = |holds: &[Held]| {
            let items = plan(places, &BTreeMap::new(), holds);
            items.iter().filter(|item| item.is_due(day("2026-11-22"))).count()
        };
        assert_eq!(due(&[]), 3);
        assert_eq!(due(&[held(Some(cedar()), "2019-01", "2019-02")]), 2);
        assert_eq!(due(&[held(Some(cedar()), "2000-01", "4000-01")]), 1);
        assert_eq!(due(&[held(None, "2019-01", "2019-03")]), 0);
    }
}
