//! What somebody must be told of that no caller hears of: agreements and certificates that end soon, a broken glass nobody
//! has judged, an incident whose time runs out (ADM-09, 164.312(a)(2)(ii)).
//!
//! An alarm is a sentence that stays the same while its cause lasts, so that it is told once. It names nobody and repeats
//! nothing that a person wrote: a reason may hold a patient's name, and alarms go into the log.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use office::State;
use office::agreement::With;

use crate::agreements::{Agreements, ends_within};

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
pub(crate) fn of_the_office(agreements: &Agreements, served: &[Served], now: Timestamp) -> BTreeSet<String> {
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
