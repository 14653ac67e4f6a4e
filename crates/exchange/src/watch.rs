//! What somebody must be told of that no caller hears of: agreements and certificates that end soon, a broken glass nobody
//! has judged, an incident whose time runs out (ADM-09, 164.312(a)(2)(ii)).
//!
//! An alarm is a sentence that stays the same while its cause lasts, so that it is told once. It names nobody and repeats
//! nothing that a person wrote: a reason may hold a patient's name, and alarms go into the log.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use office::State;
use office::agreement::{With, service_why_not};

use crate::agreements::{Agreements, ends_within};
use crate::config::Service;

/// An agreement that ends is told so many days before: a contract takes its time.
const AGREEMENT_ENDS_DAYS: i32 = 30;

/// A certificate that ends is told so many days before (integrations.md §6.1).
const CERTIFICATE_ENDS_DAYS: i64 = 21;

/// A practice with patients that is answered here.
pub(crate) struct Served {
    pub(crate) practice: String,
    pub(crate) zone: TimeZone,
}

/// Everything that the office's book tells now.
pub(crate) fn of_the_office(
    agreements: &Agreements,
    served: &[Served],
    services: &[Service],
    now: Timestamp,
) -> BTreeSet<String> {
    let mut alarms: BTreeSet<String> = agreements.trouble().map(str::to_owned).into_iter().collect();
    for Served { practice, zone } in served {
        let today = now.to_zoned(zone.clone()).date();
        let with = With::Practice(practice.clone());
        if let Some((id, last)) = ends_within(agreements.filed(), &with, today, AGREEMENT_ENDS_DAYS) {
            alarms.insert(format!(
                "{practice}: the agreement {id} holds until {last} only; from the next day on its callers hear that the number is not \
                 in service: file the one that follows with `nightdesk agreements add`"
            ));
        }
    }
    let today = now.to_zoned(TimeZone::UTC).date();
    for Service {
        name,
        agreement,
        without,
    } in services
    {
        if let Some(why) = service_why_not(agreements.filed(), Some(agreement), name, today) {
            alarms.insert(format!(
                "{name}: the agreement with it does not hold ({why}): {without}; file one with `nightdesk agreements add NAME --service \
                 \"{name}\" …` and name it: `baa: NAME`"
            ));
        }
    }
    if let Some(state) = agreements.state() {
        alarms.extend(glass(state, now));
        alarms.extend(clocks(state, now));
    }
    alarms
}

fn glass(state: &State, now: Timestamp) -> impl Iterator<Item = String> {
    let waits = state.glass.iter().filter(|glass| glass.reviewed.is_none());
    waits.flat_map(move |glass| {
        let review = format!("`nightdesk glass review {} --finding …`", glass.id);
        let broken = format!(
            "the glass was broken ({}, {}): see who opened what with `nightdesk glass list`, and judge it with {review}",
            glass.id,
            day_and_time(glass.at_ms)
        );
        let overdue = glass
            .is_overdue(now)
            .then(|| format!("nobody has judged the broken glass {} in 72 hours: {review}", glass.id));
        [Some(broken), overdue].into_iter().flatten()
    })
}

fn clocks(state: &State, now: Timestamp) -> impl Iterator<Item = String> {
    let open = state.incidents.iter();
    open.flat_map(move |incident| {
        let alarms = incident.clocks(now).into_iter().filter(|clock| clock.is_alarm());
        alarms.map(move |clock| {
            let due = day_and_time(clock.due_ms);
            let what = clock.what;
            let fix = "see `nightdesk incident list`";
            match clock.percent {
                100.. => format!(
                    "incident {}: the time for {what} is over, it was due on {due}: {fix}",
                    incident.id
                ),
                _ => format!(
                    "incident {}: half of the time for {what} is over, it is due on {due}: {fix}",
                    incident.id
                ),
            }
        })
    })
}

/// A certificate of ours that ends.
pub(crate) fn certificate(ends: Option<Timestamp>, now: Timestamp) -> Option<String> {
    let ends = ends?;
    let left = ends.duration_since(now).as_hours();
    let day = day_and_time(ends.as_millisecond());
    let fix = "put a new one in its place, and send SIGHUP";
    match left {
        ..0 => Some(format!(
            "our certificate ended on {day}: carriers that speak TLS refuse to bring calls; {fix}"
        )),
        _ if left <= CERTIFICATE_ENDS_DAYS * 24 => Some(format!(
            "our certificate ends on {day}: from then on carriers that speak TLS refuse to bring calls; {fix}"
        )),
        _ => None,
    }
}

fn day_and_time(at_ms: i64) -> String {
    let at = Timestamp::from_millisecond(at_ms).unwrap_or_default();
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agreements::tests::{key, write};
    use office::Fact;

    const DAY_MS: i64 = 24 * 60 * 60 * 1000;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(ms).expect("in range")
    }

    /// Proves ADM-09: a clock of an incident is told at half its time and when it is over, broken glass at once and when nobody
    /// judges it, each in a sentence that stays; none repeats what a person wrote, and each goes with its cause.
    #[test]
    fn clocks_and_broken_glass_are_told_without_a_word_of_anybody() {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        let told = |day: i64| {
            let mut agreements = Agreements::new(data.clone(), key(), folder.path().join("known"));
            agreements.look();
            assert_eq!(agreements.trouble(), None);
            let alarms = of_the_office(&agreements, &[], &[], at(day * DAY_MS));
            alarms.into_iter().collect::<Vec<_>>()
        };
        let opened = Fact::IncidentOpened {
            incident: "1970-001".to_owned(),
            what: "Ana Rivera's message went to a wrong number".to_owned(),
            practice: "Cedar".to_owned(),
            discovered_ms: 0,
            agreement_days: Some(10),
            by: "marisol".to_owned(),
        };
        let broken = Fact::GlassBroken {
            glass: "abc".to_owned(),
            id: "nina".to_owned(),
            reason: "Ana Rivera collapsed".to_owned(),
            until_ms: 60_000,
        };
        write(&data, &[opened, broken]);
        let glass = "the glass was broken (abc, 1970-01-01 00:00 UTC): see who opened what with `nightdesk glass list`, and judge it \
                     with `nightdesk glass review abc --finding …`";
        assert_eq!(told(0), [glass], "the rows' time is zero");
        let day_5 = told(5);
        assert_eq!(day_5.len(), 3, "{day_5:?}");
        assert_eq!(
            day_5[0],
            "incident 1970-001: half of the time for notice as agreed is over, it is due on 1970-01-11 00:00 UTC: see `nightdesk incident \
             list`"
        );
        assert!(
            day_5[1].starts_with("nobody has judged the broken glass abc in 72 hours"),
            "{day_5:?}"
        );
        assert_eq!(told(9), day_5, "a sentence stays the same while its cause lasts");
        let day_31 = told(31);
        let over: Vec<&str> = day_31.iter().filter_map(|what| what.split(" is over").next()).collect();
        assert_eq!(
            over[..3],
            [
                "incident 1970-001: half of the time for notice by law",
                "incident 1970-001: the time for correction",
                "incident 1970-001: the time for notice as agreed"
            ]
        );
        for what in told(0).iter().chain(&day_5).chain(&day_31) {
            assert!(
                !["Ana", "Rivera", "nina", "collapsed", "wrong number"]
                    .iter()
                    .any(|word| what.contains(word)),
                "{what}"
            );
        }
        let reviewed = Fact::GlassReviewed {
            glass: "abc".to_owned(),
            finding: "right".to_owned(),
            by: "marisol".to_owned(),
        };
        let closed = Fact::IncidentClosed {
            incident: "1970-001".to_owned(),
            outcome: "low probability".to_owned(),
            by: "marisol".to_owned(),
        };
        write(&data, &[reviewed, closed]);
        assert_eq!(told(31), Vec::<String>::new());
    }

    #[test]
    fn a_certificate_is_told_three_weeks_before_its_end() {
        let ends = Some(at(100 * DAY_MS));
        let told = |day: i64| certificate(ends, at(day * DAY_MS));
        assert_eq!(told(78), None);
        assert!(told(79).is_some_and(|what| what.starts_with("our certificate ends on 1970-04-11")));
        assert_eq!(told(79), told(99));
        assert!(told(101).is_some_and(|what| what.starts_with("our certificate ended on")));
        assert_eq!(certificate(None, at(0)), None);
    }
}
