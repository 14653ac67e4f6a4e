//! `nightdesk audit anomalies`: looks that somebody should ask about (SEC-10, AUD-07), each with the rule that found it.
//!
//! A rule is a question and no verdict. The law names no figure: 45 CFR 164.308(a)(1)(ii)(D) and 164.312(b) ask that
//! activity is recorded and gone through. So every bound below is ours, with the thought behind it beside it, and every
//! finding prints its rule's reason.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// The day of whoever works in an office begins; ours: an hour before the earliest desk opens.
const DAY_BEGINS: i8 = 6;
/// And ends; ours: an hour after the last one goes home.
const DAY_ENDS: i8 = 20;
/// Roles that work at night: looking then is their work.
const AT_NIGHT: [&str; 2] = ["clinician", "nurse"];
/// Different calls one person looks at in [`VOLUME_IN`]. Ours: a recording lasts two minutes, so that nobody who listens
/// gets through more than thirty in an hour.
const VOLUME_MAX: usize = 30;
const VOLUME_IN: SignedDuration = SignedDuration::from_hours(1);
/// Refusals of one person in [`REFUSALS_IN`]. Ours: half of the ten wrong answers after which PCI DSS 4.0 (8.3.4) locks an account.
const REFUSALS_MAX: usize = 5;
const REFUSALS_IN: SignedDuration = SignedDuration::from_mins(15);
/// Looks after which somebody is known well enough that something new is worth a question. Ours: a week of ordinary work.
const KNOWN_AFTER: usize = 20;

/// Something one person did.
#[derive(Clone, Debug)]
pub(super) struct Event {
    /// Where it stands: book and row.
    pub(super) row: (&'static str, u64),
    /// The person.
    pub(super) actor: String,
    /// The role they acted in.
    pub(super) role: String,
    /// When.
    pub(super) at: Timestamp,
    /// What.
    pub(super) what: What,
}

/// What it was.
#[derive(Clone, Debug)]
pub(super) enum What {
    /// They saw or heard something.
    Looked {
        /// What they did: `listen`, `export`.
        action: String,
        /// From where.
        source: String,
        /// The call it was about.
        call: Option<[u8; 16]>,
        /// Whose call that was.
        practice: Option<String>,
    },
    /// They were not let.
    Refused,
}

/// The rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rule {
    /// At a time when nobody works.
    OffHours,
    /// More than anybody can listen to.
    Volume,
    /// Of a practice that is not theirs.
    OtherPractice,
    /// Refused again and again.
    Refusals,
    /// Somebody, and something they have never done, or a place they have never done it from.
    NewPair,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Rule::OffHours => "off hours",
            Rule::Volume => "volume",
            Rule::OtherPractice => "someone else's practice",
            Rule::Refusals => "repeated refusals",
            Rule::NewPair => "never seen before",
        })
    }
}

/// One look somebody should ask about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Anomaly {
    /// The rule.
    pub(super) rule: Rule,
    /// Where the row stands: book and number.
    pub(super) row: (&'static str, u64),
    /// Who.
    pub(super) actor: String,
    /// When.
    pub(super) at: Timestamp,
    /// Why the rule thinks so.
    pub(super) reason: String,
}

/// Goes through everything in the order in which it happened, and reports what happened at `since` or later. `theirs` are the
/// practices a person belongs to, where that is written down.
pub(super) fn find(
    events: &[Event],
    since: Timestamp,
    zone: &TimeZone,
    theirs: impl Fn(&str, &str) -> Option<bool>,
) -> Vec<Anomaly> {
    let mut people: BTreeMap<&str, Known> = BTreeMap::new();
    let mut found = Vec::new();
    for event in events {
        let known = people.entry(&event.actor).or_default();
        let mut wrong = Vec::new();
        match &event.what {
            What::Refused => wrong.extend(known.refused(event.at)),
            What::Looked {
                action,
                source,
                call,
                practice,
            } => {
                wrong.extend(off_hours(event, zone));
                wrong.extend(call.and_then(|call| known.volume(event.at, call)));
                if let Some(practice) = practice {
                    wrong.extend(known.practice(practice, theirs(&event.actor, practice)));
                }
                wrong.extend(known.pair("does", action));
                wrong.extend(known.pair("comes from", source));
                known.looks += 1;
            }
        }
        if event.at >= since {
            found.extend(wrong.into_iter().map(|(rule, reason)| Anomaly {
                rule,
                row: event.row,
                actor: event.actor.clone(),
                at: event.at,
                reason,
            }));
        }
    }
    found
}

/// What is known of somebody from what they did before.
#[derive(Default)]
struct Known {
    looks: usize,
    practices: BTreeSet<String>,
    pairs: BTreeSet<(&'static str, String)>,
    lately: VecDeque<(Timestamp, [u8; 16])>,
    refusals: VecDeque<Timestamp>,
}

type Wrong = Option<(Rule, String)>;

fn off_hours(event: &Event, zone: &TimeZone) -> Wrong {
    if AT_NIGHT.contains(&event.role.as_str()) {
        return None;
    }
    let local = event.at.to_zoned(zone.clone());
    let weekend = matches!(local.weekday(), Weekday::Saturday | Weekday::Sunday);
    let night = !(DAY_BEGINS..DAY_ENDS).contains(&local.hour());
    (weekend || night).then(|| {
        let when = if weekend { "at the weekend" } else { "at night" };
        let time = local.strftime("%A %H:%M");
        (
            Rule::OffHours,
            format!(
                "{when} ({time} here); whoever is no clinician works on weekdays, {DAY_BEGINS}:00 to {DAY_ENDS}:00"
            ),
        )
    })
}

impl Known {
    fn volume(&mut self, at: Timestamp, call: [u8; 16]) -> Wrong {
        while self
            .lately
            .front()
            .is_some_and(|(before, _)| at.duration_since(*before) > VOLUME_IN)
        {
            self.lately.pop_front();
        }
        let different = |lately: &VecDeque<(Timestamp, [u8; 16])>| {
            lately.iter().map(|(_, call)| *call).collect::<BTreeSet<_>>().len()
        };
        let before = different(&self.lately);
        self.lately.push_back((at, call));
        // Told once, as the bound is passed, and not for every look after it.
        (before == VOLUME_MAX && different(&self.lately) > VOLUME_MAX).then(|| {
            (
                Rule::Volume,
                format!("more than {VOLUME_MAX} different calls within an hour: nobody listens to so many"),
            )
        })
    }

    fn practice(&mut self, practice: &str, theirs: Option<bool>) -> Wrong {
        let new = self.practices.insert(practice.to_owned());
        match theirs {
            Some(true) => None,
            Some(false) => Some(format!("{practice} is not among the practices they belong to")),
            None => (new && self.looks >= KNOWN_AFTER).then(|| {
                format!(
                    "the first look at {practice} in {} looks; nothing is written down about which practices are theirs",
                    self.looks + 1
                )
            }),
        }
        .map(|reason| (Rule::OtherPractice, reason))
    }

    fn pair(&mut self, kind: &'static str, other: &str) -> Wrong {
        let new = self.pairs.insert((kind, other.to_owned()));
        (new && self.looks >= KNOWN_AFTER).then(|| {
            let before = self.looks;
            (
                Rule::NewPair,
                format!("{kind} “{other}” for the first time, after {before} looks"),
            )
        })
    }

    fn refused(&mut self, at: Timestamp) -> Wrong {
        while self
            .refusals
            .front()
            .is_some_and(|before| at.duration_since(*before) > REFUSALS_IN)
        {
            self.refusals.pop_front();
        }
        self.refusals.push_back(at);
        (self.refusals.len() == REFUSALS_MAX).then(|| {
            let minutes = REFUSALS_IN.as_mins();
            (
                Rule::Refusals,
                format!("refused {REFUSALS_MAX} times within {minutes} minutes"),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Tuesday.
    const MORNING: &str = "2026-11-17T10:00:00Z";

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn event(minute: i64, what: What) -> Event {
        Event {
            row: ("readers", 1),
            actor: "priya".to_owned(),
            role: "ops reviewer".to_owned(),
            at: at(MORNING) + SignedDuration::from_mins(minute),
            what,
        }
    }

    fn look(minute: i64, call: u8) -> Event {
        looked(minute, call, "Cedar", "listen", "cli")
    }

    fn looked(minute: i64, call: u8, practice: &str, action: &str, source: &str) -> Event {
        event(
            minute,
            What::Looked {
                action: action.to_owned(),
                source: source.to_owned(),
                call: Some([call; 16]),
                practice: Some(practice.to_owned()),
            },
        )
    }

    fn found(events: &[Event], theirs: Option<bool>) -> Vec<(Rule, String)> {
        find(events, Timestamp::MIN, &TimeZone::UTC, |_, _| theirs)
            .into_iter()
            .map(|anomaly| (anomaly.rule, anomaly.reason))
            .collect()
    }

    /// Twenty ordinary looks, a quarter of an hour apart.
    fn a_week() -> Vec<Event> {
        (0..20).map(|number| look(number * 15, 1)).collect()
    }

    /// Proves SEC-10: ordinary work raises no question.
    #[test]
    fn ordinary_work_is_no_anomaly() {
        assert_eq!(found(&a_week(), None), []);
    }

    /// Proves SEC-10: a look at night or at the weekend, by somebody who does not work then.
    #[test]
    fn off_hours() {
        let mut night = look(0, 1);
        for (when, expected) in [
            ("2026-11-17T05:59:00Z", "at night (Tuesday 05:59 here)"),
            ("2026-11-17T20:00:00Z", "at night (Tuesday 20:00 here)"),
            ("2026-11-21T12:00:00Z", "at the weekend (Saturday 12:00 here)"),
        ] {
            night.at = at(when);
            let found = found(&[night.clone()], None);
            assert!(
                found.len() == 1 && found[0].0 == Rule::OffHours && found[0].1.starts_with(expected),
                "{found:?}"
            );
        }
        night.role = "clinician".to_owned();
        assert_eq!(found(&[night.clone()], None), [], "the doctor on call looks at night");
        night.role = "ops reviewer".to_owned();
        night.at = at("2026-11-17T13:00:00Z");
        let chicago = TimeZone::get("America/Chicago").expect("in the machine's time zones");
        assert_eq!(find(&[night.clone()], Timestamp::MIN, &chicago, |_, _| None), []);
        night.at = at("2026-11-17T11:30:00Z");
        assert_eq!(
            find(&[night], Timestamp::MIN, &chicago, |_, _| None).len(),
            1,
            "5:30 there"
        );
    }

    /// Proves SEC-10: more calls in an hour than anybody can listen to, told once.
    #[test]
    fn volume() {
        let many: Vec<_> = (0..40).map(|number| look(i64::from(number), number)).collect();
        let rules: Vec<_> = found(&many, None).into_iter().map(|(rule, _)| rule).collect();
        assert_eq!(rules, [Rule::Volume]);
        assert_eq!(found(&many[..30], None), []);
        let slowly: Vec<_> = (0..40).map(|number| look(i64::from(number) * 3, number)).collect();
        assert_eq!(found(&slowly, None), [], "twenty an hour");
        let one: Vec<_> = (0..40).map(|number| look(number, 7)).collect();
        assert_eq!(found(&one, None), [], "one call, gone over again and again");
    }

    /// Proves SEC-10: a practice that is not theirs, by the list of people or, without one, by what they did before.
    #[test]
    fn someone_elses_practice() {
        let mut events = a_week();
        events.push(looked(301, 2, "Maple", "listen", "cli"));
        let by_habit = found(&events, None);
        assert!(
            by_habit.len() == 1
                && by_habit[0].0 == Rule::OtherPractice
                && by_habit[0].1.contains("first look at Maple"),
            "{by_habit:?}"
        );
        assert_eq!(found(&events, Some(true)), [], "both are theirs");
        let by_list = found(&events[20..], Some(false));
        assert_eq!(
            by_list,
            [(
                Rule::OtherPractice,
                "Maple is not among the practices they belong to".to_owned()
            )]
        );
    }

    /// Proves SEC-10: somebody who tries and tries.
    #[test]
    fn repeated_refusals() {
        let refused = |minutes: &[i64]| {
            let events: Vec<_> = minutes.iter().map(|minute| event(*minute, What::Refused)).collect();
            found(&events, None)
        };
        assert_eq!(refused(&[0, 1, 2, 3]), []);
        assert_eq!(
            refused(&[0, 1, 2, 3, 4, 5]),
            [(Rule::Refusals, "refused 5 times within 15 minutes".to_owned())]
        );
        assert_eq!(refused(&[0, 10, 20, 30, 40, 50]), [], "now and then a wrong password");
    }

    /// Proves SEC-10: something new of somebody who is known well.
    #[test]
    fn never_seen_before() {
        let mut events = a_week();
        events.push(looked(301, 1, "Cedar", "export", "192.0.2.9"));
        let new = found(&events, None);
        assert_eq!(
            new,
            [
                (
                    Rule::NewPair,
                    "does “export” for the first time, after 20 looks".to_owned()
                ),
                (
                    Rule::NewPair,
                    "comes from “192.0.2.9” for the first time, after 20 looks".to_owned()
                ),
            ]
        );
        assert_eq!(
            found(&events[1..], None),
            [],
            "somebody new does everything for the first time"
        );
    }

    #[test]
    fn what_was_before_counts_and_is_not_told() {
        let mut events = a_week();
        events.push(looked(301, 1, "Cedar", "export", "cli"));
        let later = at(MORNING) + SignedDuration::from_mins(301);
        assert_eq!(find(&events, later, &TimeZone::UTC, |_, _| None).len(), 1);
        let after = later + SignedDuration::from_mins(1);
        assert_eq!(find(&events, after, &TimeZone::UTC, |_, _| None), []);
    }
}
