//! A plain shift list: the schedule of a practice that keeps it on paper or in a spreadsheet (integrations.md §2.1).
//!
//! One entry a line, columns between bars; `#` begins a comment:
//!
//! ```text
//! zone: America/Chicago                 # for every line that names no zone of its own
//! # role  | person                           | from                              | until            | zone            | cover
//! primary | Dr. Okafor                       | 2026-11-20 17:00                  | 2026-11-23 08:00 | America/Chicago
//! primary | Dr. Lindqvist                    | 2026-11-21 5 pm                   | 2026-11-22 8 am  |                 | cover
//! backup  | Dr. Lindqvist                    | every Monday to Friday 17:00      | 08:00
//! backup  | Dr. Okafor then Dr. Lindqvist    | turns of 7 days from 2026-11-16 08:00
//! ```
//!
//! `every` lines are weekly rules (the same time twice means 24 hours), `turns of` lines are rotations; both are used
//! only when no dated line covers the instant. `cover` replaces every other line of the role in its window.
//!
//! The one thing to know: a list with any fault is refused whole, with every fault named, and the shell keeps the copy
//! it has. Half a schedule is worse than yesterday's.

use crate::rule::{Rule, Times};
use crate::shift::{Roster, RosterFault, Shift, Source, Span};
use crate::zone::{Edge, instant};
use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::fmt;

/// The entries of a list without faults.
#[derive(Debug, Clone, Default)]
pub struct ShiftList {
    /// Dated lines.
    pub shifts: Vec<Shift>,
    /// `every` and `turns of` lines.
    pub rules: Vec<Rule>,
}

/// One thing to put right in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Counted from one; nought when it is about the whole list.
    pub line: u32,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub fix: String,
}

/// Most lines.
pub const LINES_MAX: usize = 10_000;
/// Longest line, in bytes.
pub const LINE_BYTES_MAX: usize = 1_000;
/// Longest dated shift: a longer one is a slip in the year, and would keep someone on duty who left long ago.
pub const SHIFT_DAYS_MAX: i64 = 92;
/// Most faults that are listed; whoever mends these asks again.
pub const FAULTS_MAX: usize = 50;

/// Reads a list. `name` is what people call it ("on-call.txt"), `read` when it was fetched; `zones` finds a time zone by
/// its IANA name, which the shell does because the tables are files.
pub fn parse(
    text: &str,
    name: &str,
    read: Option<Timestamp>,
    zones: &dyn Fn(&str) -> Option<TimeZone>,
) -> Result<ShiftList, Vec<Fault>> {
    let mut list = ShiftList::default();
    let mut faults = Vec::new();
    let mut zone = None;
    for (at, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let number = u32::try_from(at + 1).unwrap_or(u32::MAX);
        if at >= LINES_MAX {
            faults.push(Fault::new(
                number,
                format!("the list is longer than {LINES_MAX} lines"),
                "remove past shifts",
            ));
            break;
        }
        let entry = line.split('#').next().unwrap_or_default().trim();
        if entry.is_empty() {
            continue;
        }
        let source = Source {
            name: name.to_owned(),
            line: Some(number),
            read,
        };
        let done = if entry.len() > LINE_BYTES_MAX {
            Err((
                format!("the line is longer than {LINE_BYTES_MAX} bytes"),
                "write one shift on a line".to_owned(),
            ))
        } else if let Some(named) = entry.strip_prefix("zone:") {
            find_zone(named.trim(), zones).map(|found| zone = Some(found))
        } else {
            entry_of(entry, source, zone.as_ref(), zones).map(|entry| match entry {
                Entry::Shift(shift) => list.shifts.push(shift),
                Entry::Rule(rule) => list.rules.push(rule),
            })
        };
        if let Err((what, fix)) = done {
            faults.push(Fault::new(number, what, fix));
            if faults.len() >= FAULTS_MAX {
                break;
            }
        }
    }
    if list.shifts.is_empty() && list.rules.is_empty() && faults.is_empty() {
        // integrations.md §2.3 step 2: an empty list is a failed fetch, not a new truth.
        faults.push(Fault::new(
            0,
            "the list has no shifts",
            "add a line: role | person | from | until | zone",
        ));
    }
    if faults.is_empty() { Ok(list) } else { Err(faults) }
}

impl ShiftList {
    /// Puts every entry on a roster.
    pub fn add_to(self, roster: &mut Roster) -> Result<(), RosterFault> {
        self.shifts.into_iter().try_for_each(|shift| roster.add_shift(shift))?;
        self.rules.into_iter().try_for_each(|rule| roster.add_rule(rule))
    }
}

impl Fault {
    fn new(line: u32, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            line,
            what: what.into(),
            fix: fix.into(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}; {}", self.what, self.fix),
            line => write!(f, "line {line}: {}; {}", self.what, self.fix),
        }
    }
}

enum Entry {
    Shift(Shift),
    Rule(Rule),
}

/// What is wrong and how to mend it; the line is known to the caller.
type Wrong = (String, String);

fn wrong<T>(what: impl Into<String>, fix: impl Into<String>) -> Result<T, Wrong> {
    Err((what.into(), fix.into()))
}

fn entry_of(
    entry: &str,
    source: Source,
    default_zone: Option<&TimeZone>,
    zones: &dyn Fn(&str) -> Option<TimeZone>,
) -> Result<Entry, Wrong> {
    let mut columns = entry.split('|').map(str::trim);
    let mut next = || columns.next().unwrap_or_default();
    let (role, person, from, until, zone, mark) = (next(), next(), next(), next(), next(), next());
    if columns.next().is_some() {
        return wrong(
            "there are more than six columns",
            "write: role | person | from | until | zone | cover",
        );
    }
    if role.is_empty() {
        return wrong("the first column, the role, is empty", "write a role such as primary");
    }
    if person.is_empty() {
        return wrong(
            "the second column, the person, is empty",
            "write the name as the practice file spells it",
        );
    }
    if from.is_empty() {
        return wrong(
            "the third column, the start, is empty",
            "write a date and a time such as 2026-11-20 17:00",
        );
    }
    let zone = match (zone, default_zone) {
        ("", Some(zone)) => zone.clone(),
        ("", None) => {
            return wrong(
                "no time zone is given",
                "add a fifth column such as America/Chicago, or a line zone: America/Chicago at the top",
            );
        }
        (named, _) => find_zone(named, zones)?,
    };
    let cover = match mark.to_ascii_lowercase().as_str() {
        "" => false,
        "cover" => true,
        _ => {
            return wrong(
                format!("the sixth column says `{mark}`"),
                "write cover, or leave it out",
            );
        }
    };
    let role = role.to_owned();
    if let Some(rule) = from.strip_prefix("every ").or_else(|| from.strip_prefix("turns of ")) {
        if cover {
            return wrong(
                "a rule cannot be cover",
                "give the dates of the cover: 2026-11-21 17:00 | 2026-11-22 08:00",
            );
        }
        let times = if from.starts_with("every ") {
            weekly(person, rule, until, zone)
        } else {
            turns(person, rule, until, zone)
        }?;
        return Ok(Entry::Rule(Rule { role, times, source }));
    }
    if until.is_empty() {
        return wrong(
            "the fourth column, the end, is empty",
            "write a date and a time such as 2026-11-23 08:00",
        );
    }
    let begins = edge(date_time(from)?, &zone, Edge::Start)?;
    let ends = edge(date_time(until)?, &zone, Edge::End)?;
    if ends <= begins {
        return wrong(
            format!("the shift ends ({until}) before it begins ({from})"),
            "check the two dates",
        );
    }
    if ends.duration_since(begins) > SignedDuration::from_hours(SHIFT_DAYS_MAX * 24) {
        return wrong(
            format!("the shift is longer than {SHIFT_DAYS_MAX} days"),
            "check the year, or write a rule: every day 00:00 | 00:00",
        );
    }
    let span = Span {
        from: begins,
        until: ends,
    };
    Ok(Entry::Shift(Shift {
        role,
        person: person.to_owned(),
        span,
        zone,
        cover,
        source,
    }))
}

/// "Monday to Friday 17:00", "Sat, Sun 8 am", "day 17:00".
fn weekly(person: &str, rule: &str, until: &str, zone: TimeZone) -> Result<Times, Wrong> {
    let at = rule
        .find(|c: char| c.is_ascii_digit())
        .or_else(|| rule.find("noon"))
        .or_else(|| rule.find("midnight"));
    let Some((days, from)) = at.and_then(|at| rule.split_at_checked(at)) else {
        return wrong(
            format!("`every {rule}` names no time"),
            "write for example every Monday to Friday 17:00",
        );
    };
    if until.is_empty() {
        return wrong(
            "the fourth column, the end of the rule, is empty",
            "write a time such as 08:00",
        );
    }
    let (days, from, until) = (week(days.trim())?, time(from)?, time(until)?);
    Ok(Times::Weekly {
        person: person.to_owned(),
        days,
        from,
        until,
        zone,
    })
}

/// "7 days from 2026-11-16 08:00", "1 week from 2026-11-16 8 am".
fn turns(people: &str, rule: &str, until: &str, zone: TimeZone) -> Result<Times, Wrong> {
    const FORM: &str = "write for example turns of 7 days from 2026-11-16 08:00";
    if !until.is_empty() {
        return wrong("a rotation has no end", "leave the fourth column empty");
    }
    let Some((length, first)) = rule.split_once(" from ") else {
        return wrong(format!("`turns of {rule}` does not say from when"), FORM);
    };
    let (count, unit) = length.trim().split_once(' ').unwrap_or((length, ""));
    let days = match (count.parse::<u16>(), unit.trim()) {
        (Ok(count @ 1..=366), "day" | "days") => count,
        (Ok(count @ 1..=52), "week" | "weeks") => count * 7,
        _ => return wrong(format!("`{length}` is not a length of a turn"), FORM),
    };
    let people: Vec<String> = people.split(" then ").map(|person| person.trim().to_owned()).collect();
    if people.len() > Times::PEOPLE_MAX || people.iter().any(String::is_empty) {
        return wrong(
            format!("the rotation needs names, at most {}", Times::PEOPLE_MAX),
            "write for example Dr. Okafor then Dr. Lindqvist",
        );
    }
    let first = date_time(first.trim())?;
    Ok(Times::Turns {
        people,
        days,
        first: first.date(),
        at: first.time(),
        zone,
    })
}

fn week(days: &str) -> Result<Vec<Weekday>, Wrong> {
    if days == "day" {
        return Ok(Weekday::Monday.cycle_forward().take(7).collect());
    }
    let mut found = Vec::new();
    for piece in days.split(',') {
        let (first, last) = piece
            .split_once(" to ")
            .or_else(|| piece.split_once('-'))
            .unwrap_or((piece, piece));
        let (first, last) = (weekday(first)?, weekday(last)?);
        let length = usize::try_from(last.since(first).rem_euclid(7)).unwrap_or_default() + 1;
        found.extend(first.cycle_forward().take(length));
    }
    found.sort_unstable_by_key(|day| day.to_monday_zero_offset());
    found.dedup();
    Ok(found)
}

fn weekday(word: &str) -> Result<Weekday, Wrong> {
    let lower = word.trim().to_ascii_lowercase();
    let names = [
        ("monday", Weekday::Monday),
        ("tuesday", Weekday::Tuesday),
        ("wednesday", Weekday::Wednesday),
        ("thursday", Weekday::Thursday),
        ("friday", Weekday::Friday),
        ("saturday", Weekday::Saturday),
        ("sunday", Weekday::Sunday),
    ];
    // "Mon" and "Thurs" are as clear as the whole word; two letters are a slip.
    match names
        .iter()
        .find(|(name, _)| lower.len() >= 3 && name.starts_with(&lower))
    {
        Some((_, day)) => Ok(*day),
        None => wrong(
            format!("`{}` is not a day of the week", word.trim()),
            "write Monday, or Mon, or every day",
        ),
    }
}

fn date_time(text: &str) -> Result<DateTime, Wrong> {
    let Some((date, time_of_day)) = text.split_once([' ', 'T']) else {
        return wrong(
            format!("`{text}` has no time"),
            "write a date and a time such as 2026-11-20 17:00",
        );
    };
    let Ok(date) = date.parse::<Date>() else {
        return wrong(
            format!("`{date}` is not a date"),
            "write year-month-day such as 2026-11-20",
        );
    };
    Ok(date.to_datetime(time(time_of_day)?))
}

/// "17:00", "5:30 pm", "5 pm", "noon", "midnight".
fn time(text: &str) -> Result<Time, Wrong> {
    let lower = text.trim().to_ascii_lowercase();
    match lower.as_str() {
        "noon" => return Ok(Time::constant(12, 0, 0, 0)),
        "midnight" => return Ok(Time::midnight()),
        _ => {}
    }
    let half = |suffix| lower.strip_suffix(suffix).map(str::trim_end);
    let (clock, noon) = match (half("am"), half("pm")) {
        (Some(clock), _) => (clock, Some(0)),
        (None, Some(clock)) => (clock, Some(12)),
        (None, None) => (lower.as_str(), None),
    };
    let (hour, minute) = clock
        .split_once(':')
        .unwrap_or((clock, if noon.is_some() { "00" } else { "" }));
    let digits = |text: &str| text.len() <= 2 && text.bytes().all(|b| b.is_ascii_digit());
    let numbers = match (digits(hour) && digits(minute) && minute.len() == 2).then(|| (hour.parse(), minute.parse())) {
        Some((Ok(hour), Ok(minute))) => Some((hour, minute)),
        _ => None,
    };
    let time = match (numbers, noon) {
        (Some((hour @ 1..=12_i8, minute)), Some(noon)) => Time::new(hour % 12 + noon, minute, 0, 0).ok(),
        (Some((hour, minute)), None) => Time::new(hour, minute, 0, 0).ok(),
        _ => None,
    };
    time.map_or_else(
        || wrong(format!("`{}` is not a time", text.trim()), "write 17:00 or 5:00 pm"),
        Ok,
    )
}

fn edge(local: DateTime, zone: &TimeZone, edge: Edge) -> Result<Timestamp, Wrong> {
    let found = instant(local, zone, edge);
    found.map_or_else(
        || wrong(format!("{local} is outside the calendar"), "check the year"),
        Ok,
    )
}

fn find_zone(name: &str, zones: &dyn Fn(&str) -> Option<TimeZone>) -> Result<TimeZone, Wrong> {
    zones(name).map_or_else(
        || {
            wrong(
                format!("`{name}` is not a time zone"),
                "write an IANA name such as America/Chicago",
            )
        },
        Ok,
    )
}

#[cfg(test)]
mod tests {
    use super::{Fault, parse};
    use crate::shift::{Alarm, Layer, Roster};
    use jiff::Timestamp;
    use jiff::tz::TimeZone;

    const LIST: &str = "\u{feff}# Cedar Family Medicine, week 47\r
zone: America/Chicago\r
primary | Dr. Okafor    | 2026-11-20 17:00 | 2026-11-23 08:00 | America/Chicago   # the weekend
primary | Dr. Lindqvist | 2026-11-21 5 pm  | 2026-11-22 8:00 am | | cover
backup  | Dr. Lindqvist | every Mon-Thu, Saturday 17:00 | 8 am
backup  | Dr. Okafor then Dr. Lindqvist | turns of 1 week from 2026-11-16 08:00
nurse   | Dana Ruiz     | every day noon | noon
";

    fn zones(name: &str) -> Option<TimeZone> {
        TimeZone::get(name).ok()
    }

    fn faults(text: &str) -> Vec<String> {
        let list = parse(text, "on-call.txt", None, &zones);
        list.expect_err("a fault was planted")
            .iter()
            .map(Fault::to_string)
            .collect()
    }

    fn at(local: &str) -> Timestamp {
        format!("{local}[America/Chicago]")
            .parse::<jiff::Zoned>()
            .expect("a test's own time")
            .timestamp()
    }

    #[test]
    fn a_list_answers_by_layer_and_says_why() {
        let mut roster = Roster::new(Some("Dr. Okafor".to_owned()));
        let read = Some(at("2026-11-20T16:52"));
        parse(LIST, "on-call.txt", read, &zones)
            .expect("sound")
            .add_to(&mut roster)
            .expect("small");
        let who = |role, local| {
            let duty = roster.who(role, at(local));
            format!("{:?} {:?} {:?}: {}", duty.people, duty.layer, duty.alarm, duty.why)
        };
        insta::assert_snapshot!([
            who("primary", "2026-11-20T23:40"),
            who("Primary", "2026-11-21T23:40"),
            who("primary", "2026-11-22T08:00"),
            who("primary", "2026-11-23T08:00"),
            who("backup", "2026-11-18T12:00"),
            who("backup", "2026-11-18T23:00"),
            who("nurse", "2026-11-18T11:59"),
        ].join("\n"), @r#"
        ["Dr. Okafor"] Feed None: Dr. Okafor: shift in on-call.txt line 3 (read Fri Nov 20 4:52 pm), until Mon Nov 23 8:00 am
        ["Dr. Lindqvist"] Cover None: Dr. Lindqvist: temporary cover in on-call.txt line 4 (read Fri Nov 20 4:52 pm), until Sun Nov 22 8:00 am
        ["Dr. Okafor"] Feed None: Dr. Okafor: shift in on-call.txt line 3 (read Fri Nov 20 4:52 pm), until Mon Nov 23 8:00 am
        ["Dr. Okafor"] FallBack Some(Gap): nobody is listed for primary at this time; Dr. Okafor answers for every gap
        ["Dr. Okafor"] Rule None: Dr. Okafor: rotation in on-call.txt line 6, until Mon Nov 23 8:00 am
        ["Dr. Lindqvist", "Dr. Okafor"] Rule Some(Overlap): Dr. Lindqvist: weekly rule in on-call.txt line 5, until Thu Nov 19 8:00 am; Dr. Okafor: rotation in on-call.txt line 6, until Mon Nov 23 8:00 am; more than one person is listed at one layer, so all of them are rung
        ["Dana Ruiz"] Rule None: Dana Ruiz: weekly rule in on-call.txt line 7, until Wed Nov 18 12:00 pm
        "#);
        assert_eq!(roster.people(), ["Dana Ruiz", "Dr. Lindqvist", "Dr. Okafor"]);
        assert!(roster.knows("BACKUP") && !roster.knows("pediatrician"));
    }

    #[test]
    fn every_fault_is_named_with_its_line_and_its_remedy() {
        insta::assert_snapshot!(faults("primary | Dr. Okafor | 2026-11-20 | 2026-11-23 08:00 | America/Chicago
primary | Dr. Okafor | 2026-11-31 17:00 | 2026-11-23 08:00 | America/Chicago
primary | Dr. Okafor | 2026-11-23 08:00 | 2026-11-20 17:00 | America/Chicago
primary | Dr. Okafor | 2026-11-20 17:00 | 2027-11-23 08:00 | America/Chicago
primary | Dr. Okafor | 2026-11-20 17:00 | 2026-11-23 08:00
primary | Dr. Okafor | 2026-11-20 17:00 | 2026-11-23 08:00 | Chicago
primary | Dr. Okafor | 2026-11-20 25:00 | 2026-11-23 08:00 | America/Chicago
primary | Dr. Okafor | 2026-11-20 5:3 pm | 2026-11-23 08:00 | America/Chicago
primary | | 2026-11-20 17:00 | 2026-11-23 08:00 | America/Chicago
 | Dr. Okafor | 2026-11-20 17:00 | 2026-11-23 08:00 | America/Chicago
primary | Dr. Okafor | 2026-11-20 17:00 | 2026-11-23 08:00 | America/Chicago | swap
primary | Dr. Okafor | 2026-11-20 17:00 | 2026-11-23 08:00 | America/Chicago | cover | why
primary | Dr. Okafor | every Mo 17:00 | 08:00 | America/Chicago
primary | Dr. Okafor | every Monday | 08:00 | America/Chicago
primary | Dr. Okafor | every Monday 17:00 | | America/Chicago
primary | Dr. Okafor | turns of a fortnight from 2026-11-16 08:00 | | America/Chicago
primary | Dr. Okafor | turns of 7 days | | America/Chicago
primary | Dr. Okafor then  then Dr. Chen | turns of 7 days from 2026-11-16 08:00 | | America/Chicago
zone: Mars/Olympus").join("\n"), @r#"
        line 1: `2026-11-20` has no time; write a date and a time such as 2026-11-20 17:00
        line 2: `2026-11-31` is not a date; write year-month-day such as 2026-11-20
        line 3: the shift ends (2026-11-20 17:00) before it begins (2026-11-23 08:00); check the two dates
        line 4: the shift is longer than 92 days; check the year, or write a rule: every day 00:00 | 00:00
        line 5: no time zone is given; add a fifth column such as America/Chicago, or a line zone: America/Chicago at the top
        line 6: `Chicago` is not a time zone; write an IANA name such as America/Chicago
        line 7: `25:00` is not a time; write 17:00 or 5:00 pm
        line 8: `5:3 pm` is not a time; write 17:00 or 5:00 pm
        line 9: the second column, the person, is empty; write the name as the practice file spells it
        line 10: the first column, the role, is empty; write a role such as primary
        line 11: the sixth column says `swap`; write cover, or leave it out
        line 12: there are more than six columns; write: role | person | from | until | zone | cover
        line 13: `Mo` is not a day of the week; write Monday, or Mon, or every day
        line 14: `every Monday` names no time; write for example every Monday to Friday 17:00
        line 15: the fourth column, the end of the rule, is empty; write a time such as 08:00
        line 16: `a fortnight` is not a length of a turn; write for example turns of 7 days from 2026-11-16 08:00
        line 17: `turns of 7 days` does not say from when; write for example turns of 7 days from 2026-11-16 08:00
        line 18: the rotation needs names, at most 64; write for example Dr. Okafor then Dr. Lindqvist
        line 19: `Mars/Olympus` is not a time zone; write an IANA name such as America/Chicago
        "#);
        insta::assert_snapshot!(faults("# nothing yet\n").join("\n"), @"the list has no shifts; add a line: role | person | from | until | zone");
    }

    #[test]
    fn two_people_at_one_layer_are_both_rung_and_one_person_twice_is_not() {
        let mut roster = Roster::new(None);
        let text = "zone: America/Chicago
            primary | Dr. Okafor | 2026-11-20 17:00 | 2026-11-21 08:00
            primary | Dr. Chen   | 2026-11-21 07:00 | 2026-11-22 08:00
            primary | dr. chen   | 2026-11-21 17:00 | 2026-11-22 09:00";
        parse(text, "x", None, &zones)
            .expect("sound")
            .add_to(&mut roster)
            .expect("small");
        let overlap = roster.who("primary", at("2026-11-21T07:30"));
        assert_eq!((overlap.people.len(), overlap.alarm), (2, Some(Alarm::Overlap)));
        let twice = roster.who("primary", at("2026-11-21T20:00"));
        assert_eq!((twice.people, twice.alarm), (vec!["Dr. Chen".to_owned()], None));
        let gap = roster.who("primary", at("2026-11-22T09:00"));
        assert_eq!(
            (gap.people.len(), gap.layer, gap.alarm),
            (0, Layer::FallBack, Some(Alarm::Gap))
        );
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "(?s).{0,200}") {
            let _ = parse(&text, "x", None, &zones);
        }

        #[test]
        fn no_columns_panic(columns in proptest::collection::vec("[ 0-9a-zA-Z:|#-]{0,24}", 0..8)) {
            let _ = parse(&columns.join("|"), "x", None, &zones);
            let _ = parse(&format!("zone: UTC\np | a then b | turns of {}", columns.join(" from ")), "x", None, &zones);
            let _ = parse(&format!("zone: UTC\np | a | every {}", columns.join("|")), "x", None, &zones);
        }
    }
}
