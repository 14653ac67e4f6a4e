//! Ten years of nights, and above all the two odd ones of each year: every instant has exactly one answer, or two where
//! the design says so, or an explicit gap (ONC-01; integrations.md §2.3 step 3).

use jiff::civil::{Date, Time, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use oncall::{Alarm, Change, Layer, Override, Roster, Span, list};

fn zones(name: &str) -> Option<TimeZone> {
    TimeZone::get(name).ok()
}

fn chicago() -> TimeZone {
    zones("America/Chicago").expect("the zone is in every tz database")
}

fn roster(text: &str) -> Roster {
    let mut roster = Roster::new(Some("Fall Back".to_owned()));
    let list = list::parse(text, "on-call.txt", None, &zones).expect("a sound list");
    list.add_to(&mut roster).expect("a small list");
    roster
}

/// Every minute of the day around each change of the clocks in ten years.
fn odd_minutes() -> impl Iterator<Item = Timestamp> {
    let zone = chicago();
    let start = date(2026, 1, 1).to_zoned(zone.clone()).expect("in range").timestamp();
    let end = date(2036, 1, 1).to_zoned(zone.clone()).expect("in range").timestamp();
    let jumps: Vec<_> = zone
        .following(start)
        .map(|jump| jump.timestamp())
        .take_while(|at| *at < end)
        .collect();
    assert_eq!(jumps.len(), 20, "two odd nights a year");
    jumps
        .into_iter()
        .flat_map(|jump| (-720_i64..720).map(move |minute| jump + SignedDuration::from_mins(minute)))
}

#[test]
fn rules_that_meet_leave_no_minute_empty_and_double_only_the_repeated_hour() {
    let roster = roster(
        "zone: America/Chicago
        a | Day   | every day 01:30 | 13:30
        a | Night | every day 13:30 | 01:30
        b | Day   | every day 02:30 | 14:30
        b | Night | every day 14:30 | 02:30
        turns | One then Two then Three | turns of 1 day from 2025-12-30 01:30
        office | Desk | every Monday to Friday 08:00 | 17:00",
    );
    let zone = chicago();
    let mut doubled = 0;
    for at in odd_minutes() {
        let local = at.to_zoned(zone.clone());
        let minute = i32::from(local.hour()) * 60 + i32::from(local.minute());

        let a = roster.who("a", at);
        // The repeated 1:30 is recognised without the code under test: the same wall clock came an hour before.
        let earlier = (at - SignedDuration::from_hours(1)).to_zoned(zone.clone());
        let later = (at + SignedDuration::from_hours(1)).to_zoned(zone.clone());
        let first_pass = later.datetime() == local.datetime() && minute >= 90;
        let second_pass = earlier.datetime() == local.datetime() && minute < 90;
        if first_pass || second_pass {
            doubled += 1;
            assert_eq!((a.people.len(), a.alarm), (2, Some(Alarm::Overlap)), "{local}");
        } else {
            let expected = if (90..810).contains(&minute) { "Day" } else { "Night" };
            assert_eq!((a.people, a.alarm), (vec![expected.to_owned()], None), "{local}");
        }

        let b = roster.who("b", at);
        let expected = if (150..870).contains(&minute) { "Day" } else { "Night" };
        assert_eq!((b.people, b.alarm), (vec![expected.to_owned()], None), "{local}");

        let turns = roster.who("turns", at);
        assert_eq!(
            (turns.people.len(), turns.alarm, turns.layer),
            (1, None, Layer::Rule),
            "{local}"
        );

        let office = roster.who("office", at);
        let open = local.weekday().to_monday_zero_offset() < 5 && (480..1020).contains(&minute);
        assert_eq!(office.alarm, (!open).then_some(Alarm::Gap), "{local}");
        assert_eq!(office.people, [if open { "Desk" } else { "Fall Back" }], "{local}");
    }
    assert_eq!(doubled, 10 * 60, "one repeated hour a year");
}

#[test]
fn a_rotation_gives_each_of_ten_years_of_turns_to_the_next_person() {
    let roster = roster("nights | A then B then C | turns of 7 days from 2026-01-05 17:00 | | America/Chicago");
    let zone = chicago();
    let at = |day: Date, time: Time| {
        day.to_datetime(time)
            .to_zoned(zone.clone())
            .expect("in range")
            .timestamp()
    };
    let five = Time::constant(17, 0, 0, 0);
    for week in 0..520_i64 {
        let day = date(2026, 1, 5) + (week * 7).days();
        let expected = ["A", "B", "C"][usize::try_from(week % 3).expect("small")];
        assert_eq!(roster.who("nights", at(day, five)).people, [expected], "{day}");
        let last = at(day + 7.days(), five) - SignedDuration::from_nanos(1);
        assert_eq!(roster.who("nights", last).people, [expected], "{day}");
    }
    let before = at(date(2026, 1, 5), five) - SignedDuration::from_nanos(1);
    assert_eq!(roster.who("nights", before).alarm, Some(Alarm::Gap));
}

#[test]
fn dated_shifts_through_the_odd_nights_cover_every_minute() {
    // A fresh person each night from 17:00 to 01:30, another from 01:30 to 17:00, around the two odd nights of 2026.
    let mut text = "zone: America/Chicago\n".to_owned();
    let mut day = date(2026, 1, 1);
    while day < date(2027, 1, 1) {
        let next = day.tomorrow().expect("in range");
        text += &format!("p | Evening | {day} 17:00 | {next} 01:30\np | Morning | {next} 01:30 | {next} 17:00\n");
        day = next;
    }
    let roster = roster(&text);
    for at in odd_minutes().filter(|at| *at < "2026-12-31T00:00:00Z".parse().expect("a date")) {
        let duty = roster.who("p", at);
        assert!(matches!(duty.alarm, None | Some(Alarm::Overlap)), "{at}: {}", duty.why);
        assert!(!duty.people.contains(&"Fall Back".to_owned()), "{at}");
    }
    let window = Span {
        from: "2026-10-10T00:00:00Z".parse().expect("a date"),
        until: Timestamp::MAX,
    };
    assert_eq!(roster.gaps("p", window), []);
}

#[test]
fn the_time_line_agrees_with_the_question_at_every_minute_and_names_the_gaps() {
    let mut roster = roster(
        "zone: America/Chicago
        p | A | every Monday to Friday 17:00 | 08:00
        p | B | 2026-11-01 01:30 | 2026-11-01 01:30
        p | C then D | turns of 1 day from 2026-11-03 02:30
        p | E | 2026-11-04 07:00 | 2026-11-04 09:00 | | cover",
    );
    let span = |from: &str, until: &str| Span {
        from: from.parse().expect("a date"),
        until: until.parse().expect("a date"),
    };
    let swap = |change, from, until| Override {
        role: "p".to_owned(),
        change,
        span: span(from, until),
        why: "swap".to_owned(),
        by: "M. Vega".to_owned(),
    };
    let out = Change::Replaces {
        out: "A".to_owned(),
        with: "F".to_owned(),
    };
    roster
        .add_override(swap(out, "2026-11-04T23:30:00Z", "2026-11-05T03:00:00Z"))
        .expect("small");
    let away = Change::Leaves("C".to_owned());
    roster
        .add_override(swap(away, "2026-11-05T10:00:00Z", "2026-11-05T11:00:00Z"))
        .expect("small");
    let took = Change::Takes("G".to_owned());
    roster
        .add_override(swap(took, "2026-11-06T00:00:00Z", "2026-11-06T06:00:00Z"))
        .expect("small");

    let window = span("2026-10-31T00:00:00Z", "2026-11-08T00:00:00Z");
    let line = roster.timeline("p", window);
    assert_eq!(line.first().map(|(s, _)| s.from), Some(window.from));
    assert_eq!(line.last().map(|(s, _)| s.until), Some(window.until));
    let mut at = window.from;
    for (span, duty) in &line {
        assert_eq!(span.from, at, "no hole");
        while at < span.until {
            assert_eq!(&roster.who("p", at), duty, "{at}");
            at += SignedDuration::from_mins(15);
        }
        at = span.until;
    }
    let gaps: Vec<_> = roster
        .gaps("p", window)
        .iter()
        .map(|s| format!("{} to {}", s.from, s.until))
        .collect();
    insta::assert_snapshot!(gaps.join("\n"), @r"
    2026-10-31T13:00:00Z to 2026-11-01T06:30:00Z
    2026-11-01T07:30:00Z to 2026-11-02T23:00:00Z
    ");
}

#[test]
fn a_change_by_hand_answers_above_every_layer() {
    let text = "zone: America/Chicago
        p | Dr. Okafor | 2026-11-20 17:00 | 2026-11-23 08:00";
    let night = Span {
        from: "2026-11-21T05:00:00Z".parse().expect("a date"),
        until: "2026-11-21T14:00:00Z".parse().expect("a date"),
    };
    let asked = |change: Change| {
        let mut roster = roster(text);
        let change = Override {
            role: "P".to_owned(),
            change,
            span: night,
            why: "flu".to_owned(),
            by: "M. Vega".to_owned(),
        };
        roster.add_override(change).expect("small");
        let after = roster.who("p", night.until);
        assert_eq!(
            (after.people, after.layer),
            (vec!["Dr. Okafor".to_owned()], Layer::Feed)
        );
        let duty = roster.who("p", night.from);
        format!("{:?} {:?} {:?}: {}", duty.people, duty.layer, duty.alarm, duty.why)
    };
    let name = || "Dr. Chen".to_owned();
    let gone = || "dr. okafor".to_owned();
    insta::assert_snapshot!([
        asked(Change::Takes(name())),
        asked(Change::Joins(name())),
        asked(Change::Joins(gone())),
        asked(Change::Leaves(gone())),
        asked(Change::Replaces { out: gone(), with: name() }),
        asked(Change::Replaces { out: name(), with: gone() }),
    ].join("\n"), @r#"
    ["Dr. Chen"] Override None: Dr. Okafor: shift in on-call.txt line 2, until Mon Nov 23 8:00 am; Dr. Chen takes it (flu, entered by M. Vega)
    ["Dr. Okafor", "Dr. Chen"] Override None: Dr. Okafor: shift in on-call.txt line 2, until Mon Nov 23 8:00 am; Dr. Chen joins (flu, entered by M. Vega)
    ["Dr. Okafor"] Feed None: Dr. Okafor: shift in on-call.txt line 2, until Mon Nov 23 8:00 am
    ["Fall Back"] FallBack Some(Gap): Dr. Okafor: shift in on-call.txt line 2, until Mon Nov 23 8:00 am; dr. okafor is not available (flu, entered by M. Vega); nobody is listed for p at this time; Fall Back answers for every gap
    ["Dr. Chen"] Override None: Dr. Okafor: shift in on-call.txt line 2, until Mon Nov 23 8:00 am; Dr. Chen replaces dr. okafor (flu, entered by M. Vega)
    ["Dr. Okafor"] Feed None: Dr. Okafor: shift in on-call.txt line 2, until Mon Nov 23 8:00 am
    "#);
}
