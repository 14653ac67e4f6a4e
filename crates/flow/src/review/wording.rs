//! The model said in English again: names as headings, conditions, times, promises, who is meant.

use std::time::Duration;

use crate::model::{
    Amount, Appointment, Clause, Comparison, Condition, Fact, Field, Flow, PatientKey, Practice, SectionId, Target,
    Thing,
};
use crate::parse::condition::FACTS;
use crate::time::{Day, Promise};

/// `main menu` → `Main menu`.
pub(super) fn heading(name: &str) -> String {
    let mut chars = name.chars();
    chars
        .next()
        .map(|first| first.to_uppercase().chain(chars).collect())
        .unwrap_or_default()
}

/// The heading of a section.
pub(super) fn section(flow: &Flow, id: SectionId) -> String {
    flow.sections
        .get(id.0)
        .map(|section| heading(&section.name))
        .unwrap_or_default()
}

/// A condition in the words of the language: `the office is closed and language is Spanish`.
pub fn condition(condition: &Condition) -> String {
    if condition.always() {
        return "any time".to_owned();
    }
    condition.clauses.iter().map(clause).collect::<Vec<_>>().join(" and ")
}

fn clause(clause: &Clause) -> String {
    match clause {
        Clause::Fact(fact) => fact_words(*fact).to_owned(),
        Clause::Is { thing, not, value } => {
            format!("{} is {}{value}", thing_words(thing), if *not { "not " } else { "" })
        }
        Clause::OneOf { thing, values } => format!("{} is one of {}", thing_words(thing), values.join(", ")),
        Clause::Compare { thing, how, amount } => {
            let how = match how {
                Comparison::Under => "under",
                Comparison::Over => "over",
                Comparison::AtLeast => "at least",
                Comparison::AtMost => "at most",
            };
            format!("{} is {how} {}", thing_words(thing), amount_words(*amount))
        }
        Clause::Between { thing, low, high } => format!(
            "{} is between {} and {}",
            thing_words(thing),
            amount_words(*low),
            amount_words(*high)
        ),
        Clause::Known { thing, known } => {
            format!("{} is {}", thing_words(thing), if *known { "known" } else { "unknown" })
        }
    }
}

fn fact_words(fact: Fact) -> &'static str {
    FACTS
        .iter()
        .find(|(_, known)| *known == fact)
        .map_or("something the engine knows", |(words, _)| words)
}

fn thing_words(thing: &Thing) -> &str {
    match thing {
        Thing::Language => "language",
        Thing::LineCalled => "line called",
        Thing::Time => "time",
        Thing::Day => "day",
        Thing::CallerState => "caller state",
        Thing::PatientAge => "patient age",
        Thing::Remembered(name) => name,
    }
}

fn amount_words(amount: Amount) -> String {
    const HOUR: u64 = 60;
    const DAY: u64 = 24 * HOUR;
    let counted = |count: u64, unit: &str| format!("{count} {unit}{}", if count == 1 { "" } else { "s" });
    match amount {
        Amount::Minutes(minutes) => {
            let units = [
                (365 * DAY, "year"),
                (30 * DAY, "month"),
                (7 * DAY, "week"),
                (DAY, "day"),
                (HOUR, "hour"),
            ];
            units
                .into_iter()
                .find(|(length, _)| minutes >= *length && minutes % length == 0)
                .map_or_else(
                    || counted(minutes, "minute"),
                    |(length, unit)| counted(minutes / length, unit),
                )
        }
        Amount::Clock(time) => clock(time),
        Amount::Number(number) => number.to_string(),
    }
}

fn clock(time: jiff::civil::Time) -> String {
    let (hour, minute) = (time.hour(), time.minute());
    let twelve = if hour % 12 == 0 { 12 } else { hour % 12 };
    match (hour, minute) {
        (0, 0) => "midnight".to_owned(),
        (12, 0) => "noon".to_owned(),
        (_, 0) => format!("{twelve} {}", if hour < 12 { "am" } else { "pm" }),
        _ => format!("{twelve}:{minute:02} {}", if hour < 12 { "am" } else { "pm" }),
    }
}

/// `10 am on the next business day`.
pub(super) fn promise(promise: Promise) -> String {
    let time = clock(promise.time);
    match promise.day {
        Day::Today => format!("{time} today"),
        Day::Next => format!("the next {time}"),
        Day::Tomorrow => format!("{time} tomorrow"),
        Day::BusinessDays(1) => format!("{time} on the next business day"),
        Day::BusinessDays(days) => format!("{time} in {} business days", count(u32::from(days))),
    }
}

/// `25 seconds`, `2 minutes`, `1 hour`.
pub(super) fn time(time: Duration) -> String {
    let seconds = time.as_secs();
    let (count, unit) = match seconds {
        0..60 => (seconds, "second"),
        _ if seconds.is_multiple_of(3600) => (seconds / 3600, "hour"),
        _ if seconds.is_multiple_of(60) => (seconds / 60, "minute"),
        _ => (seconds, "second"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// `two`, up to ten.
pub(super) fn count(number: u32) -> String {
    const WORDS: [&str; 11] = [
        "none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    ];
    usize::try_from(number)
        .ok()
        .and_then(|number| WORDS.get(number))
        .map_or_else(|| number.to_string(), |word| (*word).to_owned())
}

/// `once`, `twice`, `three times`.
pub(super) fn times(number: u32) -> String {
    match number {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        more => format!("{} times", count(more)),
    }
}

/// `a callback number, the patient's name …`, by the names of the field library.
pub(super) fn fields(fields: &[Field]) -> String {
    fields.iter().map(|field| field.name()).collect::<Vec<_>>().join(", ")
}

/// The keys a patient is found by.
pub(super) fn patient_keys(keys: &[PatientKey]) -> String {
    let name = |key: &PatientKey| match key {
        PatientKey::CallerNumber => "caller number",
        PatientKey::DateOfBirth => "date of birth",
        PatientKey::MedicalRecordNumber => "medical record number",
    };
    keys.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// What may be done with an appointment.
pub(super) fn appointments(wanted: &[Appointment]) -> String {
    let name = |wanted: &Appointment| match wanted {
        Appointment::Book => "book",
        Appointment::Move => "move",
        Appointment::Cancel => "cancel",
    };
    wanted.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// Who a ladder rings, in order: `the primary on call, twice, 2 minutes apart, 25 seconds each; then …`.
pub(super) fn ladder(practice: &Practice, name: &str) -> String {
    let Some(ladder) = practice.ladders.get(name) else {
        return name.to_owned();
    };
    let rungs: Vec<String> = ladder
        .rungs
        .iter()
        .map(|rung| {
            let who = if practice.people.contains_key(&rung.call) {
                rung.call.clone()
            } else {
                format!("whoever is {} on call", rung.call)
            };
            let apart = match rung.tries {
                0 | 1 => String::new(),
                _ if rung.apart.is_zero() => ", at once again".to_owned(),
                _ => format!(", {} apart", time(rung.apart)),
            };
            format!(
                "{who} ({}, {} each{apart})",
                times(u32::from(rung.tries)),
                time(rung.ring_for)
            )
        })
        .collect();
    let after = ladder.keep_paging.map_or_else(String::new, |keep| {
        format!("; then paging every {} for {}", time(keep.every), time(keep.lasting))
    });
    format!("{}{after}", rungs.join(", then "))
}

/// Who is told of what waits in an inbox, or whom a ladder rings.
pub(super) fn target(practice: &Practice, target: &Target) -> String {
    match target {
        Target::Ladder(name) => format!("{name}: {}", ladder(practice, name)),
        Target::Inbox(name) => {
            let Some(inbox) = practice.inboxes.get(name) else {
                return name.clone();
            };
            let then = match (&inbox.then_tell, inbox.if_unclaimed_after) {
                (Some(next), Some(after)) => format!("; {next} if nobody has claimed it after {}", time(after)),
                _ => String::new(),
            };
            format!("{name}: {} is told{then}", inbox.tell)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_and_times_are_said_as_they_are_written() {
        assert_eq!(amount_words(Amount::Minutes(90 * 24 * 60)), "3 months");
        assert_eq!(amount_words(Amount::Minutes(2 * 365 * 24 * 60)), "2 years");
        assert_eq!(amount_words(Amount::Minutes(72 * 60)), "3 days");
        assert_eq!(amount_words(Amount::Minutes(90)), "90 minutes");
        assert_eq!(time(Duration::from_secs(25)), "25 seconds");
        assert_eq!(time(Duration::from_secs(120)), "2 minutes");
        assert_eq!(time(Duration::from_secs(3600)), "1 hour");
        assert_eq!(heading("call 911"), "Call 911");
        let spoken = "5 pm in two business days";
        assert_eq!(Promise::parse(spoken).map(promise), Ok(spoken.to_owned()));
        let spoken = "the next 9 am";
        assert_eq!(Promise::parse(spoken).map(promise), Ok(spoken.to_owned()));
        let spoken = "noon on the next business day";
        assert_eq!(Promise::parse(spoken).map(promise), Ok(spoken.to_owned()));
    }
}
